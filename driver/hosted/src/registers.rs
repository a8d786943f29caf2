//! Registers of BAR0 that are mapped into this process.
#![expect(unsafe_code, reason = "device registers are reached by pointer")]

use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{Ordering, fence};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Some pages of BAR0.
#[derive(Debug)]
pub struct MappedPages {
    pointer: NonNull<u8>,
    /// Offset within BAR0.
    offset: u64,
    bytes: usize,
}

// SAFETY: the value owns the mapping, and nothing here depends on the thread.
unsafe impl Send for MappedPages {}
// SAFETY: every access is one volatile load or store of an aligned register.
unsafe impl Sync for MappedPages {}

impl MappedPages {
    /// Maps `bytes` bytes at `file_offset` of `file`, which are BAR0 from `offset` on.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(
        file: BorrowedFd<'_>,
        file_offset: u64,
        offset: u64,
        bytes: usize,
    ) -> io::Result<Self> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
        let pointer = unsafe {
            mmap(
                null_mut(),
                bytes,
                access,
                MapFlags::SHARED,
                file,
                file_offset,
            )
        }?;
        let pointer = NonNull::new(pointer.cast()).expect("the kernel maps nothing at address 0");
        Ok(Self {
            pointer,
            offset,
            bytes,
        })
    }

    /// First byte of the pages within BAR0, and how many bytes they are.
    #[must_use]
    pub fn place(&self) -> (u64, usize) {
        (self.offset, self.bytes)
    }

    /// Puts other pages in the place of these: the same part of BAR0, of a function that has come back.
    /// Whoever stores to a register meanwhile stores to the one or the other.
    ///
    /// # Errors
    /// What the system says; the pages are those from before.
    pub fn replace(&self, file: BorrowedFd<'_>, file_offset: u64) -> io::Result<()> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::FIXED;
        // SAFETY: the range is this value's own mapping, to which only volatile accesses are made; one
        // mapping takes the other's place at once.
        unsafe {
            mmap(
                self.pointer.as_ptr().cast(),
                self.bytes,
                access,
                flags,
                file,
                file_offset,
            )
        }?;
        Ok(())
    }

    /// Where a register of `bytes` bytes is; `None` when it is not mapped or not aligned.
    #[inline]
    fn at(&self, offset: u64, bytes: usize) -> Option<*mut u8> {
        let inside = offset.wrapping_sub(self.offset);
        if inside >= self.bytes as u64
            || self.bytes as u64 - inside < bytes as u64
            || !offset.is_multiple_of(bytes as u64)
        {
            return None;
        }
        // SAFETY: just checked to lie within the mapping.
        Some(unsafe { self.pointer.as_ptr().add(inside as usize) })
    }
}

impl Drop for MappedPages {
    fn drop(&mut self) {
        // SAFETY: the mapping belongs to this value.
        let _ = unsafe { munmap(self.pointer.as_ptr().cast(), self.bytes) };
    }
}

/// The mapped parts of BAR0; what is in none of them goes the slow way.
#[derive(Debug, Default)]
pub struct Registers {
    pages: Vec<MappedPages>,
}

impl Registers {
    /// `pages` may leave gaps and must not overlap.
    #[must_use]
    pub fn new(pages: Vec<MappedPages>) -> Self {
        Self { pages }
    }

    /// The mapped parts.
    #[must_use]
    pub fn pages(&self) -> &[MappedPages] {
        &self.pages
    }

    /// Is the register of 4 bytes at `offset` mapped?
    #[must_use]
    pub fn is_mapped(&self, offset: u64) -> bool {
        self.find(offset, 4).is_some()
    }

    #[inline]
    fn find(&self, offset: u64, bytes: usize) -> Option<*mut u8> {
        self.pages.iter().find_map(|pages| pages.at(offset, bytes))
    }

    #[inline]
    pub(crate) fn read_u32(&self, offset: u64) -> Option<u32> {
        let register = self.find(offset, 4)?.cast::<u32>();
        // SAFETY: mapped and aligned by `find`; the device may change it at any time, hence volatile.
        let value = unsafe { register.read_volatile() };
        // What the device wrote to memory before it answered must not be read earlier.
        fence(Ordering::Acquire);
        Some(u32::from_le(value))
    }

    #[inline]
    pub(crate) fn read_u64(&self, offset: u64) -> Option<u64> {
        let register = self.find(offset, 8)?.cast::<u64>();
        // SAFETY: as for `read_u32`.
        let value = unsafe { register.read_volatile() };
        fence(Ordering::Acquire);
        Some(u64::from_le(value))
    }

    #[inline]
    #[must_use = "false: the register is not mapped"]
    pub(crate) fn write_u32(&self, offset: u64, value: u32) -> bool {
        let Some(register) = self.find(offset, 4) else {
            return false;
        };
        // Everything stored in DMA memory before is visible to the device before the doorbell.
        fence(Ordering::Release);
        // SAFETY: as for `read_u32`.
        unsafe { register.cast::<u32>().write_volatile(value.to_le()) };
        true
    }

    #[inline]
    #[must_use = "false: the register is not mapped"]
    pub(crate) fn write_u64(&self, offset: u64, value: u64) -> bool {
        let Some(register) = self.find(offset, 8) else {
            return false;
        };
        fence(Ordering::Release);
        // SAFETY: as for `read_u32`.
        unsafe { register.cast::<u64>().write_volatile(value.to_le()) };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{HostMemory, MemoryKind};

    #[test]
    fn only_what_is_mapped_and_aligned_is_found() {
        let memory = HostMemory::new(0x4000, MemoryKind::Shared).expect("memory");
        let file = memory.file().expect("a file");
        let pages = MappedPages::new(file, 0x1000, 0x1000, 0x1000).expect("mapped");
        let registers = Registers::new(vec![pages]);
        assert!(registers.write_u32(0x1008, 0xaabb_ccdd));
        assert_eq!(registers.read_u32(0x1008), Some(0xaabb_ccdd));
        assert_eq!(registers.read_u64(0x1008), Some(0xaabb_ccdd));
        // SAFETY: within the memory, which is this test's.
        let stored = unsafe { memory.pointer().add(0x1008).cast::<u32>().read() };
        assert_eq!(stored, 0xaabb_ccdd, "the same page of the file");
        assert!(registers.write_u64(0x1ff8, 7));
        for offset in [0, 0xffc, 0x2000, 0x1002, 0x1ffe, u64::MAX - 3] {
            assert_eq!(registers.read_u32(offset), None, "{offset:#x}");
            assert!(!registers.write_u32(offset, 1), "{offset:#x}");
        }
        assert_eq!(
            registers.read_u64(0x1ffc),
            None,
            "8 bytes would leave the page"
        );
    }
}
