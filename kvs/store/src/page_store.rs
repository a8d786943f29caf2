//! What the store needs of a device: read pages, Compare-and-Write pages, and the passing of time.
//!
//! The engine is written against this trait, so that it runs on the NVMe driver, on an in-memory
//! page store with injected faults, and on a model checker's interleavings.
//!
//! Submitting posts an operation; [`ring`](PageStore::ring), [`poll`](PageStore::poll) and
//! [`wait`](PageStore::wait) send all that was posted, at the price of one doorbell.

use std::ops::DerefMut;

use thiserror::Error;

use crate::acceptance::DeviceCapabilities;

/// Size and block size of a device, in bytes and blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceGeometry {
    /// Bytes of a logical block; pages are whole blocks.
    pub block_bytes: u32,
    /// Blocks of the device.
    pub blocks: u64,
    /// Largest Compare-and-Write that is atomic, in bytes.
    pub compare_and_write_bytes: u32,
    /// Identifies the device's incarnation (serial number and the like) in error messages.
    pub name: [u8; 20],
}

/// What a finished operation brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageOutcome {
    /// Read: the buffer holds the page. Compare-and-Write: the new page is in place.
    Done,
    /// Compare-and-Write: the page differs from `old`; nothing was written.
    Miscompare,
}

/// Why an operation failed.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum PageStoreError {
    /// Nothing was changed: the device said no, or never got the command.
    #[error("{reason}")]
    Failed {
        /// Device, command and status in words.
        reason: String,
    },
    /// A read that came to no end because the device was reset, and works again.
    #[error("{reason}")]
    Interrupted {
        /// What happened to the command.
        reason: String,
    },
    /// A Compare-and-Write that may or may not have been applied (timeout, reset).
    #[error("outcome unknown: {reason}")]
    OutcomeUnknown {
        /// What happened to the command.
        reason: String,
    },
    /// The device is gone; nothing will work on this handle any more.
    #[error("{reason}")]
    DeviceGone {
        /// What was seen.
        reason: String,
    },
}

/// A finished operation: its buffers come back to the caller.
#[derive(Debug)]
pub struct PageCompletion<B> {
    /// The caller's tag.
    pub tag: u64,
    /// Read: the buffer. Compare-and-Write: the `old` buffer.
    pub buffer: B,
    /// Compare-and-Write: the `new` buffer.
    pub new_buffer: Option<B>,
    /// How it ended.
    pub result: Result<PageOutcome, PageStoreError>,
}

/// A submission that was not taken: the buffers come back. Try again after a poll.
#[derive(Debug)]
pub struct QueueFull<B> {
    /// The buffer, or the `old` buffer.
    pub buffer: B,
    /// The `new` buffer of a Compare-and-Write.
    pub new_buffer: Option<B>,
}

/// One client's queue on one device. Operations run concurrently and complete in any order; the
/// device alone orders conflicting ones.
pub trait PageStore {
    /// Memory of one page that the device can reach, 4 KiB aligned. Dropping it returns it.
    type Buffer: DerefMut<Target = [u8]>;

    /// Size and limits of the device.
    fn geometry(&self) -> DeviceGeometry;

    /// How error messages name the device.
    fn name(&self) -> &str;

    /// What the device promises about atomicity and caching; a store is refused on one that
    /// promises too little.
    fn capabilities(&self) -> DeviceCapabilities {
        DeviceCapabilities::atomic(self.geometry().compare_and_write_bytes)
    }

    /// A buffer of `bytes` bytes (4, 8 or 16 KiB; content arbitrary), or `None` while all are out.
    fn buffer(&mut self, bytes: usize) -> Option<Self::Buffer>;

    /// Starts reading `buffer.len()` bytes from block `block`.
    fn submit_read(
        &mut self,
        block: u64,
        buffer: Self::Buffer,
        tag: u64,
    ) -> Result<(), QueueFull<Self::Buffer>>;

    /// Starts an atomic compare of the blocks from `block` with `old` and, if they are equal, write
    /// of `new`. Both buffers have the same length.
    fn submit_compare_and_write(
        &mut self,
        block: u64,
        old: Self::Buffer,
        new: Self::Buffer,
        tag: u64,
    ) -> Result<(), QueueFull<Self::Buffer>>;

    /// Sends what was posted, where posting and sending are two things. Costs nothing when nothing
    /// was posted.
    fn ring(&mut self) {}

    /// Moves on whatever has finished into `completions`, without waiting; gives back how many.
    fn poll(&mut self, completions: &mut Vec<PageCompletion<Self::Buffer>>) -> usize;

    /// Gives way until something may have finished, at most until `deadline_ns` of
    /// [`now_ns`](Self::now_ns). Spurious returns are allowed.
    fn wait(&mut self, deadline_ns: u64);

    /// Monotonic time of the device's side, in nanoseconds (simulated or real).
    fn now_ns(&self) -> u64;

    /// Operations submitted and not yet handed out by [`poll`](Self::poll).
    fn in_flight(&self) -> usize;
}
