//! To the medium: a locked segment goes out on AXI W, and is in the medium at B; and what follows a
//! compare.

use nvme_spec::Status;

use crate::axi::WriteBurst;
use crate::context::{Kind, Phase};
use crate::model::Model;
use crate::pipeline::Step;

impl Model {
    /// Writes a segment that holds its lock.
    pub(crate) fn write_segment(&mut self, id: u16, index: usize) {
        let context = &mut self.contexts[id];
        let from_lock = context.kind == Kind::Write;
        let half = if context.kind == Kind::Pair { 1 } else { index };
        let segment = &mut context.segments[index];
        segment.phase = Phase::Writing;
        let burst = WriteBurst {
            context: id,
            segment: index as u8,
            medium_offset: context.medium_offset + u64::from(segment.start),
            offset: (u32::from(id) * 2 + half as u32) * self.geometry.atomic_unit_bytes,
            length_bytes: segment.length,
            start: 0,
            response: 0,
        };
        context.axi_bursts += 1;
        let locked = if from_lock {
            self.timing.lock_cycles
        } else {
            0
        };
        let from = self.now + locked + self.timing.write_start_cycles;
        let response = self.timing.write_response_cycles + self.timing.media_cycles;
        self.axi.write(burst, from, response);
    }

    /// Segments whose write response has come: this is when the medium changes.
    pub(crate) fn run_axi_writes(&mut self) {
        while let Some(burst) = self.axi.writes.front().copied() {
            if burst.response > self.now {
                break;
            }
            self.axi.writes.pop_front();
            self.end_write_burst(burst);
        }
        self.fetch_everything();
    }

    fn end_write_burst(&mut self, burst: WriteBurst) {
        let data = &self.buffers[burst.offset as usize..][..burst.length_bytes as usize];
        self.medium.write_atomic(burst.medium_offset, data);
        let context = &mut self.contexts[burst.context];
        context.axi_bursts -= 1;
        context.wrote = true;
        self.end_segment(burst.context, usize::from(burst.segment));
    }

    /// A compare has read its last beat.
    pub(crate) fn compared(&mut self, id: u16, index: usize) {
        let context = &mut self.contexts[id];
        if context.differs {
            context.status[0] = Status::COMPARE_FAILURE;
            context.failed = true;
        } else if context.kind == Kind::Pair && context.status[1].is_success() {
            self.write_segment(id, index);
            return;
        }
        self.end_segment(id, index);
    }

    /// A segment is through: frees its lock and buffers, goes on with the next or ends the command.
    fn end_segment(&mut self, id: u16, index: usize) {
        let context = &mut self.contexts[id];
        let (function, row) = (usize::from(context.function), context.segments[index].row);
        context.segments[index].phase = Phase::Idle;
        self.release_row(function, row);
        self.free_buffers(id, index);
        let context = &self.contexts[id];
        if context.failed || context.doomed {
            if context.doomed {
                self.try_end(id);
            } else {
                self.withdraw(id);
                self.later(id, Step::Finish, self.timing.end_cycles);
            }
        } else if context.next_segment >= context.length
            && context
                .segments
                .iter()
                .all(|segment| segment.phase == Phase::Idle)
        {
            self.later(id, Step::Finish, self.timing.end_cycles);
        } else {
            self.reserve_segment(id);
            self.try_lock(id);
        }
    }
}
