//! `testbench/`: the controller's ports driven from Python, and its linter.

use std::process::Command;

use anyhow::Result;

use crate::report::Row;
use crate::step::{root, run as step};
use crate::verilog::{not_set_up, tool};

/// Runs of all its tests: of `xtask test`, and with `--full`.
const SEEDS: [&str; 2] = ["2", "20"];

/// What `cargo xtask setup` puts there.
fn is_set_up() -> bool {
    ["cocotb-config", "ruff"]
        .iter()
        .all(|name| tool(name).exists())
}

/// Format and lint of the Python sources.
pub(crate) fn lint() -> Result<Vec<Row>> {
    if !is_set_up() {
        return Ok(vec![not_set_up("Python")]);
    }
    let ruff = |arguments: &[&str]| {
        let mut command = Command::new(tool("ruff"));
        command
            .args(arguments)
            .args(["--no-cache", "testbench"])
            .current_dir(root());
        command
    };
    Ok(vec![
        step("Python format", ruff(&["format", "--check"]))?,
        step("Python lint", ruff(&["check"]))?,
    ])
}

/// Its tests, under seeds that it draws and prints.
pub(crate) fn run(full: bool) -> Result<Row> {
    if !is_set_up() {
        return Ok(not_set_up("test bench"));
    }
    let mut tests = Command::new(tool("python"));
    tests
        .args([
            "testbench/run.py",
            "--quiet",
            "--seeds",
            SEEDS[usize::from(full)],
        ])
        .current_dir(root());
    step("test bench", tests)
}
