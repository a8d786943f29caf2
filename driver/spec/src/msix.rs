//! MSI-X: this project's BAR0 layout, and the table entry (PCI Local Bus 3.0 §6.8.2).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::field::field_table;

/// BAR0 size in bytes: registers, doorbells, MSI-X table and PBA, a page each.
pub const BAR0_BYTES: u64 = 0x4000;
/// BAR0 offset of the MSI-X table.
pub const TABLE_OFFSET: u64 = 0x2000;
/// BAR0 offset of the Pending Bit Array.
pub const PENDING_OFFSET: u64 = 0x3000;
/// Bytes of a table entry: address low, address high, data, vector control.
pub const ENTRY_BYTES: u64 = 16;
/// Vector Control bit 0: masked (1 after reset).
pub const VECTOR_MASKED: u32 = 1;

/// Byte of a table entry where Message Address begins (§6.8.2.7, §6.8.2.8).
pub const ENTRY_ADDRESS_OFFSET: u64 = 0;
/// Byte of a table entry where Message Data stands (§6.8.2.6).
pub const ENTRY_DATA_OFFSET: u64 = 8;
/// Byte of a table entry where Vector Control stands (§6.8.2.9).
pub const ENTRY_CONTROL_OFFSET: u64 = 12;

/// A 16-byte MSI-X table entry (PCI Local Bus 3.0 §6.8.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TableEntry {
    /// Message Address, a multiple of 4.
    pub address: u64,
    /// Message Data.
    pub data: u32,
    /// Vector Control: bit 0 masks, the rest is reserved.
    pub control: u32,
}

impl TableEntry {
    /// As after a reset: masked.
    pub const RESET: Self = Self {
        address: 0,
        data: 0,
        control: VECTOR_MASKED,
    };

    /// Vector Control bit 0.
    pub const fn is_masked(&self) -> bool {
        self.control & VECTOR_MASKED != 0
    }
}

impl Default for TableEntry {
    fn default() -> Self {
        Self::RESET
    }
}

field_table! { TableEntry, "MSI-X Table Entry":
    address "ADDR" "Message Address" Bits;
    data "DATA" "Message Data" Bits;
    control "VCTL" "Vector Control" Bits;
}

/// BAR0 offset of the table entry of `vector`.
pub const fn entry_offset(vector: u16) -> u64 {
    TABLE_OFFSET + ENTRY_BYTES * vector as u64
}
