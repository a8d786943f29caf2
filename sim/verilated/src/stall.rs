//! Back-pressure by seed: a port that is not ready, or has nothing to offer, in random cycles.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// Says for each beat whether it has to wait. Off, it never has to.
#[derive(Debug)]
pub(crate) struct Stalls {
    random: Option<Pcg64Mcg>,
    /// Cycles left of a long stall.
    left: u32,
}

impl Stalls {
    /// One for each port, told apart by `port`.
    pub(crate) fn new(seed: Option<u64>, port: u64) -> Self {
        let random =
            seed.map(|seed| Pcg64Mcg::seed_from_u64(seed.wrapping_mul(16).wrapping_add(port)));
        Self { random, left: 0 }
    }

    /// Does nothing happen at the port in this cycle? Every other cycle passes, with now and then a
    /// long stop.
    #[inline]
    pub(crate) fn now(&mut self) -> bool {
        let Some(random) = &mut self.random else {
            return false;
        };
        if self.left > 0 {
            self.left -= 1;
            return true;
        }
        let draw: u32 = random.random_range(0..256);
        if draw == 0 {
            self.left = random.random_range(1..64);
        }
        draw < 96
    }

    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.random.is_some()
    }
}
