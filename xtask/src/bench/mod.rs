//! `cargo xtask bench`: every figure the project promises, and the command behind it.
//!
//! Each row is measured by a command that anybody can run alone: `rdstore …` for what the command
//! line can show, `rdstore-bench …` for what needs the libraries. A row fails when its "must" is
//! missed or its command fails.

mod libraries;
mod perf;
pub(crate) mod program;
mod rtl;
mod twins;
mod ycsb;

use anyhow::Result;

use crate::report::{Report, Row};
use crate::step::{cargo, run as step};
use crate::verilog;

/// The programs that measure, as a release build; with the Verilog in them once it can be built.
fn build() -> Result<Row> {
    let mut build = cargo(&[
        "build",
        "--release",
        "--quiet",
        "-p",
        "rdstore-cli",
        "-p",
        "rdstore-bench",
    ]);
    if verilog::is_set_up() {
        build.args(["-p", "nvme-twin"]);
        build.args(["--features", "rdstore-bench/rtl,nvme-twin/verilator"]);
    }
    step("build", build)
}

/// What the Verilog must reach.
pub(crate) fn run_rtl(smoke: bool) -> Result<Report> {
    if !verilog::is_set_up() {
        anyhow::bail!("the Verilog's tools are missing: run `cargo xtask setup`");
    }
    let built = build()?;
    let mut report = Report { rows: vec![built] };
    if report.failed() == 0 {
        report.rows.extend(rtl::rows(smoke)?);
    }
    Ok(report)
}

pub(crate) fn run(only: Option<&str>, smoke: bool) -> Result<Report> {
    let mut report = Report::default();
    let build = build()?;
    let built = build.failed == 0;
    report.rows.push(build);
    if !built {
        return Ok(report);
    }
    let wanted = |group: &str| only.is_none_or(|only| group.contains(only));
    if wanted("perf") {
        report.rows.extend(perf::device_table(&[]));
    }
    if wanted("grid") {
        report.rows.extend(perf::grid(smoke)?);
    }
    for group in libraries::GROUPS {
        if wanted(group) {
            report.rows.extend(libraries::run(group, &[], smoke)?);
        }
    }
    if wanted("ycsb") {
        report.rows.extend(ycsb::run(smoke)?);
    }
    Ok(report)
}
