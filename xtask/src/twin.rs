//! `cargo xtask twin`: the cycle model and the Verilog side by side (`sim/twin`).

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::report::Row;
use crate::step::{cargo, run as step};
use crate::verilog::{is_set_up, not_set_up};

/// Seeds of a test run, and of a full one.
const SEEDS: [&str; 2] = ["40", "500"];

/// The program, with the Verilog in it: as the device tests have it, so that it is compiled once for both.
fn program() -> Command {
    let mut command = cargo(&["run", "--quiet", "--profile", "campaign", "-p", "nvme-twin"]);
    command.args([
        "--features",
        "nvme-twin/verilator,nvme-rtl/range-lock-removed",
    ]);
    command.arg("--");
    command
}

/// Runs it; its output and its exit status are ours.
pub(crate) fn run(arguments: &[String], json: bool) -> ExitCode {
    let mut command = program();
    command.args(arguments).args(json.then_some("--json"));
    match command.status() {
        Ok(status) => ExitCode::from(
            status
                .code()
                .and_then(|code| code.try_into().ok())
                .unwrap_or(2),
        ),
        Err(error) => {
            eprintln!("cargo xtask twin: cannot start cargo: {error}");
            ExitCode::from(2)
        }
    }
}

/// The check as a step of `cargo xtask test`.
pub(crate) fn check(full: bool) -> Result<Row> {
    let name = "twins";
    if !is_set_up() {
        return Ok(not_set_up(name));
    }
    let seeds = SEEDS[usize::from(full)];
    let mut command = program();
    command.args(["--seeds", seeds]);
    let mut row = step(name, command)?;
    row.measured = format!("{}, {seeds} seeds", row.measured);
    row.command = format!("cargo xtask twin --seeds {seeds}");
    Ok(row)
}
