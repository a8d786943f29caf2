//! The rows of the twin check: `nvme-twin` judges the results, its figures are judged here.

use anyhow::{Context, Result};
use serde_json::Value;

use super::program::{number, row, run, shown};
use crate::report::Row;

/// How far a class's median and its worst may be apart, as a share; what they are of, `sim/twin/README.md` says.
const MEDIAN: f64 = 0.01;
const WORST: f64 = 0.03;

/// Mismatches of so many seeds, and for each class of commands how far its latencies are apart.
pub(crate) fn rows(seeds: &str) -> Result<Vec<Row>> {
    let arguments = ["--json", "--seeds", seeds];
    let ran = run("nvme-twin", &arguments)?;
    let command = shown("nvme-twin", &arguments);
    let mismatches = number(&ran.json, "/mismatches")?;
    let commands = number(&ran.json, "/commands")?;
    let overlaps = number(&ran.json, "/overlaps")?;
    let mut rows = vec![row(
        format!("twin check, {seeds} seeds: mismatches"),
        mismatches == 0.0,
        Some(mismatches),
        format!("{mismatches} in {commands} commands, {overlaps} overlaps"),
        "= 0".to_owned(),
        command.clone(),
        ran.wall_s,
    )];
    let classes = ran.json.pointer("/classes").and_then(Value::as_array);
    for class in classes.context("the output has no list of classes")? {
        let name = class["class"].as_str().unwrap_or_default();
        let of_class = |path| number(class, path);
        let median = of_class("/latency_error_median")?;
        let worst = of_class("/latency_error_worst")?;
        rows.push(row(
            format!("twin check, latency of {name}"),
            median <= MEDIAN && worst <= WORST,
            Some(worst),
            format!(
                "median {:.2} %, worst {:.2} %; commands: worst {:.2} %, {} of {} exact",
                100.0 * median,
                100.0 * worst,
                100.0 * of_class("/error_worst")?,
                of_class("/exact")?,
                of_class("/commands")?
            ),
            format!("≤ {:.0} %, {:.0} %", 100.0 * MEDIAN, 100.0 * WORST),
            command.clone(),
            0.0,
        ));
    }
    Ok(rows)
}
