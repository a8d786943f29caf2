//! How far simulated time may go.

use std::time::Instant;

use pcie_host::endpoint::{Cycle, NANOSECONDS_PER_CYCLE};

use crate::options::Pace;

/// Cycles of a command that [`Pace::Media`] does not make anybody wait for: those of a 4 KiB read or
/// fused pair with the default link beside the medium, rounded up.
pub const FREE_CYCLES: Cycle = 250;

/// A simulation that is further behind than this has missed its time and goes on from now, instead
/// of running faster than real time later.
const MOST_LATE_CYCLES: Cycle = 100_000 / NANOSECONDS_PER_CYCLE;

/// The limit of time that may jump.
pub(crate) const NO_LIMIT: Cycle = Cycle::MAX - 1;

/// The two clocks side by side.
#[derive(Debug)]
pub(crate) struct Pacer {
    pace: Pace,
    /// A point at which they showed the same; `None` while time may jump.
    anchor: Option<(Instant, Cycle)>,
}

impl Pacer {
    pub(crate) const fn new(pace: Pace) -> Self {
        Self { pace, anchor: None }
    }

    /// Does simulated time follow the real one by itself?
    pub(crate) fn is_paced(&self) -> bool {
        self.pace != Pace::Fast
    }

    /// How far time may go from cycle `now` on, when the next thing is to happen at `due`. While
    /// clients have to answer (`waits`), time does not jump in any mode: the endpoint would give their
    /// answers up.
    pub(crate) fn limit(&mut self, now: Cycle, due: Option<Cycle>, waits: bool) -> Cycle {
        if self.pace == Pace::Fast && !waits {
            self.anchor = None;
            return NO_LIMIT;
        }
        let &mut (instant, cycle) = self.anchor.get_or_insert_with(|| (Instant::now(), now));
        let elapsed = instant.elapsed().as_nanos() as u64 / NANOSECONDS_PER_CYCLE;
        let mut limit = cycle + elapsed;
        if let Some(due) = due
            && due.saturating_add(MOST_LATE_CYCLES) < limit
        {
            self.anchor = Some((Instant::now(), due));
            limit = due;
        }
        let free = if self.pace == Pace::Media {
            FREE_CYCLES
        } else {
            0
        };
        limit + free
    }
}
