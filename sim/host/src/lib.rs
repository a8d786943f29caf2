//! The host's half of a simulated PCIe link.
//!
//! A [`Host`] has memory with an IOMMU map for each function, a link with its timing, the part of
//! the PCIe hard block that is not the controller's (configuration space, SR-IOV, function level
//! reset, tags), and MSI-X. The device behind the link is an [`Endpoint`](endpoint::Endpoint);
//! software reaches it through [`SimTransport`], the driver's `Transport`. What goes wrong on the
//! way is an input: [`FaultPlan`].

mod arena;
mod calendar;
pub mod config;
mod downlink;
pub mod endpoint;
mod error;
mod fault;
mod fault_engine;
mod hard_block;
mod host;
mod interrupt;
mod iommu;
mod link;
mod memory;
mod options;
mod payload;
mod report;
mod simulation;
mod tag;
mod transport;

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
pub use transport::{SimDma, SimTransport};
