//! `rtl/coverage-gaps.md`: what the tests do not reach, and why.

use anyhow::{Context, Result, ensure};

use super::points::{Kind, Point};

/// A row of the table: points that need not be reached.
#[derive(Debug)]
pub(super) struct Gap {
    pub(super) module: String,
    pub(super) kind: Kind,
    /// Of a line, the source line as it stands there; of a toggle, the signal. `*` stands for any text.
    pub(super) pattern: String,
    /// Points that it stands for.
    pub(super) uses: u64,
}

/// The rows of the table `| module | line or toggle | pattern | reason |`.
pub(super) fn parse(text: &str) -> Result<Vec<Gap>> {
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let mut gaps = Vec::new();
    for row in rows.filter(|row| !row.starts_with("| module ")) {
        gaps.push(gap(row).with_context(|| format!("in the row {row:?}"))?);
    }
    Ok(gaps)
}

fn gap(row: &str) -> Result<Gap> {
    let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
    let [module, kind, pattern, reason] = cells[..] else {
        anyhow::bail!("it has {} cells, not 4", cells.len());
    };
    ensure!(!reason.is_empty(), "it gives no reason");
    let kind = Kind::ALL.into_iter().find(|known| known.name() == kind);
    Ok(Gap {
        module: module.trim_matches('`').to_owned(),
        kind: kind.context("its kind is neither line nor toggle")?,
        pattern: pattern.trim_matches('`').to_owned(),
        uses: 0,
    })
}

impl Gap {
    /// Does it stand for the point? `source` is the line of the source.
    pub(super) fn covers(&self, point: &Point, source: &str) -> bool {
        let text = match point.kind {
            Kind::Line => source.trim(),
            Kind::Toggle => point.signal(),
        };
        self.kind == point.kind
            && (self.module == "*" || self.module == point.module)
            && matches(&self.pattern, text)
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
    use super::*;

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
    fn a_row_needs_its_reason() {
        let table = "# Gaps\n| module | kind | what | why |\n|---|---|---|---|\n";
        let rows = parse(&format!(
            "{table}| `m` | toggle | `*_tuser` | parity is not used |\n"
        ));
        let rows = rows.expect("a table");
        assert_eq!((rows.len(), rows[0].pattern.as_str()), (1, "*_tuser"));
        assert!(parse(&format!("{table}| `m` | toggle | `x` |  |\n")).is_err());
        assert!(parse(&format!("{table}| `m` | colour | `x` | red |\n")).is_err());
    }
}
