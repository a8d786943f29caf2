//! RC: completions of our host reads, to where they belong; reads that fail, are never sent, or take
//! too long.
//!
//! A completion is handed in with its first beat. Its data are where they belong at once, and nobody
//! looks at them before they are accounted for: an SQE some cycles after the beat that ends it, all
//! others after the last beat. That is when their tag and their space are free, too.

use std::collections::VecDeque;

use nvme_spec::{SUBMISSION_ENTRY_BYTES, Status};
use pcie_host::endpoint::{Cycle, ReadStatus};
use zerocopy::IntoBytes;

use crate::context::Kind;
use crate::model::Model;
use crate::schedule::{Engine, NEVER};
use crate::tags::Purpose;

/// Bytes of the descriptor in front of the data of a completion on RC.
const DESCRIPTOR_BYTES: usize = 12;

/// The beat of a completion that has the last of the first `bytes` of its data; the first is 0.
const fn last_beat(bytes: usize, beat_bytes: u32) -> Cycle {
    ((DESCRIPTOR_BYTES + bytes).div_ceil(beat_bytes as usize) - 1) as Cycle
}

/// A completion that has come.
#[derive(Clone, Copy, Debug)]
struct Completion {
    tag: u8,
    bytes: u32,
    status: ReadStatus,
    last: bool,
}

/// What is on RC or on its way from there.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    completions: VecDeque<(Cycle, Completion)>,
    /// Whole SQEs: function, queue, place in the FIFO.
    entries: VecDeque<(Cycle, u8, u16, u8)>,
}

impl Arrivals {
    /// The link is gone.
    pub(crate) fn clear(&mut self) {
        self.completions.clear();
        self.entries.clear();
    }

    /// The function has no queues any more.
    pub(crate) fn forget_entries(&mut self, function: u8, queue: Option<u16>) {
        self.entries.retain(|(_, owner, id, _)| {
            *owner != function || queue.is_some_and(|queue| queue != *id)
        });
    }
}

impl Model {
    /// The first beat of data, or of the lack of them, for one of our reads.
    pub(crate) fn receive_data(&mut self, tag: u8, data: &[u8], status: ReadStatus, last: bool) {
        if let Some(row) = self.tags.get(tag).copied()
            && status == ReadStatus::Success
        {
            let coming: u32 = self.coming_bytes(tag);
            let data = &data[..data.len().min((row.remaining_bytes - coming) as usize)];
            let received = row.received_bytes + coming;
            match row.purpose {
                Purpose::SubmissionEntries {
                    function,
                    queue,
                    slot,
                } => {
                    self.store_entries(function, queue, slot, received, data);
                }
                Purpose::PrpList { context } => self.store_prp_list(context, received, data),
                Purpose::Data { offset, .. } => {
                    self.buffers[(offset + received) as usize..][..data.len()]
                        .copy_from_slice(data);
                }
                Purpose::Quarantined { .. } => {}
            }
        }
        let at =
            self.now + last_beat(data.len(), self.geometry.beat_bytes) + self.timing.receive_cycles;
        let completion = Completion {
            tag,
            bytes: data.len() as u32,
            status,
            last,
        };
        self.arrivals.completions.push_back((at, completion));
        self.schedule_arrivals();
    }

    /// Bytes of a read that have come and are not accounted for.
    fn coming_bytes(&self, tag: u8) -> u32 {
        let coming = self.arrivals.completions.iter();
        coming
            .filter(|(_, completion)| completion.tag == tag)
            .map(|(_, completion)| completion.bytes)
            .sum()
    }

    fn schedule_arrivals(&mut self) {
        let completion = self.arrivals.completions.front().map(|(at, _)| *at);
        let entry = self.arrivals.entries.front().map(|(at, ..)| *at);
        let next = completion.unwrap_or(NEVER).min(entry.unwrap_or(NEVER));
        self.schedule.set(Engine::Arrivals, next);
    }

    /// What has come is accounted for.
    pub(crate) fn run_arrivals(&mut self) {
        while let Some((at, completion)) = self.arrivals.completions.front().copied()
            && at <= self.now
        {
            self.arrivals.completions.pop_front();
            self.account_for(completion);
        }
        while let Some((at, function, queue, place)) = self.arrivals.entries.front().copied()
            && at <= self.now
        {
            self.arrivals.entries.pop_front();
            let function = usize::from(function);
            let row = &mut self.functions[function].submission[usize::from(queue)];
            if row.live && !row.deleting {
                row.there |= 1 << place;
                self.has_come_to(function, usize::from(queue));
            }
        }
        self.schedule_arrivals();
    }

