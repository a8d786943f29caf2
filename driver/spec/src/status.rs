//! The Status Field of a completion queue entry (NVMe 1.1 §4.6.1).
//!
//! Only what a controller of this project returns, or a driver must tell apart, has a name here; any
//! other code a device sends survives a round trip as its raw number, so that an error message can
//! still show it.

use core::fmt;

/// Status Code Type and Status Code, as they stand in bits 27:17 of CQE dword 3.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Status {
    /// Status Code Type (3 bits): 0 generic, 1 command specific, 2 media.
    pub code_type: u8,
    /// Status Code (8 bits), read within `code_type`.
    pub code: u8,
}

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = ($code_type:literal, $code:literal, $text:literal);)*) => {
        impl Status {
            $($(#[$doc])* pub const $name: Self = Self { code_type: $code_type, code: $code };)*

            /// Every status this crate knows by name.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The standard's name for this status, if it is one this crate knows.
            pub const fn name(self) -> Option<&'static str> {
                match (self.code_type, self.code) {
                    $(($code_type, $code) => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

statuses! {
    /// §4.6.1.2.1
    SUCCESS = (0, 0x00, "Successful Completion");
    /// §4.6.1.2.1
    INVALID_OPCODE = (0, 0x01, "Invalid Command Opcode");
    /// §4.6.1.2.1. A reserved or unsupported value in a defined field.
    INVALID_FIELD = (0, 0x02, "Invalid Field in Command");
    /// §4.6.1.2.1. The command identifier is already in use.
    COMMAND_ID_CONFLICT = (0, 0x03, "Command ID Conflict");
    /// §4.6.1.2.1. Data or metadata could not be transferred: a poisoned or missing completion.
    DATA_TRANSFER_ERROR = (0, 0x04, "Data Transfer Error");
    /// §4.6.1.2.1
    ABORTED_POWER_LOSS = (0, 0x05, "Commands Aborted due to Power Loss Notification");
    /// §4.6.1.2.1
    INTERNAL_ERROR = (0, 0x06, "Internal Error");
    /// §4.6.1.2.1. Aborted by an Abort command.
    ABORT_REQUESTED = (0, 0x07, "Command Abort Requested");
    /// §4.6.1.2.1. Its submission queue was deleted.
    ABORTED_QUEUE_DELETION = (0, 0x08, "Command Aborted due to SQ Deletion");
    /// §4.6.1.2.1. The second half of a fused pair whose first half failed; media is unchanged.
    ABORTED_FAILED_FUSED = (0, 0x09, "Command Aborted due to Failed Fused Command");
    /// §4.6.1.2.1. Half of a fused pair without its neighbour.
    ABORTED_MISSING_FUSED = (0, 0x0a, "Command Aborted due to Missing Fused Command");
    /// §4.6.1.2.1
    INVALID_NAMESPACE = (0, 0x0b, "Invalid Namespace or Format");
    /// §4.6.1.2.1
    COMMAND_SEQUENCE_ERROR = (0, 0x0c, "Command Sequence Error");
    /// Not of 1.1: codes 12h to 14h came with 1.2. A controller of 1.1 answers a misaligned PRP entry
    /// with [`Self::INVALID_FIELD`] (§4.3), and so does this project's; a driver may meet this one.
    PRP_OFFSET_INVALID = (0, 0x13, "PRP Offset Invalid");
    /// Not of 1.1: came with 1.2. A controller of 1.1 answers a fused pair above ACWU with
    /// [`Self::INVALID_FIELD`], and so does this project's; a driver may meet this one.
    ATOMIC_WRITE_UNIT_EXCEEDED = (0, 0x14, "Atomic Write Unit Exceeded");
    /// §4.6.1.2.1, NVM command set, 80h.
    LBA_OUT_OF_RANGE = (0, 0x80, "LBA Out of Range");
    /// §4.6.1.2.1, NVM command set, 81h.
    CAPACITY_EXCEEDED = (0, 0x81, "Capacity Exceeded");
    /// §4.6.1.2.1, NVM command set, 82h.
    NAMESPACE_NOT_READY = (0, 0x82, "Namespace Not Ready");
    /// §4.6.1.2.2, Create I/O SQ.
    COMPLETION_QUEUE_INVALID = (1, 0x00, "Completion Queue Invalid");
    /// §4.6.1.2.2, Create / Delete I/O SQ and CQ.
    INVALID_QUEUE_ID = (1, 0x01, "Invalid Queue Identifier");
    /// §4.6.1.2.2, Create I/O SQ and CQ (Maximum Queue Size Exceeded in 1.1).
    MAXIMUM_QUEUE_SIZE_EXCEEDED = (1, 0x02, "Maximum Queue Size Exceeded");
    /// §4.6.1.2.2, Abort.
    ABORT_LIMIT_EXCEEDED = (1, 0x03, "Abort Command Limit Exceeded");
    /// §4.6.1.2.2, Asynchronous Event Request.
    ASYNC_EVENT_LIMIT_EXCEEDED = (1, 0x05, "Asynchronous Event Request Limit Exceeded");
    /// §4.6.1.2.2, Create I/O CQ.
    INVALID_INTERRUPT_VECTOR = (1, 0x08, "Invalid Interrupt Vector");
    /// §4.6.1.2.2, Get Log Page.
    INVALID_LOG_PAGE = (1, 0x09, "Invalid Log Page");
    /// §4.6.1.2.2, Delete I/O CQ: a submission queue still uses it.
    INVALID_QUEUE_DELETION = (1, 0x0c, "Invalid Queue Deletion");
    /// §4.6.1.2.2, Set Features with SV = 1.
    FEATURE_NOT_SAVEABLE = (1, 0x0d, "Feature Identifier Not Saveable");
    /// §4.6.1.2.2, Set Features.
    FEATURE_NOT_CHANGEABLE = (1, 0x0e, "Feature Not Changeable");
    /// §4.6.1.2.2, Set Features of a feature of the whole controller, with a namespace.
    FEATURE_NOT_NAMESPACE_SPECIFIC = (1, 0x0f, "Feature Not Namespace Specific");
    /// §4.6.1.2.2, NVM command set, 80h.
    CONFLICTING_ATTRIBUTES = (1, 0x80, "Conflicting Attributes");
    /// §4.6.1.2.3
    WRITE_FAULT = (2, 0x80, "Write Fault");
    /// §4.6.1.2.3
    UNRECOVERED_READ_ERROR = (2, 0x81, "Unrecovered Read Error");
    /// §4.6.1.2.3. The data on the media differs from the data in the host's buffer.
    COMPARE_FAILURE = (2, 0x85, "Compare Failure");
}

impl Status {
    const CODE_SHIFT: u32 = 17;
    const CODE_TYPE_SHIFT: u32 = 25;

    /// Takes the status out of CQE dword 3; the other bits (phase tag, More, Do Not Retry) are ignored.
    pub const fn from_dword3(dword3: u32) -> Self {
        Self {
            code_type: ((dword3 >> Self::CODE_TYPE_SHIFT) & 0x7) as u8,
            code: (dword3 >> Self::CODE_SHIFT) as u8,
        }
    }

    /// The status as it stands in CQE dword 3, all other bits zero.
    pub const fn to_dword3(self) -> u32 {
        ((self.code_type as u32 & 0x7) << Self::CODE_TYPE_SHIFT)
            | ((self.code as u32) << Self::CODE_SHIFT)
    }

    /// True for Successful Completion.
    pub const fn is_success(self) -> bool {
        self.code_type == 0 && self.code == 0
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (type {}, code {:#04x})",
            self.name().unwrap_or("unknown status"),
            self.code_type,
            self.code
        )
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn stands_at_the_bits_the_standard_gives() {
        // §4.6.1: status code in bits 24:17, status code type in bits 27:25.
        assert_eq!(
            Status::COMPARE_FAILURE.to_dword3(),
            (2 << 25) | (0x85 << 17)
        );
    }

    #[test]
    fn survives_a_round_trip_whatever_a_device_sends() {
        for dword3 in (0..=u32::MAX).step_by(104_729) {
            let status = Status::from_dword3(dword3);
            assert_eq!(Status::from_dword3(status.to_dword3()), status);
        }
    }

    #[test]
    fn says_the_name_and_the_numbers() {
        assert_eq!(
            Status::COMPARE_FAILURE.to_string(),
            "Compare Failure (type 2, code 0x85)"
        );
        let unknown = Status {
            code_type: 7,
            code: 0xff,
        };
        assert_eq!(unknown.to_string(), "unknown status (type 7, code 0xff)");
    }
}
