//! The `rdstore` command line: everything but `main`.
//!
//! [`machine`] is the one place of the project that puts a device, a driver and a store together.

use std::process::ExitCode;

use clap::Parser;

pub mod args;
pub mod args_device;
pub mod args_ycsb;
pub mod ceiling;
pub mod command;
pub mod machine;
pub mod outcome;
pub mod output;
pub mod perf;
pub mod progress;
pub mod size;
pub mod store;
pub mod twin;
pub mod uri;
pub mod ycsb;

/// The program: reads the command line, runs the command, says what went wrong.
pub fn run() -> ExitCode {
    let mut line = args::CommandLine::parse();
    line.hand_down_trace();
    match command::run(&line) {
        Ok(outcome) => outcome.into(),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            if error.downcast_ref::<outcome::CheckFailed>().is_some() {
                outcome::Outcome::Negative.into()
            } else {
                ExitCode::from(outcome::EXIT_WRONG_USE)
            }
        }
    }
}

/// The reader of stdout has gone (`rdstore scan | head`): nothing to complain about.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .map(std::io::Error::kind)
            // A serializer's error hides the writer's.
            .or_else(|| cause.downcast_ref::<serde_json::Error>()?.io_error_kind())
            == Some(std::io::ErrorKind::BrokenPipe)
    })
}
