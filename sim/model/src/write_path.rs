//! To the medium: a locked segment goes out on AXI W, and is in the medium at B; and what follows a
//! compare. Segments whose compare has found no difference go first. What is through with the medium is
//! told one a cycle: what was written first, then compares that write nothing.

use std::collections::VecDeque;

use pcie_host::endpoint::Cycle;

use crate::axi::WriteBurst;
use crate::context::{Kind, Phase};
use crate::model::Model;
use crate::schedule::{Engine, NEVER};
use crate::take_if::TakeIf;

/// Segments that wait for AXI W, and compares that wait to be told.
#[derive(Debug, Default)]
pub(crate) struct WriteQueues {
    /// From which cycle on, context, segment.
    granted: VecDeque<(Cycle, u16, u8)>,
    compared: VecDeque<(Cycle, u16, u8)>,
    /// The next one is begun in this cycle at the earliest.
    begin_from: Cycle,
    /// Compares that write nothing; grants to those that want them no more.
    not_written: VecDeque<(Cycle, u16, u8)>,
    dropped: VecDeque<(Cycle, u16, u8)>,
    /// The last cycle in which something was told.
    told_at: Option<Cycle>,
}

impl WriteQueues {
    fn next(&self) -> Cycle {
        let granted = self.granted.front().map_or(NEVER, |entry| entry.0);
        let compared = self.compared.front().map_or(NEVER, |entry| entry.0);
        granted.min(compared).max(self.begin_from)
    }
}

impl Model {
    /// A segment that holds its lock is to be written.
    pub(crate) fn write_later(&mut self, id: u16, index: usize, compared: bool) {
        let queues = &mut self.writes;
        self.contexts[id].axi_bursts += 1;
        if compared {
            queues.compared.push_back((self.now, id, index as u8));
        } else {
            queues.granted.push_back((self.now + 1, id, index as u8));
        }
        self.schedule
            .no_later_than(Engine::WritePath, queues.next().max(self.now));
    }

    /// Begins the next segment, when the one before has gone out.
    pub(crate) fn run_write_path(&mut self) {
        if self.writes.begin_from <= self.now {
            let now = self.now;
            let due = |entry: &(Cycle, u16, u8)| entry.0 <= now;
            let queues = &mut self.writes;
            let first = queues
                .compared
                .take_if(due)
                .or_else(|| queues.granted.take_if(due));
            if let Some((_, id, index)) = first {
                self.write_segment(id, usize::from(index));
            }
        }
        self.schedule
            .set(Engine::WritePath, self.writes.next().max(self.now + 1));
    }

    fn write_segment(&mut self, id: u16, index: usize) {
        let context = &self.contexts[id];
        let half = if context.kind == Kind::Pair { 1 } else { index };
        let segment = &context.segments[index];
        let burst = WriteBurst {
            context: id,
            segment: index as u8,
            medium_offset: context.medium_offset + u64::from(segment.start),
            offset: self.buffer_offset(id, half),
            length_bytes: segment.length,
            start: 0,
            response: 0,
        };
        self.writes.begin_from = self.now + self.axi.beats(segment.length);
        let from = self.now + self.timing.write_start_cycles;
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
            let data = &self.buffers[burst.offset as usize..][..burst.length_bytes as usize];
            self.medium.write_atomic(burst.medium_offset, data);
            let context = &mut self.contexts[burst.context];
            context.axi_bursts -= 1;
            context.wrote = true;
            self.leave_medium(burst.context, usize::from(burst.segment));
        }
    }

    /// A compare has read its last beat.
    pub(crate) fn compared(&mut self, id: u16, index: usize) {
        let context = &mut self.contexts[id];
        if !context.differs && context.kind == Kind::Pair && context.status[1].is_success() {
            context.segments[index].phase = Phase::Writing;
            return self.write_later(id, index, true);
        }
        context.delayed += 1;
        self.writes
            .not_written
            .push_back((self.now, id, index as u8));
        self.schedule.no_later_than(Engine::Moves, self.now);
    }

    /// A grant to a command that has failed: it is over without having moved anything.
    pub(crate) fn drop_grant(&mut self, id: u16, index: usize) {
        self.contexts[id].delayed += 1;
        let at = self.now + 1;
        self.writes.dropped.push_back((at, id, index as u8));
        self.schedule.no_later_than(Engine::Moves, at);
    }

    /// Compares that write nothing, then grants that were dropped, when nothing that was written is told.
    pub(crate) fn run_moves(&mut self) {
        let (now, writes) = (self.now, &mut self.writes);
        let due = |entry: &(Cycle, u16, u8)| entry.0 <= now;
        if writes.told_at != Some(now)
            && let Some((_, id, index)) = writes
                .not_written
                .take_if(due)
                .or_else(|| writes.dropped.take_if(due))
        {
            self.contexts[id].delayed -= 1;
            self.leave_medium(id, usize::from(index));
        }
        let waits = !self.writes.not_written.is_empty() || !self.writes.dropped.is_empty();
        let next = if waits { now + 1 } else { NEVER };
        self.schedule.set(Engine::Moves, next);
    }

    /// A segment is through with the medium: its lock goes.
    fn leave_medium(&mut self, id: u16, index: usize) {
        self.writes.told_at = Some(self.now);
        let row = self.contexts[id].segments[index].row;
        self.contexts[id].segments[index].phase = Phase::Moved;
        self.release_row(row);
        self.moved(id, index);
    }
}
