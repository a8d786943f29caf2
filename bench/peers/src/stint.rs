//! A stint: one side carries out one kind of load for a while, and is measured.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use hdrhistogram::Histogram;

use crate::load::{Ledger, Load, Mix, Operation};
use crate::side::{Place, Side};

/// How much of a load is carried out.
#[derive(Clone, Copy, Debug)]
pub struct Stint {
    /// What is asked for.
    pub mix: Mix,
    /// Operations in flight.
    pub outstanding: usize,
    /// Operations are started when so many places are free; a batch shares system calls.
    pub batch: usize,
    /// How long operations are carried out that count.
    pub measured: Duration,
    /// How long they are carried out before, without being counted.
    pub warm_up: Duration,
}

/// What a stint has measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Nanoseconds of each look-up.
    pub get_ns: Histogram<u64>,
    /// Nanoseconds of each update.
    pub update_ns: Histogram<u64>,
    /// Operations a second, from the end of the warm-up to the last one's end.
    pub operations_per_s: f64,
    /// Operations of the whole stint, warm-up included.
    pub operations: u64,
    /// Values that were looked up, all of them right.
    pub verified: u64,
    /// Updates of the whole stint.
    pub updates: u64,
}

/// Carries a stint out, from the load's request number `first` on. Nothing is in flight before it and
/// after it.
///
/// # Errors
/// The side's, and a value that is wrong.
pub fn run(
    side: &mut impl Side,
    ledger: &mut Ledger,
    load: &Load,
    first: usize,
    stint: &Stint,
) -> Result<Measured> {
    let histogram = || Histogram::new(3).map_err(|error| anyhow!("a histogram: {error:?}"));
    let mut measured = Measured {
        get_ns: histogram()?,
        update_ns: histogram()?,
        operations_per_s: 0.0,
        operations: 0,
        verified: 0,
        updates: 0,
    };
    let mut operations: Vec<Option<Operation>> = vec![None; stint.outstanding];
    let mut free: Vec<Place> = (0..stint.outstanding).rev().collect();
    let from = Instant::now() + stint.warm_up;
    let until = from + stint.measured;
    let mut next = first;
    let (mut counted, mut last_end) = (0_u64, from);
    let mut over = false;
    while !over || free.len() < stint.outstanding {
        if !over && free.len() >= stint.batch {
            while let Some(place) = free.pop() {
                let (record, update) = load.request(stint.mix, next);
                next += 1;
                operations[place] = Some(ledger.start(side, load, place, record, update)?);
            }
        }
        let mut now = None;
        side.advance(|place, ended| {
            let now = *now.get_or_insert_with(Instant::now);
            let operation = operations[place].take();
            let operation = ledger.conclude(operation.as_ref(), &ended)?;
            measured.operations += 1;
            measured.updates += u64::from(operation.update);
            measured.verified += u64::from(!operation.update);
            if now >= from && !over {
                counted += 1;
                last_end = now;
                let ns = now.duration_since(operation.started).as_nanos() as u64;
                let histogram = if operation.update {
                    &mut measured.update_ns
                } else {
                    &mut measured.get_ns
                };
                // It grows as far as 64 bits go.
                let _ = histogram.record(ns);
            }
            free.push(place);
            Ok(())
        })?;
        // Where one operation takes longer than all the time, it is measured still.
        over |= counted > 0 && last_end >= until;
    }
    measured.operations_per_s = counted as f64 / last_end.duration_since(from).as_secs_f64();
    Ok(measured)
}
