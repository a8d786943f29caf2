//! What can go wrong, with the device, the command and the NVMe status inside.

mod outcome;

use std::fmt;
use std::sync::Arc;

use nvme_spec::Status;
use thiserror::Error;

use crate::transport::TransportError;

/// A command of the I/O path, as error messages and completions name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum CommandKind {
    /// NVM Read (NVMe 1.1 §6.8).
    Read,
    /// NVM Write (§6.9).
    Write,
    /// NVM Compare (§6.6).
    Compare,
    /// NVM Flush (§6.7).
    Flush,
    /// The fused pair of a Compare and a Write (§6.4).
    CompareAndWrite,
}

impl CommandKind {
    /// True for commands that change the medium, whose outcome can therefore be unknown.
    pub const fn changes_medium(self) -> bool {
        matches!(self, Self::Write | Self::CompareAndWrite)
    }
}

impl fmt::Display for CommandKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "Read",
            Self::Write => "Write",
            Self::Compare => "Compare",
            Self::Flush => "Flush",
            Self::CompareAndWrite => "Compare-and-Write",
        })
    }
}

/// A command and its range, for error messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// Which command.
    pub command: CommandKind,
    /// First logical block (0 for Flush).
    pub lba: u64,
    /// Number of logical blocks (0 for Flush).
    pub blocks: u32,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.command {
            CommandKind::Flush => write!(f, "{}", self.command),
            command => write!(f, "{command} of {} blocks at LBA {}", self.blocks, self.lba),
        }
    }
}

/// Why the driver reset the controller.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ResetReason {
    /// A command and the Abort sent for it stayed without an end.
    #[error("a command timed out and its Abort did not end it")]
    CommandTimeout,
    /// An admin command stayed without an answer.
    #[error("an admin command timed out")]
    AdminTimeout,
    /// CSTS.CFS was set.
    #[error("the controller reported a fatal status")]
    FatalStatus,
    /// CSTS.RDY was clear: somebody else has reset the function.
    #[error("the controller was found disabled")]
    FoundDisabled,
    /// The function was gone, and has come back as after power-up.
    #[error("the device was gone and has come back")]
    Returned,
    /// [`Controller::reset`](crate::Controller::reset) was called.
    #[error("the reset was asked for")]
    Requested,
}

/// An error of the driver.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum DriverError {
    /// The function does not answer any more. Commands in flight may have been executed.
    #[error("{device}: the device is gone ({reason})")]
    DeviceGone {
        /// Which function.
        device: Arc<str>,
        /// What was seen.
        reason: Arc<str>,
    },
    /// The controller could not be reset into a working state; the driver has given it up.
    #[error("{device}: the controller has failed ({reason}); replace or power-cycle the device")]
    ControllerFailed {
        /// Which function.
        device: Arc<str>,
        /// What was tried and what was seen.
        reason: Arc<str>,
    },
    /// A command ended with an error status.
    #[error("{device}: {request}: {status}")]
    Command {
        /// Which function.
        device: Arc<str>,
        /// Which command.
        request: Request,
        /// What the controller said.
        status: Status,
        /// The controller says that a retry would fail too.
        do_not_retry: bool,
    },
    /// A fused pair ended with an error that is not a miscompare.
    #[error("{device}: {request}: Compare ended with {compare}, Write with {write}")]
    Pair {
        /// Which function.
        device: Arc<str>,
        /// The pair.
        request: Request,
        /// Status of the first command.
        compare: Status,
        /// Status of the second command.
        write: Status,
    },
    /// A command did not end in time and was aborted; the controller answered the Abort.
    #[error("{device}: {request}: no answer within {timeout_ns} ns, aborted ({status})")]
    TimedOut {
        /// Which function.
        device: Arc<str>,
        /// Which command.
        request: Request,
        /// How long the command had.
        timeout_ns: u64,
        /// The status the aborted command ended with; for a pair, that of its Write.
        status: Status,
    },
    /// The controller was reset while the command was in flight.
    #[error(
        "{device}: {request}: the controller was reset ({reason}){}",
        if request.command.changes_medium() { "; the outcome is unknown" } else { "" }
    )]
    ControllerReset {
        /// Which function.
        device: Arc<str>,
        /// Which command.
        request: Request,
        /// Why.
        reason: ResetReason,
    },
    /// A request that cannot be sent to this controller; nothing was sent.
    #[error("{device}: {request}: {reason}")]
    InvalidRequest {
        /// Which function.
        device: Arc<str>,
        /// Which command.
        request: Request,
        /// What is wrong, what was expected.
        reason: Arc<str>,
    },
    /// An admin command ended with an error status.
    #[error("{device}: {command}: {status}")]
    Admin {
        /// Which function.
        device: Arc<str>,
        /// Name of the command in the standard.
        command: &'static str,
        /// What the controller said.
        status: Status,
    },
    /// An admin command got no answer; the controller was reset.
    #[error("{device}: {command}: no answer within {timeout_ns} ns; the controller was reset")]
    AdminTimeout {
        /// Which function.
        device: Arc<str>,
        /// Name of the command in the standard.
        command: &'static str,
        /// How long it had.
        timeout_ns: u64,
    },
    /// CSTS.RDY did not follow CC.EN within CAP.TO, or CSTS.CFS came up.
    #[error(
        "{device}: CSTS.RDY did not become {ready} within {timeout_ns} ns (CSTS = {status:#x})"
    )]
    NotReady {
        /// Which function.
        device: Arc<str>,
        /// The value waited for.
        ready: u8,
        /// CAP.TO.
        timeout_ns: u64,
        /// The last CSTS seen.
        status: u32,
    },
    /// The controller lacks something this driver cannot do without.
    #[error("{device}: {field} is {value}; this driver needs {needed}")]
    Unsupported {
        /// Which function.
        device: Arc<str>,
        /// The field of the standard.
        field: &'static str,
        /// Its value.
        value: u64,
        /// What it must be.
        needed: &'static str,
    },
    /// An option of the caller that this controller cannot satisfy.
    #[error("{device}: {option} = {value}: {reason}")]
    InvalidOption {
        /// Which function.
        device: Arc<str>,
        /// Name of the option.
        option: &'static str,
        /// Its value.
        value: u64,
        /// What is allowed.
        reason: Arc<str>,
    },
    /// All I/O queue pairs of the function are in use.
    #[error("{device}: all {available} I/O queue pairs of this function are in use")]
    NoQueueLeft {
        /// Which function.
        device: Arc<str>,
        /// How many the function has.
        available: u16,
    },
    /// Any other fault of the transport.
    #[error(transparent)]
    Transport(TransportError),
}

impl From<TransportError> for DriverError {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::DeviceGone { device, reason } => Self::DeviceGone {
                device: device.into(),
                reason: reason.into(),
            },
            other => Self::Transport(other),
        }
    }
}
