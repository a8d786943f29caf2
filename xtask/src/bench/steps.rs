//! The steps of a bench: each runs alone, and none stops the others.

use anyhow::{Result, bail};

use super::build;
use super::program::row;
use crate::report::{Report, Row};

/// A part of a bench's table.
pub(crate) struct Step {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    /// It runs programs that have to be built first.
    pub(crate) runs_programs: bool,
    /// Its rows; `true` for a look: a tenth of the work, or less.
    pub(crate) rows: fn(bool) -> Result<Vec<Row>>,
}

/// A step that runs programs.
pub(crate) const fn step(name: &'static str, rows: fn(bool) -> Result<Vec<Row>>) -> Step {
    Step {
        name,
        runs_programs: true,
        rows,
    }
}

/// The table of `command`, or of the steps whose name contains a text. A step that fails has a row that
/// says so, and those behind it run all the same.
///
/// # Errors
/// No step has such a name.
pub(crate) fn run(
    steps: &[Step],
    command: &str,
    only: Option<&str>,
    smoke: bool,
) -> Result<Report> {
    let wanted = |step: &&Step| only.is_none_or(|only| step.name.contains(only));
    let chosen: Vec<&Step> = steps.iter().filter(wanted).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = steps.iter().map(|step| step.name).collect();
        bail!(
            "--only {}: no step is called so; there are {}",
            only.unwrap_or_default(),
            names.join(", ")
        );
    }
    let mut report = Report::default();
    if chosen.iter().any(|step| step.runs_programs) {
        report.rows.push(build()?);
        if report.failed() > 0 {
            return Ok(report);
        }
    }
    for step in chosen {
        let rows = (step.rows)(smoke).unwrap_or_else(|error| {
            let command = format!("{command} --only {}", step.name);
            let said = format!("{error:#}");
            let name = step.name.to_owned();
            vec![row(name, false, None, said, String::new(), command, 0.0)]
        });
        // Who waits an hour for the table sees what there is of it so far.
        rows.iter().for_each(|row| eprintln!("{}", row.line()));
        report.rows.extend(rows);
    }
    Ok(report)
}
