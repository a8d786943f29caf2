//! The hard block's port with host memory behind it: an endpoint that keeps no time may read that at once.

use crate::arena::Arena;
use crate::endpoint::{Cycle, FunctionId, MemoryRead, MemoryWrite, Port};
use crate::hard_block::HardBlock;
use crate::iommu::Iommu;

/// What the endpoint calls.
pub(super) struct MemoryPort<'a> {
    pub(super) block: &'a mut HardBlock,
    pub(super) arena: &'a Arena,
    pub(super) iommus: &'a mut [Iommu],
}

impl Port for MemoryPort<'_> {
    fn request_offered(&mut self, since: Cycle) {
        self.block.request_offered(since);
    }

    #[inline]
    fn memory_write(&mut self, at: Cycle, write: MemoryWrite<'_>) {
        self.block.memory_write(at, write);
    }

    #[inline]
    fn memory_read(&mut self, at: Cycle, read: MemoryRead) {
        self.block.memory_read(at, read);
    }

    fn read_at_once(&mut self, function: FunctionId, address: u64, into: &mut [u8]) -> bool {
        let bytes = into.len() as u32;
        if !self.block.lets_read_at_once(function, address, bytes) {
            return false;
        }
        let Ok(target) = self.iommus[function.index()].translate(address, bytes, false) else {
            return false;
        };
        self.arena.load(target.offset, into);
        let statistics = &mut self.block.reports.statistics;
        statistics.reads += 1;
        statistics.read_bytes += u64::from(bytes);
        true
    }

    fn read_completion(&mut self, at: Cycle, tag: u16, data: Option<u64>) {
        self.block.read_completion(at, tag, data);
    }

    fn function_reset_done(&mut self, at: Cycle, function: FunctionId) {
        self.block.function_reset_done(at, function);
    }
}