    fn account_for(&mut self, completion: Completion) {
        let Completion {
            tag,
            bytes,
            status,
            last,
        } = completion;
        let Some(row) = self.tags.get(tag).copied() else {
            return;
        };
        let bytes = bytes.min(row.remaining_bytes);
        let failed = status != ReadStatus::Success || (last && bytes < row.remaining_bytes);
        if failed {
            if last {
                self.tags.release(tag);
            } else {
                self.tags.quarantine(tag);
            }
        } else if last {
            self.tags.release(tag);
        } else {
            self.tags.receive(tag, bytes);
        }
        self.kick_reads();
        match row.purpose {
            Purpose::Quarantined { function } => self.check_drained(usize::from(function)),
            Purpose::SubmissionEntries {
                function, queue, ..
            } => {
                let function = usize::from(function);
                if failed {
                    self.submission_read_failed(function, queue);
                } else {
                    let row = &mut self.functions[function].submission[usize::from(queue)];
                    row.reads -= u32::from(last);
                    self.check_admin_wait(function);
                }
            }
            Purpose::PrpList { context } => {
                if failed {
                    self.end_list_read(context, Err(Status::DATA_TRANSFER_ERROR));
                } else if last {
                    self.end_list_read(context, Ok(row.received_bytes + bytes));
                }
            }
            Purpose::Data {
                context,
                segment,
                offset,
            } => {
                if failed {
                    let half = self.half_of(context, offset);
                    self.end_data_read(context, segment, Some(half));
                } else if last {
                    self.end_data_read(context, segment, None);
                }
            }
        }
    }

    /// SQEs into their FIFO, `received` bytes of this read having come before. Those that are whole are
    /// known of some cycles after the beat that ends them.
    fn store_entries(&mut self, function: u8, id: u16, slot: u8, received: u32, data: &[u8]) {
        let queue = &mut self.functions[usize::from(function)].submission[usize::from(id)];
        if queue.deleting || !queue.live {
            return;
        }
        let places = queue.fifo.len();
        let mut at = received as usize;
        let mut stored = 0;
        while stored < data.len() {
            let place = (usize::from(slot) + at / SUBMISSION_ENTRY_BYTES) % places;
            let within = at % SUBMISSION_ENTRY_BYTES;
            let length = (data.len() - stored).min(SUBMISSION_ENTRY_BYTES - within);
            queue.fifo[place].as_mut_bytes()[within..within + length]
                .copy_from_slice(&data[stored..stored + length]);
            at += length;
            stored += length;
            if within + length == SUBMISSION_ENTRY_BYTES {
                let known_at = self.now
                    + last_beat(stored, self.geometry.beat_bytes)
                    + self.timing.receive_cycles
                    + 1;
                let entry = (known_at, function, id, place as u8);
                self.arrivals.entries.push_back(entry);
            }
        }
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

    /// A read of a segment's data has ended.
    fn end_data_read(&mut self, id: u16, segment: u8, lost: Option<usize>) {
        self.read_ended_at = Some(self.now);
        self.contexts[id].host_reads -= 1;
        self.read_ended(id, usize::from(segment), lost);
    }

    /// Which data a read brings: of a pair whose Write has lost its data, the Compare is carried out.
    fn half_of(&self, id: u16, offset: u32) -> usize {
        let is_second = self.contexts[id].kind == Kind::Pair && offset >= self.buffer_offset(id, 1);
        usize::from(is_second)
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
                Purpose::PrpList { context } => self.contexts[context].host_reads -= 1,
                Purpose::Data {
                    context, segment, ..
                } => {
                    let context = &mut self.contexts[context];
                    context.host_reads -= 1;
                    context.segments[usize::from(segment)].reads -= 1;
                }
            }
        }
        self.kick_reads();
    }

    /// Reads that have taken too long: what they were for fails, and their space is free again; the tag stays
    /// taken until the read ends.
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
            self.kick_reads();
            match row.purpose {
                Purpose::Quarantined { function } => self.check_drained(usize::from(function)),
                Purpose::SubmissionEntries {
                    function, queue, ..
                } => {
                    self.submission_read_failed(usize::from(function), queue);
                }
                Purpose::PrpList { context } => {
                    self.end_list_read(context, Err(Status::DATA_TRANSFER_ERROR));
                }
                Purpose::Data {
                    context,
                    segment,
                    offset,
                } => {
                    let half = self.half_of(context, offset);
                    self.end_data_read(context, segment, Some(half));
                }
            }
        }
    }
}
