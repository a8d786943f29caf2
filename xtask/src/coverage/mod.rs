//! `cargo xtask coverage`: how much of `rtl/` the tests on the Verilog reach, and what they do not.

mod declarations;
mod figures;
mod fresh;
mod gaps;
mod parts;
mod points;
mod programs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::report::Row;
use crate::step::{root, run as step};
use crate::verilog;

use figures::{Figures, Share};
pub(crate) use fresh::is_fresh;
use gaps::Table;
use parts::Part;
use points::{Counts, Kind};

/// Shares of the points that must be reached.
const MUST: [(Kind, f64); 2] = [(Kind::Line, 0.95), (Kind::Toggle, 0.85)];
/// What cannot be reached, and why.
const GAPS: &str = "rtl/coverage-gaps.md";
/// Where the data are, the merged data and the annotated source.
const FOLDER: &str = "target/coverage";
/// In there: a folder for each part.
const PARTS: &str = "parts";
const MERGED: &str = "merged.dat";

/// What to count before it is judged.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Options {
    /// Judge what was counted last, without running anything
    #[arg(long, conflicts_with_all = ["only", "again"])]
    last_run: bool,
    /// Count only the parts whose name contains this text, and judge what there is; a text that no part
    /// has lists them all
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Count anew, too, what an earlier run of the same programs has counted
    #[arg(long)]
    again: bool,
}

impl Options {
    /// Of another command: count what has to be, or judge only.
    pub(crate) fn of_bench(last_run: bool) -> Self {
        Self {
            last_run,
            ..Self::default()
        }
    }
}

/// Runs tests and mixes on a Verilog that counts, or takes what was counted last, and judges it.
pub(crate) fn run(options: &Options) -> Result<Vec<Row>> {
    ensure!(
        verilog::is_set_up(),
        "the Verilog's tools are missing: run `cargo xtask setup`"
    );
    let folder = root().join(FOLDER);
    let mut rows = Vec::new();
    if !options.last_run {
        rows.extend(count(options, &folder)?);
    }
    let merged = folder.join(MERGED);
    let data = fs::read_to_string(&merged).with_context(|| {
        format!(
            "{}: nothing was counted yet, run without --last-run",
            merged.display()
        )
    })?;
    let mut counts = Counts::new();
    points::add(&mut counts, &data)?;
    ensure!(!counts.is_empty(), "the tests have counted nothing");
    rows.extend(judge(&counts, &folder)?);
    Ok(rows)
}

/// Counts what has to be, and puts all that is there into one file.
fn count(options: &Options, folder: &Path) -> Result<Vec<Row>> {
    let start = Instant::now();
    let of_parts = folder.join(PARTS);
    fs::create_dir_all(&of_parts).with_context(|| of_parts.display().to_string())?;
    let parts = parts::parts(&programs::build()?, &of_parts)?;
    parts::remove_others(&of_parts, &parts)?;
    let is_chosen = |part: &Part| {
        let only = options.only.as_deref();
        only.is_none_or(|only| part.name.contains(only))
    };
    if !parts.iter().any(is_chosen) {
        let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
        bail!(
            "--only {}: no part is called so; there are {}",
            options.only.as_deref().unwrap_or_default(),
            names.join(", ")
        );
    }
    let mut to_run = Vec::new();
    let (mut passed, mut before) = (0, 0);
    for part in &parts {
        match part.counted()? {
            Some(cases) if !(options.again && is_chosen(part)) => {
                passed += cases;
                before += 1;
            }
            _ if is_chosen(part) => to_run.push(part),
            _ => {}
        }
    }
    let ran = parts::run(&to_run)?;
    let mut data = Vec::new();
    let mut whole = 0;
    for part in &parts {
        if part.counted()?.is_some() {
            whole += 1;
            data.extend(part.data()?);
        }
    }
    let is_whole = whole == parts.len();
    let mut rows = vec![Row {
        passed: passed + ran.0,
        failed: ran.1 + u64::from(ran.1 == 0 && !is_whole),
        wall_s: start.elapsed().as_secs_f64(),
        ..row(
            "parts that are counted".to_owned(),
            is_whole,
            format!("{whole} of {}, {before} by an earlier run", parts.len()),
            None,
            "all".to_owned(),
        )
    }];
    rows.extend(merge(folder, &data)?);
    Ok(rows)
}

/// One file of all, and for people the source with the counts at its lines, by Debian's tool.
fn merge(folder: &Path, data: &[PathBuf]) -> Result<Vec<Row>> {
    let mut tool = Command::new("verilator_coverage");
    tool.arg("--write").arg(folder.join(MERGED)).args(data);
    tool.current_dir(root());
    let mut merging = step("merging", tool)?;
    merging.command =
        format!("verilator_coverage --write {FOLDER}/{MERGED} {FOLDER}/{PARTS}/*/*.dat");
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
