//! The device: a byte array, operations on their way, and a clock.

use std::cell::RefCell;
use std::rc::Rc;

use super::MemoryPageStore;
use super::memory_state::{Command, Pending, State};
use crate::acceptance::DeviceCapabilities;

/// How a [`MemoryDevice`] behaves.
#[derive(Clone, Copy, Debug)]
pub struct MemoryOptions {
    /// Decides every delay and fault.
    pub seed: u64,
    /// Size of a logical block.
    pub block_bytes: u32,
    /// Shortest and longest time an operation takes, in nanoseconds. It takes effect at some
    /// moment in between.
    pub delay_ns: (u64, u64),
    /// Compare-and-Writes in a million whose outcome stays unknown: a third of them is applied
    /// before that is said, a third some time later, a third never.
    pub unknown_per_million: u32,
    /// Operations in a million that fail without effect.
    pub failed_per_million: u32,
    /// Operations wait until [`MemoryDevice::complete`] is called; time stands still.
    pub manual: bool,
    /// What the device promises.
    pub capabilities: DeviceCapabilities,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            block_bytes: 4096,
            delay_ns: (1_000, 1_000),
            unknown_per_million: 0,
            failed_per_million: 0,
            manual: false,
            capabilities: DeviceCapabilities::atomic(16 << 10),
        }
    }
}

/// What the device has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MemoryCounters {
    /// Reads that took effect.
    pub reads: u64,
    /// Compare-and-Writes that took effect, miscompares included.
    pub compare_and_writes: u64,
    /// Those that found another page.
    pub miscompares: u64,
}

/// What becomes of an operation that waits in a manual device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// It is carried out.
    Done,
    /// It fails, and nothing was changed.
    Failed,
    /// Its outcome stays unknown, and it was carried out.
    UnknownApplied,
    /// Its outcome stays unknown, and it was not carried out.
    UnknownLost,
    /// Its outcome stays unknown, and it goes on waiting: complete it again, with any effect.
    UnknownPending,
}

/// An operation that waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PendingOperation {
    /// The handle that submitted it, counted from 0.
    pub handle: usize,
    /// Its tag.
    pub tag: u64,
    /// True for a Compare-and-Write.
    pub write: bool,
    /// First block.
    pub block: u64,
    /// Its client was told that the outcome is unknown.
    pub ghost: bool,
}

/// A device in memory. Clones are the same device.
#[derive(Clone)]
pub struct MemoryDevice {
    state: Rc<RefCell<State>>,
}

impl MemoryDevice {
    /// A device of `bytes` zeros.
    pub fn new(bytes: usize, options: MemoryOptions) -> Self {
        let state = State::new(bytes, options);
        Self {
            state: Rc::new(RefCell::new(state)),
        }
    }

    /// A handle for one client. What it has submitted is carried out even when it is dropped.
    pub fn handle(&self) -> MemoryPageStore {
        let mut state = self.state.borrow_mut();
        let handle = state.handles;
        state.handles += 1;
        MemoryPageStore::new(Rc::clone(&self.state), handle)
    }

    /// Changes delays and faults from now on.
    pub fn set_options(&self, options: MemoryOptions) {
        self.state.borrow_mut().options = options;
    }

    /// `len` bytes at `offset` of the medium.
    pub fn bytes(&self, offset: usize, len: usize) -> Vec<u8> {
        self.state.borrow().bytes[offset..offset + len].to_vec()
    }

    /// Overwrites the medium, past every client.
    pub fn write_bytes(&self, offset: usize, bytes: &[u8]) {
        self.state.borrow_mut().bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    /// The device is gone: everything on its way and everything later fails so.
    pub fn lose(&self) {
        let mut state = self.state.borrow_mut();
        state.gone = true;
        state.fail_all();
    }

    /// Undoes [`lose`](Self::lose) for handles made from now on.
    pub fn find_again(&self) {
        self.state.borrow_mut().gone = false;
    }

    /// What the device has done so far.
    pub fn counters(&self) -> MemoryCounters {
        self.state.borrow().counters
    }

    /// Moves the clock to the next thing that happens, and lets it happen. False when nothing is
    /// on its way.
    pub fn advance(&self) -> bool {
        self.state.borrow_mut().advance_until(u64::MAX)
    }

    /// Moves the clock on by `ns`.
    pub fn pass(&self, ns: u64) {
        let mut state = self.state.borrow_mut();
        let until = state.now_ns + ns;
        while state.advance_until(until) {}
        state.now_ns = until;
    }

    /// Operations that wait, in the order of their submission.
    pub fn pending(&self) -> Vec<PendingOperation> {
        let state = self.state.borrow();
        let show = |pending: &Pending| PendingOperation {
            handle: pending.handle,
            tag: pending.tag,
            write: matches!(pending.command, Command::CompareAndWrite { .. }),
            block: pending.block,
            ghost: pending.ghost,
        };
        state.pending.iter().map(show).collect()
    }

    /// Decides what becomes of the `index`th waiting operation.
    pub fn complete(&self, index: usize, effect: Effect) {
        self.state.borrow_mut().complete(index, effect);
    }

    /// Drops everything that `handle` has on its way without effect: its host lost power.
    pub fn drop_pending(&self, handle: usize) {
        self.state
            .borrow_mut()
            .pending
            .retain(|pending| pending.handle != handle);
    }
}
