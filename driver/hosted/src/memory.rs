//! Memory for DMA: page-aligned, present, in huge pages where the machine has them.
#![expect(unsafe_code, reason = "memory maps are made and undone here")]

use std::ffi::c_void;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::{NonNull, null_mut};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap};

/// Size and alignment of a huge page; memory comes in multiples of it.
pub(crate) const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Who else has to reach the memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemoryKind {
    /// Nobody but the device, through the kernel.
    Private,
    /// Another process, by a file descriptor. The memory cannot be made smaller while it lives, so
    /// that no access of the other process can miss.
    Shared,
}

/// A piece of zeroed memory that stays where it is, in multiples of 2 MiB. Dropping it gives it back.
#[derive(Debug)]
pub struct HostMemory {
    pointer: NonNull<u8>,
    bytes: usize,
    file: Option<OwnedFd>,
}

// SAFETY: the value owns the mapping, and nothing here depends on the thread.
unsafe impl Send for HostMemory {}
// SAFETY: `&HostMemory` gives away addresses only.
unsafe impl Sync for HostMemory {}

impl HostMemory {
    /// At least `bytes` bytes, rounded up to 2 MiB.
    ///
    /// # Errors
    /// The machine has none left, or the process may have no more.
    pub fn new(bytes: usize, kind: MemoryKind) -> io::Result<Self> {
        let bytes = bytes
            .max(1)
            .checked_next_multiple_of(HUGE_PAGE_BYTES)
            .ok_or(io::ErrorKind::OutOfMemory)?;
        match kind {
            MemoryKind::Private => Self::private(bytes),
            MemoryKind::Shared => Self::shared(bytes),
        }
    }

    fn private(bytes: usize) -> io::Result<Self> {
        let flags = MapFlags::PRIVATE | MapFlags::POPULATE;
        let huge = flags | MapFlags::HUGETLB | MapFlags::HUGE_2MB;
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
        if let Ok(pointer) = unsafe { mmap_anonymous(null_mut(), bytes, read_write(), huge) } {
            return Ok(Self::mapped(pointer, bytes, None));
        }
        // Twice, to have room for a huge page's alignment.
        // SAFETY: as above.
        let room = unsafe {
            mmap_anonymous(
                null_mut(),
                bytes + HUGE_PAGE_BYTES,
                read_write(),
                MapFlags::PRIVATE,
            )
        }?;
        let before = room.addr().next_multiple_of(HUGE_PAGE_BYTES) - room.addr();
        // SAFETY: all three parts lie within the mapping just made, which nobody knows of.
        unsafe {
            let pointer = room.cast::<u8>().add(before);
            if before > 0 {
                munmap(room, before)?;
            }
            munmap(pointer.add(bytes).cast(), HUGE_PAGE_BYTES - before)?;
            // A kernel without huge pages says no, and small ones do. A forked child gets none of it:
            // the device would otherwise go on with pages that the parent has lost.
            let _ = madvise(pointer.cast(), bytes, Advice::LinuxHugepage);
            let _ = madvise(pointer.cast(), bytes, Advice::LinuxDontFork);
            let memory = Self::mapped(pointer.cast(), bytes, None);
            memory.touch();
            Ok(memory)
        }
    }

    fn shared(bytes: usize) -> io::Result<Self> {
        Self::from_file(bytes, MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB)
            .or_else(|_| Self::from_file(bytes, MemfdFlags::empty()))
    }

    fn from_file(bytes: usize, flags: MemfdFlags) -> io::Result<Self> {
        let flags = flags | MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = memfd_create("nvme-dma", flags)?;
        ftruncate(&file, bytes as u64)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists; the
        // seals keep the file as long as the mapping.
        let pointer = unsafe { mmap(null_mut(), bytes, read_write(), MapFlags::SHARED, &file, 0) }?;
        let memory = Self::mapped(pointer, bytes, Some(file));
        if flags.contains(MemfdFlags::HUGETLB) {
            // The mapping has reserved the pages.
            return Ok(memory);
        }
        // SAFETY: the range is the mapping just made. Whether the kernel does it is all the same.
        let _ = unsafe { madvise(pointer, bytes, Advice::LinuxHugepage) };
        memory.touch();
        Ok(memory)
    }

    fn mapped(pointer: *mut c_void, bytes: usize, file: Option<OwnedFd>) -> Self {
        let pointer = NonNull::new(pointer.cast()).expect("the kernel maps nothing at address 0");
        Self {
            pointer,
            bytes,
            file,
        }
    }

    /// Makes every page present, so that none is missing on the hot path.
    fn touch(&self) {
        for offset in (0..self.bytes).step_by(4096) {
            // SAFETY: within the mapping, which nobody else uses yet.
            unsafe { self.pointer.as_ptr().add(offset).write_volatile(0) };
        }
    }

    /// First byte.
    #[must_use]
    pub fn pointer(&self) -> *mut u8 {
        self.pointer.as_ptr()
    }

    /// Size in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The file behind [`MemoryKind::Shared`] memory, which starts at its offset 0.
    #[must_use]
    pub fn file(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }
}

impl Drop for HostMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping belongs to this value; whoever lent out parts of it keeps it alive.
        let _ = unsafe { munmap(self.pointer.as_ptr().cast(), self.bytes) };
    }
}

fn read_write() -> ProtFlags {
    ProtFlags::READ | ProtFlags::WRITE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_are_zeroed_and_aligned_and_rounded_up() {
        for kind in [MemoryKind::Private, MemoryKind::Shared] {
            let memory = HostMemory::new(HUGE_PAGE_BYTES + 1, kind).expect("memory");
            assert_eq!(memory.bytes(), 2 * HUGE_PAGE_BYTES);
            assert!(memory.pointer().addr().is_multiple_of(4096));
            // SAFETY: the whole of the mapping, which is this test's.
            let bytes = unsafe { std::slice::from_raw_parts_mut(memory.pointer(), memory.bytes()) };
            assert!(bytes.iter().all(|&byte| byte == 0));
            bytes.fill(7);
            assert_eq!(memory.file().is_some(), kind == MemoryKind::Shared);
        }
    }

    #[test]
    fn shared_memory_cannot_be_cut_off() {
        let memory = HostMemory::new(1, MemoryKind::Shared).expect("memory");
        let file = memory.file().expect("a file");
        assert!(ftruncate(file, 4096).is_err(), "sealed");
        assert!(
            ftruncate(file, 4 * HUGE_PAGE_BYTES as u64).is_err(),
            "sealed"
        );
    }

    #[test]
    fn more_than_there_can_be_is_an_error() {
        assert!(HostMemory::new(usize::MAX, MemoryKind::Shared).is_err());
        assert!(HostMemory::new(1 << 60, MemoryKind::Private).is_err());
    }
}
