//! The machine's monotonic clock.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of the machine's monotonic clock; read without a system call where the kernel lets.
#[inline]
pub(crate) fn now_ns() -> u64 {
    read(ClockId::Monotonic)
}

/// The same clock as of the kernel's latest tick, some milliseconds ago at most: no counter of the
/// processor has to be read, which takes longer than a look at a completion queue.
#[inline]
pub(crate) fn coarse_now_ns() -> u64 {
    read(ClockId::MonotonicCoarse)
}

#[inline]
fn read(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coarse_clock_is_the_same_one_a_little_behind() {
        for _ in 0..1000 {
            let (coarse_ns, exact_ns) = (coarse_now_ns(), now_ns());
            assert!(coarse_ns <= exact_ns, "never ahead");
            // A machine that is busy with something else may let time pass in between.
            assert!(
                exact_ns - coarse_ns < 2_000_000_000,
                "{coarse_ns} {exact_ns}"
            );
        }
    }
}
