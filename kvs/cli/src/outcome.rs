//! How a command ends: the exit codes of the whole program.

use std::process::ExitCode;

use thiserror::Error;

/// How a command that ran to its end has ended. Errors are exit code 2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Outcome {
    /// Exit code 0.
    Done,
    /// Exit code 1: the key is not there, or a check failed. The command has said so.
    Negative,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::Negative => Self::from(1),
        }
    }
}

/// The exit code of wrong use or input, and of devices that fail.
pub const EXIT_WRONG_USE: u8 = 2;

/// A check of the benchmark itself that failed: exit code 1 instead of 2.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct CheckFailed(pub String);
