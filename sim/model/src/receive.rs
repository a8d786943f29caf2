//! RC: completions of our host reads, to where they belong; reads that fail, are never sent, or take
//! too long.

use nvme_spec::{SUBMISSION_ENTRY_BYTES, Status};
use pcie_host::endpoint::ReadStatus;
use zerocopy::IntoBytes;

use crate::context::Kind;
use crate::model::Model;
use crate::pipeline::Step;
use crate::tags::Purpose;

impl Model {
    /// Data, or the lack of them, for one of our reads.
    pub(crate) fn receive_data(&mut self, tag: u8, data: &[u8], status: ReadStatus, last: bool) {
        let Some(row) = self.tags.get(tag).copied() else {
            return;
        };
        let data = &data[..data.len().min(row.remaining_bytes as usize)];
        let failed =
            status != ReadStatus::Success || (last && (data.len() as u32) < row.remaining_bytes);
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
            Purpose::SubmissionEntries {
                function,
                queue,
                slot,
            } => {
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
                    let fails = Step::WalkFails(Status::DATA_TRANSFER_ERROR);
                    let cycles = self.timing.list_cycles + self.timing.answer_cycles;
                    self.later(context, fails, cycles);
                } else {
                    self.take_prp_list(context, row.received_bytes, data, last);
                }
            }
            Purpose::Data {
                context,
                segment,
                offset,
            } => {
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
    fn take_entries(
        &mut self,
        function: usize,
        id: u16,
        slot: u8,
        received: u32,
        data: &[u8],
        last: bool,
    ) {
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
        self.refetch_later(function, id);
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
            self.later(id, Step::Finish, self.timing.filled_cycles);
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
        let write_half =
            self.contexts[id].kind == Kind::Pair && offset >= self.buffer_offset(id, 1);
        let context = &mut self.contexts[id];
        if context.failed {
            self.later(id, Step::Finish, self.timing.filled_cycles);
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
            self.later(id, Step::Lost, self.timing.filled_cycles);
        }
    }

    fn segment_filled(&mut self, id: u16, segment: u8) {
        self.later(id, Step::Filled(segment), self.timing.filled_cycles);
    }

    /// A read that was booked on the RQ and then not sent.
    pub(crate) fn end_unsent_read(&mut self, tag: u8) {
        if let Some(row) = self.tags.get(tag).copied() {
            self.tags.release(tag);
            match row.purpose {
                Purpose::Quarantined { .. } => {}
                Purpose::SubmissionEntries {
                    function, queue, ..
                } => {
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
            let Some(row) = self.tags.get(tag).copied() else {
                break;
            };
            self.tags.give_up(tag);
            match row.purpose {
                Purpose::Quarantined { function } => self.check_drained(usize::from(function)),
                Purpose::SubmissionEntries {
                    function, queue, ..
                } => {
                    self.submission_read_failed(usize::from(function), queue);
                }
                Purpose::PrpList { context } => {
                    self.contexts[context].host_reads -= 1;
                    self.prp_list_failed(context, Status::DATA_TRANSFER_ERROR);
                }
                Purpose::Data {
                    context,
                    segment,
                    offset,
                } => {
                    self.data_read_failed(context, segment, offset, row.remaining_bytes);
                }
            }
        }
    }
}
