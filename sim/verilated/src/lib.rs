//! The controller's Verilog (`rtl/`) through Verilator, behind the same link as the cycle model.
//!
//! `RtlDevice` is an [`Endpoint`](pcie_host::endpoint::Endpoint): what the host hands over as values
//! goes in at the pins of the Virtex-7 Gen3 block as beats, and back. One room a part of it:
//!
//! | file | what |
//! |---|---|
//! | `build.rs`, `shim.cpp` | Verilator, the C++ compiler, and the addresses of the ports |
//! | `design` | a verilated design: pins and clock |
//! | `tlp` | descriptors and side information of CQ, CC, RQ and RC |
//! | `stream` | the four AXI4-Streams, beat by beat |
//! | `side_band` | link settings, function states, resets |
//! | `memory` | AXI4 memory over the medium |
//! | `stall` | back-pressure by seed |
//! | `reads` | the endpoint's outstanding reads |
//! | `registers` | the host's accesses to BAR0 |
//! | `device` | all of it, cycle by cycle |
//! | `locks` | the steps of the range lock, by its trace ports |
//! | `watch` | what passes the port, read as NVMe: the cycles of each command |
//!
//! Built with the cargo feature `verilator` only; without it the crate is empty. What breaks a rule of
//! the block or of AXI4 panics, with the rule: it is a mistake of the Verilog, and nothing that follows
//! would mean anything.

#[cfg(feature = "verilator")]
mod design;
#[cfg(feature = "verilator")]
mod device;
#[cfg(feature = "verilator")]
mod locks;
#[cfg(feature = "verilator")]
mod memory;
#[cfg(feature = "verilator")]
mod options;
#[cfg(feature = "verilator")]
mod reads;
#[cfg(feature = "verilator")]
mod registers;
#[cfg(feature = "verilator")]
mod side_band;
#[cfg(feature = "verilator")]
mod stall;
#[cfg(feature = "verilator")]
mod stream;
#[cfg(feature = "verilator")]
mod tlp;
#[cfg(feature = "verilator")]
mod watch;

#[cfg(feature = "verilator")]
pub use device::RtlDevice;
#[cfg(feature = "verilator")]
pub use options::{RtlError, RtlOptions, Shape};
