//! The handle on one simulated host with one device behind its link.

use crate::endpoint::{Cycle, Endpoint, FunctionId};
use crate::error::HostError;
use crate::fault::Fault;
use crate::memory::{Access, HostBuffer};
use crate::options::HostOptions;
use crate::report::{DmaFault, Statistics, TraceRecord, Violation};
use crate::transport::SimTransport;
use nvme_driver::transport::DmaPurpose;

/// A simulated host and its device; clones are handles on the same one.
#[derive(Clone)]
pub struct Host {}

#[expect(unused_variables, clippy::missing_const_for_fn, reason = "signatures first")]
impl Host {
    /// Puts `endpoint` behind a link; link settings are programmed at cycle 0, all else is off.
    pub fn new(options: HostOptions, endpoint: Box<dyn Endpoint>) -> Result<Self, HostError> {
        unreachable!()
    }
    /// What it was made with.
    pub fn options(&self) -> HostOptions {
        unreachable!()
    }
    /// The current cycle.
    pub fn now(&self) -> Cycle {
        unreachable!()
    }
    /// Runs the next cycle in which anything happens; false when nothing is left to happen.
    pub fn step(&self) -> bool {
        unreachable!()
    }
    /// Runs everything up to and including `cycle`, which is the time then.
    pub fn run_until(&self, cycle: Cycle) {
        unreachable!()
    }
    /// Runs until nothing is left to happen, at most until `limit`; true when it is idle.
    pub fn run_until_idle(&self, limit: Cycle) -> bool {
        unreachable!()
    }
    /// A transport on a function: memory space and bus-master get enabled.
    pub fn transport(&self, function: FunctionId) -> Result<SimTransport, HostError> {
        unreachable!()
    }
    /// Virtual functions the device can have.
    pub fn virtual_functions(&self) -> u8 {
        unreachable!()
    }
    /// Writes the SR-IOV capability so that VFs 1..=`count` exist. Changing a count resets all VFs.
    pub fn enable_virtual_functions(&self, count: u8) -> Result<(), HostError> {
        unreachable!()
    }
    /// Function level reset; bus-master and memory enable are restored after it, MSI-X is not.
    pub fn reset_function(&self, function: FunctionId) -> Result<(), HostError> {
        unreachable!()
    }
    /// Reads 1, 2 or 4 bytes of configuration space; all ones when nothing answers.
    pub fn config_read(
        &self,
        function: FunctionId,
        offset: u16,
        bytes: u8,
    ) -> Result<u32, HostError> {
        unreachable!()
    }
    /// Writes 1, 2 or 4 bytes of configuration space; returns when the write has been answered.
    pub fn config_write(
        &self,
        function: FunctionId,
        offset: u16,
        bytes: u8,
        value: u32,
    ) -> Result<(), HostError> {
        unreachable!()
    }
    /// A posted write of any shape to BAR0, also ones a driver would never send.
    pub fn bar_write(
        &self,
        function: FunctionId,
        offset: u64,
        data: &[u8],
    ) -> Result<(), HostError> {
        unreachable!()
    }
    /// Zeroed host memory that no function can reach yet.
    pub fn allocate(&self, bytes: usize) -> Result<HostBuffer, HostError> {
        unreachable!()
    }
    /// Lets `function` reach all of `buffer` at `bus_address` (any multiple of 4 KiB).
    pub fn map(
        &self,
        function: FunctionId,
        bus_address: u64,
        buffer: &HostBuffer,
        access: Access,
        purpose: DmaPurpose,
    ) -> Result<(), HostError> {
        unreachable!()
    }
    /// Takes away what `function` can reach in a range (multiples of 4 KiB); mappings are cut.
    pub fn unmap(
        &self,
        function: FunctionId,
        bus_address: u64,
        bytes: u64,
    ) -> Result<(), HostError> {
        unreachable!()
    }
    /// DMA faults since the last call (the first 1,024 of them; all are counted).
    pub fn take_dma_faults(&self) -> Vec<DmaFault> {
        unreachable!()
    }
    /// Rules of the link the endpoint broke since the last call (the first 1,024).
    pub fn take_violations(&self) -> Vec<Violation> {
        unreachable!()
    }
    /// Counts.
    pub fn statistics(&self) -> Statistics {
        unreachable!()
    }
    /// Adds a fault to the script.
    pub fn inject(&self, fault: Fault) {
        unreachable!()
    }
    /// The trace since the last call; empty without [`HostOptions::trace`].
    pub fn take_trace(&self) -> Vec<TraceRecord> {
        unreachable!()
    }
    /// The medium's content, for checks.
    pub fn peek_medium(&self, offset: u64, into: &mut [u8]) {
        unreachable!()
    }
    /// The endpoint itself, for checks.
    pub fn with_endpoint<R>(&self, visit: impl FnOnce(&mut dyn Endpoint) -> R) -> R {
        unreachable!()
    }
}
