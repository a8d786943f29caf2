//! Device tests of the controller, written once for every twin.
//!
//! A twin's crate runs them all with one line, [`suite!`], given a function that builds the device:
//!
//! ```text
//! nvme_conformance::suite!(build_device);
//! ```
//!
//! The tests know NVMe and the link, nothing of the twin: they post entries, ring doorbells, read
//! completions in host memory, and look at the medium.

pub mod campaign;
pub mod commands;
pub mod data;
pub mod fused;
pub mod registers;
pub mod rig;
pub mod side_by_side;
mod suite;
pub mod traffic;

pub use rig::{DeviceOptions, Factory, Rig};

/// Is this the full campaign (`RDSTORE_FULL=1`), not the share of it that every test run takes?
pub fn is_full_campaign() -> bool {
    std::env::var("RDSTORE_FULL").is_ok_and(|value| value == "1")
}

/// How much of something a test does: `share` by default, `full` in the full campaign.
pub fn scale(share: u64, full: u64) -> u64 {
    if is_full_campaign() { full } else { share }
}
