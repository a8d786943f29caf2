//! What waits for the range lock, and where a grant goes.
//!
//! Each function has the Reads and the segments that want a lock in order. Functions with a free row take
//! turns, one request a cycle, segments first; one grant a cycle, of the lowest row that waits for
//! nothing. A row that is given up is in nobody's way in the same cycle, and is free in the next.

use pcie_host::endpoint::Cycle;

use crate::context::{Kind, Phase};
use crate::model::Model;
use crate::rows::in_turn;
use crate::schedule::{Engine, NEVER};
use crate::trace::LockStep;

/// Functions with somebody who wants a lock, and what happens to rows in this cycle.
#[derive(Debug, Default)]
pub(crate) struct LockStage {
    /// Functions with Reads, and with segments, that want a lock.
    reads: u32,
    segments: u32,
    /// The function to look at first.
    from: usize,
    /// Rows that were given up, and the cycle.
    going: u64,
    going_at: Cycle,
    /// Requests whose turn comes later than now, at the earliest in this cycle.
    known_at: Cycle,
}

impl Model {
    /// A Read, or a segment whose data are there, wants a lock from cycle `at` on.
    pub(crate) fn ask_for_lock(&mut self, id: u16, index: usize, at: Cycle) {
        let context = &mut self.contexts[id];
        let function = usize::from(context.function);
        context.segments[index].phase = Phase::Locking;
        let row = &mut self.functions[function];
        if context.kind == Kind::Read {
            row.lock_reads.push_back((at, id, index as u8));
            self.lock_stage.reads |= 1 << function;
        } else {
            row.lock_segments.push_back((at, id, index as u8));
            self.lock_stage.segments |= 1 << function;
        }
        self.schedule.no_later_than(Engine::Lock, at);
    }

    /// Takes a context out of those that want a lock.
    pub(crate) fn forget_lock_wait(&mut self, id: u16) {
        let function = usize::from(self.contexts[id].function);
        let row = &mut self.functions[function];
        row.lock_reads.retain(|(_, other, _)| *other != id);
        row.lock_segments.retain(|(_, other, _)| *other != id);
        self.note_lock_waits(function);
    }

    /// Brings the sets of functions in line with who waits.
    pub(crate) fn note_lock_waits(&mut self, function: usize) {
        let row = &self.functions[function];
        let set = |set: &mut u32, waits: bool| {
            *set = *set & !(1 << function) | u32::from(waits) << function;
        };
        set(&mut self.lock_stage.reads, !row.lock_reads.is_empty());
        set(&mut self.lock_stage.segments, !row.lock_segments.is_empty());
    }

    /// A row of the range lock goes.
    pub(crate) fn release_row(&mut self, row: u8) {
        self.settle_rows();
        let owner = self.lock.owner(row);
        self.trace_lock(LockStep::Released, owner / 2, row);
        self.lock_stage.going |= 1 << row;
        self.lock_stage.going_at = self.now;
        self.schedule.no_later_than(Engine::Lock, self.now);
    }

    /// Rows that were given up in an earlier cycle are free.
    fn settle_rows(&mut self) {
        let stage = &mut self.lock_stage;
        if stage.going != 0 && stage.going_at < self.now {
            self.lock.release(stage.going);
            stage.going = 0;
        }
    }

    /// A grant and a request.
    pub(crate) fn run_lock(&mut self) {
        self.settle_rows();
        if let Some(row) = self.lock.grant(self.lock_stage.going) {
            let owner = self.lock.owner(row);
            self.granted(owner / 2, usize::from(owner % 2));
        }
        self.lock_stage.known_at = NEVER;
        if !self.request_lock(true) {
            self.request_lock(false);
        }
        let more = self.lock_stage.going != 0 || self.lock.has_untold() || self.any_may_ask();
        let next = if more {
            self.now + 1
        } else {
            self.lock_stage.known_at
        };
        self.schedule.set(Engine::Lock, next);
    }

    /// Functions with a free row, of those in the set, whose first has come.
    fn may_ask(&mut self, segments: bool) -> u32 {
        let mut among = if segments {
            self.lock_stage.segments
        } else {
            self.lock_stage.reads
        };
        let mut may = 0;
        while among != 0 {
            let function = among.trailing_zeros() as usize;
            among &= among - 1;
            let row = &self.functions[function];
            let waiting = if segments {
                &row.lock_segments
            } else {
                &row.lock_reads
            };
            let Some((at, ..)) = waiting.front() else {
                continue;
            };
            if *at > self.now {
                self.lock_stage.known_at = self.lock_stage.known_at.min(*at);
            } else if self.lock.has_free(function) {
                may |= 1 << function;
            }
        }
        may
    }

    fn any_may_ask(&mut self) -> bool {
        self.may_ask(true) != 0 || self.may_ask(false) != 0
    }

    /// The request whose turn it is, if there is one.
    fn request_lock(&mut self, segments: bool) -> bool {
        let Some(function) = in_turn(self.may_ask(segments), self.lock_stage.from) else {
            return false;
        };
        let row = &mut self.functions[function];
        let waiting = if segments {
            &mut row.lock_segments
        } else {
            &mut row.lock_reads
        };
        let Some((_, id, index)) = waiting.pop_front() else {
            return false;
        };
        self.note_lock_waits(function);
        self.lock_stage.from = (function + 1) % self.functions.len();
        let index = usize::from(index);
        let context = &self.contexts[id];
        let segment = context.segments[index];
        let exclusive = matches!(context.kind, Kind::Write | Kind::Pair);
        let start = context.medium_offset + u64::from(segment.start);
        let end = start + u64::from(segment.length);
        let owner = id * 2 + index as u16;
        let going = self.lock_stage.going;
        let request = self
            .lock
            .request(function, start, end, exclusive, owner, going);
        let Some(request) = request else {
            return false;
        };
        let context = &mut self.contexts[id];
        context.segments[index].row = request.row;
        context.segments[index].phase = Phase::Waiting;
        self.trace_lock(LockStep::Requested, id, request.row);
        let context = &mut self.contexts[id];
        if request.waits && !context.lock_wait_counted {
            context.lock_wait_counted = true;
            self.functions[function].counters.row.lock_waits += 1;
        }
        true
    }

    /// A segment has its lock: moves its data.
    fn granted(&mut self, id: u16, index: usize) {
        let context = &self.contexts[id];
        let row = context.segments[index].row;
        if self.is_dead(id) || context.doomed {
            // To one that wants it no more.
            return self.drop_grant(id, index);
        }
        self.trace_lock(LockStep::Granted, id, row);
        let context = &mut self.contexts[id];
        if context.kind == Kind::Write {
            context.segments[index].phase = Phase::Writing;
            self.write_later(id, index, false);
            return;
        }
        context.segments[index].phase = Phase::Reading;
        context.read_issued = 0;
        if self.timing.media_cycles > 0 {
            context.delayed += 1;
            let at = self.now + self.timing.media_cycles;
            self.in_media.push_back((at, id));
            self.schedule.no_later_than(Engine::Media, at);
        } else {
            self.push_read_turn(id);
        }
    }
}
