//! `cargo xtask lint`: format, clippy, documentation, and the Verilog's linters; warnings are errors.

use std::process::Command;

use anyhow::Result;

use crate::report::Report;
use crate::step::{cargo, run as step};
use crate::{parameters, testbench, verilog};

pub(crate) fn run() -> Result<Report> {
    let mut report = Report::default();
    report
        .rows
        .push(step("format", cargo(&["fmt", "--all", "--check"]))?);
    report.rows.push(step("clippy", clippy(&[]))?);
    // The Verilog's share of the Rust, too: tests of its units once stopped compiling unseen.
    let mut with_features = clippy(&["--all-features"]);
    with_features.env("RTL_RUST_ONLY", "1");
    report
        .rows
        .push(step("clippy, all features", with_features)?);
    // What clippy has checked of other people's crates is not checked again.
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--quiet"]);
    doc.args(["--profile", "campaign"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    report.rows.push(step("documentation", doc)?);
    report.rows.extend(verilog::lint()?);
    report.rows.extend(parameters::lint()?);
    report.rows.extend(testbench::lint()?);
    Ok(report)
}

/// In the tests' profile, whose dependencies it shares.
fn clippy(features: &[&str]) -> Command {
    let mut clippy = cargo(&["clippy", "--workspace", "--all-targets", "--quiet"]);
    clippy.args(["--profile", "campaign"]).args(features);
    clippy.args(["--", "-D", "warnings"]);
    clippy
}
