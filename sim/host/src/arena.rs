//! The pages behind host memory: one anonymous mapping and its allocator.
#![expect(
    unsafe_code,
    reason = "software holds raw pointers into the mapping, as it does with DMA memory of a machine"
)]

use std::collections::BTreeMap;

use memmap2::{MmapOptions, MmapRaw, UncheckedAdvice};

use crate::error::HostError;

/// Bytes of a page of the host.
pub(crate) const PAGE_BYTES: usize = 4096;

/// From this size on, a used block is zeroed by giving its pages back to the system.
const GIVE_BACK_BYTES: usize = 1 << 20;

/// Memory that is reserved at once, costs nothing until touched, and never moves.
pub(crate) struct Arena {
    map: MmapRaw,
}

impl Arena {
    pub(crate) fn new(bytes: u64) -> Result<Self, HostError> {
        let refused = |reason: String| HostError::Reserve { bytes, reason };
        let len = usize::try_from(bytes).map_err(|error| refused(error.to_string()))?;
        let map = MmapOptions::new()
            .len(len)
            .no_reserve_swap()
            .map_anon()
            .map_err(|error| refused(error.to_string()))?;
        Ok(Self { map: map.into() })
    }

    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    /// First byte at `offset`, which must be inside.
    pub(crate) fn pointer(&self, offset: usize) -> *mut u8 {
        assert!(
            offset <= self.map.len(),
            "arena offset {offset:#x} is outside"
        );
        // SAFETY: inside the mapping, or one beyond its end, as just checked.
        unsafe { self.map.as_mut_ptr().add(offset) }
    }

    /// Copies `from` to `offset`.
    #[inline]
    pub(crate) fn store(&self, offset: usize, from: &[u8]) {
        self.check(offset, from.len());
        // SAFETY: the range is inside the mapping, which lives as long as self; `from` is ordinary
        // memory of this process or a copy, never a slice of the mapping (nobody hands one out).
        // Software of the host does not run meanwhile: everything is on one thread.
        unsafe {
            std::ptr::copy_nonoverlapping(
                from.as_ptr(),
                self.map.as_mut_ptr().add(offset),
                from.len(),
            );
        }
    }

    /// Copies from `offset` into `into`.
    #[inline]
    pub(crate) fn load(&self, offset: usize, into: &mut [u8]) {
        self.check(offset, into.len());
        // SAFETY: as in `store`, the other way.
        unsafe {
            std::ptr::copy_nonoverlapping(
                self.map.as_mut_ptr().add(offset),
                into.as_mut_ptr(),
                into.len(),
            );
        }
    }

    fn zero(&self, offset: usize, len: usize) {
        self.check(offset, len);
        if len >= GIVE_BACK_BYTES {
            // SAFETY: a private anonymous mapping reads as zero afterwards; the block was free, so
            // nobody holds a pointer into it that may still be used.
            let given = unsafe {
                self.map
                    .unchecked_advise_range(UncheckedAdvice::DontNeed, offset, len)
            };
            if given.is_ok() {
                return;
            }
        }
        // SAFETY: inside the mapping, as checked.
        unsafe { std::ptr::write_bytes(self.map.as_mut_ptr().add(offset), 0, len) };
    }

    #[inline]
    fn check(&self, offset: usize, len: usize) {
        let end = offset.checked_add(len);
        assert!(
            end.is_some_and(|end| end <= self.map.len()),
            "arena range {offset:#x}+{len:#x} is outside"
        );
    }
}

/// First-fit allocator of whole pages of an [`Arena`].
pub(crate) struct PageAllocator {
    /// Free blocks: offset, length; neighbours are merged.
    free: BTreeMap<usize, usize>,
    /// Everything at and above this was never handed out, so it is zero.
    untouched: usize,
}

impl PageAllocator {
    pub(crate) fn new(arena: &Arena) -> Self {
        let len = arena.len() / PAGE_BYTES * PAGE_BYTES;
        Self {
            free: BTreeMap::from([(0, len)]),
            untouched: 0,
        }
    }

    pub(crate) fn free_bytes(&self) -> u64 {
        self.free.values().map(|&len| len as u64).sum()
    }

    /// A zeroed block of `len` bytes (a multiple of the page size, not 0), if one is free.
    pub(crate) fn allocate(&mut self, arena: &Arena, len: usize) -> Option<usize> {
        let (offset, free) = self
            .free
            .iter()
            .map(|(&offset, &free)| (offset, free))
            .find(|&(_, free)| free >= len)?;
        self.free.remove(&offset);
        if free > len {
            self.free.insert(offset + len, free - len);
        }
        let used = self.untouched.saturating_sub(offset).min(len);
        if used > 0 {
            arena.zero(offset, used);
        }
        self.untouched = self.untouched.max(offset + len);
        Some(offset)
    }

    pub(crate) fn release(&mut self, mut offset: usize, mut len: usize) {
        if let Some((&before, &before_len)) = self.free.range(..offset).next_back()
            && before + before_len == offset
        {
            self.free.remove(&before);
            offset = before;
            len += before_len;
        }
        if let Some(after_len) = self.free.remove(&(offset + len)) {
            len += after_len;
        }
        self.free.insert(offset, len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> (Arena, PageAllocator) {
        let arena = Arena::new(4 << 20).expect("4 MiB of address space");
        let allocator = PageAllocator::new(&arena);
        (arena, allocator)
    }

    #[test]
    fn freed_blocks_merge_and_come_back_zeroed() {
        let (arena, mut allocator) = small();
        for len in [PAGE_BYTES, 2 << 20] {
            let first = allocator.allocate(&arena, len).expect("room");
            let second = allocator.allocate(&arena, len).expect("room");
            assert_ne!(first, second);
            arena.store(first + len - 4, &[1, 2, 3, 4]);
            allocator.release(second, len);
            allocator.release(first, len);
            assert_eq!(allocator.free, BTreeMap::from([(0, 4 << 20)]));
            let again = allocator.allocate(&arena, len).expect("room");
            assert_eq!(again, first);
            let mut bytes = [9; 4];
            arena.load(again + len - 4, &mut bytes);
            assert_eq!(bytes, [0; 4], "a block of {len} bytes was handed out dirty");
            allocator.release(again, len);
        }
    }

    #[test]
    fn says_when_nothing_is_left() {
        let (arena, mut allocator) = small();
        assert!(allocator.allocate(&arena, 3 << 20).is_some());
        assert!(allocator.allocate(&arena, 2 << 20).is_none());
        assert_eq!(allocator.free_bytes(), 1 << 20);
    }

    #[test]
    #[should_panic(expected = "outside")]
    fn never_leaves_the_mapping() {
        let (arena, _) = small();
        arena.store((4 << 20) - 2, &[0; 4]);
    }
}
