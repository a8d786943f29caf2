//! Many clients at once, by seed: every delay, lost race, unknown outcome and death.

#[path = "../support/mod.rs"]
mod support;

mod counters;
mod histories;
mod scans;

use rdstore::testing::{MemoryDevice, MemoryPageStore};
use rdstore::{Client, OpenOptions};

fn open(device: &MemoryDevice, seed: u64) -> Client<MemoryPageStore> {
    Client::open(
        device.handle(),
        OpenOptions {
            seed,
            ..OpenOptions::default()
        },
    )
    .unwrap()
}
