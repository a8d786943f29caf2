//! Memory that a test shares with the server, as a client does: a file, mapped here.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::MemfdFlags;
use rustix::mm::{MapFlags, ProtFlags};

/// The memory.
pub(crate) struct Memory {
    fd: OwnedFd,
    start: *mut u8,
    bytes: usize,
}

impl Memory {
    /// Zeros.
    pub(crate) fn new(bytes: usize) -> Self {
        let fd = rustix::fs::memfd_create("client", MemfdFlags::CLOEXEC).unwrap();
        rustix::fs::ftruncate(&fd, bytes as u64).unwrap();
        Self::map(fd, 0, bytes)
    }

    /// `bytes` of a file from `offset`.
    #[expect(unsafe_code, reason = "shared memory is the point")]
    pub(crate) fn map(fd: OwnedFd, offset: u64, bytes: usize) -> Self {
        // SAFETY: the kernel chooses the place.
        let start = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                &fd,
                offset,
            )
            .unwrap()
        };
        Self {
            fd,
            start: start.cast(),
            bytes,
        }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn at(&self, offset: usize, bytes: usize) -> *mut u8 {
        assert!(offset + bytes <= self.bytes, "{offset} + {bytes}");
        self.start.wrapping_add(offset)
    }

    #[expect(unsafe_code, reason = "shared memory is the point")]
    pub(crate) fn read(&self, offset: usize, into: &mut [u8]) {
        // SAFETY: `at` checks the range.
        unsafe {
            self.at(offset, into.len())
                .copy_to(into.as_mut_ptr(), into.len());
        };
    }

    #[expect(unsafe_code, reason = "shared memory is the point")]
    pub(crate) fn write(&self, offset: usize, from: &[u8]) {
        // SAFETY: `at` checks the range.
        unsafe {
            self.at(offset, from.len())
                .copy_from(from.as_ptr(), from.len());
        };
    }

    /// An aligned word, as the other side has stored it last.
    #[expect(unsafe_code, reason = "shared memory is the point")]
    pub(crate) fn load_u64(&self, offset: usize) -> u64 {
        let word = self.at(offset, 8).cast::<u64>();
        // SAFETY: in range, aligned by the callers.
        unsafe { AtomicU64::from_ptr(word) }.load(Ordering::Acquire)
    }

    /// Stores a word of 32 bits, visible after all that was stored before.
    #[expect(unsafe_code, reason = "shared memory is the point")]
    pub(crate) fn store_u32(&self, offset: usize, value: u32) {
        let word = self.at(offset, 4).cast::<u32>();
        // SAFETY: in range, aligned by the callers.
        unsafe { std::sync::atomic::AtomicU32::from_ptr(word) }.store(value, Ordering::Release);
    }

    /// Makes the file shorter under both sides.
    pub(crate) fn truncate(&self, bytes: u64) {
        rustix::fs::ftruncate(&self.fd, bytes).unwrap();
    }
}

impl Drop for Memory {
    #[expect(unsafe_code, reason = "shared memory is the point")]
    fn drop(&mut self) {
        // SAFETY: mapped by `map`.
        unsafe { rustix::mm::munmap(self.start.cast(), self.bytes).unwrap() };
    }
}
