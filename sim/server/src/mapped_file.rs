//! A client's file in this process's address space, mapped once however many ranges lie in it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rustix::fs::OFlags;
use rustix::mm::{MapFlags, ProtFlags};

use crate::sigbus::Watch;
use crate::streaming;

/// Which file, and how it was mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Identity {
    device: u64,
    inode: u64,
    writable: bool,
}

/// A mapping of a whole file.
#[derive(Debug)]
pub(crate) struct MappedFile {
    identity: Identity,
    start: NonNull<u8>,
    bytes: usize,
    watch: Watch,
}

/// The files that are mapped now.
#[derive(Debug, Default)]
pub(crate) struct MappedFiles(Vec<Weak<MappedFile>>);

impl MappedFiles {
    /// The mapping of the file behind `fd`, at least `bytes` bytes of it.
    ///
    /// # Errors
    /// The file is shorter, or cannot be mapped.
    pub(crate) fn get(&mut self, fd: BorrowedFd<'_>, bytes: u64) -> io::Result<Rc<MappedFile>> {
        let status = rustix::fs::fstat(fd)?;
        if (status.st_size as u64) < bytes {
            return Err(io::Error::from(rustix::io::Errno::INVAL));
        }
        let mode = rustix::fs::fcntl_getfl(fd)? & OFlags::RWMODE;
        let identity = Identity {
            device: status.st_dev,
            inode: status.st_ino,
            writable: mode == OFlags::RDWR,
        };
        self.0.retain(|file| file.strong_count() > 0);
        let known = self.0.iter().filter_map(Weak::upgrade).find(|file| {
            file.identity == identity && file.bytes as u64 >= bytes && !file.is_lost()
        });
        if let Some(file) = known {
            return Ok(file);
        }
        let file = Rc::new(MappedFile::new(fd, identity, status.st_size as usize)?);
        self.0.push(Rc::downgrade(&file));
        Ok(file)
    }
}

impl MappedFile {
    #[expect(unsafe_code, reason = "a client's memory is mapped")]
    fn new(fd: BorrowedFd<'_>, identity: Identity, bytes: usize) -> io::Result<Self> {
        let read_only = ProtFlags::READ;
        let protection = if identity.writable {
            read_only | ProtFlags::WRITE
        } else {
            read_only
        };
        let map = |protection| {
            let flags = MapFlags::SHARED | MapFlags::NORESERVE;
            // SAFETY: the kernel chooses the place, so nothing that exists is touched.
            unsafe { rustix::mm::mmap(std::ptr::null_mut(), bytes, protection, flags, fd, 0) }
        };
        let (start, writable) = match map(protection) {
            // A file that is sealed against writing can still be read.
            Err(rustix::io::Errno::PERM) if identity.writable => (map(read_only)?, false),
            mapped => (mapped?, identity.writable),
        };
        let watch = Watch::new(start as usize, bytes);
        let start: NonNull<u8> = NonNull::new(start.cast()).ok_or(rustix::io::Errno::NOMEM)?;
        let unmap_on_error = |error| {
            // SAFETY: it was mapped above, and nobody knows of it yet.
            let _ = unsafe { rustix::mm::munmap(start.as_ptr().cast(), bytes) };
            error
        };
        Ok(Self {
            identity: Identity {
                writable,
                ..identity
            },
            start,
            bytes,
            watch: watch.map_err(unmap_on_error)?,
        })
    }

    /// The device may write.
    pub(crate) const fn is_writable(&self) -> bool {
        self.identity.writable
    }

    /// The client has made the file shorter, and an access has met that.
    pub(crate) fn is_lost(&self) -> bool {
        self.watch.is_lost()
    }

    /// Where a range of the file is; panics beyond its end.
    pub(crate) fn at(&self, offset: u64, bytes: usize) -> *mut u8 {
        let end = offset.checked_add(bytes as u64);
        assert!(
            end.is_some_and(|end| end <= self.bytes as u64),
            "a range beyond its file"
        );
        self.start.as_ptr().wrapping_add(offset as usize)
    }

    /// Copies out of the file, whose owner may be writing it.
    #[expect(unsafe_code, reason = "memory that another process writes too")]
    #[inline]
    pub(crate) fn load(&self, offset: u64, into: &mut [u8]) {
        let from = self.at(offset, into.len());
        // SAFETY: `at` has checked the range; raw bytes of a shared mapping are copied, as a device
        // reads memory: what another process stores meanwhile is seen or not.
        unsafe { std::ptr::copy_nonoverlapping(from, into.as_mut_ptr(), into.len()) };
    }

    /// Copies into the file, past the caches. What is stored later may be seen earlier, until
    /// [`streaming::settle`].
    #[expect(unsafe_code, reason = "memory that another process reads")]
    #[inline]
    pub(crate) fn stream(&self, offset: u64, from: &[u8]) {
        debug_assert!(self.is_writable());
        let to = self.at(offset, from.len());
        // SAFETY: as in `load`, the other way; `is_writable` was looked at when the range was made.
        unsafe { streaming::copy(from, to) };
    }

    /// Copies into the file, in the order of the addresses: the owner polls the last bytes of a
    /// completion queue entry, and must see the others when it sees them. A multiple of 4 bytes.
    #[expect(unsafe_code, reason = "memory that another process reads")]
    #[inline]
    pub(crate) fn store(&self, offset: u64, from: &[u8]) {
        debug_assert!(self.is_writable() && from.len().is_multiple_of(4));
        let to = self.at(offset, from.len());
        // Queue entries go as ordered stores, and so does the end of data.
        const ORDERED_BYTES: usize = 128;
        let (copied, ordered) = if from.len() > ORDERED_BYTES {
            from.split_at(from.len() - 8)
        } else {
            from.split_at(0)
        };
        // SAFETY: as in `load`, the other way; `is_writable` was looked at when the range was made.
        unsafe { std::ptr::copy_nonoverlapping(copied.as_ptr(), to, copied.len()) };
        let mut to = to.wrapping_add(copied.len());
        let mut rest = ordered;
        while !rest.is_empty() {
            if let Some((word, more)) = rest.split_first_chunk::<8>()
                && (to as usize).is_multiple_of(8)
            {
                // SAFETY: inside the range, aligned, and valid for any bit pattern.
                let target = unsafe { AtomicU64::from_ptr(to.cast()) };
                target.store(u64::from_ne_bytes(*word), Ordering::Release);
                (to, rest) = (to.wrapping_add(8), more);
            } else if let Some((word, more)) = rest.split_first_chunk::<4>() {
                // SAFETY: inside the range; addresses and lengths of the port are multiples of 4.
                let target = unsafe { AtomicU32::from_ptr(to.cast()) };
                target.store(u32::from_ne_bytes(*word), Ordering::Release);
                (to, rest) = (to.wrapping_add(4), more);
            } else {
                break;
            }
        }
    }
}

impl Drop for MappedFile {
    #[expect(unsafe_code, reason = "a client's memory is unmapped")]
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and no pointer into it outlives a call.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

/// Is it an eventfd? Writing to anything else could block.
pub(crate) fn is_eventfd(fd: impl AsFd) -> bool {
    use std::os::fd::AsRawFd;
    let link = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    std::fs::read_link(link).is_ok_and(|target| target.as_os_str() == "anon_inode:[eventfd]")
}
