//! What a store must survive: crashes at any moment, clients that die between any two commands,
//! and every fault of the link, end to end on store, driver, host and model.
//!
//! | file | what |
//! |---|---|
//! | `rig` | a simulated host with the model over an image file |
//! | `record` | keys, and values that name the operation that wrote them |
//! | `witness` | what is told to whoever checks: an operation begins, an operation ends |
//! | `ledger` | the checker: what may be found, given what was begun and acknowledged |
//! | `journal` | the witness of a process that will be killed: records on a pipe |
//! | `load` | a mixed load of several clients, interleaved command by command |
//! | `inspection` | after a crash: fsck, every key, a scan, and the ledger's verdict |
//! | `reclaim` | what dead clients left is cleared away when room is needed |
//! | `meddling` | a device handle with somebody between it and its client |
//! | `mortal` | a device handle whose owner dies at its n-th command |
//! | `lying` | a device handle that acknowledges an update and drops it |
//! | `scenario` | every kind of operation, in a store prepared for it |
//!
//! `RDSTORE_FULL=1` runs the whole campaigns, `RDSTORE_SEED` names another seed.

pub mod inspection;
pub mod journal;
pub mod ledger;
pub mod load;
pub mod lying;
pub mod meddling;
pub mod mortal;
pub mod reclaim;
pub mod record;
pub mod rig;
pub mod scenario;
pub mod witness;

/// Is this the full campaign (`RDSTORE_FULL=1`), not the share of it that every test run takes?
pub fn full() -> bool {
    std::env::var("RDSTORE_FULL").is_ok_and(|value| value == "1")
}

/// The seed: `RDSTORE_SEED`, or a fixed one. Printed, so that a failure can be replayed.
///
/// # Panics
/// `RDSTORE_SEED` is not a number.
pub fn seed() -> u64 {
    let seed = match std::env::var("RDSTORE_SEED") {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("RDSTORE_SEED is {text:?}: it must be a decimal number")),
        Err(_) => 0x5eed_c4a5,
    };
    println!("RDSTORE_SEED={seed}");
    seed
}
