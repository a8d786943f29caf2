//! DMA memory of one function: large pieces, mapped for the device once, handed out in pages.
//!
//! Few large mappings instead of many small ones: an IOMMU (or a server's table) that has a handful
//! of entries to look through answers faster, and huge pages fit.
#![expect(unsafe_code, reason = "hands out memory as DmaMemory")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nvme_driver::{DmaMemory, TransportError};
use nvme_spec::MEMORY_PAGE_BYTES;

use crate::access::{FunctionAccess, IovaRange};
use crate::memory::{HUGE_PAGE_BYTES, HostMemory, MemoryKind};
use crate::ranges::FreeRanges;

/// Where a function's DMA memory comes from.
pub(crate) struct DmaPool {
    access: Arc<dyn FunctionAccess>,
    name: Arc<str>,
    kind: MemoryKind,
    state: Mutex<State>,
}

struct State {
    iova: FreeRanges,
    pieces: Vec<Arc<Piece>>,
}

/// One piece of memory, mapped at one bus address.
struct Piece {
    memory: HostMemory,
    iova: u64,
    free: Mutex<FreeRanges>,
}

impl DmaPool {
    pub(crate) fn new(
        access: Arc<dyn FunctionAccess>,
        name: Arc<str>,
        kind: MemoryKind,
        ranges: &[IovaRange],
    ) -> Self {
        let mut iova = FreeRanges::new();
        for range in ranges {
            // The last byte of 2^64 is left out: its end has no number.
            iova.give(range.first, (range.last - range.first).saturating_add(1));
        }
        let state = State {
            iova,
            pieces: Vec::new(),
        };
        Self {
            access,
            name,
            kind,
            state: Mutex::new(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Zeroed memory of at least `bytes` bytes in whole pages.
    pub(crate) fn allocate(self: &Arc<Self>, bytes: usize) -> Result<HostedDma, TransportError> {
        let refused = |reason: String| TransportError::NoDmaMemory {
            device: self.name.to_string(),
            bytes,
            reason,
        };
        let Some(rounded) = bytes.max(1).checked_next_multiple_of(MEMORY_PAGE_BYTES) else {
            return Err(refused("no machine has as much".into()));
        };
        let mut state = self.lock();
        for piece in &state.pieces {
            if let Some(offset) = lock_free(piece).take(rounded as u64, MEMORY_PAGE_BYTES as u64) {
                return Ok(HostedDma::new(self, piece, offset as usize, rounded));
            }
        }
        let memory = HostMemory::new(rounded, self.kind)
            .map_err(|error| refused(format!("the machine gives none: {error}")))?;
        let iova = state
            .iova
            .take(memory.bytes() as u64, HUGE_PAGE_BYTES as u64)
            .ok_or_else(|| refused("the device's address space is full".into()))?;
        if let Err(reason) = self.access.map(&memory, iova) {
            state.iova.give(iova, memory.bytes() as u64);
            return Err(refused(reason));
        }
        let mut free = FreeRanges::new();
        free.give(rounded as u64, (memory.bytes() - rounded) as u64);
        let piece = Arc::new(Piece {
            memory,
            iova,
            free: Mutex::new(free),
        });
        state.pieces.push(Arc::clone(&piece));
        Ok(HostedDma::new(self, &piece, 0, rounded))
    }

    /// Lends all memory there is, with its bus addresses. None comes or goes meanwhile.
    pub(crate) fn with_memory<R>(&self, look: impl FnOnce(&[(&HostMemory, u64)]) -> R) -> R {
        let state = self.lock();
        let pieces = state.pieces.iter();
        let memory: Vec<_> = pieces.map(|piece| (&piece.memory, piece.iova)).collect();
        look(&memory)
    }

    /// Takes pages back; a piece that is all free is unmapped.
    fn release(&self, piece: &Arc<Piece>, offset: usize, bytes: usize) {
        let mut state = self.lock();
        let mut free = lock_free(piece);
        free.give(offset as u64, bytes as u64);
        if free.is_whole(piece.memory.bytes() as u64) {
            drop(free);
            state.pieces.retain(|kept| !Arc::ptr_eq(kept, piece));
            self.access.unmap(&piece.memory, piece.iova);
            state.iova.give(piece.iova, piece.memory.bytes() as u64);
        }
    }
}

fn lock_free(piece: &Piece) -> MutexGuard<'_, FreeRanges> {
    piece.free.lock().unwrap_or_else(PoisonError::into_inner)
}

/// DMA memory of a [`HostedTransport`](crate::HostedTransport). Dropping it gives its pages back to
/// the function, which unmaps them with the last of their 2 MiB.
pub struct HostedDma {
    pointer: *mut u8,
    bytes: usize,
    bus_address: u64,
    offset: usize,
    piece: Arc<Piece>,
    pool: Arc<DmaPool>,
}

// SAFETY: the pages belong to this value; nothing depends on the thread.
unsafe impl Send for HostedDma {}
// SAFETY: `&HostedDma` gives away addresses only.
unsafe impl Sync for HostedDma {}

impl HostedDma {
    fn new(pool: &Arc<DmaPool>, piece: &Arc<Piece>, offset: usize, bytes: usize) -> Self {
        // SAFETY: the pages lie within the piece and belong to this value from now on; the device
        // was told nothing of them. They may have been in use before.
        let pointer = unsafe {
            let pointer = piece.memory.pointer().add(offset);
            pointer.write_bytes(0, bytes);
            pointer
        };
        Self {
            pointer,
            bytes,
            bus_address: piece.iova + offset as u64,
            offset,
            piece: Arc::clone(piece),
            pool: Arc::clone(pool),
        }
    }
}

// SAFETY: the piece is held until the drop, does not move, and starts at a page in this process and
// on the bus; `new` has filled the pages with zeros.
unsafe impl DmaMemory for HostedDma {
    #[inline]
    fn pointer(&self) -> *mut u8 {
        self.pointer
    }

    #[inline]
    fn len(&self) -> usize {
        self.bytes
    }

    #[inline]
    fn bus_address(&self) -> u64 {
        self.bus_address
    }
}

impl Drop for HostedDma {
    fn drop(&mut self) {
        self.pool.release(&self.piece, self.offset, self.bytes);
    }
}
