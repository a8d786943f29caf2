//! What an error says about the command's effect.

use nvme_spec::Status;

use super::DriverError;
use crate::transport::TransportError;

impl DriverError {
    /// May the command have changed the medium, although it failed? False means: nothing was
    /// changed. When in doubt the answer is true, so also for errors that name no command
    /// ([`DriverError::DeviceGone`] and the like): of a request that has ended ask
    /// [`Completion::outcome_unknown`](crate::Completion::outcome_unknown) instead.
    pub fn outcome_unknown(&self) -> bool {
        match self {
            Self::Command {
                request, status, ..
            }
            | Self::TimedOut {
                request, status, ..
            } => request.command.changes_medium() && !rules_out_execution(*status),
            Self::Pair { compare, write, .. } => {
                // A Write that succeeded behind a Compare that failed was executed all the same.
                write.is_success() || !(rules_out_execution(*write) || rules_out_pair(*compare))
            }
            Self::ControllerReset { request, .. } => request.command.changes_medium(),
            Self::DeviceGone { .. } | Self::ControllerFailed { .. } | Self::Transport(_) => true,
            Self::InvalidRequest { .. }
            | Self::Admin { .. }
            | Self::AdminTimeout { .. }
            | Self::NotReady { .. }
            | Self::Unsupported { .. }
            | Self::InvalidOption { .. }
            | Self::NoQueueLeft { .. } => false,
        }
    }

    /// True when nothing will work on this function any more.
    pub const fn is_fatal(&self) -> bool {
        matches!(
            self,
            Self::DeviceGone { .. }
                | Self::ControllerFailed { .. }
                | Self::Transport(TransportError::DeviceGone { .. })
        )
    }

    /// The NVMe status, where the controller gave one; for a pair, that of the half that failed first.
    pub fn status(&self) -> Option<Status> {
        match self {
            Self::Command { status, .. }
            | Self::Admin { status, .. }
            | Self::TimedOut { status, .. } => Some(*status),
            Self::Pair { compare, write, .. } => Some(if compare.is_success() {
                *write
            } else {
                *compare
            }),
            _ => None,
        }
    }
}

/// Statuses that a controller can only give before it has begun to write. All others, also those
/// this driver does not know, leave open how far a Write has come.
const fn rules_out_execution(status: Status) -> bool {
    matches!(
        status,
        Status::INVALID_OPCODE
            | Status::INVALID_FIELD
            | Status::COMMAND_ID_CONFLICT
            | Status::ABORTED_FAILED_FUSED
            | Status::ABORTED_MISSING_FUSED
            | Status::INVALID_NAMESPACE
            | Status::COMMAND_SEQUENCE_ERROR
            | Status::PRP_OFFSET_INVALID
            | Status::LBA_OUT_OF_RANGE
            | Status::CAPACITY_EXCEEDED
            | Status::NAMESPACE_NOT_READY
            | Status::CONFLICTING_ATTRIBUTES
    )
}

/// A Compare that found a difference keeps its Write from being executed (§6.4), whatever the
/// Write's own status is.
const fn rules_out_pair(compare: Status) -> bool {
    matches!(compare, Status::COMPARE_FAILURE) || rules_out_execution(compare)
}
