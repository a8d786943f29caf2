//! `cargo xtask test`: what CI runs.

use anyhow::Result;

use crate::report::{Report, Row};
use crate::step::{cargo, run as run_step};
use crate::steps::{self, Step, step};
use crate::{bench, coverage, guest, lint, parameters, setup, testbench, twin, verilog};

/// Steps of every run; `true` for the whole campaigns.
const STEPS: &[Step] = &[
    step("lint", |_| Ok(lint::run()?.rows)),
    step("workspace", workspace),
    step("device", |full| Ok(vec![verilog::device_tests(full)?])),
    step("twin", |full| Ok(vec![twin::check(full)?])),
    step("without-verilator", |_| {
        Ok(vec![verilog::build_without_verilator()?])
    }),
    step("testbench", |full| Ok(vec![testbench::run(full)?])),
    step("peers", |_| Ok(vec![bench::peers::check()?])),
    step("ycsb", ycsb),
    step("bench", |full| Ok(bench::run(None, !full)?.rows)),
    step("bench-rtl", bench::rtl_beside_tests),
];

/// Steps of a full run beside these.
const FULL_STEPS: &[Step] = &[
    step("proofs", |_| verilog::proofs()),
    step("waves", |_| Ok(vec![verilog::waves()?])),
    step("parameters", |_| Ok(vec![parameters::device_tests()?])),
    step(
        "guest",
        |_| Ok(guest::run(&guest::Options::default())?.rows),
    ),
    step("coverage", |_| coverage::run(&coverage::Options::default())),
];

pub(crate) fn run(full: bool, only: Option<&str>) -> Result<Report> {
    let more: &[Step] = if full { FULL_STEPS } else { &[] };
    let chosen = steps::chosen(STEPS.iter().chain(more), only)?;
    let mut report = setup::run()?;
    if report.failed() > 0 {
        return Ok(report);
    }
    let command = ["cargo xtask test", "cargo xtask test --full"][usize::from(full)];
    // What passes is told by the step itself, as it comes, and by the table.
    let rows = steps::run(&chosen, command, full, |row| row.failed > 0);
    report.rows.extend(rows);
    Ok(report)
}

/// All tests but the Verilog's device tests, which are a step of their own.
fn workspace(full: bool) -> Result<Vec<Row>> {
    let mut tests = cargo(&["test", "--workspace", "--profile", "campaign"]);
    tests.args(["--exclude", "nvme-rtl", "--no-fail-fast"]);
    tests.args([
        "--features",
        "rtl-units/verilator,rdstore-bench/rtl,nvme-kill-tests/rtl",
    ]);
    if full {
        tests.env("RDSTORE_FULL", "1");
    }
    Ok(vec![run_step("tests", tests)?])
}

fn ycsb(_: bool) -> Result<Vec<Row>> {
    let ycsb = cargo(&["run", "--release", "--quiet", "--", "ycsb", "--verify"]);
    Ok(vec![run_step("ycsb", ycsb)?])
}
