//! Page buffers that the device reads and writes.
#![expect(unsafe_code, reason = "buffers lend out DMA memory as slices")]

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nvme_spec::MEMORY_PAGE_BYTES;

use crate::memory::DmaRegion;
use crate::transport::DmaMemory;

const PRP_ENTRY_BYTES: usize = 8;

/// Page-aligned memory of one command's data, from a queue pair's pool.
///
/// Dereferences to its bytes, whose content is arbitrary at first. While a command is in flight its
/// buffer belongs to the queue pair; it comes back with the completion. Dropping it returns it to
/// the pool. A buffer works on every queue pair of the controller it was taken from.
pub struct DmaBuffer<D: DmaMemory> {
    slab: Arc<Slab<D>>,
    index: u32,
    bytes: u32,
}

/// Up to 64 buffers of one size in one piece of DMA memory, with their PRP lists. A buffer's bus
/// addresses never change, so its list is written once, here, and the hot path only points at it.
pub(crate) struct Slab<D> {
    memory: DmaRegion<D>,
    lists: Option<DmaRegion<D>>,
    list_bytes: usize,
    buffer_bytes: usize,
    /// Bit n: buffer n is free.
    free: AtomicU64,
    /// The controller in whose address space the memory is mapped.
    owner: Arc<str>,
}

/// Bytes that the PRP list of a buffer takes: 0 while PRP1 and PRP2 suffice, else a power of two so
/// that a list never crosses a page (NVMe 1.1 §4.3).
pub(crate) const fn prp_list_bytes(buffer_bytes: usize) -> usize {
    let pages = buffer_bytes / MEMORY_PAGE_BYTES;
    if pages <= 2 {
        0
    } else {
        ((pages - 1) * PRP_ENTRY_BYTES).next_power_of_two()
    }
}

impl<D: DmaMemory> Slab<D> {
    /// Cuts `memory` into `count` (1 to 64) buffers of `buffer_bytes` bytes, a multiple of 4 KiB.
    /// `lists` holds `count` times [`prp_list_bytes`].
    pub(crate) fn new(
        memory: DmaRegion<D>,
        lists: Option<DmaRegion<D>>,
        buffer_bytes: usize,
        count: usize,
        owner: Arc<str>,
    ) -> Self {
        assert!(
            (1..=64).contains(&count),
            "a slab has 1 to 64 buffers, not {count}"
        );
        let list_bytes = prp_list_bytes(buffer_bytes);
        if let Some(lists) = &lists {
            for buffer in 0..count {
                for page in 1..buffer_bytes / MEMORY_PAGE_BYTES {
                    lists.write_u64(
                        buffer * list_bytes + (page - 1) * PRP_ENTRY_BYTES,
                        memory.bus_address()
                            + (buffer * buffer_bytes + page * MEMORY_PAGE_BYTES) as u64,
                    );
                }
            }
        }
        Self {
            memory,
            lists,
            list_bytes,
            buffer_bytes,
            free: AtomicU64::new(u64::MAX >> (64 - count)),
            owner,
        }
    }

    /// Takes a free buffer. Only the pool that owns the slab calls this; buffers are given back
    /// from anywhere.
    #[inline]
    pub(crate) fn take(self: &Arc<Self>, bytes: u32) -> Option<DmaBuffer<D>> {
        let free = self.free.load(Ordering::Acquire);
        if free == 0 {
            return None;
        }
        let index = free.trailing_zeros();
        self.free.fetch_and(!(1 << index), Ordering::Relaxed);
        Some(DmaBuffer {
            slab: Arc::clone(self),
            index,
            bytes,
        })
    }
}

impl<D: DmaMemory> DmaBuffer<D> {
    fn offset(&self) -> usize {
        self.index as usize * self.slab.buffer_bytes
    }

    /// PRP1 and PRP2 of a transfer of the first `bytes` bytes (§4.3): PRP2 is unused for one page,
    /// the second page for two, else the list.
    #[inline]
    pub(crate) fn prps(&self, bytes: usize) -> (u64, u64) {
        let first = self.slab.memory.bus_address() + self.offset() as u64;
        let second = if bytes <= MEMORY_PAGE_BYTES {
            0
        } else if bytes <= 2 * MEMORY_PAGE_BYTES {
            first + MEMORY_PAGE_BYTES as u64
        } else {
            let list = self.index as usize * self.slab.list_bytes;
            self.slab
                .lists
                .as_ref()
                .map_or(0, |lists| lists.bus_address() + list as u64)
        };
        (first, second)
    }

    /// Is the buffer mapped for this controller?
    #[inline]
    pub(crate) fn belongs_to(&self, owner: &Arc<str>) -> bool {
        Arc::ptr_eq(&self.slab.owner, owner)
    }
}

impl<D: DmaMemory> Deref for DmaBuffer<D> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the range belongs to this value alone (its bit in `free` is clear), and the
        // device writes it only while the value is inside a queue pair, which does not look at it.
        unsafe { self.slab.memory.slice(self.offset(), self.bytes as usize) }
    }
}

impl<D: DmaMemory> DerefMut for DmaBuffer<D> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `deref`, and `self` is borrowed exclusively.
        unsafe {
            self.slab
                .memory
                .slice_mut(self.offset(), self.bytes as usize)
        }
    }
}

impl<D: DmaMemory> Drop for DmaBuffer<D> {
    fn drop(&mut self) {
        self.slab.free.fetch_or(1 << self.index, Ordering::Release);
    }
}

impl<D: DmaMemory> fmt::Debug for DmaBuffer<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DmaBuffer")
            .field("bytes", &self.bytes)
            .field("bus_address", &format_args!("{:#x}", self.prps(0).0))
            .finish_non_exhaustive()
    }
}
