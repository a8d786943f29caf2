//! A device in memory that many simulated clients share, with delays, races and faults by seed.
//!
//! For tests of the store and of what is built on it. One seed decides everything.

mod memory_device;
mod memory_page_store;
mod memory_state;

pub use memory_device::{Effect, MemoryCounters, MemoryDevice, MemoryOptions, PendingOperation};
pub use memory_page_store::MemoryPageStore;
