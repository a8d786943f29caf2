//! `cargo xtask coverage`: how much of `rtl/` the device tests reach, and what they do not.

mod fresh;
mod gaps;
mod points;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::report::Row;
use crate::step::{root, run as step};
use crate::verilog;

pub(crate) use fresh::is_fresh;
use gaps::Gap;
use points::{Counts, Kind, Point};

/// Shares of the points that must be reached.
const MUST: [(Kind, f64); 2] = [(Kind::Line, 0.95), (Kind::Toggle, 0.85)];
/// What is not reached, and why.
const GAPS: &str = "rtl/coverage-gaps.md";
/// Where the data are, the merged data and the annotated source.
const FOLDER: &str = "target/coverage";
const MERGED: &str = "merged.dat";

/// Runs the device tests on a Verilog that counts, or takes what was counted last, and judges it.
pub(crate) fn run(last_run: bool) -> Result<Vec<Row>> {
    ensure!(
        verilog::is_set_up(),
        "the Verilog's tools are missing: run `cargo xtask setup`"
    );
    let folder = root().join(FOLDER);
    let mut rows = Vec::new();
    if !last_run {
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        rows.push(verilog::counted_device_tests(&folder)?);
        rows.extend(merge(&folder)?);
    }
    let merged = folder.join(MERGED);
    let data = fs::read_to_string(&merged).with_context(|| merged.display().to_string())?;
    let mut counts = Counts::new();
    points::add(&mut counts, &data)?;
    ensure!(!counts.is_empty(), "the tests have counted nothing");
    rows.extend(judge(&counts, &folder)?);
    Ok(rows)
}

/// One file of all, and for people the source with the counts at its lines, by Debian's tool.
fn merge(folder: &Path) -> Result<Vec<Row>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.sort();
    let mut tool = Command::new("verilator_coverage");
    tool.arg("--write").arg(folder.join(MERGED)).args(&files);
    tool.current_dir(root());
    let mut merging = step("merging", tool)?;
    merging.command = format!("verilator_coverage --write {FOLDER}/{MERGED} {FOLDER}/*.dat");
    let mut tool = Command::new("verilator_coverage");
    tool.arg("--annotate").arg(folder.join("annotated"));
    tool.arg(folder.join(MERGED)).current_dir(root());
    let mut annotating = step("annotating", tool)?;
    annotating.command =
        format!("verilator_coverage --annotate {FOLDER}/annotated {FOLDER}/{MERGED}");
    Ok(vec![merging, annotating])
}

/// Reached and all, of a kind.
#[derive(Clone, Copy, Default)]
struct Share {
    reached: u64,
    all: u64,
}

impl Share {
    fn of<'a>(counts: impl Iterator<Item = (&'a Point, &'a u64)>, kind: Kind) -> Self {
        let mut share = Self::default();
        for (_, count) in counts.filter(|(point, _)| point.kind == kind) {
            share.all += 1;
            share.reached += u64::from(*count > 0);
        }
        share
    }

    fn value(self) -> f64 {
        self.reached as f64 / self.all.max(1) as f64
    }

    fn shown(self) -> String {
        let Self { reached, all } = self;
        format!("{:.1} % ({reached} of {all})", 100.0 * self.value())
    }
}

fn row(name: String, holds: bool, measured: String, value: Option<f64>, must: String) -> Row {
    Row {
        name,
        passed: u64::from(holds),
        failed: u64::from(!holds),
        measured,
        value,
        must,
        command: "cargo xtask coverage".to_owned(),
        wall_s: 0.0,
    }
}

fn judge(counts: &Counts, folder: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut modules: Vec<&str> = counts.keys().map(|point| point.module.as_str()).collect();
    modules.dedup();
    for module in modules {
        let of_module = || counts.iter().filter(|(point, _)| point.module == module);
        let [lines, toggles] = Kind::ALL.map(|kind| Share::of(of_module(), kind));
        let measured = format!("lines {}, toggles {}", lines.shown(), toggles.shown());
        let shown = row(
            format!("coverage of {module}"),
            true,
            measured,
            None,
            String::new(),
        );
        // It stands beside the figures that are judged.
        rows.push(Row { passed: 0, ..shown });
    }
    for (kind, must) in MUST {
        let share = Share::of(counts.iter(), kind);
        rows.push(row(
            format!("{} coverage of rtl/", kind.name()),
            share.value() >= must,
            share.shown(),
            Some(share.value()),
            format!("≥ {:.0} %", 100.0 * must),
        ));
    }
    let path = root().join(GAPS);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut reasons = gaps::parse(&text).with_context(|| GAPS.to_owned())?;
    let unexplained = unexplained(counts, &mut reasons)?;
    let list = folder.join("unexplained.txt");
    fs::write(&list, &unexplained).with_context(|| list.display().to_string())?;
    eprint!("{unexplained}");
    let count = unexplained.lines().count();
    rows.push(row(
        format!("gaps without a reason in {GAPS}"),
        count == 0,
        count.to_string(),
        Some(count as f64),
        "= 0".to_owned(),
    ));
    let stale: Vec<_> = reasons.iter().filter(|reason| reason.uses == 0).collect();
    for reason in &stale {
        eprintln!(
            "{GAPS}: {} {} {} is no gap any more",
            reason.module,
            reason.kind.name(),
            reason.pattern
        );
    }
    rows.push(row(
        format!("reasons in {GAPS} for what is no gap"),
        stale.is_empty(),
        stale.len().to_string(),
        Some(stale.len() as f64),
        "= 0".to_owned(),
    ));
    Ok(rows)
}

/// What is not reached and has no reason: a line for each place, the bits of a signal together.
fn unexplained(counts: &Counts, reasons: &mut [Gap]) -> Result<String> {
    let mut sources: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut places: BTreeMap<(&str, Kind, u32, &str), (u32, String)> = BTreeMap::new();
    for (point, _) in counts.iter().filter(|(_, count)| **count == 0) {
        if !sources.contains_key(point.module.as_str()) {
            let path = root().join("rtl").join(format!("{}.v", point.module));
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            sources.insert(&point.module, text.lines().map(str::to_owned).collect());
        }
        let lines = &sources[point.module.as_str()];
        let source = lines
            .get(point.line as usize - 1)
            .map_or("", String::as_str);
        let reason = reasons
            .iter_mut()
            .find(|reason| reason.covers(point, source));
        if let Some(reason) = reason {
            reason.uses += 1;
            continue;
        }
        let name = match point.kind {
            Kind::Line => point.what.as_str(),
            Kind::Toggle => point.signal(),
        };
        let place = (point.module.as_str(), point.kind, point.line, name);
        let entry = places
            .entry(place)
            .or_insert_with(|| (0, source.trim().to_owned()));
        entry.0 += 1;
    }
    let mut text = String::new();
    for ((module, kind, line, name), (count, source)) in places {
        let kind = kind.name();
        writeln!(
            text,
            "rtl/{module}.v:{line}: {kind} {name}, {count} points: {source}"
        )?;
    }
    Ok(text)
}
