//! Host reads: the SQE fetch engine, the data fetch arbiter, and where completions on RC go.
//!
//! Every read needs a tag and completion space. When some come free, SQE fetches are served first,
//! then PRP lists, then data: the first two are short, and commands wait for them.

use nvme_spec::{Fuse, SUBMISSION_ENTRY_BYTES, Status};
use pcie_host::endpoint::ReadStatus;
use zerocopy::IntoBytes;

use crate::context::{Kind, Phase};
use crate::model::{Model, PAGE};
use crate::rq::SmallTlp;
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
    fn read_request_bytes(&self) -> u32 {
        let link = &self.link;
        let headers = link.completion_space_headers.saturating_sub(1).max(1);
        let space = (headers * link.read_completion_boundary_bytes).min(link.completion_space_bytes);
        link.max_read_request_bytes.min(space).max(128) & !63
    }

    /// Sends a host read, if there is a tag and completion space for it.
    pub(crate) fn send_read(&mut self, function: u8, purpose: Purpose, address: u64, length_bytes: u32) -> bool {
        let tag = self.tags.allocate(function, purpose, address, length_bytes, self.now);
        if let Some(tag) = tag {
            let read = SmallTlp::Read { address, length_bytes, tag };
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
        self.fetch_functions = self.fetch_functions & !(1 << function) | u32::from(wants) << function;
    }

    /// Fetches SQEs, round robin over functions, then queues. False when it had to stop for want of
    /// tags or space.
    fn fetch_entries(&mut self) -> bool {
        while self.fetch_functions != 0 {
            let later = self.fetch_functions & (u32::MAX << self.fetch_function);
            let first = if later == 0 { self.fetch_functions } else { later };
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
            let count = queue.batch_left.min(most).min(queue.entries - queue.fetch).min(page_end);
            let slot = queue.place(queue.fifo_used) as u8;
            let purpose = Purpose::SubmissionEntries { function: function as u8, queue: id, slot };
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
            let Some(mut job) = self.data_job.take().or_else(|| self.next_data_job()) else { return };
            let function = self.contexts[job.context].function;
            while job.remaining > 0 {
                let length = job.remaining.min(most);
                let DataJob { context, segment, offset, .. } = job;
                let purpose = Purpose::Data { context, segment, offset };
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
            let set = self.functions[function].data_ready[queue];
            let oldest = self.contexts.oldest(function, set);
            oldest.map_or(0, |context| self.data_granule(context).remaining)
        });
        if let Some((function, queue, bytes)) = picked {
            turns.charge(function, queue, bytes);
        }
        self.data_turns = turns;
        let (function, queue, _) = picked?;
        let set = self.functions[function].data_ready[queue];
        let job = self.data_granule(self.contexts.oldest(function, set)?);
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
        let index = context.segments.iter().position(|segment| segment.to_request > 0).unwrap_or(0);
        let segment = &context.segments[index];
        // A pair's Compare data come first, then the Write's.
        let total = segment.length * u32::from(context.fetched_sets);
        let asked = total - segment.to_request;
        let set = (asked / segment.length) as usize;
        let within = asked % segment.length;
        let (address, length) = self.host_piece(id, set, segment.start + within, segment.start + segment.length);
        let half = if context.kind == Kind::Pair { set } else { index };
        DataJob {
            context: id,
            segment: index as u8,
            address,
            remaining: length,
            offset: self.buffer_offset(id, half) + within,
        }
    }

    /// Data, or the lack of them, for one of our reads.
    pub(crate) fn receive_data(&mut self, tag: u8, data: &[u8], status: ReadStatus, last: bool) {
        let Some(row) = self.tags.get(tag).copied() else { return };
        let data = &data[..data.len().min(row.remaining_bytes as usize)];
        let failed = status != ReadStatus::Success || (last && (data.len() as u32) < row.remaining_bytes);
        if failed {
            if last {
                self.tags.release(tag);
            } else {
                self.tags.quarantine(tag);
            }
        } else if last {
            self.tags.release(tag);
        } else {
            self.tags.receive(tag, data.len() as u32);
        }
        match row.purpose {
            Purpose::Quarantined { function } => self.check_drained(usize::from(function)),
            Purpose::SubmissionEntries { function, queue, slot } => {
                let function = usize::from(function);
                if failed {
                    self.submission_read_failed(function, queue);
                } else {
                    self.take_entries(function, queue, slot, row.received_bytes, data, last);
                }
            }
            Purpose::PrpList { context } => {
                if failed {
                    self.contexts[context].host_reads -= 1;
                    self.prp_list_failed(context, Status::DATA_TRANSFER_ERROR);
                } else {
                    self.take_prp_list(context, row.received_bytes, data, last);
                }
            }
            Purpose::Data { context, segment, offset } => {
                if failed {
                    self.data_read_failed(context, segment, offset, row.remaining_bytes);
                } else {
                    self.take_data(context, segment, offset + row.received_bytes, data, last);
                }
            }
        }
        self.fetch_everything();
    }

    /// SQEs into their FIFO. `received` bytes of this read have come before.
    fn take_entries(&mut self, function: usize, id: u16, slot: u8, received: u32, data: &[u8], last: bool) {
        let row = &mut self.functions[function];
        let queue = &mut row.submission[usize::from(id)];
        queue.reads -= u32::from(last);
        if queue.deleting || !queue.live {
            self.check_admin_wait(function);
            return;
        }
        let places = queue.fifo.len();
        let mut at = received as usize;
        let mut rest = data;
        while !rest.is_empty() {
            let place = (usize::from(slot) + at / SUBMISSION_ENTRY_BYTES) % places;
            let within = at % SUBMISSION_ENTRY_BYTES;
            let length = rest.len().min(SUBMISSION_ENTRY_BYTES - within);
            let (now, later) = rest.split_at(length);
            queue.fifo[place].as_mut_bytes()[within..within + length].copy_from_slice(now);
            if within + length == SUBMISSION_ENTRY_BYTES {
                queue.there |= 1 << place;
                queue.fetching -= 1;
            }
            at += length;
            rest = later;
        }
        self.queue_changed(function, id);
        self.want_fetch(function, id);
        self.kick_dispatch();
    }

    /// An SQE that did not arrive: nothing can be known about what the host wanted, so the controller
    /// of this function stops (CSTS.CFS, NVMe 1.1 §3.1.6).
    fn submission_read_failed(&mut self, function: usize, id: u16) {
        let row = &mut self.functions[function];
        row.submission[usize::from(id)].reads -= 1;
        row.status.set_fatal(true);
        row.fetch_queues = 0;
        self.note_fetch(function);
        self.check_admin_wait(function);
    }

    /// A piece of a segment's data into its buffer.
    fn take_data(&mut self, id: u16, segment: u8, offset: u32, data: &[u8], last: bool) {
        self.buffers[offset as usize..][..data.len()].copy_from_slice(data);
        let context = &mut self.contexts[id];
        context.host_reads -= u32::from(last);
        if context.failed {
            self.try_end(id);
            return;
        }
        let row = &mut context.segments[usize::from(segment)];
        row.to_receive -= data.len() as u32;
        if row.to_receive == 0 {
            self.segment_filled(id, segment);
        }
    }

    /// A piece of a segment's data will not come. A pair whose Write has lost its data still compares.
    fn data_read_failed(&mut self, id: u16, segment: u8, offset: u32, missing: u32) {
        self.contexts[id].host_reads -= 1;
        let write_half = self.contexts[id].kind == Kind::Pair && offset >= self.buffer_offset(id, 1);
        let context = &mut self.contexts[id];
        if context.failed {
            self.try_end(id);
        } else if write_half {
            if context.status[1].is_success() {
                context.status[1] = Status::DATA_TRANSFER_ERROR;
            }
            let row = &mut context.segments[usize::from(segment)];
            row.to_receive -= missing;
            if row.to_receive == 0 {
                self.segment_filled(id, segment);
            }
        } else {
            self.fail(id, Status::DATA_TRANSFER_ERROR);
        }
    }

    fn segment_filled(&mut self, id: u16, segment: u8) {
        self.contexts[id].segments[usize::from(segment)].phase = Phase::Filled;
        self.try_lock(id);
    }

    /// A read that was booked on the RQ and then not sent.
    pub(crate) fn end_unsent_read(&mut self, tag: u8) {
        if let Some(row) = self.tags.get(tag).copied() {
            self.tags.release(tag);
            match row.purpose {
                Purpose::Quarantined { .. } => {}
                Purpose::SubmissionEntries { function, queue, .. } => {
                    self.functions[usize::from(function)].submission[usize::from(queue)].reads -= 1;
                }
                Purpose::PrpList { context } | Purpose::Data { context, .. } => {
                    self.contexts[context].host_reads -= 1;
                }
            }
        }
        self.fetch_everything();
    }

    /// Reads that have taken too long: what they were for fails, the tag stays taken until the read ends.
    pub(crate) fn run_tag_timeouts(&mut self) {
        let timeout = self.timing.completion_timeout_cycles;
        while let Some((tag, sent_at)) = self.tags.oldest() {
            if sent_at.saturating_add(timeout) > self.now {
                break;
            }
            let Some(row) = self.tags.get(tag).copied() else { break };
            self.tags.give_up(tag);
            match row.purpose {
                Purpose::Quarantined { function } => self.check_drained(usize::from(function)),
                Purpose::SubmissionEntries { function, queue, .. } => {
                    self.submission_read_failed(usize::from(function), queue);
                }
                Purpose::PrpList { context } => {
                    self.contexts[context].host_reads -= 1;
                    self.prp_list_failed(context, Status::DATA_TRANSFER_ERROR);
                }
                Purpose::Data { context, segment, offset } => {
                    self.data_read_failed(context, segment, offset, row.remaining_bytes);
                }
            }
        }
    }
}
