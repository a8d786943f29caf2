//! `rtl/coverage-gaps.md`: which registers are copies of one, and what cannot be reached, and why.
//!
//! Two kinds of rows, told apart by their number of cells:
//! `| module | declared range | bits a copy | what the copies are |` and
//! `| module | kind | pattern | bits | reason |`.

use anyhow::{Context, Result, bail, ensure};

use super::declarations::Sources;
use super::points::{Counts, Kind, Point, sum};

/// Vectors of copies: a bit counts once, whichever copy it has toggled in.
#[derive(Debug)]
pub(super) struct Copies {
    module: String,
    /// The range that the vectors are declared with, without spaces.
    range: String,
    bits: u32,
}

/// Points that cannot be reached.
#[derive(Debug)]
pub(super) struct Gap {
    module: String,
    kind: Kind,
    /// Of toggles: only those that rise (`Some(true)`), or that fall.
    rises: Option<bool>,
    /// Of a line, the source line as it stands there; of a toggle, the signal (a row may have several,
    /// separated by commas). `*` stands for any text.
    pattern: String,
    /// Of a toggle: first and last bits of ranges; none are all.
    bits: Vec<(u32, u32)>,
}

/// The file.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) copies: Vec<Copies>,
    pub(super) gaps: Vec<Gap>,
}

impl Table {
    /// Reads the rows of the file's tables.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut table = Self::default();
        let rows = text.lines().filter(|line| line.starts_with("| "));
        for row in rows.filter(|row| !row.starts_with("| module ")) {
            table
                .add(row)
                .with_context(|| format!("in the row {row:?}"))?;
        }
        Ok(table)
    }

    fn add(&mut self, row: &str) -> Result<()> {
        let cells: Vec<&str> = row
            .trim()
            .trim_matches('|')
            .split(" | ")
            .map(|cell| cell.trim().trim_matches('`'))
            .collect();
        ensure!(
            cells.iter().all(|cell| !cell.is_empty()),
            "a cell is empty: every row has its reason"
        );
        match cells[..] {
            [module, range, bits, _] => self.copies.push(Copies {
                module: module.to_owned(),
                range: range.replace(' ', ""),
                bits: bits.parse().ok().filter(|bits| *bits > 0).context("bits")?,
            }),
            [module, kind, pattern, bits, _] => {
                let (kind, rises) = match kind {
                    "line" => (Kind::Line, None),
                    "toggle" => (Kind::Toggle, None),
                    "rise" => (Kind::Toggle, Some(true)),
                    "fall" => (Kind::Toggle, Some(false)),
                    _ => bail!("its kind is neither line, toggle, rise nor fall"),
                };
                // A source line may have commas of its own.
                let separator = if kind == Kind::Line { "\n" } else { "," };
                for pattern in pattern.split(separator) {
                    self.gaps.push(Gap {
                        module: module.to_owned(),
                        kind,
                        rises,
                        pattern: pattern.trim().to_owned(),
                        bits: ranges(bits)?,
                    });
                }
            }
            _ => bail!("it has {} cells, not 4 or 5", cells.len()),
        }
        Ok(())
    }

    /// The points with the copies of a register as one, and what is wrong with the rows.
    pub(super) fn fold(
        &self,
        counts: &Counts,
        sources: &mut Sources<impl Fn(&str) -> Result<String>>,
    ) -> Result<(Counts, Vec<String>)> {
        let mut folded = Counts::new();
        let mut used = vec![false; self.copies.len()];
        let mut last = (String::new(), 0, String::new());
        for (point, count) in counts {
            let mut point = point.clone();
            if point.kind == Kind::Toggle {
                if (&last.0, last.1) != (&point.module, point.line) {
                    let range = sources.range(&point.module, point.line)?;
                    last = (point.module.clone(), point.line, range);
                }
                // The rows of a memory are copies, too; those of single bits look like a vector.
                point.row.clear();
                if last.2.is_empty() {
                    point.bit = 0;
                }
                let is_it = |copies: &Copies| {
                    copies.range == last.2 && matches(&copies.module, &point.module)
                };
                if let Some(index) = self.copies.iter().position(is_it) {
                    used[index] |= point.bit >= self.copies[index].bits;
                    point.bit %= self.copies[index].bits;
                }
            }
            sum(&mut folded, point, *count);
        }
        let stale = self.copies.iter().zip(used).filter(|(_, used)| !used);
        let stale = stale.map(|(copies, _)| {
            let Copies {
                module,
                range,
                bits,
            } = copies;
            format!("{module} [{range}]: no vector of several copies of {bits} bits")
        });
        let stale = stale.collect();
        Ok((folded, stale))
    }
}

/// `63:40,7` or `all`; `-` of a line.
fn ranges(text: &str) -> Result<Vec<(u32, u32)>> {
    if text == "all" || text == "-" {
        return Ok(Vec::new());
    }
    let range = |part: &str| {
        let (high, low) = part.split_once(':').unwrap_or((part, part));
        let (high, low) = (high.trim().parse()?, low.trim().parse()?);
        ensure!(low <= high, "{part}: the higher bit comes first");
        Ok((low, high))
    };
    text.split(',')
        .map(|part| range(part).with_context(|| format!("bits {text:?}")))
        .collect()
}

