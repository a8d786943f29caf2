//! Segments: how a Write, Compare or pair is cut up, and the data buffers a segment reserves.
//!
//! A segment (at most the atomic unit) is buffered as a whole, then locked, then moved. All of its
//! buffers are reserved at once, out of the function's own. A command has up to two segments under
//! way, so that one is fetched while the other is written; it holds one lock at most.

use crate::context::{Kind, Phase};
use crate::model::{Model, PAGE};
use crate::pipeline::Step;
use crate::trace::LockStep;

impl Model {
    /// First byte of half 0 or 1 of a context's part of the buffer memory: its segments in turn, or the
    /// Compare's and the Write's data of a pair.
    pub(crate) const fn buffer_offset(&self, id: u16, half: usize) -> u32 {
        (id as u32 * 2 + half as u32) * self.geometry.atomic_unit_bytes
    }

    /// Asks for buffers for the next segment, if there is one and its turn has come.
    pub(crate) fn reserve_segment(&mut self, id: u16) {
        let context = &self.contexts[id];
        let busy = context
            .segments
            .iter()
            .any(|segment| segment.phase == Phase::Buffers || segment.to_request > 0);
        if context.failed || context.doomed || context.next_segment >= context.length || busy {
            return;
        }
        let Some(index) = context
            .segments
            .iter()
            .position(|segment| segment.phase == Phase::Idle)
        else {
            return;
        };
        let start = context.next_segment;
        let length = self.geometry.atomic_unit_bytes.min(context.length - start);
        let function = usize::from(context.function);
        let context = &mut self.contexts[id];
        // Named by the offset in the data, however the host's pages lie.
        let buffers = length.div_ceil(PAGE) * u32::from(context.fetched_sets);
        context.next_segment = start + length;
        let segment = &mut context.segments[index];
        segment.phase = Phase::Buffers;
        segment.start = start;
        segment.length = length;
        segment.buffers = buffers;
        self.set_buffer_wait(id, true);
        self.serve_buffers(function);
    }

    /// Puts a context among those of its queue that wait for buffers, or takes it out.
    pub(crate) fn set_buffer_wait(&mut self, id: u16, waits: bool) {
        let context = &self.contexts[id];
        let (function, queue) = (usize::from(context.function), usize::from(context.queue));
        let row = &mut self.functions[function];
        let waiting = &mut row.buffer_wait[queue];
        if waits {
            waiting.push_back(id);
            row.buffer_turns.activate(queue);
        } else {
            waiting.retain(|other| *other != id);
            if waiting.is_empty() {
                row.buffer_turns.deactivate(queue);
            }
        }
    }

    /// The segment for which a context waits for buffers.
    fn waiting_segment(&self, id: u16) -> Option<usize> {
        let segments = &self.contexts[id].segments;
        segments
            .iter()
            .position(|segment| segment.phase == Phase::Buffers)
    }

    /// Hands out free buffers, all that a segment needs or none: in turns of the queues by bytes (or
    /// large commands would have most of them), within a queue in the order in which they were asked for.
    fn serve_buffers(&mut self, function: usize) {
        while self.functions[function].buffer_turns.active() != 0 {
            let mut turns = std::mem::take(&mut self.functions[function].buffer_turns);
            let mut picked = None;
            let queue = turns.select(u64::MAX, |queue| {
                picked = self.functions[function].buffer_wait[queue].front().copied();
                picked.map_or(0, |id| {
                    let index = self.waiting_segment(id).unwrap_or(0);
                    let context = &self.contexts[id];
                    context.segments[index].length * u32::from(context.fetched_sets)
                })
            });
            let granted = queue.zip(picked).and_then(|(queue, id)| {
                let index = self.waiting_segment(id)?;
                let context = &mut self.contexts[id];
                let sets = u32::from(context.fetched_sets);
                let segment = &mut context.segments[index];
                let row = &mut self.functions[function];
                if segment.buffers > row.free_buffers {
                    return None;
                }
                row.free_buffers -= segment.buffers;
                segment.phase = Phase::Fetching;
                segment.to_request = segment.length * sets;
                segment.to_receive = segment.to_request;
                turns.charge(queue, segment.to_request);
                Some(id)
            });
            self.functions[function].buffer_turns = turns;
            let Some(id) = granted else { return };
            self.set_buffer_wait(id, false);
            self.later(id, Step::Fetch, self.timing.fetch_cycles);
        }
    }

    /// The segment is done with its buffers.
    pub(crate) fn free_buffers(&mut self, id: u16, index: usize) {
        let context = &mut self.contexts[id];
        let function = usize::from(context.function);
        let segment = &mut context.segments[index];
        if segment.phase == Phase::Buffers {
            segment.buffers = 0;
        }
        self.functions[function].free_buffers += std::mem::take(&mut segment.buffers);
        segment.phase = Phase::Idle;
        segment.to_request = 0;
        self.serve_buffers(function);
    }

