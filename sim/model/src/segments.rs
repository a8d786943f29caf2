//! Segments: how a Write, Compare or pair is cut up, and what becomes of each of them.
//!
//! A segment (at most the atomic unit) is buffered as a whole, then locked, then moved. A command has up
//! to two segments under way, so that one is fetched while the other is written; it holds one lock at
//! most. One event a cycle changes one command: it is walked, all of a segment has been asked for, a
//! segment is through with the medium, or all of its data are there; of several the first of these.

use std::collections::VecDeque;

use nvme_spec::Status;
use pcie_host::endpoint::Cycle;

use crate::context::{Kind, Phase};
use crate::model::{Model, PAGE};
use crate::schedule::{Engine, NEVER};

/// What has happened to a command or one of its segments.
#[derive(Clone, Copy, Debug)]
struct Event {
    /// Known from this cycle on.
    at: Cycle,
    context: u16,
    segment: u8,
}

/// Events that wait for their turn, by kind.
#[derive(Debug, Default)]
pub(crate) struct Events {
    walked: VecDeque<Event>,
    sent: VecDeque<Event>,
    moved: VecDeque<Event>,
    filled: VecDeque<Event>,
}

#[derive(Clone, Copy, Debug)]
enum EventKind {
    Walked,
    Sent,
    Moved,
    Filled,
}

impl Events {
    fn of(&mut self, kind: EventKind) -> &mut VecDeque<Event> {
        match kind {
            EventKind::Walked => &mut self.walked,
            EventKind::Sent => &mut self.sent,
            EventKind::Moved => &mut self.moved,
            EventKind::Filled => &mut self.filled,
        }
    }

    /// The first event that is known, in the order of the kinds.
    fn take(&mut self, now: Cycle) -> Option<(EventKind, Event)> {
        for kind in [
            EventKind::Walked,
            EventKind::Sent,
            EventKind::Moved,
            EventKind::Filled,
        ] {
            let events = self.of(kind);
            if let Some(event) = events.front().copied()
                && event.at <= now
            {
                events.pop_front();
                return Some((kind, event));
            }
        }
        None
    }

    fn next(&self) -> Cycle {
        let firsts = [&self.walked, &self.sent, &self.moved, &self.filled];
        let firsts = firsts.into_iter().filter_map(|events| events.front());
        firsts.fold(NEVER, |next, event| next.min(event.at))
    }
}

impl Model {
    /// First byte of half 0 or 1 of a context's part of the buffer memory: its segments in turn, or the
    /// Compare's and the Write's data of a pair.
    pub(crate) const fn buffer_offset(&self, id: u16, half: usize) -> u32 {
        (id as u32 * 2 + half as u32) * self.geometry.atomic_unit_bytes
    }

    fn push_event(&mut self, kind: EventKind, at: Cycle, context: u16, segment: usize) {
        self.contexts[context].delayed += 1;
        let event = Event {
            at,
            context,
            segment: segment as u8,
        };
        self.events.of(kind).push_back(event);
        self.schedule.no_later_than(Engine::Segments, at);
    }

    /// The pages of a command are known, or it was refused.
    pub(crate) fn walked(&mut self, id: u16, at: Cycle) {
        let context = &self.contexts[id];
        if context.kind == Kind::Read && !context.failed {
            self.ask_for_lock(id, 0, at);
        }
        self.push_event(EventKind::Walked, at, id, 0);
    }

    /// It ends with this status.
    pub(crate) fn refuse(&mut self, id: u16, status: Status) {
        let context = &mut self.contexts[id];
        context.failed = true;
        context.status[0] = status;
        self.push_event(EventKind::Walked, self.now + 1, id, 0);
    }

    /// All of the newest segment has been asked for.
    pub(crate) fn all_asked(&mut self, id: u16) {
        self.push_event(EventKind::Sent, self.now + 1, id, 0);
    }

    /// A segment is through with the medium.
    pub(crate) fn moved(&mut self, id: u16, segment: usize) {
        self.push_event(EventKind::Moved, self.now + 1, id, segment);
    }

    /// All data of a segment have come.
    pub(crate) fn segment_filled(&mut self, id: u16, segment: u8) {
        self.push_event(EventKind::Filled, self.now + 1, id, usize::from(segment));
    }

    /// The next event.
    pub(crate) fn run_segments(&mut self) {
        if let Some((kind, event)) = self.events.take(self.now) {
            let id = event.context;
            self.contexts[id].delayed -= 1;
            self.segment_event(kind, id, usize::from(event.segment));
        }
        let next = self.events.next().max(self.now + 1);
        self.schedule.set(Engine::Segments, next);
    }

    fn segment_event(&mut self, kind: EventKind, id: u16, index: usize) {
        let context = &mut self.contexts[id];
        if context.doomed {
            if matches!(kind, EventKind::Moved) {
                self.free_buffers(id, index);
            }
            return self.try_end(id);
        }
        match kind {
            EventKind::Walked => {
                if context.kind == Kind::Status || context.failed {
                    return self.finish_ended(id);
                }
                if context.kind == Kind::Read {
                    return;
                }
            }
            EventKind::Sent => context.is_asking = false,
            EventKind::Moved => {
                if context.differs && !context.failed {
                    context.failed = true;
                    context.status[0] = Status::COMPARE_FAILURE;
                }
                self.free_buffers(id, index);
                let context = &self.contexts[id];
                let is_over = context.next_segment >= context.length
                    && context
                        .segments
                        .iter()
                        .all(|segment| segment.phase == Phase::Idle);
                if is_over {
                    return self.finish_ended(id);
                }
                if context.failed {
                    self.withdraw(id);
                    return self.try_end(id);
                }
                self.lock_next(id);
            }
            EventKind::Filled => {
                if context.failed {
                    return self.try_end(id);
                }
                context.segments[index].phase = Phase::Filled;
                self.lock_next(id);
            }
        }
        self.reserve_segment(id);
    }

    /// Asks for buffers for the next segment, if there is one and its turn has come.
    fn reserve_segment(&mut self, id: u16) {
        let context = &self.contexts[id];
        if context.failed
            || context.doomed
            || context.next_segment >= context.length
            || context.is_asking
        {
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
        let context = &mut self.contexts[id];
        if context.kind == Kind::Pair && !context.status[1].is_success() {
            context.fetched_sets = 1;
        }
        // Named by the offset in the data, however the host's pages lie.
        let buffers = length.div_ceil(PAGE) * u32::from(context.fetched_sets);
        context.next_segment = start + length;
        context.is_asking = true;
        let segment = &mut context.segments[index];
        segment.phase = Phase::Buffers;
        segment.start = start;
        segment.length = length;
        segment.buffers = buffers;
        self.want_buffers(id);
    }

    /// The next segment's data are all there, and no other holds or awaits a lock: asks for it.
    fn lock_next(&mut self, id: u16) {
        let context = &self.contexts[id];
        let locks = |phase| {
            matches!(
                phase,
                Phase::Locking | Phase::Waiting | Phase::Reading | Phase::Writing
            )
        };
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
        if context.segments[index].phase == Phase::Filled {
            self.ask_for_lock(id, index, self.now + 1);
        }
    }
}
