//! What all operations of a client share.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use crate::error::{Error, PageFault};
use crate::hash::KeyHasher;
use crate::page::{PageContext, Stamp};
use crate::statistics::Statistics;

/// Pages probed for room besides the home page, at most.
pub(crate) const PROBES: u32 = 64;
/// Back-off doubles so many times.
const BACK_OFF_DOUBLINGS: u32 = 6;

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

    /// How long to wait before attempt number `attempt` + 1.
    pub(super) fn back_off_ns(&mut self, attempt: u32) -> u64 {
        if attempt <= 1 || self.back_off_base_ns == 0 {
            return 0;
        }
        let longest = self.back_off_base_ns << (attempt - 2).min(BACK_OFF_DOUBLINGS);
        let delay_ns = self.random.random_range(longest / 2..=longest);
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
