//! One client's queue pair: the hot path.

mod recovery;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use nvme_spec::{CompletionEntry, Fuse, SubmissionEntry};

use crate::admin_queue::Ticket;
use crate::buffer::DmaBuffer;
use crate::command_table::{CommandTable, Role};
use crate::completion::{Completion, Context, End, Outcome, QueueFull};
use crate::error::{CommandKind, DriverError, Request};
use crate::function::Shared;
use crate::info::ControllerInfo;
use crate::options::QueueOptions;
use crate::pool::BufferPool;
use crate::report::{BogusCompletion, Distrust, Reports};
use crate::ring::{CompletionRing, SubmissionRing};
use crate::transport::{Transport, TransportError, Wake};

/// A submission and a completion queue with everything a client needs to use them: its own handle
/// on the function, its own buffers, its own command table. Nothing on the hot path is shared with
/// other queue pairs, takes a lock or allocates.
///
/// Requests are posted by `submit_*`, sent by [`ring`](Self::ring) (which
/// [`poll`](Self::poll) and [`wait`](Self::wait) also do), and come back, exactly once each, from
/// `poll`. Timeouts are noticed by `poll` as well: a client that stops polling stops the clock of
/// its requests.
///
/// A request that cannot be sent (device gone, wrong buffer) is taken all the same and comes back
/// failed from the next `poll`, so the only reason not to be taken is a full queue.
///
/// Dropping a queue pair deletes its queues; what is in flight ends unseen.
pub struct QueuePair<T: Transport> {
    transport: T,
    shared: Arc<Shared<T>>,
    info: Arc<ControllerInfo>,
    options: QueueOptions,
    queue_id: u16,
    block_shift: u32,
    /// The controller's reset generation in which the queues were created.
    generation: u64,
    submission: SubmissionRing<T::Dma>,
    completion: CompletionRing<T::Dma>,
    table: CommandTable<T::Dma>,
    requests_in_flight: usize,
    pool: BufferPool<T::Dma>,
    /// No deadline of a command or Abort is earlier.
    earliest_deadline_ns: u64,
    aborts: Vec<PendingAbort>,
    /// Requests that ended without the controller.
    failed: VecDeque<Completion<T::Dma>>,
    /// Set once no request will be sent any more.
    failure: Option<DriverError>,
    /// Buffers that a controller which could not be stopped may still be writing.
    retained: Vec<DmaBuffer<T::Dma>>,
    bogus: Reports<BogusCompletion>,
}

struct PendingAbort {
    ticket: Ticket,
    deadline_ns: u64,
}

/// The rings of a queue pair, before and after the controller knows them.
pub(crate) struct Rings<T: Transport> {
    pub(crate) transport: T,
    pub(crate) submission: SubmissionRing<T::Dma>,
    pub(crate) completion: CompletionRing<T::Dma>,
}

impl<T: Transport> QueuePair<T> {
    pub(crate) fn new(
        rings: Rings<T>,
        shared: Arc<Shared<T>>,
        info: Arc<ControllerInfo>,
        options: QueueOptions,
        queue_id: u16,
        generation: u64,
    ) -> Self {
        Self {
            transport: rings.transport,
            block_shift: info.block_bytes.trailing_zeros(),
            table: CommandTable::new(options.entries - 1),
            pool: BufferPool::new(options.buffer_memory_bytes, Arc::clone(&shared.name)),
            shared,
            info,
            options,
            queue_id,
            generation,
            submission: rings.submission,
            completion: rings.completion,
            requests_in_flight: 0,
            earliest_deadline_ns: u64::MAX,
            aborts: Vec::new(),
            failed: VecDeque::new(),
            failure: None,
            retained: Vec::new(),
            bogus: Reports::new(),
        }
    }

    /// What the controller is.
    pub fn info(&self) -> &ControllerInfo {
        &self.info
    }

    /// How error messages name the device.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Queue identifier; with [`CompletionMode::Msix`](crate::CompletionMode::Msix) also the vector.
    pub const fn queue_id(&self) -> u16 {
        self.queue_id
    }

    /// Commands that can be in flight; a Compare-and-Write takes two.
    pub const fn capacity(&self) -> u32 {
        self.options.entries - 1
    }

    /// Requests taken and not yet handed out by [`poll`](Self::poll).
    pub fn in_flight(&self) -> usize {
        self.requests_in_flight + self.failed.len()
    }

    /// A buffer of `bytes` bytes; `None` while the pool's budget is used up, and when `bytes` is 0
    /// or more than [`ControllerInfo::maximum_transfer_bytes`] in whole pages.
    #[inline]
    pub fn buffer(&mut self, bytes: usize) -> Option<DmaBuffer<T::Dma>> {
        if bytes == 0 || bytes > self.info.maximum_transfer_bytes as usize {
            return None;
        }
        self.pool.take(bytes, &mut self.transport)
    }

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
        let second = SubmissionEntry::write(lba, blocks)
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
            CommandKind::Write => SubmissionEntry::write(lba, blocks),
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
            .now_ns()
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

    /// Can a command of `bytes` bytes with this buffer be sent? [`refuse`](Self::refuse) finds out
    /// why not.
    #[inline]
    fn sendable(&self, buffer: &DmaBuffer<T::Dma>, bytes: usize) -> bool {
        // 1 to buffer.len(): a count of 0 wraps to usize::MAX.
        bytes.wrapping_sub(1) < buffer.len()
            && buffer.belongs_to(&self.shared.name)
            && self.failure.is_none()
    }

    /// Sends everything posted since the last call: one doorbell write.
    #[inline]
    pub fn ring(&mut self) {
        if let Err(error) = self.submission.ring(&mut self.transport) {
            self.transport_failed(error);
        }
    }

