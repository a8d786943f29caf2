//! Host memory that software holds.

use std::fmt;
use std::rc::Rc;

use crate::arena::Arena;
use crate::host::Host;

/// What a mapping lets a function do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Reads by the device only.
    Read,
    /// Writes by the device only.
    Write,
    /// Both.
    ReadWrite,
}

/// A piece of host memory, zeroed when allocated, aligned to 4 KiB; see [`Host::allocate`] and
/// [`Host::map`]. Dropping it unmaps and frees it.
pub struct HostBuffer {
    host: Host,
    arena: Rc<Arena>,
    offset: usize,
    len: usize,
}

impl HostBuffer {
    pub(crate) fn new(host: Host, arena: Rc<Arena>, offset: usize, len: usize) -> Self {
        Self {
            host,
            arena,
            offset,
            len,
        }
    }

    /// Where it lies in the arena.
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    /// Bytes, a multiple of 4 KiB.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// First byte, in this process; valid as long as the value lives.
    pub fn pointer(&self) -> *mut u8 {
        self.arena.pointer(self.offset)
    }

    /// Copies out of it. Panics beyond the end, as slices do.
    pub fn read(&self, offset: usize, into: &mut [u8]) {
        self.check(offset, into.len());
        self.arena.load(self.offset + offset, into);
    }

    /// Copies into it. Panics beyond the end, as slices do.
    pub fn write(&self, offset: usize, from: &[u8]) {
        self.check(offset, from.len());
        self.arena.store(self.offset + offset, from);
    }

    fn check(&self, offset: usize, len: usize) {
        assert!(
            offset.checked_add(len).is_some_and(|end| end <= self.len),
            "{len} bytes at {offset} are not inside a buffer of {} bytes",
            self.len
        );
    }
}

impl fmt::Debug for HostBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostBuffer({} bytes)", self.len)
    }
}

impl Drop for HostBuffer {
    fn drop(&mut self) {
        self.host.release(self.offset, self.len);
    }
}
