//! Posting commands.

use nvme_spec::{Fuse, SubmissionEntry};

use super::QueuePair;
use crate::buffer::DmaBuffer;
use crate::command_table::Role;
use crate::completion::QueueFull;
use crate::error::{CommandKind, Request};
use crate::transport::Transport;

impl<T: Transport> QueuePair<T> {
    /// Reads `blocks` blocks from `lba` into the start of `buffer` (NVMe 1.1 §6.8).
    #[inline]
    pub fn submit_read(
        &mut self,
        lba: u64,
        blocks: u32,
        buffer: DmaBuffer<T::Dma>,
        tag: u64,
    ) -> Result<(), QueueFull<T::Dma>> {
        self.submit(CommandKind::Read, lba, blocks, buffer, tag)
    }

    /// Writes `blocks` blocks from the start of `buffer` to `lba` (§6.9).
    #[inline]
    pub fn submit_write(
        &mut self,
        lba: u64,
        blocks: u32,
        buffer: DmaBuffer<T::Dma>,
        tag: u64,
    ) -> Result<(), QueueFull<T::Dma>> {
        self.submit(CommandKind::Write, lba, blocks, buffer, tag)
    }

    /// Compares `blocks` blocks from `lba` with the start of `buffer` (§6.6).
    #[inline]
    pub fn submit_compare(
        &mut self,
        lba: u64,
        blocks: u32,
        buffer: DmaBuffer<T::Dma>,
        tag: u64,
    ) -> Result<(), QueueFull<T::Dma>> {
        self.submit(CommandKind::Compare, lba, blocks, buffer, tag)
    }

    /// Makes what was written before durable (§6.7).
    pub fn submit_flush(&mut self, tag: u64) -> Result<(), QueueFull<T::Dma>> {
        let request = Request {
            command: CommandKind::Flush,
            lba: 0,
            blocks: 0,
        };
        if self.failure.is_some() {
            return self.refuse(request, tag, None, None);
        }
        let Some(index) = self.table.claim() else {
            return Err(QueueFull {
                buffer: None,
                new_buffer: None,
            });
        };
        self.post(
            index,
            SubmissionEntry::flush(),
            Role::Single,
            request,
            tag,
            None,
        );
        self.requests_in_flight += 1;
        Ok(())
    }

    /// Compares `blocks` blocks from `lba` with `old` and, if they are equal, writes `new`, as one
    /// atomic operation (§6.4): two entries side by side in the queue, sent by one doorbell.
    #[inline]
    pub fn submit_compare_and_write(
        &mut self,
        lba: u64,
        blocks: u32,
        old: DmaBuffer<T::Dma>,
        new: DmaBuffer<T::Dma>,
        tag: u64,
    ) -> Result<(), QueueFull<T::Dma>> {
        let request = Request {
            command: CommandKind::CompareAndWrite,
            lba,
            blocks,
        };
        let bytes = (blocks as usize) << self.block_shift;
        if !self.sendable(&old, bytes)
            || !self.sendable(&new, bytes)
            || !self.info.supports_compare_and_write
            || blocks > self.info.atomic_compare_and_write_blocks
        {
            return self.refuse(request, tag, Some(old), Some(new));
        }
        if self.table.room() < 2 {
            return Err(QueueFull {
                buffer: Some(old),
                new_buffer: Some(new),
            });
        }
        let (Some(compare), Some(write)) = (self.table.claim(), self.table.claim()) else {
            unreachable!("there is room for two");
        };
        let (prp1, prp2) = old.prps(bytes);
        let first = SubmissionEntry::compare(lba, blocks)
            .with_fuse(Fuse::First)
            .with_prps(prp1, prp2);
        self.post(
            compare,
            first,
            Role::Compare { write },
            request,
            tag,
            Some(old),
        );
        let (prp1, prp2) = new.prps(bytes);
        let second = self
            .write_entry(lba, blocks)
            .with_fuse(Fuse::Second)
            .with_prps(prp1, prp2);
        self.post(
            write,
            second,
            Role::Write { compare },
            request,
            tag,
            Some(new),
        );
        self.requests_in_flight += 1;
        Ok(())
    }

    #[inline]
    fn submit(
        &mut self,
        command: CommandKind,
        lba: u64,
        blocks: u32,
        buffer: DmaBuffer<T::Dma>,
        tag: u64,
    ) -> Result<(), QueueFull<T::Dma>> {
        let request = Request {
            command,
            lba,
            blocks,
        };
        let bytes = (blocks as usize) << self.block_shift;
        if !self.sendable(&buffer, bytes) {
            return self.refuse(request, tag, Some(buffer), None);
        }
        let Some(index) = self.table.claim() else {
            return Err(QueueFull {
                buffer: Some(buffer),
                new_buffer: None,
            });
        };
        let entry = match command {
            CommandKind::Read => SubmissionEntry::read(lba, blocks),
            CommandKind::Write => self.write_entry(lba, blocks),
            _ => SubmissionEntry::compare(lba, blocks),
        };
        let (prp1, prp2) = buffer.prps(bytes);
        self.post(
            index,
            entry.with_prps(prp1, prp2),
            Role::Single,
            request,
            tag,
            Some(buffer),
        );
        self.requests_in_flight += 1;
        Ok(())
    }

    #[inline]
    fn post(
        &mut self,
        index: u16,
        entry: SubmissionEntry,
        role: Role,
        request: Request,
        tag: u64,
        buffer: Option<DmaBuffer<T::Dma>>,
    ) {
        self.submission
            .post(entry.with_command_id(self.table.command_id(index)));
        let deadline_ns = self
            .transport
            .coarse_now_ns()
            .saturating_add(self.options.command_timeout_ns);
        self.earliest_deadline_ns = self.earliest_deadline_ns.min(deadline_ns);
        let slot = self.table.slot(index);
        slot.role = role;
        slot.command = request.command;
        slot.lba = request.lba;
        slot.blocks = request.blocks;
        slot.tag = tag;
        slot.deadline_ns = deadline_ns;
        slot.buffer = buffer;
    }

    #[inline]
    const fn write_entry(&self, lba: u64, blocks: u32) -> SubmissionEntry {
        let mut entry = SubmissionEntry::write(lba, blocks);
        entry.cdw12 |= self.write_flags;
        entry
    }

    /// Can a command of `bytes` bytes with this buffer be sent? [`refuse`](Self::refuse) finds out
    /// why not.
    #[inline]
    fn sendable(&self, buffer: &DmaBuffer<T::Dma>, bytes: usize) -> bool {
        // 1 to buffer.len(): a count of 0 wraps to usize::MAX.
        bytes.wrapping_sub(1) < buffer.len()
            && buffer.belongs_to(&self.shared.name)
            && self.failure.is_none()
    }
}