    /// Moves everything that has ended into `completions`, without waiting; gives back how many.
    pub fn poll(&mut self, completions: &mut Vec<Completion<T::Dma>>) -> usize {
        self.poll_with(|completion| completions.push(completion))
    }

    /// Hands everything that has ended to `sink`, without waiting; gives back how many.
    #[inline]
    pub fn poll_with(&mut self, mut sink: impl FnMut(Completion<T::Dma>)) -> usize {
        self.ring();
        let mut ended = 0;
        // Bounded: a device that keeps writing entries must not keep its client.
        for _ in 0..self.completion.entries() {
            let Some(entry) = self.completion.take() else {
                break;
            };
            if let Some(completion) = self.accept(entry) {
                sink(completion);
                ended += 1;
            }
        }
        if let Err(error) = self.completion.report(&mut self.transport) {
            self.transport_failed(error);
        }
        if self.needs_attention() {
            self.attend();
            while let Some(completion) = self.failed.pop_front() {
                sink(completion);
                ended += 1;
            }
        }
        ended
    }

    #[inline]
    fn needs_attention(&self) -> bool {
        self.shared.generation.load(Ordering::Acquire) != self.generation
            || !self.failed.is_empty()
            || !self.aborts.is_empty()
            || (self.requests_in_flight != 0
                && self.transport.now_ns() >= self.earliest_deadline_ns)
    }

    /// Believes a completion queue entry or reports it.
    #[inline]
    fn accept(&mut self, entry: CompletionEntry) -> Option<Completion<T::Dma>> {
        let index = self.check(entry)?;
        let end = End {
            status: entry.status(),
            do_not_retry: entry.do_not_retry(),
        };
        let slot = self.table.slot(index);
        let (role, tag, command) = (slot.role, slot.tag, slot.command);
        match role {
            Role::Single => {
                let result = if end.status.is_success() {
                    Ok(Outcome::Done)
                } else {
                    self.context(index).single(end)
                };
                self.requests_in_flight -= 1;
                Some(Completion {
                    tag,
                    command,
                    buffer: self.table.release(index),
                    new_buffer: None,
                    result,
                })
            }
            Role::Compare { write } => self.half(index, index, write, end),
            Role::Write { compare } => self.half(index, compare, index, end),
            // `check` has let through commands in flight only.
            Role::Free => None,
        }
    }

    #[inline]
    fn check(&mut self, entry: CompletionEntry) -> Option<u16> {
        let distrust = if entry.submission_queue_id != self.queue_id {
            Distrust::WrongQueue
        } else {
            match self.table.find(entry.command_id()) {
                None => Distrust::UnknownCommandId,
                Some(_) if !self.submission.accept_head(entry.submission_head) => {
                    Distrust::HeadOutOfRange
                }
                found => return found,
            }
        };
        self.bogus.push(BogusCompletion {
            queue_id: self.queue_id,
            distrust,
            entry,
        });
        None
    }

    /// One command of a pair has ended; the pair is over with the other one.
    #[inline]
    fn half(
        &mut self,
        index: u16,
        compare: u16,
        write: u16,
        end: End,
    ) -> Option<Completion<T::Dma>> {
        self.table.slot(index).end = Some(end);
        let (Some(first), Some(second)) =
            (self.table.slot(compare).end, self.table.slot(write).end)
        else {
            return None;
        };
        let result = if first.status.is_success() && second.status.is_success() {
            Ok(Outcome::Done)
        } else {
            self.context(compare).pair(first.status, second.status)
        };
        let tag = self.table.slot(compare).tag;
        self.requests_in_flight -= 1;
        Some(Completion {
            tag,
            command: CommandKind::CompareAndWrite,
            new_buffer: self.table.release(write),
            buffer: self.table.release(compare),
            result,
        })
    }

    /// What an error message about the request in a slot needs.
    fn context(&mut self, index: u16) -> Context<'_> {
        let mut aborting = self.table.slot(index).aborting;
        if let Role::Compare { write } = self.table.slot(index).role {
            aborting |= self.table.slot(write).aborting;
        }
        Context {
            request: self.table.slot(index).request(),
            device: &self.shared.name,
            aborted_after_ns: aborting.then_some(self.options.command_timeout_ns),
        }
    }

    /// Gives way until something may have ended, at most until `deadline_ns` of
    /// [`now_ns`](Self::now_ns). Spurious returns are allowed; so are earlier ones, when a timeout
    /// of the driver comes first.
    pub fn wait(&mut self, deadline_ns: u64) -> Wake {
        self.ring();
        if !self.failed.is_empty() {
            return Wake::Device;
        }
        let own_ns = if self.requests_in_flight == 0 && self.aborts.is_empty() {
            u64::MAX
        } else {
            self.earliest_deadline_ns
        };
        match self.transport.wait(deadline_ns.min(own_ns)) {
            Ok(wake) => wake,
            Err(error) => {
                self.transport_failed(error);
                Wake::Device
            }
        }
    }

    /// Nanoseconds of the transport's monotonic clock.
    pub fn now_ns(&self) -> u64 {
        self.transport.now_ns()
    }

    /// Has the queue's MSI-X vector fired since the last call? Always false when polling.
    pub fn take_interrupt(&mut self) -> Result<bool, TransportError> {
        match self.options.completion {
            crate::CompletionMode::Polling => Ok(false),
            crate::CompletionMode::Msix => self.transport.take_interrupt(self.queue_id),
        }
    }

    /// Completion queue entries that were not believed since the last call (the latest 64).
    pub fn take_bogus_completions(&mut self) -> Vec<BogusCompletion> {
        self.bogus.take()
    }

    /// How many completion queue entries were not believed since the queue pair was created.
    pub const fn bogus_completions(&self) -> u64 {
        self.bogus.count
    }
}