    /// Puts a context behind those of its queue that the data fetch arbiter has, or takes it out.
    pub(crate) fn set_data_ready(&mut self, id: u16, ready: bool) {
        let context = &self.contexts[id];
        let (function, queue) = (usize::from(context.function), usize::from(context.queue));
        let ready_ones = &mut self.functions[function].data_ready[queue];
        if ready {
            ready_ones.push_back(id);
            self.data_turns.activate(function, queue);
        } else {
            ready_ones.retain(|other| *other != id);
            if ready_ones.is_empty() {
                self.data_turns.deactivate(function, queue);
            }
        }
    }

    /// Puts a context behind those of its queue that the read arbiter has, or takes it out.
    pub(crate) fn set_read_ready(&mut self, id: u16, ready: bool) {
        let context = &self.contexts[id];
        let (function, queue) = (usize::from(context.function), usize::from(context.queue));
        let compares = u32::from(context.kind != Kind::Read);
        let ready_ones = &mut self.functions[function].read_ready[queue];
        if ready_ones.contains(&id) == ready {
            return;
        }
        if ready {
            ready_ones.push_back(id);
            self.compares_ready += compares;
            self.read_turns.activate(function, queue);
        } else {
            ready_ones.retain(|other| *other != id);
            self.compares_ready -= compares;
            if ready_ones.is_empty() {
                self.read_turns.deactivate(function, queue);
            }
        }
    }

    /// The next segment's data are all there, and no other holds or awaits a lock: asks for it.
    pub(crate) fn try_lock(&mut self, id: u16) {
        let context = &self.contexts[id];
        let locks = |phase| matches!(phase, Phase::Waiting | Phase::Reading | Phase::Writing);
        if context.failed
            || context.doomed
            || context.segments.iter().any(|segment| locks(segment.phase))
        {
            return;
        }
        // In their order: data of a segment may be complete before those of the one before it.
        let first = (0..2)
            .filter(|index| context.segments[*index].phase != Phase::Idle)
            .min_by_key(|index| context.segments[*index].start);
        let Some(index) = first else { return };
        let segment = context.segments[index];
        if segment.phase != Phase::Filled {
            return;
        }
        let function = usize::from(context.function);
        let exclusive = matches!(context.kind, Kind::Write | Kind::Pair);
        let start = context.medium_offset + u64::from(segment.start);
        let end = start + u64::from(segment.length);
        let owner = id * 2 + index as u16;
        let Some(request) = self.lock.request(function, start, end, exclusive, owner) else {
            let waiting = &mut self.functions[function].lock_wait;
            if !waiting.contains(&id) {
                waiting.push_back(id);
            }
            return;
        };
        let context = &mut self.contexts[id];
        context.segments[index].row = request.row;
        context.segments[index].phase = Phase::Waiting;
        self.trace_lock(LockStep::Requested, id, request.row);
        let context = &mut self.contexts[id];
        if request.granted {
            self.granted(id, index);
        } else if !context.lock_wait_counted {
            context.lock_wait_counted = true;
            self.functions[function].counters.row.lock_waits += 1;
        }
    }

    /// A row of the range lock goes: grants whom it kept waiting, and gives the row to the next.
    pub(crate) fn release_row(&mut self, function: usize, row: u8) {
        let owner = self.lock.owner(row);
        self.trace_lock(LockStep::Released, owner / 2, row);
        let mut granted = self.lock.release(row);
        while granted != 0 {
            let owner = self.lock.owner(granted.trailing_zeros() as u8);
            granted &= granted - 1;
            self.granted(owner / 2, usize::from(owner % 2));
        }
        if let Some(id) = self.functions[function].lock_wait.pop_front() {
            self.try_lock(id);
        }
    }

    /// A segment has its lock: moves its data.
    fn granted(&mut self, id: u16, index: usize) {
        let context = &self.contexts[id];
        let function = usize::from(context.function);
        let row = context.segments[index].row;
        if context.failed || context.doomed {
            self.contexts[id].segments[index].phase = Phase::Filled;
            self.release_row(function, row);
            return;
        }
        self.trace_lock(LockStep::Granted, id, row);
        let context = &mut self.contexts[id];
        if context.kind == Kind::Write {
            self.write_segment(id, index);
            return;
        }
        context.segments[index].phase = Phase::Reading;
        context.read_issued = 0;
        context.ready_at = self.now + self.timing.lock_cycles + self.timing.read_start_cycles;
        if self.timing.media_cycles > 0 {
            context.delayed += 1;
            let at = context.ready_at + self.timing.media_cycles;
            context.ready_at = at;
            self.in_media.push_back((at, id));
            self.schedule
                .no_later_than(crate::schedule::Engine::Media, at);
        } else {
            self.set_read_ready(id, true);
            self.issue_reads();
        }
    }
}
