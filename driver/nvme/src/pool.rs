//! The pool of one queue pair's buffers: slabs by size class, grown up to a budget.

use std::sync::Arc;

use nvme_spec::MEMORY_PAGE_BYTES;

use crate::buffer::{DmaBuffer, Slab, prp_list_bytes};
use crate::memory::DmaRegion;
use crate::transport::{DmaMemory, DmaPurpose, Transport, TransportError};

/// Largest buffer: with 512 pages the PRP list (511 entries) still fits one page.
pub(crate) const MAXIMUM_BUFFER_BYTES: usize = 2 << 20;
const CLASSES: usize = (MAXIMUM_BUFFER_BYTES / MEMORY_PAGE_BYTES).trailing_zeros() as usize + 1;
/// A slab has as many buffers as fit this, at least 1 and at most 64.
const SLAB_BYTES: usize = 256 << 10;

pub(crate) struct BufferPool<D: DmaMemory> {
    classes: [Vec<Arc<Slab<D>>>; CLASSES],
    budget_bytes: usize,
    used_bytes: usize,
    owner: Arc<str>,
}

impl<D: DmaMemory> BufferPool<D> {
    pub(crate) fn new(budget_bytes: usize, owner: Arc<str>) -> Self {
        Self {
            classes: std::array::from_fn(|_| Vec::new()),
            budget_bytes,
            used_bytes: 0,
            owner,
        }
    }

    /// A buffer of 1 to [`MAXIMUM_BUFFER_BYTES`] bytes, or `None` while the budget is used up.
    #[inline]
    pub(crate) fn take<T: Transport<Dma = D>>(
        &mut self,
        bytes: usize,
        transport: &mut T,
    ) -> Option<DmaBuffer<D>> {
        debug_assert!((1..=MAXIMUM_BUFFER_BYTES).contains(&bytes));
        let class = class_of(bytes);
        for slab in &self.classes[class] {
            if let Some(buffer) = slab.take(bytes as u32) {
                return Some(buffer);
            }
        }
        self.grow(
            class,
            transport,
            self.budget_bytes.saturating_sub(self.used_bytes),
        )?;
        self.classes[class].last()?.take(bytes as u32)
    }

    /// A buffer beyond the budget, in the place of one that must never be used again.
    pub(crate) fn replace<T: Transport<Dma = D>>(
        &mut self,
        bytes: usize,
        transport: &mut T,
    ) -> Option<DmaBuffer<D>> {
        let class = class_of(bytes);
        self.grow(class, transport, MEMORY_PAGE_BYTES << class)?;
        self.classes[class].last()?.take(bytes as u32)
    }

    #[cold]
    fn grow<T: Transport<Dma = D>>(
        &mut self,
        class: usize,
        transport: &mut T,
        allowance_bytes: usize,
    ) -> Option<()> {
        let buffer_bytes = MEMORY_PAGE_BYTES << class;
        let count = (SLAB_BYTES.min(allowance_bytes) / buffer_bytes).clamp(1, 64);
        if count * buffer_bytes > allowance_bytes {
            return None;
        }
        // Out of DMA memory is the same as out of budget to the caller: try again when a buffer
        // has come back. A device that is gone shows at the next command.
        let slab = self.allocate(buffer_bytes, count, transport).ok()?;
        self.used_bytes += count * buffer_bytes;
        self.classes[class].push(Arc::new(slab));
        Some(())
    }

    fn allocate<T: Transport<Dma = D>>(
        &self,
        buffer_bytes: usize,
        count: usize,
        transport: &mut T,
    ) -> Result<Slab<D>, TransportError> {
        let memory =
            DmaRegion::new(transport.allocate_dma(buffer_bytes * count, DmaPurpose::Data)?);
        let list_bytes = prp_list_bytes(buffer_bytes);
        let lists = match list_bytes {
            0 => None,
            _ => Some(DmaRegion::new(
                transport.allocate_dma(list_bytes * count, DmaPurpose::Data)?,
            )),
        };
        Ok(Slab::new(
            memory,
            lists,
            buffer_bytes,
            count,
            Arc::clone(&self.owner),
        ))
    }
}

fn class_of(bytes: usize) -> usize {
    bytes
        .div_ceil(MEMORY_PAGE_BYTES)
        .next_power_of_two()
        .trailing_zeros() as usize
}
