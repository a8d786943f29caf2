//! What a client has done and met since it was opened.

/// Counters of one client. Device I/Os are those this client asked for; the device's own counters
/// are the truth that benches go by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statistics {
    /// Operations that ended with an outcome.
    pub operations: u64,
    /// Operations that ended with an error.
    pub errors: u64,
    /// Page reads.
    pub reads: u64,
    /// Compare-and-Writes.
    pub compare_and_writes: u64,
    /// Compare-and-Writes that found another page than expected.
    pub miscompares: u64,
    /// Times an operation was begun again, for whatever reason.
    pub retries: u64,
    /// Times an operation waited before it was begun again.
    pub back_offs: u64,
    /// Nanoseconds of the device's clock spent waiting so.
    pub back_off_ns: u64,
    /// Unfinished work of other clients that was finished or cleared away.
    pub helped: u64,
    /// Compare-and-Writes with unknown outcome that the operation id has settled.
    pub unknown_resolved: u64,
    /// Operations that ended in a page other than the key's own.
    pub overflowed: u64,
}

/// Device I/Os of one operation, from its submission to its outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OperationCost {
    /// Page reads.
    pub reads: u64,
    /// Compare-and-Writes, failed ones too.
    pub compare_and_writes: u64,
    /// Compare-and-Writes that found another page than expected.
    pub miscompares: u64,
}
