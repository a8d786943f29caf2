//! `cargo xtask twin`: the cycle model and the Verilog side by side (`sim/twin`).

use std::process::{Command, ExitCode};

use crate::step::cargo;

/// The program, with the Verilog in it.
fn program() -> Command {
    let mut command = cargo(&["run", "--quiet", "--profile", "campaign", "-p", "nvme-twin"]);
    command.args(["--features", "nvme-twin/verilator", "--"]);
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
