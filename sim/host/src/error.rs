//! What can be wrong with a request to the host.

use thiserror::Error;

use crate::endpoint::{Cycle, FunctionId};

/// Why the host refused or failed.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum HostError {
    /// A parameter out of its range.
    #[error("host option {option} is {value}; it must be {expected}")]
    InvalidOption {
        /// Field of [`HostOptions`](crate::HostOptions).
        option: &'static str,
        /// What it was.
        value: u64,
        /// What it may be.
        expected: &'static str,
    },
    /// The endpoint has more functions than the SR-IOV capability can show.
    #[error("the endpoint has {count} virtual functions; this host takes at most {most}")]
    TooManyFunctions {
        /// Virtual functions of the endpoint.
        count: u8,
        /// The limit.
        most: u8,
    },
    /// A function that is not there (now).
    #[error(
        "{device} has no {function}: {enabled} of {total} virtual functions are enabled; enable more first"
    )]
    NoSuchFunction {
        /// Name of the device.
        device: String,
        /// Function asked for.
        function: FunctionId,
        /// Virtual functions enabled now.
        enabled: u8,
        /// Virtual functions the device can have.
        total: u8,
    },
    /// The link is down.
    #[error("{device}: the link is down")]
    LinkDown {
        /// Name of the device.
        device: String,
    },
    /// A configuration access that PCIe does not have.
    #[error(
        "configuration access of {bytes} bytes at {offset:#x}; it must be 1, 2 or 4 bytes, naturally aligned, below 0x1000"
    )]
    InvalidConfigAccess {
        /// Byte offset in configuration space.
        offset: u16,
        /// Width.
        bytes: u8,
    },
    /// A BAR0 write that does not fit into one TLP or the BAR.
    #[error(
        "BAR0 write of {bytes} bytes at {offset:#x}; it must have 1 to 4096 bytes inside the BAR"
    )]
    InvalidBarAccess {
        /// Offset within BAR0.
        offset: u64,
        /// Width.
        bytes: usize,
    },
    /// Host memory is used up.
    #[error("no {bytes} bytes of host memory: {free} of {total} are free; raise memory_bytes")]
    OutOfMemory {
        /// Asked for.
        bytes: usize,
        /// Left, not necessarily in one piece.
        free: u64,
        /// In all.
        total: u64,
    },
    /// The system gives no address space for host memory.
    #[error("cannot reserve {bytes} bytes of host memory: {reason}; lower memory_bytes")]
    Reserve {
        /// Asked for.
        bytes: u64,
        /// The system's words.
        reason: String,
    },
    /// A mapping that an IOMMU does not have.
    #[error("cannot map {bytes:#x} bytes at bus address {bus_address:#x}: {reason}")]
    InvalidMapping {
        /// First bus address.
        bus_address: u64,
        /// Length.
        bytes: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// A function level reset that did not end.
    #[error("{device} {function}: function level reset not done after {cycles} cycles")]
    ResetTimeout {
        /// Name of the device.
        device: String,
        /// Which function.
        function: FunctionId,
        /// How long the host waited.
        cycles: Cycle,
    },
}
