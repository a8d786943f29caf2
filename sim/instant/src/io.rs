//! NVM commands on the memory image (NVMe 1.1 §6), fused pairs included.

use nvme_spec::opcode::nvm;
use nvme_spec::{Fuse, MEMORY_PAGE_BYTES, NAMESPACE_ID, Status, SubmissionEntry};

use crate::completion::Posting;
use crate::controller::Held;
use crate::device::Device;
use crate::dma::{HostMemory, Unmapped};
use crate::fault::Fault;

impl From<Unmapped> for Status {
    fn from(_: Unmapped) -> Self {
        Self::DATA_TRANSFER_ERROR
    }
}

impl Device {
    /// An entry of an I/O submission queue: sorts out pairs (§4.2, §6.4).
    #[inline]
    pub(crate) fn execute_io(
        &mut self,
        memory: &HostMemory,
        function: u8,
        queue: u16,
        entry: SubmissionEntry,
        fault: Option<Fault>,
    ) {
        let waiting = self.controllers[usize::from(function)].submission[usize::from(queue)]
            .as_mut()
            .and_then(|queue| queue.first.take());
        let fuse = entry.fuse();
        if waiting.is_none() && fuse == Fuse::Normal {
            return self.single(memory, function, queue, entry, fault);
        }
        if let (Some(first), Fuse::Second) = (waiting, fuse) {
            return self.pair(memory, function, queue, first, (entry, fault));
        }
        if let Some((first, fault)) = waiting {
            let status = Status::ABORTED_MISSING_FUSED;
            self.end(memory, function, queue, first, status, fault);
        }
        match fuse {
            Fuse::Normal => self.single(memory, function, queue, entry, fault),
            Fuse::First => {
                if let Some(queue) =
                    &mut self.controllers[usize::from(function)].submission[usize::from(queue)]
                {
                    queue.first = Some((entry, fault));
                }
            }
            Fuse::Second => {
                let status = Status::ABORTED_MISSING_FUSED;
                self.end(memory, function, queue, entry, status, fault);
            }
            Fuse::Reserved => {
                self.end(memory, function, queue, entry, Status::INVALID_FIELD, fault);
            }
        }
    }

    #[inline]
    fn end(
        &mut self,
        memory: &HostMemory,
        function: u8,
        queue: u16,
        entry: SubmissionEntry,
        status: Status,
        fault: Option<Fault>,
    ) {
        self.complete(
            memory,
            Posting {
                function,
                queue,
                command_id: entry.command_id(),
                status,
                dword0: 0,
                fault,
            },
        );
    }

    #[inline]
    fn single(
        &mut self,
        memory: &HostMemory,
        function: u8,
        queue: u16,
        entry: SubmissionEntry,
        fault: Option<Fault>,
    ) {
        let executed = match fault {
            None => self.run(memory, function, &entry),
            Some(Fault::LoseCommand) => {
                self.hold(function, queue, [Some(entry.command_id()), None]);
                return;
            }
            Some(Fault::Status(status)) => Err(status),
            Some(Fault::Miscompare) if entry.opcode() == nvm::COMPARE => {
                Err(Status::COMPARE_FAILURE)
            }
            Some(_) => self.run(memory, function, &entry),
        };
        self.count(function, &entry, executed);
        let status = executed.err().unwrap_or(Status::SUCCESS);
        self.end(memory, function, queue, entry, status, fault);
    }

    fn hold(&mut self, function: u8, queue: u16, command_ids: [Option<u16>; 2]) {
        self.controllers[usize::from(function)]
            .held
            .push(Held { queue, command_ids });
    }

    fn pair(
        &mut self,
        memory: &HostMemory,
        function: u8,
        queue: u16,
        (first, first_fault): (SubmissionEntry, Option<Fault>),
        (second, second_fault): (SubmissionEntry, Option<Fault>),
    ) {
        if [first_fault, second_fault].contains(&Some(Fault::LoseCommand)) {
            let ids = [Some(first.command_id()), Some(second.command_id())];
            return self.hold(function, queue, ids);
        }
        let (compare, write) = self.run_pair(
            memory,
            function,
            (&first, first_fault),
            (&second, second_fault),
        );
        let counters = &mut self.controllers[usize::from(function)].counters;
        let executed = [Status::SUCCESS, Status::COMPARE_FAILURE].contains(&compare)
            && [Status::SUCCESS, Status::ABORTED_FAILED_FUSED].contains(&write);
        if executed {
            counters.pairs += 1;
            counters.miscompares += u64::from(compare == Status::COMPARE_FAILURE);
            counters.bytes_written +=
                2 * u64::from(first.block_count()) * u64::from(self.options.block_bytes);
        }
        self.end(memory, function, queue, first, compare, first_fault);
        self.end(memory, function, queue, second, write, second_fault);
    }

    /// Statuses of the Compare and the Write. Nothing is written unless both succeed.
    fn run_pair(
        &mut self,
        memory: &HostMemory,
        function: u8,
        (first, first_fault): (&SubmissionEntry, Option<Fault>),
        (second, second_fault): (&SubmissionEntry, Option<Fault>),
    ) -> (Status, Status) {
        let same_range = first.starting_lba() == second.starting_lba()
            && first.block_count() == second.block_count();
        let limit = u32::from(
            self.controllers[usize::from(function)]
                .identify
                .atomic_compare_and_write_unit,
        ) + 1;
        if first.opcode() != nvm::COMPARE
            || second.opcode() != nvm::WRITE
            || !same_range
            || first.block_count() > limit
        {
            return (Status::INVALID_FIELD, Status::INVALID_FIELD);
        }
        let compared = match first_fault {
            Some(Fault::Status(status)) => Err(status),
            Some(Fault::Miscompare) => Err(Status::COMPARE_FAILURE),
            _ => self.run(memory, function, first),
        };
        if let Err(status) = compared {
            return (status, Status::ABORTED_FAILED_FUSED);
        }
        let written = match second_fault {
            Some(Fault::Status(status)) => Err(status),
            _ => self.run(memory, function, second),
        };
        (Status::SUCCESS, written.err().unwrap_or(Status::SUCCESS))
    }

