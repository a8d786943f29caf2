//! `cargo xtask bench`: every figure the project promises, and the command behind it.
//!
//! Each row is measured by a command that anybody can run alone: `rdstore …` for what the command
//! line can show, `rdstore-bench …` for what needs the libraries. A row fails when its "must" is
//! missed or its command fails.

mod libraries;
pub(crate) mod peers;
mod perf;
pub(crate) mod program;
mod rtl;
mod speed;
mod twins;
mod verified;
mod ycsb;

use anyhow::Result;

use crate::report::{Report, Row};
use crate::step::{cargo, run as run_step};
use crate::steps::{self, Step, step};
use crate::verilog;

pub(crate) use rtl::{beside_tests as rtl_beside_tests, run as run_rtl};

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
    run_step("build", build)
}

/// The figures of the store, the driver and the cycle model.
const STEPS: &[Step] = &[
    step("perf", |_| Ok(perf::device_table(&[]))),
    step("grid", perf::grid),
    step("io-counts", |smoke| library("io-counts", smoke)),
    step("reads-per-get", |smoke| library("reads-per-get", smoke)),
    step("counters", |smoke| library("counters", smoke)),
    step("isolation", |smoke| library("isolation", smoke)),
    step("torn-pages", |smoke| library("torn-pages", smoke)),
    step("get-cost", |smoke| library("get-cost", smoke)),
    step("ycsb", ycsb::run),
];

/// A group of `rdstore-bench`.
fn library(group: &str, smoke: bool) -> Result<Vec<Row>> {
    libraries::run(group, &[], smoke)
}

/// Steps that run no program of [`build`].
const WITHOUT_PROGRAMS: &[&str] = &["lint", "coverage"];

/// The table of `command`: what runs the programs runs once they are built.
fn table(chosen: &[&Step], command: &str, smoke: bool) -> Result<Report> {
    let mut report = Report::default();
    if chosen
        .iter()
        .any(|step| !WITHOUT_PROGRAMS.contains(&step.name))
    {
        report.rows.push(build()?);
        if report.failed() > 0 {
            return Ok(report);
        }
    }
    report
        .rows
        .extend(steps::run(chosen, command, smoke, |_| true));
    Ok(report)
}

/// The table of the store, the driver and the cycle model.
pub(crate) fn run(only: Option<&str>, smoke: bool) -> Result<Report> {
    table(&steps::chosen(STEPS, only)?, "cargo xtask bench", smoke)
}
