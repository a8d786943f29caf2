//! Pages on an NVMe device: a [`PageStore`] over one queue pair of the driver.

use std::ops::{Deref, DerefMut};

use nvme_driver::{DmaBuffer, DmaMemory, DriverError, Outcome, QueuePair, Transport};

use crate::acceptance::DeviceCapabilities;
use crate::page_store::{
    DeviceGeometry, PageCompletion, PageOutcome, PageStore, PageStoreError, QueueFull,
};

/// One client's queue pair, as a store of pages.
pub struct NvmePageStore<T: Transport> {
    queue: QueuePair<T>,
    /// Operations that could not be sent because their buffer is lost.
    unsent: Vec<PageCompletion<NvmePageBuffer<T::Dma>>>,
}

/// Memory of a page. It is empty when a controller that could not be stopped has kept the memory;
/// the device is gone then.
pub struct NvmePageBuffer<D: DmaMemory>(Option<DmaBuffer<D>>);

impl<D: DmaMemory> Deref for NvmePageBuffer<D> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or(&[])
    }
}

impl<D: DmaMemory> DerefMut for NvmePageBuffer<D> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        self.0.as_deref_mut().unwrap_or(&mut [])
    }
}

impl<T: Transport> NvmePageStore<T> {
    /// Takes a queue pair over.
    pub fn new(queue: QueuePair<T>) -> Self {
        Self {
            queue,
            unsent: Vec::new(),
        }
    }

    /// The queue pair.
    pub fn queue_pair(&self) -> &QueuePair<T> {
        &self.queue
    }

    /// The queue pair. Submitting through it confuses the page store.
    pub fn queue_pair_mut(&mut self) -> &mut QueuePair<T> {
        &mut self.queue
    }

    fn refuse(
        &mut self,
        tag: u64,
        buffer: NvmePageBuffer<T::Dma>,
        new_buffer: Option<NvmePageBuffer<T::Dma>>,
    ) {
        let reason = format!(
            "{}: its buffers are lost, the device has failed",
            self.queue.name()
        );
        let result = Err(PageStoreError::DeviceGone { reason });
        self.unsent.push(PageCompletion {
            tag,
            buffer,
            new_buffer,
            result,
        });
    }

    fn blocks_of(&self, bytes: usize) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX) / self.queue.info().block_bytes
    }
}

#[cold]
fn error_of(error: &DriverError, outcome_unknown: bool) -> PageStoreError {
    let reason = error.to_string();
    if error.is_fatal() {
        PageStoreError::DeviceGone { reason }
    } else if outcome_unknown {
        PageStoreError::OutcomeUnknown { reason }
    } else if matches!(error, DriverError::ControllerReset { .. }) {
        PageStoreError::Interrupted { reason }
    } else {
        PageStoreError::Failed { reason }
    }
}

impl<T: Transport> PageStore for NvmePageStore<T> {
    type Buffer = NvmePageBuffer<T::Dma>;

    fn geometry(&self) -> DeviceGeometry {
        let info = self.queue.info();
        let mut name = [b' '; 20];
        for (place, byte) in name.iter_mut().zip(info.serial_number.bytes()) {
            *place = byte;
        }
        DeviceGeometry {
            block_bytes: info.block_bytes,
            blocks: info.blocks,
            compare_and_write_bytes: info
                .atomic_compare_and_write_blocks
                .saturating_mul(info.block_bytes),
            name,
        }
    }

    fn name(&self) -> &str {
        self.queue.name()
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let info = self.queue.info();
        let bytes = |blocks: u32| u64::from(blocks) * u64::from(info.block_bytes);
        DeviceCapabilities {
            fused_compare_and_write: info.supports_compare_and_write,
            acwu_bytes: bytes(info.atomic_compare_and_write_blocks),
            awun_bytes: bytes(info.atomic_write_blocks),
            awupf_bytes: bytes(info.atomic_write_power_fail_blocks),
            atomicity_disabled: info.write_atomicity_disabled,
            volatile_write_cache: info.volatile_write_cache,
            forced_unit_access: self.queue.forces_unit_access(),
        }
    }

    fn buffer(&mut self, bytes: usize) -> Option<Self::Buffer> {
        self.queue
            .buffer(bytes)
            .map(|buffer| NvmePageBuffer(Some(buffer)))
    }

    #[inline]
    fn submit_read(
        &mut self,
        block: u64,
        buffer: Self::Buffer,
        tag: u64,
    ) -> Result<(), QueueFull<Self::Buffer>> {
        let blocks = self.blocks_of(buffer.len());
        match buffer.0 {
            Some(buffer) => self
                .queue
                .submit_read(block, blocks, buffer, tag)
                .map_err(|full| QueueFull {
                    buffer: NvmePageBuffer(full.buffer),
                    new_buffer: None,
                }),
            None => {
                self.refuse(tag, NvmePageBuffer(None), None);
                Ok(())
            }
        }
    }

    #[inline]
    fn submit_compare_and_write(
        &mut self,
        block: u64,
        old: Self::Buffer,
        new: Self::Buffer,
        tag: u64,
    ) -> Result<(), QueueFull<Self::Buffer>> {
        let blocks = self.blocks_of(old.len());
        match (old.0, new.0) {
            (Some(old), Some(new)) => self
                .queue
                .submit_compare_and_write(block, blocks, old, new, tag)
                .map_err(|full| QueueFull {
                    buffer: NvmePageBuffer(full.buffer),
                    new_buffer: Some(NvmePageBuffer(full.new_buffer)),
                }),
            (old, new) => {
                self.refuse(tag, NvmePageBuffer(old), Some(NvmePageBuffer(new)));
                Ok(())
            }
        }
    }

    #[inline]
    fn ring(&mut self) {
        self.queue.ring();
    }

    #[inline]
    fn poll(&mut self, completions: &mut Vec<PageCompletion<Self::Buffer>>) -> usize {
        let before = completions.len();
        completions.append(&mut self.unsent);
        self.queue.poll_with(|completion| {
            let pair = completion.command == nvme_driver::CommandKind::CompareAndWrite;
            let outcome_unknown = completion.outcome_unknown();
            completions.push(PageCompletion {
                tag: completion.tag,
                buffer: NvmePageBuffer(completion.buffer),
                new_buffer: pair.then(|| NvmePageBuffer(completion.new_buffer)),
                result: match completion.result {
                    Ok(Outcome::Done) => Ok(PageOutcome::Done),
                    Ok(Outcome::Miscompare) => Ok(PageOutcome::Miscompare),
                    Err(error) => Err(error_of(&error, outcome_unknown)),
                },
            });
        });
        completions.len() - before
    }

    fn wait(&mut self, deadline_ns: u64) {
        if self.unsent.is_empty() {
            self.queue.wait(deadline_ns);
        }
    }

    fn now_ns(&self) -> u64 {
        self.queue.now_ns()
    }

    fn in_flight(&self) -> usize {
        self.queue.in_flight() + self.unsent.len()
    }
}
