//! Host reads, one a cycle: those of SQEs first, then of PRP lists, then of data. The first two are
//! short, and commands wait for them. A read needs a tag and completion space; while the one whose turn
//! it is finds too little of them, none goes.

use pcie_host::endpoint::Cycle;

use crate::context::Kind;
use crate::model::Model;
use crate::rq::SmallTlp;
use crate::schedule::{Engine, NEVER};
use crate::tags::Purpose;

/// A read of SQEs that is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntriesRead {
    /// From this cycle on.
    pub(crate) from: Cycle,
    pub(crate) function: u8,
    pub(crate) queue: u16,
    pub(crate) slot: u8,
    pub(crate) address: u64,
    pub(crate) length_bytes: u32,
}

/// A granule of host data whose reads are being sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DataJob {
    /// From this cycle on.
    from: Cycle,
    pub(crate) context: u16,
    segment: u8,
    address: u64,
    remaining: u32,
    /// Of the buffer memory.
    offset: u32,
    /// The segment needs no other.
    is_last: bool,
    /// The command has failed: nothing of it is asked for.
    is_dead: bool,
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

    /// Something may be sent that could not be before.
    pub(crate) fn kick_reads(&mut self) {
        self.schedule.no_later_than(Engine::Reads, self.now);
    }

    /// Sends a host read, if there is a tag and completion space for it.
    fn send_read(
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

    /// Sends the read whose turn it is, and takes the next granule of data when there is none.
    pub(crate) fn run_reads(&mut self) {
        let sent = if self.entries_read.is_some_and(|read| read.from <= self.now) {
            self.send_entries_read()
        } else if self.list_read.is_some_and(|(from, _)| from <= self.now) {
            self.send_list_read()
        } else if let Some(job) = self.data_job
            && job.from <= self.now
            && !job.is_dead
            && !self.is_dead(job.context)
        {
            self.send_data_read()
        } else {
            true
        };
        self.leave_out_data();
        if self.data_job.is_none() {
            self.take_data_granule();
        }
        let mut next = NEVER;
        if sent {
            let froms = [
                self.entries_read.map(|read| read.from),
                self.list_read.map(|(from, _)| from),
                self.data_job.map(|job| job.from),
            ];
            next = froms.into_iter().flatten().fold(NEVER, Cycle::min);
        }
        if self.data_job.is_none() {
            next = next.min(self.data_turns.next().unwrap_or(NEVER));
        }
        self.schedule.set(Engine::Reads, next.max(self.now + 1));
    }

    fn send_entries_read(&mut self) -> bool {
        let Some(read) = self.entries_read else {
            return true;
        };
        let purpose = Purpose::SubmissionEntries {
            function: read.function,
            queue: read.queue,
            slot: read.slot,
        };
        let sent = self.send_read(read.function, purpose, read.address, read.length_bytes);
        if sent {
            self.entries_read = None;
            self.kick_fetch(self.now);
        }
        sent
    }

    fn send_list_read(&mut self) -> bool {
        let Some((_, id)) = self.list_read else {
            return true;
        };
        let (address, length) = self.list_piece(id);
        let function = self.contexts[id].function;
        let sent = self.send_read(function, Purpose::PrpList { context: id }, address, length);
        if sent {
            self.contexts[id].host_reads += 1;
            self.list_read = None;
            self.schedule.no_later_than(Engine::Lists, self.now);
        }
        sent
    }

    /// Sends the next read of the granule under way.
    fn send_data_read(&mut self) -> bool {
        let Some(mut job) = self.data_job else {
            return true;
        };
        let DataJob {
            context,
            segment,
            offset,
            ..
        } = job;
        let length = job.remaining.min(self.read_request_bytes());
        let purpose = Purpose::Data {
            context,
            segment,
            offset,
        };
        let function = self.contexts[context].function;
        if !self.send_read(function, purpose, job.address, length) {
            return false;
        }
        self.contexts[context].host_reads += 1;
        let is_last = job.is_last && job.remaining == length;
        self.asked(context, usize::from(segment), false, is_last);
        job.address += u64::from(length);
        job.offset += length;
        job.remaining -= length;
        job.from = self.now + 1;
        self.data_job = (job.remaining > 0).then_some(job);
        true
    }

    /// What is left of the granule under way is not asked for when its command has failed.
    fn leave_out_data(&mut self) {
        if let Some(job) = self.data_job
            && job.from <= self.now
            && (job.is_dead || self.is_dead(job.context))
            && self.read_ended_at != Some(self.now)
        {
            self.data_job = None;
            self.asked(job.context, usize::from(job.segment), true, job.is_last);
        }
    }

    /// Brings the turns of data reads up to this cycle.
    pub(crate) fn advance_data_turns(&mut self) {
        let mut turns = std::mem::take(&mut self.data_turns);
        turns.advance(self.now, |id| {
            if self.contexts[id].failed {
                0
            } else {
                self.data_granule(id).remaining
            }
        });
        self.data_turns = turns;
    }

    /// A segment of a context has its buffers: its data can be asked for.
    pub(crate) fn push_data_turn(&mut self, id: u16) {
        self.advance_data_turns();
        let context = &self.contexts[id];
        let (function, queue) = (usize::from(context.function), usize::from(context.queue));
        self.data_turns.push(function, queue, id);
        let next = self.data_turns.next().unwrap_or(NEVER);
        self.schedule.no_later_than(Engine::Reads, next);
    }

    /// Takes the granule whose turn it is.
    fn take_data_granule(&mut self) {
        self.advance_data_turns();
        let Some(id) = self.data_turns.chosen() else {
            return;
        };
        let mut job = self.data_granule(id);
        job.is_dead = self.is_dead(id);
        let context = &mut self.contexts[id];
        let segment = &mut context.segments[usize::from(job.segment)];
        segment.to_request -= if job.is_dead {
            segment.to_request
        } else {
            job.remaining
        };
        job.is_last = segment.to_request == 0;
        job.from = self.now + 1;
        self.data_turns.take(job.is_last);
        self.data_job = Some(job);
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
        let set = (asked / segment.length.max(1)) as usize;
        let within = asked % segment.length.max(1);
        let (address, length) = self.host_piece(
            id,
            set.min(1),
            segment.start + within,
            segment.start + segment.length,
        );
        let half = if context.kind == Kind::Pair {
            set
        } else {
            index
        };
        DataJob {
            from: 0,
            context: id,
            segment: index as u8,
            address,
            remaining: length,
            offset: self.buffer_offset(id, half) + within,
            is_last: false,
            is_dead: false,
        }
    }
}
