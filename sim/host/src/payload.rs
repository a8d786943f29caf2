//! Bytes in flight: a pool of page-sized slots, the last one freed used first so that it is still in
//! the cache.

use crate::arena::PAGE_BYTES;

/// A slot of a [`Payloads`] pool; whoever holds it frees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Slot(u32);

/// The pool. Grows to the most that was ever in flight.
#[derive(Default)]
pub(crate) struct Payloads {
    bytes: Vec<u8>,
    free: Vec<Slot>,
}

impl Payloads {
    pub(crate) fn take(&mut self) -> Slot {
        self.free.pop().unwrap_or_else(|| {
            let slot = Slot((self.bytes.len() / PAGE_BYTES) as u32);
            self.bytes.resize(self.bytes.len() + PAGE_BYTES, 0);
            slot
        })
    }

    /// A slot with a copy of `data`, at most a page.
    #[inline]
    pub(crate) fn put(&mut self, data: &[u8]) -> Slot {
        let slot = self.take();
        self.get_mut(slot, data.len()).copy_from_slice(data);
        slot
    }

    #[inline]
    pub(crate) fn get(&self, slot: Slot, offset: usize, len: usize) -> &[u8] {
        let start = slot.0 as usize * PAGE_BYTES;
        &self.bytes[start..start + PAGE_BYTES][offset..offset + len]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: Slot, len: usize) -> &mut [u8] {
        let start = slot.0 as usize * PAGE_BYTES;
        &mut self.bytes[start..start + PAGE_BYTES][..len]
    }

    pub(crate) fn free(&mut self, slot: Slot) {
        debug_assert!(!self.free.contains(&slot), "slot freed twice");
        self.free.push(slot);
    }

    /// Slots in use.
    pub(crate) fn in_use(&self) -> usize {
        self.bytes.len() / PAGE_BYTES - self.free.len()
    }
}
