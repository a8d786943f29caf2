//! Host memory.

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

/// A piece of host memory; see [`Host::map`](crate::Host::map). Dropping it unmaps and frees it.
pub struct HostBuffer {}

#[expect(unused_variables, reason = "signatures first")]
impl HostBuffer {
    /// Bytes, a multiple of 4 KiB.
    pub fn len(&self) -> usize {
        unreachable!()
    }
    /// Never.
    pub fn is_empty(&self) -> bool {
        false
    }
    /// First byte, in this process.
    pub fn pointer(&self) -> *mut u8 {
        unreachable!()
    }
    /// Copies out of it. Panics beyond the end, as slices do.
    pub fn read(&self, offset: usize, into: &mut [u8]) {
        unreachable!()
    }
    /// Copies into it. Panics beyond the end, as slices do.
    pub fn write(&self, offset: usize, from: &[u8]) {
        unreachable!()
    }
}
