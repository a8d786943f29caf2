//! The machine's monotonic clock.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of the machine's monotonic clock; read without a system call where the kernel lets.
#[inline]
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
