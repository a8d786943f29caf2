//! The completion queue entry (NVMe 1.1 §4.6).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::field::field_table;
use crate::status::Status;

/// A 16-byte completion queue entry (§4.6). Little-endian fields as they stand in memory.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct CompletionEntry {
    /// Command specific.
    pub dword0: u32,
    /// Reserved.
    pub dword1: u32,
    /// SQ head pointer, as the controller saw it when it posted this entry.
    pub submission_head: u16,
    /// Submission queue identifier.
    pub submission_queue_id: u16,
    /// Command identifier 15:00, phase tag 16, status 31:17.
    pub dword3: u32,
}

impl CompletionEntry {
    const PHASE: u32 = 1 << 16;
    const MORE: u32 = 1 << 30;
    const DO_NOT_RETRY: u32 = 1 << 31;

    /// An entry as the controller posts it.
    pub const fn new(
        dword0: u32,
        submission_head: u16,
        submission_queue_id: u16,
        command_id: u16,
        status: Status,
        do_not_retry: bool,
        phase: bool,
    ) -> Self {
        Self {
            dword0,
            dword1: 0,
            submission_head,
            submission_queue_id,
            dword3: command_id as u32
                | if phase { Self::PHASE } else { 0 }
                | status.to_dword3()
                | if do_not_retry { Self::DO_NOT_RETRY } else { 0 },
        }
    }

    /// Command identifier.
    pub const fn command_id(&self) -> u16 {
        self.dword3 as u16
    }

    /// Phase tag (§4.6): inverted each time the queue wraps.
    pub const fn phase(&self) -> bool {
        self.dword3 & Self::PHASE != 0
    }

    /// Status code type and code.
    pub const fn status(&self) -> Status {
        Status::from_dword3(self.dword3)
    }

    /// More: there is more about this in the Error Information log.
    pub const fn more(&self) -> bool {
        self.dword3 & Self::MORE != 0
    }

    /// Do Not Retry: the same command would fail again.
    pub const fn do_not_retry(&self) -> bool {
        self.dword3 & Self::DO_NOT_RETRY != 0
    }
}

field_table! { CompletionEntry, "Completion Queue Entry":
    dword0 "DW0" "Command Specific" Bits;
    dword1 "-" "Reserved" Reserved;
    submission_head "SQHD" "SQ Head Pointer" Number;
    submission_queue_id "SQID" "SQ Identifier" Number;
    dword3 "DW3" "Command Identifier, Phase Tag, Status Field" Bits;
}
