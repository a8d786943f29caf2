//! One client's handle on a [`MemoryDevice`](super::MemoryDevice).

use std::cell::RefCell;
use std::rc::Rc;

use super::memory_state::{Command, State};
use crate::acceptance::DeviceCapabilities;
use crate::page_store::{DeviceGeometry, PageCompletion, PageStore, QueueFull};

/// One client's handle on a [`MemoryDevice`](super::MemoryDevice).
pub struct MemoryPageStore {
    state: Rc<RefCell<State>>,
    handle: usize,
    name: String,
    queue_depth: usize,
}

impl MemoryPageStore {
    pub(super) fn new(state: Rc<RefCell<State>>, handle: usize) -> Self {
        Self {
            state,
            handle,
            name: format!("memory handle {handle}"),
            queue_depth: usize::MAX,
        }
    }

    /// The number of this handle, as [`PendingOperation`](super::PendingOperation) shows it.
    pub fn number(&self) -> usize {
        self.handle
    }

    /// Takes only so many operations at a time.
    pub fn set_queue_depth(&mut self, operations: usize) {
        self.queue_depth = operations;
    }

    fn is_full(&self) -> bool {
        self.state.borrow().in_flight(self.handle) >= self.queue_depth
    }
}

impl PageStore for MemoryPageStore {
    type Buffer = Vec<u8>;

    fn geometry(&self) -> DeviceGeometry {
        let state = self.state.borrow();
        let block_bytes = state.options.block_bytes;
        DeviceGeometry {
            block_bytes,
            blocks: state.bytes.len() as u64 / u64::from(block_bytes),
            compare_and_write_bytes: u32::try_from(state.options.capabilities.acwu_bytes)
                .unwrap_or(u32::MAX),
            name: *b"memory device       ",
        }
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.state.borrow().options.capabilities
    }

    fn buffer(&mut self, bytes: usize) -> Option<Vec<u8>> {
        Some(vec![0; bytes])
    }

    fn submit_read(
        &mut self,
        block: u64,
        buffer: Vec<u8>,
        tag: u64,
    ) -> Result<(), QueueFull<Vec<u8>>> {
        if self.is_full() {
            return Err(QueueFull {
                buffer,
                new_buffer: None,
            });
        }
        self.state
            .borrow_mut()
            .submit(self.handle, tag, block, Command::Read { buffer });
        Ok(())
    }

    fn submit_compare_and_write(
        &mut self,
        block: u64,
        old: Vec<u8>,
        new: Vec<u8>,
        tag: u64,
    ) -> Result<(), QueueFull<Vec<u8>>> {
        if self.is_full() {
            return Err(QueueFull {
                buffer: old,
                new_buffer: Some(new),
            });
        }
        let command = Command::CompareAndWrite { old, new };
        self.state
            .borrow_mut()
            .submit(self.handle, tag, block, command);
        Ok(())
    }

    fn poll(&mut self, completions: &mut Vec<PageCompletion<Vec<u8>>>) -> usize {
        self.state.borrow_mut().poll(self.handle, completions)
    }

    fn wait(&mut self, deadline_ns: u64) {
        self.state.borrow_mut().wait(self.handle, deadline_ns);
    }

    fn now_ns(&self) -> u64 {
        self.state.borrow().now_ns
    }

    fn in_flight(&self) -> usize {
        self.state.borrow().in_flight(self.handle)
    }
}
