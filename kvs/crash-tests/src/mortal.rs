//! A device handle whose owner dies at its n-th command.

use std::cell::Cell;
use std::rc::Rc;

use rdstore::DeviceCapabilities;
use rdstore::page_store::{DeviceGeometry, PageCompletion, PageStore, QueueFull};

/// How many commands an owner may still send, and has sent.
#[derive(Clone, Debug)]
pub struct Lifetime(Rc<Counts>);

#[derive(Debug)]
struct Counts {
    left: Cell<u64>,
    sent: Cell<u64>,
}

impl Default for Lifetime {
    /// A long one.
    fn default() -> Self {
        Self(Rc::new(Counts {
            left: Cell::new(u64::MAX),
            sent: Cell::new(0),
        }))
    }
}

impl Lifetime {
    /// From now on, `commands` more are sent, and none after them.
    pub fn ends_after(&self, commands: u64) {
        self.0.left.set(commands);
        self.0.sent.set(0);
    }

    /// Commands sent since then.
    pub fn sent(&self) -> u64 {
        self.0.sent.get()
    }

    /// All that could be sent was sent.
    pub fn is_over(&self) -> bool {
        self.0.left.get() == 0
    }

    fn take(&self) -> bool {
        let left = self.0.left.get();
        if left == 0 {
            return false;
        }
        self.0.left.set(left - 1);
        self.0.sent.set(self.0.sent.get() + 1);
        true
    }
}

/// Pages of `inner` until the [`Lifetime`] is over; then it takes nothing any more.
pub struct MortalPages<P> {
    inner: P,
    lifetime: Lifetime,
}

impl<P: PageStore> MortalPages<P> {
    /// Ties `inner` to `lifetime`.
    pub fn new(inner: P, lifetime: Lifetime) -> Self {
        Self { inner, lifetime }
    }
}

impl<P: PageStore> PageStore for MortalPages<P> {
    type Buffer = P::Buffer;

    fn geometry(&self) -> DeviceGeometry {
        self.inner.geometry()
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.inner.capabilities()
    }

    fn buffer(&mut self, bytes: usize) -> Option<Self::Buffer> {
        self.inner.buffer(bytes)
    }

    fn submit_read(
        &mut self,
        block: u64,
        buffer: Self::Buffer,
        tag: u64,
    ) -> Result<(), QueueFull<Self::Buffer>> {
        if !self.lifetime.take() {
            return Err(QueueFull {
                buffer,
                new_buffer: None,
            });
        }
        self.inner.submit_read(block, buffer, tag)
    }

    fn submit_compare_and_write(
        &mut self,
        block: u64,
        old: Self::Buffer,
        new: Self::Buffer,
        tag: u64,
    ) -> Result<(), QueueFull<Self::Buffer>> {
        if !self.lifetime.take() {
            return Err(QueueFull {
                buffer: old,
                new_buffer: Some(new),
            });
        }
        self.inner.submit_compare_and_write(block, old, new, tag)
    }

    fn poll(&mut self, completions: &mut Vec<PageCompletion<Self::Buffer>>) -> usize {
        self.inner.poll(completions)
    }

    fn wait(&mut self, deadline_ns: u64) {
        self.inner.wait(deadline_ns);
    }

    fn now_ns(&self) -> u64 {
        self.inner.now_ns()
    }

    fn in_flight(&self) -> usize {
        self.inner.in_flight()
    }
}
