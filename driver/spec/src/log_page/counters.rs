//! This project's counters: vendor log page C0h.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::field::field_table;

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

field_table! { FunctionCounters, "Function Counters":
    reads "RD" "Reads" Number;
    writes "WR" "Writes" Number;
    compares "CMP" "Compares" Number;
    pairs "CAW" "Compare-and-Write Pairs" Number;
    bytes_read "RDB" "Bytes Read" Number;
    bytes_written "WRB" "Bytes Written" Number;
    miscompares "MISC" "Miscompares" Number;
    lock_waits "LOCK" "Lock Waits" Number;
}
