//! `cargo xtask coverage`: how much of `rtl/` the device tests reach, and what they do not.

mod declarations;
mod figures;
mod fresh;
mod gaps;
mod points;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::report::Row;
use crate::step::{root, run as step};
use crate::verilog;

use figures::{Figures, Share};
pub(crate) use fresh::is_fresh;
use gaps::Table;
use points::{Counts, Kind};

/// Shares of the points that must be reached.
const MUST: [(Kind, f64); 2] = [(Kind::Line, 0.95), (Kind::Toggle, 0.85)];
/// What cannot be reached, and why.
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

/// A row that stands beside the figures that are judged.
fn beside(name: String, measured: String) -> Row {
    let row = row(name, true, measured, None, String::new());
    Row { passed: 0, ..row }
}

fn judge(counts: &Counts, folder: &Path) -> Result<Vec<Row>> {
    let path = root().join(GAPS);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let table = Table::parse(&text).with_context(|| GAPS.to_owned())?;
    let figures = Figures::new(counts, &table, figures::rtl_source)?;
    let mut rows = Vec::new();
    let points = figures.left.keys();
    let mut modules: Vec<&str> = points.map(|point| point.module.as_str()).collect();
    modules.dedup();
    for module in modules {
        let of_module = || {
            let points = figures.left.iter();
            points.filter(|(point, _)| point.module == module)
        };
        let [lines, toggles] = Kind::ALL.map(|kind| Share::of(of_module(), kind).shown());
        rows.push(beside(
            format!("coverage of {module}"),
            format!("lines {lines}, toggles {toggles}"),
        ));
    }
    for (raw, (kind, must)) in figures.raw.into_iter().zip(MUST) {
        let name = kind.name();
        let folded = Share::of(figures.folded.iter(), kind);
        let left = Share::of(figures.left.iter(), kind);
        rows.push(beside(format!("{name} coverage, raw"), raw.shown()));
        rows.push(beside(
            format!("{name} coverage, copies as one"),
            folded.shown(),
        ));
        rows.push(row(
            format!("{name} coverage of rtl/"),
            left.value() >= must,
            left.shown(),
            Some(left.value()),
            format!("≥ {:.0} %", 100.0 * must),
        ));
    }
    let list = folder.join("open.txt");
    let open = figures.open(figures::rtl_source)?;
    fs::write(&list, &open).with_context(|| list.display().to_string())?;
    eprintln!("what is not reached and has no row: {FOLDER}/open.txt");
    for stale in &figures.stale {
        eprintln!("{GAPS}: {stale}");
    }
    rows.push(row(
        format!("stale rows of {GAPS}"),
        figures.stale.is_empty(),
        figures.stale.len().to_string(),
        Some(figures.stale.len() as f64),
        "= 0".to_owned(),
    ));
    Ok(rows)
}
