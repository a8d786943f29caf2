//! The library as its callers see it.

#[path = "../support/mod.rs"]
mod support;

mod concurrency;
mod outcomes;

use rdstore::Outcome;
use rdstore::testing::MemoryOptions;

fn slow() -> MemoryOptions {
    MemoryOptions {
        delay_ns: (1_000, 9_000),
        ..MemoryOptions::default()
    }
}

fn found(outcome: Outcome) -> Vec<u8> {
    match outcome {
        Outcome::Found { value, .. } => value,
        other => panic!("{other:?}"),
    }
}
