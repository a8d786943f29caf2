//! What an admin command leads to.

use nvme_spec::Status;

/// A contiguous piece of host memory, inside one 4 KiB page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HostPiece {
    /// Bus address, a multiple of 4.
    pub address: u64,
    /// Bytes, a multiple of 4; 0 when there is no such piece.
    pub length_bytes: u32,
}

/// What the core does with an admin command, after [`execute`](super::execute) has checked it.
///
/// Everything but `HoldAsyncEvent` ends with a completion of the command itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AdminAction {
    /// Post the completion.
    Complete {
        /// Status of the command.
        status: Status,
        /// CQE dword 0.
        dword0: u32,
        /// CQE bit DNR.
        do_not_retry: bool,
    },
    /// Write the first `length_bytes` of the 4 KiB buffer to the host, piece after piece, then
    /// complete with success and dword 0 = 0.
    TransferToHost {
        /// 4 to 4,096, a multiple of 4; the sum of the pieces.
        length_bytes: u32,
        /// Where it goes: the second piece is empty when the first takes it all.
        pieces: [HostPiece; 2],
    },
    /// §5.3: every check has passed; create the queue, then complete with success.
    CreateCompletionQueue {
        /// 1 to the number of I/O queues.
        queue_id: u16,
        /// Slots, 2 to the maximum.
        entries: u32,
        /// Page aligned bus address.
        address: u64,
        /// MSI-X vector; `None` without interrupts.
        interrupt_vector: Option<u16>,
    },
    /// §5.4: every check has passed; create the queue, then complete with success.
    CreateSubmissionQueue {
        /// 1 to the number of I/O queues.
        queue_id: u16,
        /// Slots, 2 to the maximum.
        entries: u32,
        /// Page aligned bus address.
        address: u64,
        /// An I/O completion queue that exists.
        completion_queue_id: u16,
    },
    /// §5.6: the queue exists; end or drop what it holds, then complete with success.
    DeleteSubmissionQueue {
        /// The queue.
        queue_id: u16,
    },
    /// §5.5: the queue exists and no submission queue uses it; delete it, then complete with success.
    DeleteCompletionQueue {
        /// The queue.
        queue_id: u16,
    },
    /// §5.1: try to abort, then complete with success, dword 0 bit 0 clear when it was aborted and
    /// set when it was not (not found, or too far on).
    Abort {
        /// A submission queue that exists (0 is the admin queue).
        queue_id: u16,
        /// Identifier of the command to abort.
        command_id: u16,
    },
    /// §5.1 with a held Asynchronous Event Request as its target, which is no longer held: post
    /// `command_id` of queue 0 with Command Abort Requested, then complete the Abort with success
    /// and dword 0 = 0.
    AbortAsyncEvent {
        /// Identifier of the Asynchronous Event Request.
        command_id: u16,
    },
    /// §5.2: post nothing now. When an event is due, `FunctionAdmin::take_event_completion` names
    /// the request and its dword 0.
    HoldAsyncEvent,
}
