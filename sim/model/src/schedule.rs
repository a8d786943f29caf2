//! When each engine has something to do next.
//!
//! The hardware is a handful of engines and delay lines, so there is no event heap: each engine has
//! one cycle at which it is due, and within a cycle they run in the order of [`Engine`].

use pcie_host::endpoint::Cycle;

/// The engines, in the order in which they run within a cycle. What becomes visible in a cycle comes
/// first, what is decided in it after that; a decision is seen by others in the next cycle, but for what
/// the blocks have in common without a register between them: a read is asked for and on the RQ's
/// doorstep in one cycle, a lock given up is in nobody's way in the same cycle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub(crate) enum Engine {
    /// The power goes.
    Crash,
    /// CC: answers to register reads.
    RegisterReads,
    /// RQ: TLPs that have been taken.
    Rq,
    /// RC: data of host reads, and the space that they give back.
    Arrivals,
    /// Doorbells on their way to the queues.
    Doorbells,
    /// What stands at the heads of the SQE FIFOs.
    Heads,
    /// CC.EN set, CSTS.RDY due.
    Enable,
    /// AXI R: bursts that have ended.
    AxiRead,
    /// AXI B: responses.
    AxiWrite,
    /// Commands that wait for a slow medium.
    Media,
    /// Steps on their way through register stages.
    Pipeline,
    /// Takes SQEs out of their FIFOs.
    Dispatch,
    /// Commands that come out of the decoder.
    Decode,
    /// Admin commands that have been answered.
    Admin,
    /// What is through with the medium, and does not wait for B.
    Moves,
    /// What becomes of Writes, Compares and pairs, an event a cycle.
    Segments,
    /// Hands out data buffers.
    Buffers,
    /// CQEs, and the interrupts behind them.
    Completions,
    /// Host reads, one a cycle.
    Reads,
    /// Who wants SQEs.
    Fetch,
    /// PRP lists: the next read.
    Lists,
    /// Granules to be read from the medium.
    ReadPath,
    /// Segments to be written to the medium.
    WritePath,
    /// The range lock: a grant and a request a cycle.
    Lock,
    /// Host reads that have taken too long.
    TagTimeout,
    /// Coalesced interrupts whose time is up.
    Coalescing,
}

const ENGINES: [Engine; 26] = [
    Engine::Crash,
    Engine::RegisterReads,
    Engine::Rq,
    Engine::Arrivals,
    Engine::Doorbells,
    Engine::Heads,
    Engine::Enable,
    Engine::AxiRead,
    Engine::AxiWrite,
    Engine::Media,
    Engine::Pipeline,
    Engine::Dispatch,
    Engine::Decode,
    Engine::Admin,
    Engine::Moves,
    Engine::Segments,
    Engine::Buffers,
    Engine::Completions,
    Engine::Reads,
    Engine::Fetch,
    Engine::Lists,
    Engine::ReadPath,
    Engine::WritePath,
    Engine::Lock,
    Engine::TagTimeout,
    Engine::Coalescing,
];

/// A cycle that never comes.
pub(crate) const NEVER: Cycle = Cycle::MAX;

/// Bits of a key below the cycle: the engine, so that the smallest key is the first engine.
const ENGINE_BITS: u32 = 5;
const _: () = assert!(ENGINES.len() <= 1 << ENGINE_BITS);

/// Keys are compared in so many chains that do not wait for one another.
const LANES: usize = 4;
const KEYS: usize = ENGINES.len().next_multiple_of(LANES);

/// One due cycle for each engine, as keys: cycle, then engine.
#[derive(Debug)]
pub(crate) struct Schedule {
    keys: [u64; KEYS],
    first: u64,
}

impl Schedule {
    pub(crate) const fn new() -> Self {
        Self {
            keys: [NEVER; KEYS],
            first: NEVER,
        }
    }

    const fn key(engine: Engine, at: Cycle) -> u64 {
        // Later than any run lasts is never.
        if at >= NEVER >> ENGINE_BITS {
            NEVER
        } else {
            at << ENGINE_BITS | engine as u64
        }
    }

    /// The engine is due at `at` and not before; [`NEVER`] takes it off.
    pub(crate) const fn set(&mut self, engine: Engine, at: Cycle) {
        self.keys[engine as usize] = Self::key(engine, at);
    }

    /// The engine is due at `at`, or earlier if it was.
    pub(crate) fn no_later_than(&mut self, engine: Engine, at: Cycle) {
        let key = &mut self.keys[engine as usize];
        *key = (*key).min(Self::key(engine, at));
    }

    /// Finds out who is first, after changes.
    pub(crate) fn settle(&mut self) {
        let mut least = [NEVER; LANES];
        for keys in self.keys.chunks_exact(LANES) {
            for (least, key) in least.iter_mut().zip(keys) {
                *least = (*least).min(*key);
            }
        }
        let [a, b, c, d] = least;
        self.first = a.min(b).min(c.min(d));
    }

    /// The first engine that is due, and when, as of the last [`settle`](Self::settle).
    pub(crate) const fn first(&self) -> Option<(Cycle, Engine)> {
        if self.first == NEVER {
            return None;
        }
        let engine = self.first & ((1 << ENGINE_BITS) - 1);
        Some((self.first >> ENGINE_BITS, ENGINES[engine as usize]))
    }

    /// Nothing is due any more.
    pub(crate) const fn clear(&mut self) {
        self.keys = [NEVER; KEYS];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_engines_of_one_cycle_in_their_order() {
        let mut schedule = Schedule::new();
        assert_eq!(schedule.first(), None);
        for engine in ENGINES.iter().rev() {
            schedule.set(*engine, 7);
        }
        for engine in ENGINES {
            schedule.settle();
            assert_eq!(schedule.first(), Some((7, engine)));
            schedule.set(engine, NEVER);
        }
        schedule.set(Engine::Rq, 9);
        schedule.no_later_than(Engine::Rq, 12);
        schedule.no_later_than(Engine::Dispatch, 8);
        schedule.set(Engine::TagTimeout, NEVER - 1);
        schedule.settle();
        assert_eq!(schedule.first(), Some((8, Engine::Dispatch)));
    }
}
