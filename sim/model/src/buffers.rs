//! Data buffers: to whom a function's free ones go. Its queues take turns by bytes (or large commands would
//! have most of them), a queue's commands go in order. A segment gets all of its buffers or none; who has
//! the turn and finds too few keeps it until some come back.
//!
//! A function is looked at when somebody waits or something has come back, one a cycle; while the buffers
//! of a segment are noted, a cycle each, nobody is.

use pcie_host::endpoint::Cycle;

use crate::context::Phase;
use crate::model::Model;
use crate::rows::in_turn;
use crate::schedule::{Engine, NEVER};

/// Who is looked at.
#[derive(Debug, Default)]
pub(crate) struct HandOut {
    /// A function is being looked at.
    active: bool,
    function: usize,
    /// Functions to look at.
    to_try: u32,
    /// Buffers are being noted before this cycle.
    busy_until: Cycle,
    /// A context that begins to wait in this cycle; a function whose buffers come back in it.
    waits: Option<u16>,
    back: Option<(usize, u32)>,
}

impl Model {
    /// A segment of a context wants buffers.
    pub(crate) fn want_buffers(&mut self, id: u16) {
        self.hand_out.waits = Some(id);
        self.schedule.no_later_than(Engine::Buffers, self.now);
    }

    /// A segment is done with its buffers.
    pub(crate) fn free_buffers(&mut self, id: u16, index: usize) {
        let context = &mut self.contexts[id];
        let function = usize::from(context.function);
        let segment = &mut context.segments[index];
        let waits = segment.phase == Phase::Buffers;
        let buffers = std::mem::take(&mut segment.buffers);
        segment.phase = Phase::Idle;
        segment.to_request = 0;
        if !waits && buffers > 0 {
            let before = self.hand_out.back.map_or(0, |(owner, before)| {
                if owner == function {
                    before
                } else {
                    // Two functions that are reset together.
                    self.functions[owner].free_buffers += before;
                    self.hand_out.to_try |= 1 << owner;
                    0
                }
            });
            self.hand_out.back = Some((function, before + buffers));
            self.schedule.no_later_than(Engine::Buffers, self.now);
        }
    }

    /// Buffers of a function that nobody has, with those that come back in this cycle.
    pub(crate) fn free_buffers_of(&self, function: usize) -> u32 {
        let back = self.hand_out.back.filter(|(owner, _)| *owner == function);
        self.functions[function].free_buffers + back.map_or(0, |(_, buffers)| buffers)
    }

    /// Takes a context out of those that wait for buffers.
    pub(crate) fn forget_buffer_wait(&mut self, id: u16) {
        if self.hand_out.waits == Some(id) {
            self.hand_out.waits = None;
        }
        let context = &self.contexts[id];
        let queue = usize::from(context.queue);
        let row = &mut self.functions[usize::from(context.function)];
        row.buffer_wait[queue].retain(|other| *other != id);
        if row.buffer_wait[queue].is_empty() {
            row.buffer_turns.deactivate(queue);
        }
    }

    /// Looks at one function.
    pub(crate) fn run_buffers(&mut self) {
        let looks = self.hand_out.active && self.hand_out.busy_until <= self.now;
        let gives = looks && self.give_buffers(self.hand_out.function);

        let waits = self.hand_out.waits.take();
        let pushed = waits.map(|id| {
            let context = &self.contexts[id];
            let (function, queue) = (usize::from(context.function), usize::from(context.queue));
            let row = &mut self.functions[function];
            row.buffer_wait[queue].push_back(id);
            row.buffer_turns.activate(queue);
            function
        });
        let turns = &mut self.hand_out;
        if !turns.active || (looks && !gives) {
            let next = in_turn(turns.to_try, turns.function);
            turns.active = next.is_some() || pushed.is_some();
            if let Some(next) = next {
                turns.function = next;
                turns.to_try &= !(1 << next);
                turns.to_try |= pushed.map_or(0, |function| 1 << function);
            } else if let Some(function) = pushed {
                turns.function = function;
            }
        } else if let Some(function) = pushed {
            turns.to_try |= 1 << function;
        }
        if let Some((function, buffers)) = turns.back.take() {
            turns.to_try |= 1 << function;
            self.functions[function].free_buffers += buffers;
        }
        let turns = &self.hand_out;
        let next = if turns.active {
            turns.busy_until.max(self.now + 1)
        } else if turns.to_try != 0 {
            self.now + 1
        } else {
            NEVER
        };
        self.schedule.set(Engine::Buffers, next);
    }

    /// Gives the segment whose turn it is its buffers, if there are enough; one of a command that has failed
    /// passes without.
    fn give_buffers(&mut self, function: usize) -> bool {
        let mut turns = std::mem::take(&mut self.functions[function].buffer_turns);
        let waiting = &self.functions[function].buffer_wait;
        let wanted = |queue: usize| {
            let id = waiting[queue].front()?;
            let context = &self.contexts[*id];
            let segments = context.segments.iter();
            let index = segments
                .clone()
                .position(|segment| segment.phase == Phase::Buffers)?;
            let bytes = context.segments[index].length * u32::from(context.fetched_sets);
            Some((*id, index, bytes))
        };
        let queue = turns.select(u64::MAX, |queue| {
            wanted(queue).map_or(0, |(_, _, bytes)| bytes)
        });
        let chosen = queue.and_then(|queue| wanted(queue).map(|chosen| (queue, chosen)));
        let is_dead = chosen.is_some_and(|(_, (id, ..))| self.is_dead(id));
        let given = chosen.filter(|(_, (id, index, _))| {
            let buffers = self.contexts[*id].segments[*index].buffers;
            is_dead || buffers <= self.functions[function].free_buffers
        });
        if let Some((queue, (_, _, bytes))) = given
            && !is_dead
        {
            turns.charge(queue, bytes);
        }
        self.functions[function].buffer_turns = turns;
        let Some((queue, (id, index, bytes))) = given else {
            return false;
        };
        let row = &mut self.functions[function];
        row.buffer_wait[queue].pop_front();
        let comes = self.hand_out.waits.is_some_and(|next| {
            let next = &self.contexts[next];
            (usize::from(next.function), usize::from(next.queue)) == (function, queue)
        });
        if row.buffer_wait[queue].is_empty() && !comes {
            row.buffer_turns.deactivate(queue);
        }
        if is_dead {
            self.passed_by(id);
            return true;
        }
        let segment = &mut self.contexts[id].segments[index];
        let row = &mut self.functions[function];
        row.free_buffers -= segment.buffers;
        segment.phase = Phase::Fetching;
        segment.to_request = bytes;
        segment.reads = 0;
        segment.is_asked = false;
        segment.is_lost = [false; 2];
        self.hand_out.busy_until = self.now + 1 + Cycle::from(segment.buffers);
        self.push_data_turn(id);
        true
    }
}