    /// Executes a command: the status it failed with, if it did.
    #[inline]
    fn run(
        &mut self,
        memory: &HostMemory,
        function: u8,
        entry: &SubmissionEntry,
    ) -> Result<(), Status> {
        if entry.namespace_id != NAMESPACE_ID {
            return Err(Status::INVALID_NAMESPACE);
        }
        if entry.opcode() == nvm::FLUSH {
            return Ok(());
        }
        if entry.data_pointer_type() != 0 {
            return Err(Status::INVALID_FIELD);
        }
        let (first, count) = (entry.starting_lba(), u64::from(entry.block_count()));
        if first >= self.options.blocks || count > self.options.blocks - first {
            return Err(Status::LBA_OUT_OF_RANGE);
        }
        let block_bytes = u64::from(self.options.block_bytes);
        let bytes = (count * block_bytes) as usize;
        let exponent = u32::from(self.options.maximum_data_transfer);
        if exponent != 0 && bytes > MEMORY_PAGE_BYTES << exponent {
            return Err(Status::INVALID_FIELD);
        }
        let start = (first * block_bytes) as usize;
        match entry.opcode() {
            nvm::READ => {
                let data = &self.medium[start..start + bytes];
                for_each_piece(memory, function, entry, bytes, |address, offset, length| {
                    Ok(memory.write(function, address, &data[offset..offset + length])?)
                })
            }
            nvm::WRITE => {
                // All data first: a page that cannot be reached must not leave half a Write behind.
                self.staging.resize(bytes, 0);
                let staging = &mut self.staging;
                for_each_piece(memory, function, entry, bytes, |address, offset, length| {
                    Ok(memory.read(function, address, &mut staging[offset..offset + length])?)
                })?;
                self.medium[start..start + bytes].copy_from_slice(&self.staging);
                Ok(())
            }
            nvm::COMPARE => {
                let data = &self.medium[start..start + bytes];
                let mut equal = true;
                for_each_piece(memory, function, entry, bytes, |address, offset, length| {
                    equal &= memory.equals(function, address, &data[offset..offset + length])?;
                    Ok(())
                })?;
                if equal {
                    Ok(())
                } else {
                    Err(Status::COMPARE_FAILURE)
                }
            }
            _ => Err(Status::INVALID_OPCODE),
        }
    }

    #[inline]
    fn count(&mut self, function: u8, entry: &SubmissionEntry, executed: Result<(), Status>) {
        let counters = &mut self.controllers[usize::from(function)].counters;
        let bytes = u64::from(entry.block_count()) * u64::from(self.options.block_bytes);
        match (entry.opcode(), executed) {
            (nvm::READ, Ok(())) => {
                counters.reads += 1;
                counters.bytes_read += bytes;
            }
            (nvm::WRITE, Ok(())) => {
                counters.writes += 1;
                counters.bytes_written += bytes;
            }
            (nvm::COMPARE, Ok(()) | Err(Status::COMPARE_FAILURE)) => {
                counters.compares += 1;
                counters.bytes_written += bytes;
                counters.miscompares += u64::from(executed.is_err());
            }
            _ => {}
        }
    }
}

/// Walks the PRP entries of a transfer (§4.3): bus address, offset within the transfer, length.
#[inline]
pub(crate) fn for_each_piece(
    memory: &HostMemory,
    function: u8,
    entry: &SubmissionEntry,
    bytes: usize,
    mut visit: impl FnMut(u64, usize, usize) -> Result<(), Status>,
) -> Result<(), Status> {
    const PAGE: usize = MEMORY_PAGE_BYTES;
    let within_page = |address: u64| (address % PAGE as u64) as usize;
    if !entry.prp1.is_multiple_of(4) {
        return Err(Status::PRP_OFFSET_INVALID);
    }
    let first = bytes.min(PAGE - within_page(entry.prp1));
    visit(entry.prp1, 0, first)?;
    let mut done = first;
    if done == bytes {
        return Ok(());
    }
    if bytes - done <= PAGE {
        if within_page(entry.prp2) != 0 {
            return Err(Status::PRP_OFFSET_INVALID);
        }
        return visit(entry.prp2, done, bytes - done);
    }
    let mut list = entry.prp2;
    if !list.is_multiple_of(8) {
        return Err(Status::PRP_OFFSET_INVALID);
    }
    while done < bytes {
        let mut pointer = [0; 8];
        memory.read(function, list, &mut pointer)?;
        let pointer = u64::from_le_bytes(pointer);
        if within_page(pointer) != 0 {
            return Err(Status::PRP_OFFSET_INVALID);
        }
        let last_of_page = within_page(list) + 8 == PAGE;
        if last_of_page && bytes - done > PAGE {
            list = pointer;
            continue;
        }
        let length = (bytes - done).min(PAGE);
        visit(pointer, done, length)?;
        done += length;
        list += 8;
    }
    Ok(())
}
