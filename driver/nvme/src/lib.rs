//! User-space polled NVMe driver with fused Compare-and-Write.
//!
//! ```text
//! Controller::open(transport, options)      registers, admin queue, Identify   (slow, any thread)
//!     └─ queue_pair(options) → QueuePair    rings, buffers, command table      (one client each)
//!            ├─ buffer(bytes) → DmaBuffer
//!            ├─ submit_read / _write / _compare / _flush / _compare_and_write  (posts entries)
//!            ├─ ring()                                                         (one doorbell)
//!            └─ poll(&mut completions) / wait(deadline)
//!     └─ Reactor::new(queue_pair)           the same as async functions
//! ```
//!
//! The driver has no threads and reads no clock but its transport's. On the hot path it takes no
//! lock and allocates nothing. What it runs on is a [`Transport`]: a simulation in this process,
//! or a device.
//!
//! Every request that was taken comes back exactly once, whatever the device does: a command that
//! gets no answer is aborted, then the controller is reset, then the function; completions that
//! make no sense are reported and not believed. When a failed Write or Compare-and-Write may have
//! been executed, [`Completion::outcome_unknown`] says so.

mod admin_commands;
mod admin_queue;
mod bring_up;
mod buffer;
mod command_table;
mod completion;
mod controller;
mod error;
mod function;
mod info;
mod memory;
mod options;
mod pool;
mod queue_pair;
mod reactor;
mod report;
mod ring;
pub mod transport;

pub use buffer::DmaBuffer;
pub use completion::{Completion, Outcome, QueueFull};
pub use controller::Controller;
pub use error::{CommandKind, DriverError, Request, ResetReason};
pub use info::ControllerInfo;
pub use options::{CompletionMode, ControllerOptions, QueueOptions};
pub use queue_pair::QueuePair;
pub use reactor::{Reactor, RequestFuture};
pub use report::{AsyncEventReport, BogusCompletion, Distrust};
pub use transport::{DmaMemory, DmaPurpose, Transport, TransportError, Wake};
