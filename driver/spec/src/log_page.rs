//! Log pages (NVMe 1.1 §5.10.1) and this project's counters (vendor log page C0h).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Log page identifier, CDW10 07:00 of Get Log Page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct LogPageId(pub u8);

impl LogPageId {
    /// §5.10.1.1 Error Information, 64 bytes an entry.
    pub const ERROR_INFORMATION: Self = Self(0x01);
    /// §5.10.1.2 SMART / Health Information, 512 bytes.
    pub const HEALTH: Self = Self(0x02);
    /// §5.10.1.3 Firmware Slot Information, 512 bytes.
    pub const FIRMWARE_SLOT: Self = Self(0x03);
    /// Vendor specific: [`FunctionCounters`] of every function, PF first.
    pub const COUNTERS: Self = Self(0xc0);
}

/// One entry of the vendor log page C0h: what one function has done since power-on (64 bytes).
///
/// The page starts with the asking function's row, then follow the rows of all functions, PF
/// first; rows of functions that do not exist are zero.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct FunctionCounters {
    /// Read commands completed with success.
    pub reads: u64,
    /// Write commands completed with success, halves of pairs not counted.
    pub writes: u64,
    /// Compare commands ended with success or Compare Failure, halves of pairs not counted.
    pub compares: u64,
    /// Fused pairs that were executed, successful or miscompared (one each).
    pub pairs: u64,
    /// Bytes moved to the host.
    pub bytes_read: u64,
    /// Bytes moved from the host for Write, Compare and pairs.
    pub bytes_written: u64,
    /// Compare Failures, in pairs or alone.
    pub miscompares: u64,
    /// Commands that had to wait for a range lock.
    pub lock_waits: u64,
}
