//! `cargo xtask test`: what CI runs.

use anyhow::Result;

use crate::report::Report;
use crate::step::{cargo, run as step};
use crate::{bench, coverage, guest, lint, parameters, setup, testbench, twin, verilog};

pub(crate) fn run(full: bool) -> Result<Report> {
    let mut report = setup::run()?;
    if report.failed() > 0 {
        return Ok(report);
    }
    report.rows.extend(lint::run()?.rows);

    let mut tests = cargo(&["test", "--workspace", "--profile", "campaign"]);
    // The Verilog's device tests have a step of their own.
    tests.args(["--exclude", "nvme-rtl", "--no-fail-fast"]);
    tests.args([
        "--features",
        "rtl-units/verilator,rdstore-bench/rtl,nvme-kill-tests/rtl",
    ]);
    if full {
        tests.env("RDSTORE_FULL", "1");
    }
    report.rows.push(step("tests", tests)?);
    report.rows.push(verilog::device_tests(full)?);
    report.rows.push(twin::check(full)?);
    report.rows.push(verilog::build_without_verilator()?);
    report.rows.push(testbench::run(full)?);
    report.rows.push(bench::peers::check()?);
    if full {
        report.rows.extend(verilog::proofs()?);
        report.rows.push(verilog::waves()?);
        report
            .rows
            .extend(coverage::run(&coverage::Options::default())?);
        report.rows.push(parameters::device_tests()?);
    }

    report.rows.push(step(
        "ycsb",
        cargo(&["run", "--release", "--quiet", "--", "ycsb", "--verify"]),
    )?);
    report.rows.extend(bench::run(None, !full)?.rows);
    report.rows.extend(bench::rtl_beside_tests(full)?);
    if full {
        report
            .rows
            .extend(guest::run(&guest::Options::default())?.rows);
    }
    Ok(report)
}
