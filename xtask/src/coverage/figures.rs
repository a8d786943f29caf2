//! Figures of what was counted, raw, folded, and without what cannot be reached.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result};

use super::declarations::Sources;
use super::gaps::Table;
use super::points::{Counts, Kind, Point};
use crate::step::root;

/// Reached and all, of a kind.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(super) struct Share {
    pub(super) reached: u64,
    pub(super) all: u64,
}

impl Share {
    pub(super) fn of<'a>(counts: impl Iterator<Item = (&'a Point, &'a u64)>, kind: Kind) -> Self {
        let mut share = Self::default();
        for (_, count) in counts.filter(|(point, _)| point.kind == kind) {
            share.all += 1;
            share.reached += u64::from(*count > 0);
        }
        share
    }

    pub(super) fn value(self) -> f64 {
        self.reached as f64 / self.all.max(1) as f64
    }

    pub(super) fn shown(self) -> String {
        let Self { reached, all } = self;
        format!("{:.1} % ({reached} of {all})", 100.0 * self.value())
    }
}

/// What was counted, and what the file of gaps makes of it.
pub(super) struct Figures {
    /// By kind: every row of a memory, and every copy of a register, for itself.
    pub(super) raw: [Share; 2],
    /// Copies as one.
    pub(super) folded: Counts,
    /// Of `folded`, what has no row.
    pub(super) left: Counts,
    /// Rows that match nothing, or what is reached.
    pub(super) stale: Vec<String>,
}

impl Figures {
    /// `source` gives the text of a module's file.
    pub(super) fn new(
        counts: &Counts,
        table: &Table,
        source: impl Fn(&str) -> Result<String>,
    ) -> Result<Self> {
        let raw = Kind::ALL.map(|kind| Share::of(counts.iter(), kind));
        let mut sources = Sources::new(source);
        let (folded, mut stale) = table.fold(counts, &mut sources)?;
        let mut left = Counts::new();
        // By row: points that it stands for, and one of them that is reached.
        let mut uses = vec![(0_u64, None::<Point>); table.gaps.len()];
        for (point, count) in &folded {
            let line = match point.kind {
                Kind::Line => sources.line(&point.module, point.line)?,
                Kind::Toggle => "",
            };
            let mut is_left = true;
            for (gap, (points, reached)) in table.gaps.iter().zip(&mut uses) {
                if gap.covers(point, line) {
                    *points += 1;
                    is_left = false;
                    if *count > 0 && reached.is_none() {
                        *reached = Some(point.clone());
                    }
                }
            }
            if is_left {
                left.insert(point.clone(), *count);
            }
        }
        for (gap, (points, reached)) in table.gaps.iter().zip(uses) {
            let shown = gap.shown();
            match reached {
                _ if points == 0 => stale.push(format!("{shown}: there is nothing like it")),
                Some(point) => stale.push(format!(
                    "{shown}: bit {} of {} (line {}) is reached",
                    point.bit, point.what, point.line
                )),
                None => {}
            }
        }
        Ok(Self {
            raw,
            folded,
            left,
            stale,
        })
    }

    /// What is not reached and has no row, worst modules first: a line for each place, with the bits of a
    /// signal.
    pub(super) fn open(&self, source: impl Fn(&str) -> Result<String>) -> Result<String> {
        type Place<'a> = (Kind, u32, &'a str);
        let mut sources = Sources::new(source);
        let mut modules: BTreeMap<&str, BTreeMap<Place<'_>, [Vec<u32>; 2]>> = BTreeMap::new();
        for (point, _) in self.left.iter().filter(|(_, count)| **count == 0) {
            let places = modules.entry(&point.module).or_default();
            let place = places.entry((point.kind, point.line, &point.what));
            place.or_default()[usize::from(point.rises)].push(point.bit);
        }
        let points = |places: &BTreeMap<_, [Vec<u32>; 2]>| -> usize {
            places.values().flatten().map(Vec::len).sum()
        };
        let mut modules: Vec<_> = modules.into_iter().collect();
        modules.sort_by_key(|(_, places)| std::cmp::Reverse(points(places)));
        let mut text = String::new();
        for (module, places) in modules {
            writeln!(text, "{module}: {} points", points(&places))?;
            for ((kind, line, what), [fall, rise]) in places {
                match kind {
                    Kind::Line => {
                        let source = sources.line(module, line)?;
                        writeln!(text, "  rtl/{module}.v:{line}: {what}: {}", source.trim())?;
                    }
                    Kind::Toggle => writeln!(
                        text,
                        "  rtl/{module}.v:{line}: {what}: rise {}, fall {}",
                        bits(&rise),
                        bits(&fall)
                    )?,
                }
            }
        }
        Ok(text)
    }
}

/// `63:8,0`; bits in order.
fn bits(bits: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &bit in bits {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 >= bit => *last = bit,
            _ => ranges.push((bit, bit)),
        }
    }
    let shown = |&(low, high): &(u32, u32)| match low == high {
        true => low.to_string(),
        false => format!("{high}:{low}"),
    };
    let shown: Vec<String> = ranges.iter().rev().map(shown).collect();
    if shown.is_empty() {
        "none".to_owned()
    } else {
        shown.join(",")
    }
}

/// The text of `rtl/<module>.v`.
pub(super) fn rtl_source(module: &str) -> Result<String> {
    let path = root().join("rtl").join(format!("{module}.v"));
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::super::points::{add, tests::point};
    use super::*;

    fn figures(table: &str) -> Figures {
        let mut data = "# SystemC::Coverage-3\n".to_owned();
        for (page, what, count) in [
            ("toggle", "a[1]:0->1", 0),
            ("toggle", "a[1]:1->0", 0),
            ("toggle", "a[0]:0->1", 7),
            ("toggle", "a[0]:1->0", 0),
            ("branch", "else", 0),
        ] {
            data += &point("/x/rtl/m.v", page, what, count);
        }
        let mut counts = Counts::new();
        add(&mut counts, &data).expect("well-formed");
        let table = Table::parse(table).expect("a table");
        Figures::new(&counts, &table, |_| {
            Ok("wire [7:0] a;\n".repeat(7) + "if (x)\n")
        })
        .expect("its source")
    }

    #[test]
    fn rows_take_out_what_is_not_reached() {
        let found = figures("| m | toggle | a | 1 | never |\n| m | line | if (x) | - | never |\n");
        assert_eq!(found.stale, [""; 0]);
        let [lines, toggles] = Kind::ALL.map(|kind| Share::of(found.left.iter(), kind));
        assert_eq!((lines.all, toggles.reached, toggles.all), (0, 1, 2));
        let open = found.open(|_| Ok(String::new())).expect("its source");
        assert!(open.contains("a: rise none, fall 0"), "{open}");
    }

    #[test]
    fn rows_for_what_is_reached_or_not_there_are_stale() {
        assert_eq!(figures("| m | toggle | a | all | never |\n").stale.len(), 1);
        assert_eq!(figures("| m | fall | a | all | never |\n").stale.len(), 0);
        assert_eq!(figures("| m | toggle | b | all | never |\n").stale.len(), 1);
        assert_eq!(figures("| m | line | if (y) | - | no |\n").stale.len(), 1);
    }

    #[test]
    fn bits_are_shown_as_ranges() {
        assert_eq!(bits(&[0, 1, 2, 5, 8, 9]), "9:8,5,2:0");
        assert_eq!(bits(&[]), "none");
    }
}
