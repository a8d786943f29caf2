//! (until the store brings its own)
use nvme_driver::{DmaBuffer, QueuePair, Transport};
use rdstore::page_store::{
    DeviceGeometry, PageCompletion, PageOutcome, PageStore, PageStoreError, QueueFull,
};
/// Pages.
pub struct NvmePageStore<T: Transport> {
    queue: QueuePair<T>,
    ended: Vec<nvme_driver::Completion<T::Dma>>,
}
impl<T: Transport> NvmePageStore<T> {
    /// new
    pub fn new(queue: QueuePair<T>) -> anyhow::Result<Self> {
        Ok(Self { queue, ended: Vec::new() })
    }
}
impl<T: Transport> PageStore for NvmePageStore<T> {
    type Buffer = DmaBuffer<T::Dma>;
    fn geometry(&self) -> DeviceGeometry {
        let info = self.queue.info();
        DeviceGeometry {
            block_bytes: info.block_bytes,
            blocks: info.blocks,
            compare_and_write_bytes: info.atomic_compare_and_write_blocks * info.block_bytes,
            name: [0; 20],
        }
    }
    fn name(&self) -> &str {
        self.queue.name()
    }
    fn buffer(&mut self, bytes: usize) -> Option<Self::Buffer> {
        self.queue.buffer(bytes)
    }
    fn submit_read(
        &mut self,
        block: u64,
        buffer: Self::Buffer,
        tag: u64,
    ) -> Result<(), QueueFull<Self::Buffer>> {
        let blocks = buffer.len() as u32 / self.queue.info().block_bytes;
        self.queue
            .submit_read(block, blocks, buffer, tag)
            .map_err(|full| QueueFull { buffer: full.buffer.unwrap(), new_buffer: None })
    }
    fn submit_compare_and_write(
        &mut self,
        block: u64,
        old: Self::Buffer,
        new: Self::Buffer,
        tag: u64,
    ) -> Result<(), QueueFull<Self::Buffer>> {
        let blocks = old.len() as u32 / self.queue.info().block_bytes;
        self.queue.submit_compare_and_write(block, blocks, old, new, tag).map_err(|full| QueueFull {
            buffer: full.buffer.unwrap(),
            new_buffer: full.new_buffer,
        })
    }
    fn poll(&mut self, completions: &mut Vec<PageCompletion<Self::Buffer>>) -> usize {
        let count = self.queue.poll(&mut self.ended);
        completions.extend(self.ended.drain(..).map(|c| PageCompletion {
            tag: c.tag,
            buffer: c.buffer.unwrap(),
            new_buffer: c.new_buffer,
            result: match c.result {
                Ok(nvme_driver::Outcome::Done) => Ok(PageOutcome::Done),
                Ok(nvme_driver::Outcome::Miscompare) => Ok(PageOutcome::Miscompare),
                Err(e) => Err(PageStoreError::Failed { reason: e.to_string() }),
            },
        }));
        count
    }
    fn wait(&mut self, deadline_ns: u64) {
        self.queue.wait(deadline_ns);
    }
    fn now_ns(&self) -> u64 {
        self.queue.now_ns()
    }
    fn in_flight(&self) -> usize {
        self.queue.in_flight()
    }
}
