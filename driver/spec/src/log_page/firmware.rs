//! Firmware Slot Information (NVMe 1.1 §5.10.1.3).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::field::field_table;

/// The Firmware Slot Information log (512 bytes).
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FirmwareSlotLog {
    /// AFI, byte 0: bits 2:0 the slot that runs, bits 6:4 the slot of the next reset (0: the same).
    pub active_firmware: u8,
    /// Reserved, bytes 07:01.
    pub reserved_1: [u8; 7],
    /// FRS1–FRS7, bytes 63:08: revision in each slot, ASCII; all zero for an empty slot.
    pub revision: [[u8; 8]; 7],
    /// Reserved, bytes 511:64.
    pub reserved_64: [u8; 448],
}

field_table! { FirmwareSlotLog, "Firmware Slot Information":
    active_firmware "AFI" "Active Firmware Info" Bits;
    reserved_1 "-" "Reserved" Reserved;
    revision[[u8; 8]; from 1] "FRS" "Firmware Revision for Slot" Text;
    reserved_64 "-" "Reserved" Reserved;
}
