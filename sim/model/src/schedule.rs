//! When each engine has something to do next.
//!
//! The hardware is a handful of engines and delay lines, so there is no event heap: each engine has
//! one cycle at which it is due, and within a cycle they run in the order of [`Engine`].

use pcie_host::endpoint::Cycle;

/// The engines, in the order in which they run within a cycle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub(crate) enum Engine {
    /// The power goes.
    Crash,
    /// CC: answers to register reads.
    RegisterReads,
    /// Doorbells on their way to the queues.
    Doorbells,
    /// RQ: TLPs that have been taken.
    Rq,
    /// AXI R: bursts that have ended.
    AxiRead,
    /// AXI B: responses.
    AxiWrite,
    /// Commands that wait for a slow medium.
    Media,
    /// Commands that come out of the decoder.
    Decode,
    /// Takes SQEs out of their FIFOs.
    Dispatch,
    /// Admin commands that have been answered.
    Admin,
    /// CC.EN set, CSTS.RDY due.
    Enable,
    /// Host reads that have taken too long.
    TagTimeout,
    /// Coalesced interrupts whose time is up.
    Coalescing,
}

const ENGINES: [Engine; 13] = [
    Engine::Crash,
    Engine::RegisterReads,
    Engine::Doorbells,
    Engine::Rq,
    Engine::AxiRead,
    Engine::AxiWrite,
    Engine::Media,
    Engine::Decode,
    Engine::Dispatch,
    Engine::Admin,
    Engine::Enable,
    Engine::TagTimeout,
    Engine::Coalescing,
];

/// A cycle that never comes.
pub(crate) const NEVER: Cycle = Cycle::MAX;

/// One due cycle for each engine.
#[derive(Debug)]
pub(crate) struct Schedule {
    due: [Cycle; ENGINES.len()],
}

impl Schedule {
    pub(crate) const fn new() -> Self {
        Self { due: [NEVER; ENGINES.len()] }
    }

    /// The engine is due at `at` and not before; [`NEVER`] takes it off.
    pub(crate) const fn set(&mut self, engine: Engine, at: Cycle) {
        self.due[engine as usize] = at;
    }

    /// The engine is due at `at`, or earlier if it was.
    pub(crate) fn no_later_than(&mut self, engine: Engine, at: Cycle) {
        let due = &mut self.due[engine as usize];
        *due = (*due).min(at);
    }

    /// The first engine that is due, and when.
    pub(crate) fn first(&self) -> (Cycle, Engine) {
        let mut first = 0;
        let mut at = self.due[0];
        for (index, due) in self.due.iter().enumerate().skip(1) {
            if *due < at {
                at = *due;
                first = index;
            }
        }
        (at, ENGINES[first])
    }

    /// Nothing is due any more.
    pub(crate) fn clear(&mut self) {
        self.due = [NEVER; ENGINES.len()];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_engines_of_one_cycle_in_their_order() {
        let mut schedule = Schedule::new();
        assert_eq!(schedule.first().0, NEVER);
        for engine in ENGINES.iter().rev() {
            schedule.set(*engine, 7);
        }
        for engine in ENGINES {
            assert_eq!(schedule.first(), (7, engine));
            schedule.set(engine, NEVER);
        }
        schedule.set(Engine::Rq, 9);
        schedule.no_later_than(Engine::Rq, 12);
        schedule.no_later_than(Engine::Dispatch, 8);
        assert_eq!(schedule.first(), (8, Engine::Dispatch));
    }
}
