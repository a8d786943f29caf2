//! One client's queue pair: the hot path.

mod collection;
mod recovery;
mod submission;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use nvme_spec::command::CDW12_FORCE_UNIT_ACCESS;

use crate::admin_queue::Ticket;
use crate::buffer::DmaBuffer;
use crate::command_table::CommandTable;
use crate::completion::Completion;
use crate::error::DriverError;
use crate::function::Shared;
use crate::info::ControllerInfo;
use crate::options::QueueOptions;
use crate::pool::BufferPool;
use crate::report::{BogusCompletion, Reports};
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
    /// CDW12 bits of every Write.
    write_flags: u32,
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
            write_flags: if info.volatile_write_cache && options.force_unit_access {
                CDW12_FORCE_UNIT_ACCESS
            } else {
                0
            },
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

    /// Does every Write, where there is a volatile cache, go past it to the medium?
    pub const fn forces_unit_access(&self) -> bool {
        self.options.force_unit_access
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
                && self.transport.coarse_now_ns() >= self.earliest_deadline_ns)
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
            // Nothing of this client's is at stake, and a simulation in which nobody has anything
            // to do refuses to wait for ever.
            Err(TransportError::Failed { .. }) if self.requests_in_flight == 0 => Wake::Deadline,
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
