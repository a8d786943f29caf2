//! The points that Verilator counts, from its data files.
//!
//! A line of such a file is `C '<key>' <count>`; the key is a list of `\x01name\x02value`. Instances of a
//! module with other parameters, and the controllers of other builds, are points of their own there; here
//! they are one: what a line of `rtl/` has done anywhere, it has done.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kind {
    /// A block of statements or a branch of a condition.
    Line,
    /// A bit that rises, or falls.
    Toggle,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Line, Self::Toggle];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Toggle => "toggle",
        }
    }
}

/// A point of the source.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Point {
    /// The file's name without folder and ending: that of its module.
    pub(super) module: String,
    pub(super) kind: Kind,
    pub(super) line: u32,
    column: u32,
    /// Of a line what it is (`if`, `else`, `case` …); of a toggle the signal.
    pub(super) what: String,
    /// Of a toggle: the row of a memory, with its brackets, and the generated block; the bit; does it rise?
    pub(super) row: String,
    pub(super) bit: u32,
    pub(super) rises: bool,
}

/// Counts by point.
pub(super) type Counts = BTreeMap<Point, u64>;

/// Adds the counts of a data file; those of files that are not of the folder `rtl` are left out.
pub(super) fn add(counts: &mut Counts, data: &str) -> Result<()> {
    let mut lines = data.lines();
    let head = lines.next().unwrap_or_default();
    anyhow::ensure!(
        head.starts_with("# SystemC::Coverage-3"),
        "not coverage data of a version that is known here: {head:?}"
    );
    for line in lines {
        let entry = parse(line).with_context(|| format!("in the coverage data: {line:?}"))?;
        if let Some((point, count)) = entry {
            sum(counts, point, count);
        }
    }
    Ok(())
}

/// Adds to the count of a point.
pub(super) fn sum(counts: &mut Counts, point: Point, count: u64) {
    let sum = counts.entry(point).or_default();
    *sum = sum.saturating_add(count);
}

fn parse(line: &str) -> Result<Option<(Point, u64)>> {
    let (key, count) = line
        .strip_prefix("C '")
        .and_then(|rest| rest.rsplit_once("' "))
        .context("no point")?;
    let mut fields = BTreeMap::new();
    for field in key.split('\u{1}').filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once('\u{2}').context("a field without value")?;
        fields.insert(name, value);
    }
    let field = |name: &str| {
        fields
            .get(name)
            .copied()
            .with_context(|| format!("no {name}"))
    };
    let path = std::path::Path::new(field("f")?);
    let folder = path.parent().and_then(|folder| folder.file_name());
    if folder.is_none_or(|folder| folder != "rtl") {
        return Ok(None);
    }
    let mut point = Point {
        module: path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into(),
        kind: Kind::Line,
        line: field("l")?.parse()?,
        column: field("n")?.parse()?,
        what: field("o")?.to_owned(),
        row: String::new(),
        bit: 0,
        rises: false,
    };
    if field("t")? == "toggle" {
        point.set_toggle()?;
    }
    Ok(Some((point, count.parse()?)))
}

impl Point {
    /// Takes `memory[3][17]:0->1` apart: bit 17 of row `[3]` rises.
    fn set_toggle(&mut self) -> Result<()> {
        let what = std::mem::take(&mut self.what);
        let (name, way) = what.rsplit_once(':').context("a toggle without its way")?;
        self.kind = Kind::Toggle;
        self.rises = match way {
            "0->1" => true,
            "1->0" => false,
            _ => anyhow::bail!("a toggle that goes {way:?}"),
        };
        // Those of generated blocks are copies: `rows[3].valid[1]`.
        let (block, name) = name.rsplit_once('.').unwrap_or(("", name));
        let (signal, indices) = name.split_at(name.find('[').unwrap_or(name.len()));
        signal.clone_into(&mut self.what);
        let bit = indices.rfind('[').unwrap_or(0);
        self.row = block.to_owned() + &indices[..bit];
        if let Some(bit) = indices.get(bit + 1..indices.len().saturating_sub(1)) {
            self.bit = bit.parse().context("a bit that is no number")?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn point(file: &str, page: &str, what: &str, count: u32) -> String {
        format!(
            "C '\u{1}f\u{2}{file}\u{1}l\u{2}8\u{1}n\u{2}40\u{1}t\u{2}{page}\u{1}page\u{2}v_{page}/m__W4\u{1}o\u{2}{what}\u{1}h\u{2}TOP.m' {count}\n"
        )
    }

    #[test]
    fn instances_of_a_module_are_one() {
        let mut data = "# SystemC::Coverage-3\n".to_owned();
        data += &point("/x/rtl/m.v", "toggle", "a[3]:0->1", 2);
        data += &point("/x/rtl/m.v", "toggle", "a[3]:0->1", 3);
        data += &point("/x/rtl/m.v", "toggle", "a[3]:1->0", 0);
        data += &point("/x/rtl/m.v", "branch", "cond_then", 1);
        data += &point("/x/tests/loop_back.v", "line", "block", 1);
        let mut counts = Counts::new();
        add(&mut counts, &data).expect("well-formed");
        let found: Vec<_> = counts
            .iter()
            .map(|(p, n)| (p.kind, p.what.as_str(), p.bit, p.rises, *n))
            .collect();
        assert_eq!(
            found,
            [
                (Kind::Line, "cond_then", 0, false, 1),
                (Kind::Toggle, "a", 3, false, 0),
                (Kind::Toggle, "a", 3, true, 5)
            ]
        );
        assert!(counts.keys().all(|point| point.module == "m"));
    }

    #[test]
    fn toggles_are_taken_apart() {
        for (text, expected) in [
            ("m[3][17]:0->1", ("m", "[3]", 17, true)),
            ("m[3][4][17]:1->0", ("m", "[3][4]", 17, false)),
            ("v[17]:0->1", ("v", "", 17, true)),
            ("clk:1->0", ("clk", "", 0, false)),
            ("g[5].m[3][17]:0->1", ("m", "g[5][3]", 17, true)),
            ("g[5].v:0->1", ("v", "g[5]", 0, true)),
        ] {
            let line = point("/x/rtl/m.v", "toggle", text, 1);
            let (p, _) = parse(line.trim()).expect("well-formed").expect("of rtl");
            assert_eq!((&*p.what, &*p.row, p.bit, p.rises), expected, "{text}");
        }
        assert!(parse(point("/x/rtl/m.v", "toggle", "a[b]:0->1", 1).trim()).is_err());
        assert!(parse(point("/x/rtl/m.v", "toggle", "a[3]", 1).trim()).is_err());
    }

    #[test]
    fn what_is_no_coverage_data_is_refused() {
        let mut counts = Counts::new();
        assert!(add(&mut counts, "hello\n").is_err());
        assert!(add(&mut counts, "# SystemC::Coverage-3\nC 'x' 3\n").is_err());
    }
}
