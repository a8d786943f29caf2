//! `cargo xtask bench`: every figure the project promises, and the command behind it.
//!
//! Each row is measured by a command that anybody can run alone: `rdstore …` for what the command
//! line can show, `rdstore-bench …` for what needs the libraries. A row fails when its "must" is
//! missed or its command fails.

mod libraries;
mod perf;
mod program;
mod ycsb;

use anyhow::Result;

use crate::report::Report;
use crate::step::{cargo, run as step};

pub(crate) fn run(only: Option<&str>, smoke: bool) -> Result<Report> {
    let mut report = Report::default();
    let build = step(
        "build",
        cargo(&[
            "build",
            "--release",
            "--quiet",
            "-p",
            "rdstore-cli",
            "-p",
            "rdstore-bench",
        ]),
    )?;
    let built = build.failed == 0;
    report.rows.push(build);
    if !built {
        return Ok(report);
    }
    let wanted = |group: &str| only.is_none_or(|only| group.contains(only));
    if wanted("perf") {
        report.rows.extend(perf::device_table()?);
    }
    if wanted("grid") {
        report.rows.extend(perf::grid(smoke)?);
    }
    for group in libraries::GROUPS {
        if wanted(group) {
            report.rows.extend(libraries::run(group, smoke)?);
        }
    }
    if wanted("ycsb") {
        report.rows.extend(ycsb::run(smoke)?);
    }
    Ok(report)
}
