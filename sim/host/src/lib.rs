//! The host's half of a simulated PCIe link.
//!
//! A [`Host`] has memory with an IOMMU map for each function, a link with its timing, the part of
//! the PCIe hard block that is not the controller's (configuration space, SR-IOV, function level
//! reset, tags), and MSI-X. The device behind the link is an [`Endpoint`](endpoint::Endpoint);
//! software reaches it through [`SimTransport`], the driver's `Transport`. What goes wrong on the
//! way is an input: [`FaultPlan`].
//!
//! # Time
//! One cycle is 8 ns. A value that the endpoint sends in cycle *t* (its last beat on RQ) is in host
//! memory, and visible to software, in *t* + [`up_cycles`](HostOptions::up_cycles); a read's data
//! begin at RC in *t* + [`rtt_cycles`](HostOptions::rtt_cycles) and take ⌈(12 + n) / 32⌉ beats for
//! each completion TLP of n bytes. A register write of software leaves the host
//! [`software_cycles`](HostOptions::software_cycles) after the function's previous one, at the
//! earliest so long after now, and is at CQ [`down_cycles`](HostOptions::down_cycles) later. On the
//! link a request costs 24 bytes and a completion 20 beside its data; where that is slower than the
//! port's beats, it counts. Completions come in the order of their requests; nothing overtakes
//! posted writes.
//!
//! Time moves only when software waits ([`Transport::wait`](nvme_driver::transport::Transport::wait),
//! register reads, configuration accesses, the `run` functions of [`Host`]); idle time is skipped.
//! Software that is busy costs nothing but what the options say, however often it polls.

mod arena;
mod calendar;
pub mod config;
mod dma;
mod downlink;
pub mod endpoint;
mod error;
mod fault;
mod fault_engine;
mod hard_block;
mod host;
pub mod interrupt;
mod iommu;
pub mod link;
mod memory;
mod options;
mod payload;
mod report;
mod shared;
mod simulation;
mod tag;
mod transport;

pub use dma::SimDma;
pub use error::HostError;
pub use fault::{Fault, FaultPlan, FaultRates, LinkEvent, ReadFault, ReadSelect};
pub use host::Host;
pub use memory::{Access, HostBuffer};
pub use options::{
    COMPLETION_HEADER_BYTES, Delivery, FRAMING_BYTES, HostOptions, MAX_VIRTUAL_FUNCTIONS,
    REQUEST_HEADER_BYTES, TAGS,
};
pub use report::{
    DmaFault, DmaFaultReason, Statistics, TraceEvent, TraceRecord, Violation, ViolationKind,
};
pub use shared::Shared;
pub use transport::SimTransport;