impl Gap {
    /// Does it stand for the point? `source` is the line of the source.
    pub(super) fn covers(&self, point: &Point, source: &str) -> bool {
        let text = match point.kind {
            Kind::Line => source.trim(),
            Kind::Toggle => &point.what,
        };
        let within = |&(low, high): &(u32, u32)| (low..=high).contains(&point.bit);
        self.kind == point.kind
            && matches(&self.module, &point.module)
            && self.rises.is_none_or(|rises| rises == point.rises)
            && (self.bits.is_empty() || self.bits.iter().any(within))
            && matches(&self.pattern, text)
    }

    /// What it stands for, for a message.
    pub(super) fn shown(&self) -> String {
        format!("{} {} {}", self.module, self.kind.name(), self.pattern)
    }
}

/// Does a text match a pattern in which `*` stands for any text?
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    text.strip_prefix(head).is_some_and(|tail| {
        let mut starts = tail.char_indices().map(|(at, _)| at).chain([tail.len()]);
        starts.any(|at| matches(rest, &tail[at..]))
    })
}

#[cfg(test)]
mod tests {
    use super::super::points::{add, tests::point};
    use super::*;

    fn counts(points: &[(&str, u32)]) -> Counts {
        let mut data = "# SystemC::Coverage-3\n".to_owned();
        for (what, count) in points {
            data += &point("/x/rtl/m.v", "toggle", what, *count);
        }
        let mut counts = Counts::new();
        add(&mut counts, &data).expect("well-formed");
        counts
    }

    #[test]
    fn patterns() {
        for (pattern, text) in [
            ("a", "a"),
            ("*", ""),
            ("a*", "abc"),
            ("*_user", "x_user"),
            ("a*c*", "abcd"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "ab"), ("a*c", "ab"), ("*b", "bc")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn rows_are_read_and_need_their_reason() {
        let table = "# Gaps\n| module | kind | what | bits | why |\n|---|---|---|---|---|\n";
        let rows = Table::parse(&format!(
            "{table}| `m` | toggle | `*_tuser, b` | 63:8,0 | parity is not used |\n| m | a | 4 | a function's |\n"
        ));
        let rows = rows.expect("a table");
        assert_eq!((rows.gaps.len(), rows.copies.len()), (2, 1));
        assert_eq!(rows.gaps[0].bits, [(8, 63), (0, 0)]);
        for wrong in [
            "| m | toggle | x | all |  |",
            "| m | colour | x | all | red |",
            "| m | toggle | x | 3:4 | r |",
            "| m | toggle | x | y | r |",
            "| m | x | 0 | copies |",
            "| m | x |",
        ] {
            assert!(
                Table::parse(&format!("{table}{wrong}\n")).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn copies_and_rows_of_a_memory_count_once() {
        let counts = counts(&[
            ("a[1]:0->1", 0),
            ("a[5]:0->1", 2),
            ("m[0][1]:0->1", 1),
            ("m[3][1]:0->1", 1),
        ]);
        let fold = |table: &str, declaration: &str| {
            let source = "\n".repeat(7) + declaration;
            let table = Table::parse(table).expect("a table");
            let mut sources = Sources::new(|_| Ok(source.clone()));
            let (folded, stale) = table.fold(&counts, &mut sources).expect("its source");
            let found: Vec<_> = folded
                .iter()
                .map(|(p, n)| (p.what.clone(), p.bit, *n))
                .collect();
            (found, stale.len())
        };
        let (a, m) = (|bit, n| ("a".to_owned(), bit, n), ("m".to_owned(), 1, 2));
        let vectors = "| * | N*4-1:0 | 4 | a function's |\n| m | B-1:0 | 2 | of nothing |\n";
        let (found, stale) = fold(vectors, "wire [N * 4 - 1:0] a, m;");
        assert_eq!((found, stale), (vec![a(1, 2), m.clone()], 1));
        let (found, stale) = fold("", "wire [N * 4 - 1:0] a, m;");
        assert_eq!((found, stale), (vec![a(1, 0), a(5, 2), m], 0));
        // Rows of single bits.
        let (found, _) = fold("", "reg a[0:7];");
        assert_eq!(found[0], a(0, 2));
    }

    #[test]
    fn a_row_covers_its_bits_and_way_only() {
        let table = Table::parse("| m | fall | a | 5:4 | counts up |\n").expect("a table");
        let covered: Vec<_> = counts(&[
            ("a[3]:1->0", 0),
            ("a[4]:1->0", 0),
            ("a[4]:0->1", 0),
            ("b[4]:1->0", 0),
        ])
        .into_keys()
        .filter(|point| table.gaps[0].covers(point, ""))
        .map(|point| (point.what.clone(), point.bit, point.rises))
        .collect();
        assert_eq!(covered, [("a".to_owned(), 4, false)]);
    }
}
