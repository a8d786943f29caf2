//! How a request ended, as its client gets to see it.

use std::fmt;
use std::sync::Arc;

use nvme_spec::Status;

use crate::buffer::DmaBuffer;
use crate::error::{CommandKind, DriverError, Request};
use crate::transport::DmaMemory;

/// What a successful request found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The command did what it says.
    Done,
    /// Compare: the data differs. Compare-and-Write: it differs and nothing was written.
    Miscompare,
}

/// A request that has ended. Exactly one comes back for each request that was taken.
pub struct Completion<D: DmaMemory> {
    /// The client's tag.
    pub tag: u64,
    /// What was asked for.
    pub command: CommandKind,
    /// The buffer of a Read, Write or Compare, the `old` buffer of a Compare-and-Write. `None` for
    /// Flush, and when the controller could not be stopped ([`DriverError::ControllerFailed`]) and
    /// there was no memory to stand in for the buffer it may still be writing.
    pub buffer: Option<DmaBuffer<D>>,
    /// The `new` buffer of a Compare-and-Write; otherwise as for `buffer`.
    pub new_buffer: Option<DmaBuffer<D>>,
    /// How it ended.
    pub result: Result<Outcome, DriverError>,
}

/// A request that was not taken because all slots of the queue are in use; the buffers come back.
/// Try again after a poll that brought a completion.
pub struct QueueFull<D: DmaMemory> {
    /// The buffer, or the `old` buffer; `None` for Flush.
    pub buffer: Option<DmaBuffer<D>>,
    /// The `new` buffer of a Compare-and-Write.
    pub new_buffer: Option<DmaBuffer<D>>,
}

impl<D: DmaMemory> Completion<D> {
    /// May a request that failed have changed the medium? Never true for a Read, Compare or Flush.
    pub fn outcome_unknown(&self) -> bool {
        self.command.changes_medium()
            && self
                .result
                .as_ref()
                .is_err_and(DriverError::outcome_unknown)
    }
}

// By hand: derived ones would ask for `D: Debug`.
impl<D: DmaMemory> fmt::Debug for Completion<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion")
            .field("tag", &self.tag)
            .field("command", &self.command)
            .field("result", &self.result)
            .finish_non_exhaustive()
    }
}

impl<D: DmaMemory> fmt::Debug for QueueFull<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueFull").finish_non_exhaustive()
    }
}

/// What a completion queue entry says about its command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct End {
    pub(crate) status: Status,
    pub(crate) do_not_retry: bool,
}

/// Everything an error message needs beside the statuses.
pub(crate) struct Context<'a> {
    pub(crate) device: &'a Arc<str>,
    pub(crate) request: Request,
    /// An Abort was sent for it after this time.
    pub(crate) aborted_after_ns: Option<u64>,
}

impl Context<'_> {
    /// The result of a command that ended by itself.
    #[cold]
    pub(crate) fn single(self, end: End) -> Result<Outcome, DriverError> {
        if end.status.is_success() {
            return Ok(Outcome::Done);
        }
        if end.status == Status::COMPARE_FAILURE && self.request.command == CommandKind::Compare {
            return Ok(Outcome::Miscompare);
        }
        Err(self
            .timed_out(end.status, end.status)
            .unwrap_or_else(|| DriverError::Command {
                device: Arc::clone(self.device),
                request: self.request,
                status: end.status,
                do_not_retry: end.do_not_retry,
            }))
    }

    /// The result of a pair whose two commands have both ended (NVMe 1.1 §6.4).
    pub(crate) fn pair(self, compare: Status, write: Status) -> Result<Outcome, DriverError> {
        match (compare, write) {
            (Status::SUCCESS, Status::SUCCESS) => Ok(Outcome::Done),
            (Status::COMPARE_FAILURE, Status::ABORTED_FAILED_FUSED) => Ok(Outcome::Miscompare),
            _ => Err(self
                .timed_out(compare, write)
                .unwrap_or_else(|| DriverError::Pair {
                    device: Arc::clone(self.device),
                    request: self.request,
                    compare,
                    write,
                })),
        }
    }

    fn timed_out(&self, first: Status, last: Status) -> Option<DriverError> {
        let timeout_ns = self.aborted_after_ns?;
        (first == Status::ABORT_REQUESTED || last == Status::ABORT_REQUESTED).then(|| {
            DriverError::TimedOut {
                device: Arc::clone(self.device),
                request: self.request,
                timeout_ns,
                status: last,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(compare: Status, write: Status) -> Result<Outcome, DriverError> {
        let request = Request {
            command: CommandKind::CompareAndWrite,
            lba: 0,
            blocks: 1,
        };
        let context = Context {
            device: &"device".into(),
            request,
            aborted_after_ns: None,
        };
        context.pair(compare, write)
    }

    /// A controller that takes the two for separate commands writes although the Compare failed:
    /// neither a miscompare nor a success, and the medium has changed.
    #[test]
    fn a_write_that_ignored_its_compare_is_no_miscompare() {
        let error = pair(Status::COMPARE_FAILURE, Status::SUCCESS).expect_err("not fused");
        assert!(error.outcome_unknown());
    }

    #[test]
    fn only_the_standards_two_statuses_make_a_miscompare() {
        let missed = pair(Status::COMPARE_FAILURE, Status::ABORTED_FAILED_FUSED);
        assert_eq!(missed, Ok(Outcome::Miscompare));
        let odd = pair(Status::COMPARE_FAILURE, Status::INTERNAL_ERROR).expect_err("odd");
        assert!(
            !odd.outcome_unknown(),
            "the Compare kept the Write from being executed"
        );
        let odd = pair(Status::SUCCESS, Status::ABORTED_FAILED_FUSED).expect_err("odd");
        assert!(
            !odd.outcome_unknown(),
            "the Write says that it was not executed"
        );
    }
}
