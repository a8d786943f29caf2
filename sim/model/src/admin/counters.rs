//! I/O counters of one function, fed by the core when a command ends.

use nvme_spec::log_page::FunctionCounters;

/// What one function has done since power-on: the row of log page C0h, and what the SMART page
/// (§5.10.1.2) counts differently (there a Compare is a read command, and bytes are of blocks).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct IoCounters {
    /// The row of log page C0h. `lock_waits` is the core's to count; the rest by the calls below.
    pub row: FunctionCounters,
    /// Read and Compare commands (SMART bytes 79:64).
    pub(super) host_reads: u64,
    /// Write commands (SMART bytes 95:80).
    pub(super) host_writes: u64,
    /// Bytes read or compared (SMART bytes 47:32).
    pub(super) media_bytes_read: u64,
    /// Bytes written (SMART bytes 63:48).
    pub(super) media_bytes_written: u64,
    /// Errors of the medium's data (SMART bytes 175:160); none are modelled but what tests inject.
    pub media_errors: u64,
}

impl IoCounters {
    /// A Read of `bytes` has ended with success.
    pub const fn count_read(&mut self, bytes: u64) {
        self.row.reads += 1;
        self.row.bytes_read += bytes;
        self.host_reads += 1;
        self.media_bytes_read += bytes;
    }

    /// A Write of `bytes` has ended with success.
    pub const fn count_write(&mut self, bytes: u64) {
        self.row.writes += 1;
        self.row.bytes_written += bytes;
        self.host_writes += 1;
        self.media_bytes_written += bytes;
    }

    /// A Compare of `bytes` has ended with success or (`miscompared`) Compare Failure.
    pub const fn count_compare(&mut self, bytes: u64, miscompared: bool) {
        self.row.compares += 1;
        self.row.bytes_written += bytes;
        self.row.miscompares += miscompared as u64;
        self.host_reads += 1;
        self.media_bytes_read += bytes;
    }

    /// A pair of `bytes` a half was executed: it wrote, or (`miscompared`) it did not.
    pub const fn count_pair(&mut self, bytes: u64, miscompared: bool) {
        self.row.pairs += 1;
        self.row.bytes_written += 2 * bytes;
        self.row.miscompares += miscompared as u64;
        self.host_reads += 1;
        self.media_bytes_read += bytes;
        if !miscompared {
            self.host_writes += 1;
            self.media_bytes_written += bytes;
        }
    }
}
