//! The host's memory as the device sees it: regions by bus address, each mapped for one function.
#![expect(
    unsafe_code,
    reason = "DMA memory is shared between host software and device by pointer"
)]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::RefCell;
use std::ptr::NonNull;
use std::rc::{Rc, Weak};

use nvme_driver::DmaMemory;
use nvme_spec::{CompletionEntry, MEMORY_PAGE_BYTES, SUBMISSION_ENTRY_BYTES, SubmissionEntry};

const REGION_SHIFT: u32 = 32;

/// An access of the device to memory that is not mapped for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unmapped;

#[derive(Clone, Copy)]
struct Region {
    pointer: NonNull<u8>,
    bytes: usize,
    function: u8,
}

/// Every region ever mapped; region n starts at bus address (n + 1) << 32, and no number is used
/// twice, so a stale address never reaches other memory.
#[derive(Default)]
pub(crate) struct HostMemory {
    regions: Vec<Option<Region>>,
}

impl HostMemory {
    #[inline]
    fn at(&self, function: u8, address: u64, bytes: usize) -> Result<*mut u8, Unmapped> {
        let index = (address >> REGION_SHIFT).wrapping_sub(1);
        let offset = (address & ((1 << REGION_SHIFT) - 1)) as usize;
        let region = usize::try_from(index)
            .ok()
            .and_then(|index| self.regions.get(index).copied().flatten())
            .filter(|region| region.function == function)
            .filter(|region| offset <= region.bytes && bytes <= region.bytes - offset)
            .ok_or(Unmapped)?;
        // SAFETY: the offset was just checked to lie within the region, which is still allocated:
        // its owner takes it out of the table first.
        Ok(unsafe { region.pointer.as_ptr().add(offset) })
    }

    /// Device write.
    #[inline]
    pub(crate) fn write(&self, function: u8, address: u64, data: &[u8]) -> Result<(), Unmapped> {
        let target = self.at(function, address, data.len())?;
        // SAFETY: in bounds and mapped by `at`. Host software lends this range to the device while
        // a command is in flight, so no reference to it is alive; the medium is other memory.
        unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), target, data.len()) };
        Ok(())
    }

    /// Device read.
    #[inline]
    pub(crate) fn read(&self, function: u8, address: u64, into: &mut [u8]) -> Result<(), Unmapped> {
        let source = self.at(function, address, into.len())?;
        // SAFETY: as for `write`.
        unsafe { std::ptr::copy_nonoverlapping(source, into.as_mut_ptr(), into.len()) };
        Ok(())
    }

    /// Device read of data to compare with.
    #[inline]
    pub(crate) fn equals(&self, function: u8, address: u64, data: &[u8]) -> Result<bool, Unmapped> {
        let source = self.at(function, address, data.len())?;
        // SAFETY: in bounds and mapped by `at`; host software does not write a buffer in flight.
        Ok(unsafe { std::slice::from_raw_parts(source, data.len()) } == data)
    }

    #[inline]
    pub(crate) fn submission_entry(
        &self,
        function: u8,
        queue: u64,
        index: u32,
    ) -> Result<SubmissionEntry, Unmapped> {
        let address = queue + u64::from(index) * SUBMISSION_ENTRY_BYTES as u64;
        let slot = self.at(function, address, SUBMISSION_ENTRY_BYTES)?;
        // SAFETY: in bounds and mapped by `at`. Queues may be misaligned by a wrong address, so
        // the read is unaligned.
        Ok(unsafe { slot.cast::<SubmissionEntry>().read_unaligned() })
    }

    #[inline]
    pub(crate) fn post(
        &self,
        function: u8,
        address: u64,
        entry: CompletionEntry,
    ) -> Result<(), Unmapped> {
        let slot = self.at(function, address, size_of::<CompletionEntry>())?;
        // SAFETY: as for `submission_entry`.
        unsafe { slot.cast::<CompletionEntry>().write_unaligned(entry) };
        Ok(())
    }
}

/// DMA memory of one function.
pub struct InstantDma {
    pointer: NonNull<u8>,
    layout: Layout,
    index: usize,
    memory: Weak<RefCell<HostMemory>>,
}

impl InstantDma {
    /// `None` when the process has no memory left.
    pub(crate) fn map(
        memory: &Rc<RefCell<HostMemory>>,
        function: u8,
        bytes: usize,
    ) -> Option<Self> {
        let bytes = bytes.max(1).checked_next_multiple_of(MEMORY_PAGE_BYTES)?;
        let layout = Layout::from_size_align(bytes, MEMORY_PAGE_BYTES).ok()?;
        if bytes > 1 << REGION_SHIFT {
            return None;
        }
        // SAFETY: the layout's size is at least one page.
        let pointer = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        let regions = &mut memory.borrow_mut().regions;
        regions.push(Some(Region {
            pointer,
            bytes,
            function,
        }));
        Some(Self {
            pointer,
            layout,
            index: regions.len() - 1,
            memory: Rc::downgrade(memory),
        })
    }
}

// SAFETY: the allocation is zeroed, page aligned, lives and stays where it is until `drop`, and is
// one region of the device's address space that starts at a multiple of 4 KiB.
unsafe impl DmaMemory for InstantDma {
    #[inline]
    fn pointer(&self) -> *mut u8 {
        self.pointer.as_ptr()
    }

    #[inline]
    fn len(&self) -> usize {
        self.layout.size()
    }

    #[inline]
    fn bus_address(&self) -> u64 {
        (self.index as u64 + 1) << REGION_SHIFT
    }
}

impl Drop for InstantDma {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.upgrade() {
            memory.borrow_mut().regions[self.index] = None;
        }
        // SAFETY: allocated with this layout in `map`, and the device cannot reach it any more.
        unsafe { dealloc(self.pointer.as_ptr(), self.layout) };
    }
}
