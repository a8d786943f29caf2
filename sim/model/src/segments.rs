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
use crate::take_if::TakeIf;

/// What has happened to a command or one of its segments.
#[derive(Clone, Copy, Debug)]
struct Event {
    /// Known from this cycle on.
    at: Cycle,
    context: u16,
    segment: u8,
}

/// The kinds of events, in the order in which they are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum EventKind {
    /// Its pages are known, or it was refused.
    Walked,
    /// A segment that was there when its command failed gives its buffers back.
    Left,
    /// All of the newest segment has been asked for.
    Sent,
    /// The newest segment needs no buffers any more.
    Passed,
    /// A segment is through with the medium.
    Moved,
    /// Data of a segment are missing, others of it are still to come.
    Lost,
    /// All reads of a segment have ended.
    Filled,
}

const KINDS: [EventKind; 7] = [
    EventKind::Walked,
    EventKind::Left,
    EventKind::Sent,
    EventKind::Passed,
    EventKind::Moved,
    EventKind::Lost,
    EventKind::Filled,
];

/// Events that wait for their turn, by kind.
#[derive(Debug, Default)]
pub(crate) struct Events([VecDeque<Event>; KINDS.len()]);

impl Events {
    /// The first event that is known, in the order of the kinds.
    fn take(&mut self, now: Cycle) -> Option<(EventKind, Event)> {
        KINDS
            .into_iter()
            .zip(&mut self.0)
            .find_map(|(kind, events)| {
                let event = events.take_if(|event| event.at <= now)?;
                Some((kind, event))
            })
    }

    fn next(&self) -> Cycle {
        let firsts = self.0.iter().filter_map(|events| events.front());
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
        self.events.0[kind as usize].push_back(event);
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
        if !context.failed {
            context.failed = true;
            context.status[0] = status;
        }
        self.push_event(EventKind::Walked, self.now + 1, id, 0);
    }

    /// The newest segment was not given buffers, as its command has failed.
    pub(crate) fn passed_by(&mut self, id: u16) {
        self.push_event(EventKind::Passed, self.now + 1, id, 0);
    }

    /// A read of a segment is asked for, or left out.
    pub(crate) fn asked(&mut self, id: u16, index: usize, left_out: bool, is_last: bool) {
        let segment = &mut self.contexts[id].segments[index];
        segment.reads += u32::from(!left_out);
        segment.is_asked |= is_last;
        if is_last {
            self.push_event(EventKind::Sent, self.now + 1, id, index);
        }
        let segment = &self.contexts[id].segments[index];
        if left_out && is_last && segment.reads == 0 {
            self.push_event(EventKind::Filled, self.now + 1, id, index);
        }
    }

    /// A read of a segment has ended; data of this half of a pair (else of the first) are missing.
    pub(crate) fn read_ended(&mut self, id: u16, index: usize, lost: Option<usize>) {
        let segment = &mut self.contexts[id].segments[index];
        segment.reads -= 1;
        let fills = segment.reads == 0 && segment.is_asked;
        let tells = lost == Some(0) && !segment.is_lost[0] && !fills;
        if let Some(half) = lost {
            segment.is_lost[half] = true;
        }
        if tells {
            // A newer one takes its place.
            if let Some(older) = self.events.0[EventKind::Lost as usize].pop_front() {
                self.contexts[older.context].delayed -= 1;
            }
            self.push_event(EventKind::Lost, self.now + 1, id, index);
        }
        if fills {
            self.push_event(EventKind::Filled, self.now + 1, id, index);
        }
    }

    /// A segment is through with the medium.
    pub(crate) fn moved(&mut self, id: u16, segment: usize) {
        self.push_event(EventKind::Moved, self.now + 1, id, segment);
    }

    /// Nothing more of the command is started.
    pub(crate) fn is_dead(&self, id: u16) -> bool {
        self.contexts[id].dead_from <= self.now
    }

    /// The command ends with this status, if it has not failed before.
    pub(crate) fn fail(&mut self, id: u16, status: Status) {
        let context = &mut self.contexts[id];
        if !context.failed {
            context.failed = true;
            context.status[0] = status;
        }
        context.dead_from = context.dead_from.min(self.now + 1);
    }

    /// The next event.
    pub(crate) fn run_segments(&mut self) {
        if let Some((kind, event)) = self.events.take(self.now) {
            let id = event.context;
            self.contexts[id].delayed -= 1;
            if self.contexts[id].doomed {
                if kind == EventKind::Moved {
                    self.free_buffers(id, usize::from(event.segment));
                }
                self.try_end(id);
            } else {
                self.segment_event(kind, id, usize::from(event.segment));
            }
        }
        let next = self.events.next().max(self.now + 1);
        self.schedule.set(Engine::Segments, next);
    }

    fn segment_event(&mut self, kind: EventKind, id: u16, index: usize) {
        let context = &mut self.contexts[id];
        let other = 1 - index;
        let other_is_filled = context.segments[other].phase == Phase::Filled;
        let mut leaves = false;
        match kind {
            EventKind::Walked => {
                if context.failed {
                    let status = context.status[0];
                    self.fail(id, status);
                }
            }
            EventKind::Left => self.free_buffers(id, index),
            EventKind::Sent => context.is_asking = false,
            EventKind::Passed => {
                context.is_asking = false;
                let segments = &mut context.segments;
                for segment in segments.iter_mut().filter(|it| it.phase == Phase::Buffers) {
                    segment.phase = Phase::Idle;
                    segment.buffers = 0;
                }
            }
            EventKind::Moved => {
                let differs = context.differs;
                self.free_buffers(id, index);
                if differs {
                    self.fail(id, Status::COMPARE_FAILURE);
                }
                leaves = other_is_filled && self.contexts[id].failed;
                if other_is_filled && !leaves {
                    self.ask_for_lock(id, other, self.now + 1);
                }
            }
            EventKind::Lost => {
                leaves = other_is_filled;
                self.fail(id, Status::DATA_TRANSFER_ERROR);
            }
            EventKind::Filled => {
                let segment = &mut context.segments[index];
                segment.is_asked = false;
                let lost = std::mem::take(&mut segment.is_lost);
                if lost[0] || context.failed {
                    leaves = other_is_filled;
                    self.free_buffers(id, index);
                    self.fail(id, Status::DATA_TRANSFER_ERROR);
                } else {
                    if lost[1] && context.status[1].is_success() {
                        context.status[1] = Status::DATA_TRANSFER_ERROR;
                    }
                    // Segments are locked in their order, or the later part of a Write that fails would
                    // be in the medium.
                    let is_older = context.segments[other].phase == Phase::Idle
                        || context.segments[index].start < context.segments[other].start;
                    if is_older {
                        self.ask_for_lock(id, index, self.now + 1);
                    } else {
                        context.segments[index].phase = Phase::Filled;
                    }
                }
            }
        }
        if leaves {
            self.push_event(EventKind::Left, self.now + 1, id, other);
        }
        self.reserve_segment(id);
        let context = &self.contexts[id];
        let all_idle = context.segments.iter().all(|it| it.phase == Phase::Idle);
        if all_idle && !leaves && !context.is_asking {
            self.finish_ended(id);
        }
    }

    /// Asks for buffers for the next segment, if there is one and its turn has come.
    fn reserve_segment(&mut self, id: u16) {
        let context = &self.contexts[id];
        if context.failed
            || matches!(context.kind, Kind::Status | Kind::Read)
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
}
