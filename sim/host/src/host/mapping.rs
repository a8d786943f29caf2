//! Host memory, and what each function can reach of it.

use std::rc::Rc;

use nvme_driver::transport::DmaPurpose;

use super::Host;
use crate::endpoint::FunctionId;
use crate::error::HostError;
use crate::interrupt;
use crate::memory::{Access, HostBuffer};

impl Host {
    /// Zeroed host memory, at least `bytes`, that no function can reach yet.
    pub fn allocate(&self, bytes: usize) -> Result<HostBuffer, HostError> {
        let (arena, (offset, len)) = self.with(|simulation| {
            let block = simulation.allocate(bytes)?;
            Ok((Rc::clone(&simulation.arena), block))
        })?;
        Ok(HostBuffer::new(self.clone(), arena, offset, len))
    }

    pub(crate) fn release(&self, offset: usize, len: usize) {
        self.with(|simulation| simulation.release(offset, len));
    }

    /// Lets `function` reach all of `buffer` at `bus_address`, any multiple of 4 KiB at which
    /// nothing is mapped.
    pub fn map(
        &self,
        function: FunctionId,
        bus_address: u64,
        buffer: &HostBuffer,
        access: Access,
        purpose: DmaPurpose,
    ) -> Result<(), HostError> {
        let queue = interrupt::wakes(purpose);
        let (offset, len) = (buffer.offset(), buffer.len() as u64);
        self.with(|simulation| {
            let iommu = simulation.iommus.get_mut(function.index());
            iommu.map(|iommu| iommu.map(bus_address, len, offset, access, queue))
        })
        .unwrap_or_else(|| Err(self.no_function(function)))
    }

    /// Takes away what `function` can reach in a range (multiples of 4 KiB); mappings that reach
    /// into it are cut, what is not mapped stays so.
    pub fn unmap(
        &self,
        function: FunctionId,
        bus_address: u64,
        bytes: u64,
    ) -> Result<(), HostError> {
        self.with(|simulation| {
            let iommu = simulation.iommus.get_mut(function.index());
            iommu.map(|iommu| iommu.unmap(bus_address, bytes))
        })
        .unwrap_or_else(|| Err(self.no_function(function)))
    }
}
