//! How a client passes the time until the device has done something.

use std::hint::spin_loop;
use std::thread::{sleep, yield_now};
use std::time::Duration;

use crate::clock::now_ns;
use crate::interrupts::WakeSet;

/// What [`wait`](nvme_driver::Transport::wait) does while the device is silent. In every mode the first
/// looks after a doorbell cost nothing but themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum WaitMode {
    /// Looks again and again, and keeps its core. For a client with a core of its own.
    Spin,
    /// Looks for some 100 µs, then lets others have the core between two looks, then sleeps for
    /// 50 µs at a time.
    #[default]
    Adaptive,
    /// Looks for some 10 µs, then sleeps until an MSI-X vector is signalled. Queue pairs have to be
    /// made with [`CompletionMode::Msix`](nvme_driver::CompletionMode::Msix); without a vector to wait
    /// for, as for admin commands, it is `Adaptive`.
    Interrupt,
}

/// Looks that cost nothing, of 50 to 100 ns each.
const LOOKS: u32 = 2_000;
const LOOKS_BEFORE_INTERRUPT: u32 = 200;
/// Looks with the core given away between them.
const YIELDS: u32 = 2_000;
const SLEEP: Duration = Duration::from_micros(50);

/// How long a client has been idle, in looks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Idleness(u32);

impl Idleness {
    /// The client has sent something: an answer is near.
    #[inline]
    pub(crate) fn end(&mut self) {
        self.0 = 0;
    }

    /// The client looks at slow registers: no answer is so near that a spin would find it.
    pub(crate) fn settle(&mut self) {
        self.0 = self.0.max(LOOKS);
    }

    /// One step of a wait that may last until `deadline_ns`. Gives back false when the deadline has
    /// passed; true may mean anything else.
    #[inline]
    pub(crate) fn step(&mut self, mode: WaitMode, set: &WakeSet, deadline_ns: u64) -> bool {
        let looks = if mode == WaitMode::Interrupt {
            LOOKS_BEFORE_INTERRUPT
        } else {
            LOOKS
        };
        if self.0 < looks {
            self.0 += 1;
            spin_loop();
            return true;
        }
        self.slow_step(mode, set, deadline_ns)
    }

    #[cold]
    fn slow_step(&mut self, mode: WaitMode, set: &WakeSet, deadline_ns: u64) -> bool {
        let left_ns = deadline_ns.saturating_sub(now_ns());
        if left_ns == 0 {
            return false;
        }
        self.0 = self.0.saturating_add(1);
        if mode == WaitMode::Spin {
            spin_loop();
        } else if mode == WaitMode::Interrupt && !set.is_empty() {
            // Bounded: whether the device is gone is looked at between two sleeps. A descriptor that
            // cannot be polled leaves the spin.
            let _ = set.sleep(left_ns.min(LONGEST_SLEEP_NS));
        } else if self.0 < LOOKS + YIELDS {
            yield_now();
        } else {
            sleep(SLEEP.min(Duration::from_nanos(left_ns)));
        }
        true
    }
}

/// Longest sleep without a look at the device's health.
const LONGEST_SLEEP_NS: u64 = 50_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// A wait of each mode, until its deadline.
    #[test]
    fn every_mode_ends_at_the_deadline() {
        for mode in [WaitMode::Spin, WaitMode::Adaptive, WaitMode::Interrupt] {
            let (set, mut idleness) = (WakeSet::new(), Idleness::default());
            let deadline_ns = now_ns() + 3_000_000;
            let mut steps = 0;
            while idleness.step(mode, &set, deadline_ns) {
                steps += 1;
            }
            assert!(now_ns() >= deadline_ns, "{mode:?}");
            assert!(steps > 200, "{mode:?}: {steps} steps");
            assert!(!idleness.step(mode, &set, deadline_ns), "{mode:?}: passed");
        }
    }

    #[test]
    fn the_first_looks_do_not_even_read_the_clock() {
        let (set, mut idleness) = (WakeSet::new(), Idleness::default());
        for _ in 0..LOOKS {
            assert!(
                idleness.step(WaitMode::Adaptive, &set, 0),
                "a deadline long passed"
            );
        }
        assert!(!idleness.step(WaitMode::Adaptive, &set, 0));
        idleness.end();
        assert!(idleness.step(WaitMode::Adaptive, &set, 0));
    }
}
