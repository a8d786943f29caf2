//! BAR0 layout of the MSI-X structures of this project's functions, and the table entry
//! (PCI Local Bus 3.0 §6.8.2).

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
