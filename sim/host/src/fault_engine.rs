//! Decides what goes wrong: the script first, then chance.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::endpoint::{Cycle, FunctionId, MemoryRead};
use crate::fault::{Fault, FaultPlan, FaultRates, LinkEvent, ReadFault, ReadSelect};

/// Events are in a million.
const MILLION: u32 = 1_000_000;

/// A plan at work.
pub(crate) struct FaultEngine {
    /// Read and interrupt faults that have not happened; `Nth` counts from the start of time here.
    script: Vec<Fault>,
    rates: FaultRates,
    random_reads: bool,
    rng: Pcg64Mcg,
    reads: Vec<u64>,
    interrupts: Vec<u64>,
    /// Faults that happened.
    pub(crate) injected: u64,
}

impl FaultEngine {
    /// The engine, and the plan's events with their cycles.
    pub(crate) fn new(
        plan: &FaultPlan,
        seed: u64,
        functions: usize,
    ) -> (Self, Vec<(Cycle, LinkEvent)>) {
        let rates = plan.rates;
        let mut engine = Self {
            script: vec![],
            rates,
            random_reads: read_rates(&rates).iter().any(|&rate| rate > 0),
            rng: Pcg64Mcg::seed_from_u64(seed),
            reads: vec![0; functions],
            interrupts: vec![0; functions],
            injected: 0,
        };
        let events = plan
            .script
            .iter()
            .filter_map(|&fault| engine.add(fault))
            .collect();
        (engine, events)
    }

    /// Adds a fault to the script; an event comes back, for the caller's calendar.
    pub(crate) fn add(&mut self, mut fault: Fault) -> Option<(Cycle, LinkEvent)> {
        let so_far = |counts: &[u64], function: FunctionId| {
            counts.get(function.index()).copied().unwrap_or_default()
        };
        match &mut fault {
            Fault::At { cycle, event } => return Some((*cycle, *event)),
            Fault::Read {
                function,
                select: ReadSelect::Nth(nth),
                ..
            } => {
                *nth += so_far(&self.reads, *function);
            }
            Fault::Read { .. } => {}
            Fault::InterruptDropped { function, nth } => {
                *nth += so_far(&self.interrupts, *function);
            }
        }
        self.script.push(fault);
        None
    }

    /// Is anything scripted, or may a read go wrong by chance?
    pub(crate) const fn has_reads(&self) -> bool {
        !self.script.is_empty() || self.random_reads
    }

    /// What happens to a read.
    #[inline]
    pub(crate) fn read(&mut self, read: &MemoryRead) -> Option<ReadFault> {
        let count = &mut self.reads[read.function.index()];
        let nth = *count;
        *count += 1;
        if !self.has_reads() {
            return None;
        }
        let fault = self.scripted_read(read, nth).or_else(|| self.random_read());
        self.injected += u64::from(fault.is_some());
        fault
    }

    fn scripted_read(&mut self, read: &MemoryRead, count: u64) -> Option<ReadFault> {
        let end_of_read = read.address.saturating_add(read.length_bytes.into());
        let index = self.script.iter().position(|fault| match *fault {
            Fault::Read {
                function, select, ..
            } if function == read.function => match select {
                ReadSelect::Nth(nth) => nth == count,
                ReadSelect::Address { start, end } => read.address < end && start < end_of_read,
            },
            _ => false,
        })?;
        match self.script.remove(index) {
            Fault::Read { fault, .. } => Some(fault),
            _ => None,
        }
    }

    fn random_read(&mut self) -> Option<ReadFault> {
        if !self.random_reads {
            return None;
        }
        let mut draw = self.rng.random_range(0..MILLION);
        let hit = read_rates(&self.rates).iter().position(|&rate| {
            let hit = draw < rate;
            draw = draw.saturating_sub(rate);
            hit
        })?;
        Some(match hit {
            0 => ReadFault::Lost,
            1 => ReadFault::Timeout {
                after_cycles: self.rates.timeout_cycles,
            },
            2 => ReadFault::Delayed {
                by_cycles: self.rng.random_range(1..=self.rates.delay_cycles.max(1)),
            },
            3 => ReadFault::Poisoned,
            4 => ReadFault::UnsupportedRequest,
            _ => ReadFault::CompleterAbort,
        })
    }

