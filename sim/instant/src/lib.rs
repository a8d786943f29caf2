//! An NVMe controller without time.
//!
//! It implements the driver's [`Transport`](nvme_driver::Transport) directly: no link, no
//! configuration space, no cycles. A command is executed inside the doorbell write that submits it,
//! so a Read of one page costs one copy of that page and one completion queue entry. That makes it
//! the null device against which the store's and the driver's own cost is measured, and a quick
//! peer for their tests.
//!
//! It can also misbehave on demand ([`Injection`], [`Presence`], and the methods of
//! [`InstantDevice`]): wrong statuses, lost commands and completions, completions that make no
//! sense, a controller that does not reset, a device that is gone.
//!
//! Its clock stands still except in `wait`: when nothing has happened since the handle's last
//! `wait`, time jumps to the deadline. With [`InstantOptions::shuffle_seed`] completions are
//! delivered late and in random order, by `wait` too.
//!
//! What it does not do: arbitration, interrupt coalescing and masking (INTMS), namespace lists
//! beyond one namespace, error log entries.

mod admin;
mod completion;
mod controller;
mod device;
mod dma;
mod fault;
mod identity;
mod io;
mod options;
mod transport;

pub use device::{InstantDevice, ResetCounts};
pub use dma::InstantDma;
pub use fault::{Corruption, Fault, Injection, Presence};
pub use options::InstantOptions;
pub use transport::InstantTransport;
