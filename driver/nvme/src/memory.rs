//! The only place where the driver touches DMA memory through pointers.
#![expect(
    unsafe_code,
    reason = "DMA memory is shared with the device and reached by pointer"
)]

use std::sync::atomic::{Ordering, fence};

use nvme_spec::{COMPLETION_ENTRY_BYTES, CompletionEntry, SUBMISSION_ENTRY_BYTES, SubmissionEntry};

use crate::transport::DmaMemory;

const _: () = assert!(
    cfg!(target_endian = "little"),
    "queue entries are stored as they stand in memory"
);

/// DMA memory with checked access by offset.
pub(crate) struct DmaRegion<D> {
    memory: D,
}

impl<D: DmaMemory> DmaRegion<D> {
    pub(crate) const fn new(memory: D) -> Self {
        Self { memory }
    }

    pub(crate) fn bus_address(&self) -> u64 {
        self.memory.bus_address()
    }

    fn at(&self, offset: usize, bytes: usize) -> *mut u8 {
        assert!(
            offset <= self.memory.len() && bytes <= self.memory.len() - offset,
            "{bytes} bytes at {offset} do not fit DMA memory of {} bytes",
            self.memory.len()
        );
        // SAFETY: the offset was just checked to lie within the allocation.
        unsafe { self.memory.pointer().add(offset) }
    }

    /// Stores a submission queue entry in slot `index` by one 64-byte copy.
    #[inline]
    pub(crate) fn write_submission_entry(&self, index: u32, entry: SubmissionEntry) {
        let slot = self.at(
            index as usize * SUBMISSION_ENTRY_BYTES,
            SUBMISSION_ENTRY_BYTES,
        );
        // SAFETY: in bounds by `at`, aligned to 64 because the region is aligned to 4 KiB. The
        // device does not read the slot before the doorbell that follows.
        unsafe { slot.cast::<SubmissionEntry>().write(entry) };
    }

    /// Loads the completion queue entry in slot `index` if its phase tag is `phase`.
    #[inline]
    pub(crate) fn read_completion_entry(&self, index: u32, phase: bool) -> Option<CompletionEntry> {
        let slot = self
            .at(
                index as usize * COMPLETION_ENTRY_BYTES,
                COMPLETION_ENTRY_BYTES,
            )
            .cast::<u32>();
        // SAFETY: in bounds by `at`, aligned to 16. The device may write the slot at any time,
        // hence volatile.
        let dword3 = unsafe { slot.add(3).read_volatile() };
        if (dword3 & (1 << 16) != 0) != phase {
            return None;
        }
        // The device writes the phase tag last or with the rest: what follows must not be read earlier.
        fence(Ordering::Acquire);
        // SAFETY: as above.
        let (dword0, dword1, dword2) = unsafe {
            (
                slot.read_volatile(),
                slot.add(1).read_volatile(),
                slot.add(2).read_volatile(),
            )
        };
        Some(CompletionEntry {
            dword0,
            dword1,
            submission_head: dword2 as u16,
            submission_queue_id: (dword2 >> 16) as u16,
            dword3,
        })
    }

    /// Stores a little-endian quadword (a PRP list entry).
    pub(crate) fn write_u64(&self, offset: usize, value: u64) {
        assert!(
            offset.is_multiple_of(8),
            "a PRP entry at offset {offset} is not aligned"
        );
        let slot = self.at(offset, 8);
        // SAFETY: in bounds by `at`, aligned by the check above.
        unsafe { slot.cast::<u64>().write(value) };
    }

    /// Fills the region with zeros. The device must not be using it.
    pub(crate) fn clear(&self) {
        let bytes = self.memory.len();
        // SAFETY: the whole of the allocation; the caller has stopped the device.
        unsafe { self.at(0, bytes).write_bytes(0, bytes) };
    }

    /// A copy of the first `bytes` bytes, of which the device has written the last one before.
    pub(crate) fn copy_out(&self, bytes: usize) -> Vec<u8> {
        // SAFETY: the command that filled them has ended, and no other uses the region.
        unsafe { self.slice(0, bytes) }.to_vec()
    }

    /// Bytes `offset..offset + bytes`.
    ///
    /// # Safety
    /// Nobody, the device included, may write them while the slice lives.
    #[inline]
    pub(crate) unsafe fn slice(&self, offset: usize, bytes: usize) -> &[u8] {
        // SAFETY: in bounds by `at`, initialised (zeroed at allocation), not written by the
        // caller's promise.
        unsafe { std::slice::from_raw_parts(self.at(offset, bytes), bytes) }
    }

    /// Bytes `offset..offset + bytes`, to write.
    ///
    /// # Safety
    /// Nobody, the device included, may reach them while the slice lives.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "the caller owns the range; see Safety")]
    pub(crate) unsafe fn slice_mut(&self, offset: usize, bytes: usize) -> &mut [u8] {
        // SAFETY: in bounds by `at`, initialised, exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.at(offset, bytes), bytes) }
    }
}
