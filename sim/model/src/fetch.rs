//! Host reads: the SQE fetch engine and the data fetch arbiter.
//!
//! Every read needs a tag and completion space. When some come free, SQE fetches are served first,
//! then PRP lists, then data: the first two are short, and commands wait for them.

use nvme_spec::{Fuse, SUBMISSION_ENTRY_BYTES};

use crate::context::Kind;
use crate::model::{Model, PAGE};
use crate::rq::SmallTlp;
use crate::schedule::Engine;
use crate::tags::Purpose;

const SQE: u32 = SUBMISSION_ENTRY_BYTES as u32;

/// A granule of host data whose reads are being sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DataJob {
    pub(crate) context: u16,
    segment: u8,
    address: u64,
    remaining: u32,
    /// Of the buffer memory.
    offset: u32,
}

impl Model {
    /// Largest read: MRRS, but never more than the receiver's completion space can take.
    pub(crate) fn read_request_bytes(&self) -> u32 {
        let link = &self.link;
        let headers = link.completion_space_headers.saturating_sub(1).max(1);
        let space =
            (headers * link.read_completion_boundary_bytes).min(link.completion_space_bytes);
        link.max_read_request_bytes.min(space).max(128) & !63
    }

    /// Sends a host read, if there is a tag and completion space for it.
    pub(crate) fn send_read(
        &mut self,
        function: u8,
        purpose: Purpose,
        address: u64,
        length_bytes: u32,
    ) -> bool {
        let tag = self
            .tags
            .allocate(function, purpose, address, length_bytes, self.now);
        if let Some(tag) = tag {
            let read = SmallTlp::Read {
                address,
                length_bytes,
                tag,
            };
            self.rq.push(function, read, self.now);
        }
        tag.is_some()
    }

    /// Sends the host reads that there is room for now.
    pub(crate) fn fetch_everything(&mut self) {
        if self.fetch_entries() && self.fetch_prp_lists() {
            self.fetch_data();
        }
    }

    /// Notes whether a queue wants SQEs: it has some to fetch, and its FIFO is empty or holds nothing
    /// but the first half of a pair. So batches form by themselves when the queue is deep.
    pub(crate) fn want_fetch(&mut self, function: usize, id: u16) {
        let row = &mut self.functions[function];
        let runs = row.runs();
        let queue = &mut row.submission[usize::from(id)];
        let waits_for_second = id != 0
            && queue.fifo_used == 1
            && queue.peek(0).is_some_and(|sqe| sqe.fuse() == Fuse::First);
        if queue.batch_left == 0 && (queue.fifo_used == 0 || waits_for_second) {
            let room = (queue.fifo.len() - queue.fifo_used) as u32;
            queue.batch_left = queue.unfetched().min(room);
        }
        let wants = runs && queue.live && !queue.deleting && queue.batch_left > 0;
        row.fetch_queues = row.fetch_queues & !(1 << id) | u64::from(wants) << id;
        self.note_fetch(function);
    }

    /// Brings the set of functions that want SQEs in line with the function's queues.
    pub(crate) fn note_fetch(&mut self, function: usize) {
        let wants = self.functions[function].fetch_queues != 0;
        self.fetch_functions =
            self.fetch_functions & !(1 << function) | u32::from(wants) << function;
    }

    /// Fetches SQEs, round robin over functions, then queues. False when it had to stop for want of
    /// tags or space.
    fn fetch_entries(&mut self) -> bool {
        while self.fetch_functions != 0 {
            let later = self.fetch_functions & (u32::MAX << self.fetch_function);
            let first = if later == 0 {
                self.fetch_functions
            } else {
                later
            };
            let function = first.trailing_zeros() as usize;
            let row = &self.functions[function];
            let later = row.fetch_queues & (u64::MAX << row.fetch_next);
            let id = if later == 0 { row.fetch_queues } else { later }.trailing_zeros();
            if !self.fetch_batch(function, id as u16) {
                self.fetch_function = function;
                return false;
            }
            self.functions[function].fetch_next = (id + 1) % 64;
            self.fetch_function = (function + 1) % 32;
        }
        true
    }

