//! A device handle that is not quite what it should be: it leaves most to the one it wraps.

use rdstore::DeviceCapabilities;
use rdstore::page_store::{DeviceGeometry, PageCompletion, PageOutcome, PageStore, QueueFull};

/// What is done to the commands of a [`MeddledPages`].
pub trait Meddler {
    /// Whether the next command is taken: a Compare-and-Write if `pair`, else a read.
    fn takes(&mut self, pair: bool) -> bool {
        let _ = pair;
        true
    }

    /// Whether the Compare-and-Write that was taken is said to be done, and never sent.
    fn drops_pair(&mut self) -> bool {
        false
    }
}

/// Pages of `inner`, with `meddler` between them and their client.
pub struct MeddledPages<P: PageStore, M> {
    inner: P,
    pub(crate) meddler: M,
    /// Compare-and-Writes that were dropped, and are not yet handed out as done.
    dropped: Vec<PageCompletion<P::Buffer>>,
}

impl<P: PageStore, M: Meddler> MeddledPages<P, M> {
    pub(crate) fn with(inner: P, meddler: M) -> Self {
        Self {
            inner,
            meddler,
            dropped: Vec::new(),
        }
    }

    /// Everything that was dropped has been handed out.
    pub(crate) fn has_handed_out_all(&self) -> bool {
        self.dropped.is_empty()
    }
}

impl<P: PageStore, M: Meddler> PageStore for MeddledPages<P, M> {
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
        if !self.meddler.takes(false) {
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
        if !self.meddler.takes(true) {
            return Err(QueueFull {
                buffer: old,
                new_buffer: Some(new),
            });
        }
        if self.meddler.drops_pair() {
            self.dropped.push(PageCompletion {
                tag,
                buffer: old,
                new_buffer: Some(new),
                result: Ok(PageOutcome::Done),
            });
            return Ok(());
        }
        self.inner.submit_compare_and_write(block, old, new, tag)
    }

    fn ring(&mut self) {
        self.inner.ring();
    }

    fn poll(&mut self, completions: &mut Vec<PageCompletion<Self::Buffer>>) -> usize {
        let dropped = self.dropped.len();
        completions.append(&mut self.dropped);
        dropped + self.inner.poll(completions)
    }

    fn wait(&mut self, deadline_ns: u64) {
        if self.dropped.is_empty() {
            self.inner.wait(deadline_ns);
        }
    }

    fn now_ns(&self) -> u64 {
        self.inner.now_ns()
    }

    fn in_flight(&self) -> usize {
        self.inner.in_flight() + self.dropped.len()
    }
}
