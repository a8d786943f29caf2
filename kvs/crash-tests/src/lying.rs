//! A device handle that acknowledges an update and drops it: what the checker must notice.

use rdstore::DeviceCapabilities;
use rdstore::page_store::{DeviceGeometry, PageCompletion, PageOutcome, PageStore, QueueFull};

/// Pages of `inner`, except that one Compare-and-Write is said to be done and never sent.
pub struct LyingPages<P: PageStore> {
    inner: P,
    /// Compare-and-Writes until the lie.
    honest: u64,
    lied: bool,
    lies: Vec<PageCompletion<P::Buffer>>,
}

impl<P: PageStore> LyingPages<P> {
    /// Honest until [`lie_after`](Self::lie_after).
    pub fn new(inner: P) -> Self {
        Self {
            inner,
            honest: u64::MAX,
            lied: false,
            lies: Vec::new(),
        }
    }

    /// Lies after `honest` more Compare-and-Writes, once.
    pub fn lie_after(&mut self, honest: u64) {
        self.honest = honest;
    }

    /// The lie was told and taken for the truth.
    pub fn has_lied(&self) -> bool {
        self.lied && self.lies.is_empty()
    }
}

impl<P: PageStore> PageStore for LyingPages<P> {
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
        self.inner.submit_read(block, buffer, tag)
    }

    fn submit_compare_and_write(
        &mut self,
        block: u64,
        old: Self::Buffer,
        new: Self::Buffer,
        tag: u64,
    ) -> Result<(), QueueFull<Self::Buffer>> {
        if self.honest == 0 {
            self.honest = u64::MAX;
            self.lied = true;
            self.lies.push(PageCompletion {
                tag,
                buffer: old,
                new_buffer: Some(new),
                result: Ok(PageOutcome::Done),
            });
            return Ok(());
        }
        self.honest -= 1;
        self.inner.submit_compare_and_write(block, old, new, tag)
    }

    fn poll(&mut self, completions: &mut Vec<PageCompletion<Self::Buffer>>) -> usize {
        let lies = self.lies.len();
        completions.append(&mut self.lies);
        lies + self.inner.poll(completions)
    }

    fn wait(&mut self, deadline_ns: u64) {
        if self.lies.is_empty() {
            self.inner.wait(deadline_ns);
        }
    }

    fn now_ns(&self) -> u64 {
        self.inner.now_ns()
    }

    fn in_flight(&self) -> usize {
        self.inner.in_flight() + self.lies.len()
    }
}