    /// Sends the reads of a queue's batch: split at the ring's end, at 4 KiB and at MRRS.
    fn fetch_batch(&mut self, function: usize, id: u16) -> bool {
        let most = self.read_request_bytes() / SQE;
        loop {
            let queue = &self.functions[function].submission[usize::from(id)];
            if queue.batch_left == 0 {
                self.functions[function].fetch_queues &= !(1 << id);
                self.note_fetch(function);
                return true;
            }
            let address = queue.address + u64::from(queue.fetch) * u64::from(SQE);
            let page_end = (PAGE - (address % u64::from(PAGE)) as u32) / SQE;
            let count = queue
                .batch_left
                .min(most)
                .min(queue.entries - queue.fetch)
                .min(page_end);
            let slot = queue.place(queue.fifo_used) as u8;
            let purpose = Purpose::SubmissionEntries {
                function: function as u8,
                queue: id,
                slot,
            };
            if !self.send_read(function as u8, purpose, address, count * SQE) {
                return false;
            }
            let queue = &mut self.functions[function].submission[usize::from(id)];
            queue.reserve(count);
            queue.reads += 1;
        }
    }

    /// Sends data reads, granule by granule in fair turns.
    fn fetch_data(&mut self) {
        let most = self.read_request_bytes();
        loop {
            if self.data_job.is_none() && self.now < self.fetch_choice_from {
                if self.data_turns.is_active() {
                    self.schedule
                        .no_later_than(Engine::Pipeline, self.fetch_choice_from);
                }
                return;
            }
            let Some(mut job) = self.data_job.take().or_else(|| self.next_data_job()) else {
                return;
            };
            let function = self.contexts[job.context].function;
            while job.remaining > 0 {
                let length = job.remaining.min(most);
                let DataJob {
                    context,
                    segment,
                    offset,
                    ..
                } = job;
                let purpose = Purpose::Data {
                    context,
                    segment,
                    offset,
                };
                if !self.send_read(function, purpose, job.address, length) {
                    self.data_job = Some(job);
                    return;
                }
                self.contexts[job.context].host_reads += 1;
                job.address += u64::from(length);
                job.offset += length;
                job.remaining -= length;
            }
        }
    }

    /// Picks the granule whose turn it is.
    fn next_data_job(&mut self) -> Option<DataJob> {
        if !self.data_turns.is_active() {
            return None;
        }
        let mut turns = std::mem::take(&mut self.data_turns);
        let picked = turns.select(|function, queue| {
            let first = self.functions[function].data_ready[queue].front();
            first.map_or(0, |context| self.data_granule(*context).remaining)
        });
        if let Some((function, queue, bytes)) = picked {
            turns.charge(function, queue, bytes);
        }
        self.data_turns = turns;
        let (function, queue, _) = picked?;
        let first = *self.functions[function].data_ready[queue].front()?;
        self.fetch_choice_from = self.now + self.timing.fetch_choice_cycles;
        let job = self.data_granule(first);
        let context = &mut self.contexts[job.context];
        let segment = &mut context.segments[usize::from(job.segment)];
        segment.to_request -= job.remaining;
        if segment.to_request == 0 {
            self.set_data_ready(job.context, false);
            self.reserve_segment(job.context);
        }
        Some(job)
    }

    /// The next granule of the segment that a context is fetching.
    fn data_granule(&self, id: u16) -> DataJob {
        let context = &self.contexts[id];
        let index = context
            .segments
            .iter()
            .position(|segment| segment.to_request > 0)
            .unwrap_or(0);
        let segment = &context.segments[index];
        // A pair's Compare data come first, then the Write's.
        let total = segment.length * u32::from(context.fetched_sets);
        let asked = total - segment.to_request;
        let set = (asked / segment.length) as usize;
        let within = asked % segment.length;
        let (address, length) = self.host_piece(
            id,
            set,
            segment.start + within,
            segment.start + segment.length,
        );
        let half = if context.kind == Kind::Pair {
            set
        } else {
            index
        };
        DataJob {
            context: id,
            segment: index as u8,
            address,
            remaining: length,
            offset: self.buffer_offset(id, half) + within,
        }
    }
}
