//! The page of doorbells, shared with the client: it stores, the server polls.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use nvme_spec::msix::BAR0_BYTES;
use nvme_spec::register::DOORBELLS;
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};

/// Bytes of the page.
pub(crate) const PAGE_BYTES: u64 = 4096;
/// What stands in a word that nobody has stored to since it was taken. No doorbell has that value,
/// so that one is seen even if it stores what was there before, as after a reset.
const EMPTY: u32 = u32::MAX;

/// The page, in a file as large as BAR0, so that offsets are the same in both.
#[derive(Debug)]
pub(crate) struct DoorbellPage {
    fd: OwnedFd,
    start: NonNull<u8>,
    words: usize,
    /// The client has it, so that it must be polled.
    pub(crate) shared: bool,
}

impl DoorbellPage {
    /// A page for the doorbells of `queues` pairs of queues, the admin queues among them.
    ///
    /// # Errors
    /// No memory is to be had.
    #[expect(unsafe_code, reason = "the page is mapped")]
    pub(crate) fn new(queues: u16) -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let fd = rustix::fs::memfd_create("nvme-doorbells", flags)?;
        rustix::fs::ftruncate(&fd, BAR0_BYTES)?;
        // A client that shortens the file would take the page away under the poll.
        rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        // SAFETY: the kernel chooses the place, so nothing that exists is touched.
        let start = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                PAGE_BYTES as usize,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                &fd,
                DOORBELLS,
            )?
        };
        let page = Self {
            fd,
            start: NonNull::new(start.cast()).ok_or(rustix::io::Errno::NOMEM)?,
            words: (2 * usize::from(queues)).min(PAGE_BYTES as usize / 4),
            shared: false,
        };
        for word in 0..page.words {
            page.word(word).store(EMPTY, Ordering::Relaxed);
        }
        Ok(page)
    }

    /// What the client maps.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    #[expect(unsafe_code, reason = "memory shared with the client")]
    fn word(&self, index: usize) -> &AtomicU32 {
        assert!(
            index < self.words,
            "a doorbell beyond those that are polled"
        );
        // SAFETY: inside the page, aligned, mapped as long as `self` lives, valid for any bits.
        unsafe { AtomicU32::from_ptr(self.start.as_ptr().cast::<u32>().wrapping_add(index)) }
    }

    /// The two doorbells of a queue pair in one load.
    #[expect(unsafe_code, reason = "memory shared with the client")]
    #[inline]
    fn pair(&self, queue: usize) -> &AtomicU64 {
        debug_assert!(2 * queue + 1 < self.words);
        // SAFETY: as in `word`; the page begins at a multiple of 8.
        unsafe { AtomicU64::from_ptr(self.start.as_ptr().cast::<u64>().wrapping_add(queue)) }
    }

    /// Takes the doorbells that have been stored to, each with its offset in BAR0.
    #[inline]
    pub(crate) fn take(&self, mut ring: impl FnMut(u64, u32)) {
        for queue in 0..self.words / 2 {
            if self.pair(queue).load(Ordering::Acquire) == u64::MAX {
                continue;
            }
            for word in [2 * queue, 2 * queue + 1] {
                if self.word(word).load(Ordering::Relaxed) != EMPTY {
                    let value = self.word(word).swap(EMPTY, Ordering::AcqRel);
                    if value != EMPTY {
                        ring(DOORBELLS + 4 * word as u64, value);
                    }
                }
            }
        }
    }
}

impl Drop for DoorbellPage {
    #[expect(unsafe_code, reason = "the page is unmapped")]
    fn drop(&mut self) {
        // SAFETY: mapped by `new`; references into it live no longer than `self`.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), PAGE_BYTES as usize) };
    }
}