    /// Is this MSI-X message dropped?
    pub(crate) fn drops_interrupt(&mut self, function: FunctionId) -> bool {
        let count = &mut self.interrupts[function.index()];
        let this = *count;
        *count += 1;
        let scripted = self.script.iter().position(|fault| {
            matches!(*fault, Fault::InterruptDropped { function: f, nth } if f == function && nth == this)
        });
        let rate = self.rates.interrupts_dropped_per_million;
        let dropped = if let Some(index) = scripted {
            self.script.remove(index);
            true
        } else {
            rate > 0 && self.rng.random_range(0..MILLION) < rate
        };
        self.injected += u64::from(dropped);
        dropped
    }
}

fn read_rates(rates: &FaultRates) -> [u32; 6] {
    [
        rates.lost_per_million,
        rates.timeout_per_million,
        rates.delayed_per_million,
        rates.poisoned_per_million,
        rates.unsupported_per_million,
        rates.abort_per_million,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(function: u8, address: u64) -> MemoryRead {
        MemoryRead {
            function: FunctionId(function),
            address,
            length_bytes: 64,
            tag: 0,
        }
    }

    fn scripted(select: ReadSelect) -> Fault {
        Fault::Read {
            function: FunctionId(1),
            select,
            fault: ReadFault::Poisoned,
        }
    }

    #[test]
    fn a_script_hits_what_it_names_once() {
        let (mut engine, events) = FaultEngine::new(&FaultPlan::default(), 1, 2);
        assert_eq!(events, []);
        assert_eq!(engine.read(&read(1, 0)), None);
        engine.add(scripted(ReadSelect::Nth(1)));
        engine.add(scripted(ReadSelect::Address {
            start: 0x1020,
            end: 0x1024,
        }));
        assert_eq!(engine.read(&read(0, 0x1000)), None, "another function");
        assert_eq!(engine.read(&read(1, 0)), None, "the next but one was named");
        assert_eq!(engine.read(&read(1, 0)), Some(ReadFault::Poisoned));
        assert_eq!(
            engine.read(&read(1, 0xfe0)),
            None,
            "ends where the range begins"
        );
        assert_eq!(engine.read(&read(1, 0x1000)), Some(ReadFault::Poisoned));
        assert_eq!(engine.read(&read(1, 0x1000)), None);
        engine.add(Fault::InterruptDropped {
            function: FunctionId(1),
            nth: 1,
        });
        assert_eq!(
            [(); 3].map(|()| engine.drops_interrupt(FunctionId(1))),
            [false, true, false]
        );
        assert_eq!(engine.injected, 3);
    }

    #[test]
    fn rates_are_kept_and_repeat_by_seed() {
        let rates = FaultRates {
            lost_per_million: 10_000,
            delayed_per_million: 100_000,
            abort_per_million: 50_000,
            delay_cycles: 9,
            ..FaultRates::default()
        };
        let run = |seed| {
            let plan = FaultPlan {
                rates,
                ..FaultPlan::default()
            };
            let (mut engine, _) = FaultEngine::new(&plan, seed, 1);
            (0..100_000)
                .map(|_| engine.read(&read(0, 0)))
                .collect::<Vec<_>>()
        };
        let faults = run(7);
        assert_eq!(faults, run(7));
        assert_ne!(faults, run(8));
        let count = |matching: fn(&ReadFault) -> bool| {
            faults
                .iter()
                .flatten()
                .filter(|fault| matching(fault))
                .count() as f64
        };
        for (seen, expected) in [
            (count(|fault| matches!(fault, ReadFault::Lost)), 1_000.0),
            (
                count(|fault| matches!(fault, ReadFault::Delayed { by_cycles: 1..=9 })),
                10_000.0,
            ),
            (
                count(|fault| matches!(fault, ReadFault::CompleterAbort)),
                5_000.0,
            ),
        ] {
            assert!((seen / expected - 1.0).abs() < 0.15, "{seen} of {expected}");
        }
        assert_eq!(count(|fault| matches!(fault, ReadFault::Poisoned)), 0.0);
    }
}
