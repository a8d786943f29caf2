//! Everything that an admin command can ask for is the cycle model's, byte for byte: pages, counters,
//! error log, events, after random I/O, random mistakes and random admin commands of all functions.
#![cfg(feature = "verilator")]

mod admin;
mod bench;
mod commands;
mod io;

use bench::Bench;
use rand::RngExt;

const STEPS: u32 = 10_000;
/// Longer than any engine of the pages works.
const REST_CYCLES: u32 = 24;

#[test]
fn pages_tell_what_the_models_tell() {
    let mut bench = Bench::new(5);
    for _ in 0..STEPS {
        match bench.random.random_range(0..100) {
            0..45 => bench.io(),
            45 | 46 => bench.doorbells(),
            47 => bench.reset(),
            _ => bench.admin(),
        }
        bench.rest(REST_CYCLES);
    }
    let seen = [bench.events, bench.pages, bench.aborts];
    assert!(seen.iter().all(|count| *count > 50), "{seen:?}: too few");
}
