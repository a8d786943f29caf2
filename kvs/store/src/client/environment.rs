//! What all operations of a client share.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use crate::error::{Error, PageFault};
use crate::hash::KeyHasher;
use crate::page::{PageContext, Stamp};
use crate::statistics::Statistics;

/// Pages probed for room besides the home page, at most.
pub(crate) const PROBES: u32 = 64;
/// The longest back-off, in first ones: the line at a hot page may be that long.
const LONGEST_BACK_OFF: u64 = 128;
/// Back-off grows so fast because every attempt that fails delays the one that succeeds: all
/// Compare-and-Writes of a page go through the device one by one.
const BACK_OFF_GROWTH_BITS: u32 = 3;
/// From this attempt on, windows shrink again: who has waited long goes before who has just come.
const ATTEMPTS_OF_THE_OLD: u32 = 6;

/// Shared by a client's operations, and by nothing outside it.
#[derive(Debug)]
pub(super) struct Environment {
    pub(super) device: String,
    pub(super) context: PageContext,
    pub(super) hasher: KeyHasher,
    pub(super) client_id: u64,
    pub(super) sequence: u64,
    pub(super) statistics: Statistics,
    /// Milliseconds since 1970; 0 without a clock.
    pub(super) now_unix_ms: u64,
    pub(super) random: Pcg64Mcg,
    pub(super) attempts_limit: u32,
    pub(super) back_off_base_ns: u64,
}

impl Environment {
    /// A stamp that was never used before and never will be again.
    pub(super) fn next_stamp(&mut self) -> Stamp {
        self.sequence += 1;
        Stamp::new(self.client_id, self.sequence)
    }

    /// How long to wait after attempt number `attempt` (from 1) has lost a race: a random part of
    /// [`back_off_window_ns`].
    pub(super) fn back_off_ns(&mut self, attempt: u32) -> u64 {
        let window_ns = back_off_window_ns(self.back_off_base_ns, attempt);
        if window_ns == 0 {
            return 0;
        }
        let delay_ns = self.random.random_range(0..=window_ns);
        self.statistics.back_offs += 1;
        self.statistics.back_off_ns += delay_ns;
        delay_ns
    }

    /// Pages that may be probed.
    pub(super) fn probes(&self) -> u32 {
        u32::try_from(self.hasher.pages() - 1).map_or(PROBES, |others| others.min(PROBES))
    }

    pub(super) fn inconsistent(&self, page: u64, other_page: u64, what: String) -> Error {
        Error::Inconsistent {
            device: self.device.clone(),
            page,
            other_page,
            what,
        }
    }

    pub(super) fn damaged(&self, page: u64, fault: PageFault) -> Error {
        Error::DamagedPage {
            device: self.device.clone(),
            page,
            fault: Box::new(fault),
        }
    }
}

/// The longest wait after attempt number `attempt`: grows by eight to 128 times the base, then
/// shrinks in proportion to the attempts made.
fn back_off_window_ns(base_ns: u64, attempt: u32) -> u64 {
    let shift = BACK_OFF_GROWTH_BITS * attempt.saturating_sub(1).min(8);
    let window_ns = base_ns.saturating_mul(LONGEST_BACK_OFF.min(1 << shift));
    if attempt <= ATTEMPTS_OF_THE_OLD {
        return window_ns;
    }
    // No overflow: the quotient comes first where the product would not fit.
    let (old, attempt) = (u64::from(ATTEMPTS_OF_THE_OLD), u64::from(attempt));
    window_ns
        .checked_mul(old)
        .map_or(window_ns / attempt * old, |product| product / attempt)
}

#[cfg(test)]
mod tests {
    use super::back_off_window_ns;

    /// Windows that stayed at their longest let an update of a hot record lose to newcomers for as
    /// long as the run lasted (29 ms simulated, a hundred attempts).
    #[test]
    fn windows_grow_fast_and_shrink_with_age() {
        let windows: Vec<u64> = [1, 2, 3, 4, 6, 12, 60, 600]
            .map(|attempt| back_off_window_ns(1_000, attempt))
            .to_vec();
        assert_eq!(
            windows,
            [
                1_000, 8_000, 64_000, 128_000, 128_000, 64_000, 12_800, 1_280
            ]
        );
        assert_eq!(back_off_window_ns(0, 5), 0);
        for attempt in [1, 7, u32::MAX] {
            assert!(back_off_window_ns(u64::MAX, attempt) > 0, "no overflow");
        }
    }
}
