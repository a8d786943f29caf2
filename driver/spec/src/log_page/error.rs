//! Error Information (NVMe 1.1 §5.10.1.1).

use bitfield_struct::bitfield;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::field::field_table;
use crate::status::Status;

/// Parameter Error Location of an error log entry: where in the command the mistake is.
#[bitfield(u16)]
#[derive(PartialEq, Eq)]
pub struct ErrorLocation {
    /// Byte of the submission queue entry, 0 to 63.
    pub byte: u8,
    /// Bit within that byte.
    #[bits(3)]
    pub bit: u8,
    #[bits(5)]
    __: u8,
}

/// One entry of the Error Information log, newest first; all zero when it was never used (64 bytes).
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ErrorLogEntry {
    /// Error Count, bytes 07:00: 1 for the first error, never reused; 0 in an unused entry.
    pub error_count: u64,
    /// Submission Queue ID, bytes 09:08; [`Self::NO_COMMAND`] when no command is to blame.
    pub submission_queue_id: u16,
    /// Command ID, bytes 11:10; [`Self::NO_COMMAND`] when no command is to blame.
    pub command_id: u16,
    /// Status Field, bytes 13:12, as in the upper half of CQE dword 3: status in bits 15:01, phase
    /// tag in bit 0.
    pub status_field: u16,
    /// Parameter Error Location, bytes 15:14: an [`ErrorLocation`], or [`Self::NO_LOCATION`].
    pub parameter_error_location: u16,
    /// LBA, bytes 23:16: the first block with the error.
    pub lba: u64,
    /// Namespace, bytes 27:24.
    pub namespace_id: u32,
    /// Vendor Specific Information Available, byte 28: a log page identifier, or 0.
    pub vendor_log_page: u8,
    /// Reserved, bytes 63:29.
    pub reserved_29: [u8; 35],
}

impl ErrorLogEntry {
    /// Queue and command identifier of an error that belongs to no command.
    pub const NO_COMMAND: u16 = 0xffff;
    /// Parameter Error Location of an error that is not in a parameter.
    pub const NO_LOCATION: u16 = 0xffff;

    /// An entry that was never used.
    pub const UNUSED: Self = Self {
        error_count: 0,
        submission_queue_id: 0,
        command_id: 0,
        status_field: 0,
        parameter_error_location: 0,
        lba: 0,
        namespace_id: 0,
        vendor_log_page: 0,
        reserved_29: [0; 35],
    };

    /// The Status Field of this status: no More, no Do Not Retry, phase tag 0.
    pub const fn status_field_of(status: Status) -> u16 {
        (status.to_dword3() >> 16) as u16
    }

    /// The status in the Status Field.
    pub const fn status(&self) -> Status {
        Status::from_dword3((self.status_field as u32) << 16)
    }
}

impl Default for ErrorLogEntry {
    fn default() -> Self {
        Self::UNUSED
    }
}

field_table! { ErrorLogEntry, "Error Information Log Entry":
    error_count "EC" "Error Count" Number;
    submission_queue_id "SQID" "Submission Queue ID" Number;
    command_id "CID" "Command ID" Number;
    status_field "SF" "Status Field" Bits;
    parameter_error_location "PEL" "Parameter Error Location" Bits;
    lba "LBA" "LBA" Number;
    namespace_id "NSID" "Namespace" Number;
    vendor_log_page "VSIA" "Vendor Specific Information Available" Bits;
    reserved_29 "-" "Reserved" Reserved;
}
