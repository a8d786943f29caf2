//! Whose granule a data mover moves next: functions, then queues, in turn by bytes; within a queue,
//! contexts in the order in which they became ready.
//!
//! When the head of a row is new, or has moved a granule, what its next one takes is looked at, a row at
//! a time: a row that has become dirty is picked in the next cycle, looked at in the one after, and
//! while any row is on that way nothing is chosen. A context that comes to an empty row is looked at in
//! the next cycle. A choice stands in the cycle after it was made until it is taken.

use std::collections::VecDeque;

use pcie_host::endpoint::Cycle;

use crate::drr::FairScheduler;
use crate::rows::RowSet;

type Row = (usize, usize);

/// The turns of one data mover.
#[derive(Debug, Default)]
pub(crate) struct FairTurns {
    /// The first cycle that has not been gone through.
    at: Cycle,
    /// What is handed in in that cycle.
    push: Option<(Row, u16)>,
    /// Its choice is taken in that cycle; the context has nothing more to move.
    take: Option<bool>,

    queues: usize,
    /// By row, contexts in order.
    waiting: Vec<VecDeque<u16>>,
    /// By row, what the next granule of its first context takes.
    cost_bytes: Vec<u32>,
    scheduler: FairScheduler,
    dirty: RowSet,
    picked: Option<Row>,
    looked_at: Option<Row>,
    /// A row has just become empty: the scheduler is told first.
    emptied: bool,
    chosen: Option<(Row, u16)>,
}

impl FairTurns {
    pub(crate) fn new(functions: usize, queues: usize, quantum_bytes: u32) -> Self {
        Self {
            at: 0,
            push: None,
            take: None,
            queues,
            waiting: vec![VecDeque::new(); functions * queues],
            cost_bytes: vec![0; functions * queues],
            scheduler: FairScheduler::new(functions, queues, quantum_bytes),
            dirty: RowSet::default(),
            picked: None,
            looked_at: None,
            emptied: false,
            chosen: None,
        }
    }

    const fn index(&self, row: Row) -> usize {
        row.0 * self.queues + row.1
    }

    /// Nothing changes before something is handed in or taken.
    const fn is_still(&self) -> bool {
        self.push.is_none()
            && self.take.is_none()
            && self.dirty.is_empty()
            && self.picked.is_none()
            && self.looked_at.is_none()
            && !self.emptied
            && (self.chosen.is_some() || !self.scheduler.is_active())
    }

    /// Goes through the cycles before `now`; `cost` says what the next granule of a context takes.
    pub(crate) fn advance(&mut self, now: Cycle, cost: impl Fn(u16) -> u32) {
        while self.at < now {
            if self.is_still() {
                self.at = now;
                return;
            }
            self.cycle(&cost);
            self.at += 1;
        }
    }

    fn cycle(&mut self, cost: impl Fn(u16) -> u32) {
        let any_dirty = !self.dirty.is_empty();
        let chooses = self.scheduler.is_active()
            && self.chosen.is_none()
            && !any_dirty
            && self.picked.is_none()
            && self.looked_at.is_none()
            && !self.emptied;
        let picks = self.dirty.first();
        if let Some((function, queue)) = picks {
            self.dirty.remove(function, queue);
        }
        if let Some(row) = self.looked_at.take() {
            let index = self.index(row);
            if let Some(first) = self.waiting[index].front() {
                self.cost_bytes[index] = cost(*first);
            }
        }
        self.looked_at = self.picked.take();
        self.picked = picks;
        self.emptied = false;

        let push = self.push.take();
        let comes_first = push.is_some_and(|(row, _)| self.waiting[self.index(row)].is_empty());
        if let Some(is_last) = self.take.take()
            && let Some((row, _)) = self.chosen.take()
        {
            let index = self.index(row);
            if is_last {
                self.waiting[index].pop_front();
            }
            let refilled = push.is_some_and(|(pushed, _)| pushed == row);
            if self.waiting[index].is_empty() && !refilled {
                self.scheduler.deactivate(row.0, row.1);
                self.emptied = true;
            } else {
                self.dirty.insert(row.0, row.1);
            }
        } else if chooses {
            self.choose();
        }
        if let Some((row, context)) = push {
            let index = self.index(row);
            self.waiting[index].push_back(context);
            if comes_first {
                self.scheduler.activate(row.0, row.1);
                if any_dirty || self.looked_at.is_some() {
                    self.dirty.insert(row.0, row.1);
                } else {
                    self.looked_at = Some(row);
                }
            }
        }
    }

    fn choose(&mut self) {
        let (queues, cost_bytes) = (self.queues, &self.cost_bytes);
        let choice = self
            .scheduler
            .select(|function, queue| cost_bytes[function * queues + queue]);
        let Some((function, queue, bytes)) = choice else {
            return;
        };
        self.scheduler.charge(function, queue, bytes);
        let row = (function, queue);
        let first = self.waiting[self.index(row)].front().copied();
        self.chosen = first.map(|context| (row, context));
    }

    /// A context has something to move; it is not among those that have. After
    /// [`advance`](Self::advance) to the same cycle; one context a cycle.
    pub(crate) fn push(&mut self, function: usize, queue: usize, context: u16) {
        debug_assert!(self.push.is_none(), "two contexts in one cycle");
        self.push = Some(((function, queue), context));
    }

    /// The context whose turn it is, after [`advance`](Self::advance).
    pub(crate) fn chosen(&self) -> Option<u16> {
        if self.take.is_some() {
            return None;
        }
        self.chosen.map(|(_, context)| context)
    }

    /// Its granule is moved; with `is_last` it has nothing more to move for now.
    pub(crate) const fn take(&mut self, is_last: bool) {
        self.take = Some(is_last);
    }

    /// The earliest cycle in which there may be a choice, when there is none now.
    pub(crate) fn next(&self) -> Option<Cycle> {
        if self.take.is_none() && self.chosen.is_some() || self.is_still() {
            return None;
        }
        let on_the_way = if self.take.is_some() || !self.dirty.is_empty() || self.picked.is_some() {
            3
        } else if self.looked_at.is_some() {
            2
        } else if self.scheduler.is_active() {
            1
        } else {
            3
        };
        Some(self.at + on_the_way)
    }

    /// Takes a context out, wherever it is.
    pub(crate) fn remove(&mut self, function: usize, queue: usize, context: u16) {
        let row = (function, queue);
        if self.push.is_some_and(|(_, pushed)| pushed == context) {
            self.push = None;
            return;
        }
        let index = self.index(row);
        let Some(place) = self.waiting[index].iter().position(|id| *id == context) else {
            return;
        };
        self.waiting[index].remove(place);
        if self.chosen.is_some_and(|(_, chosen)| chosen == context) {
            self.chosen = None;
            self.take = None;
        }
        if self.waiting[index].is_empty() {
            self.dirty.remove(function, queue);
            self.picked = self.picked.filter(|picked| *picked != row);
            self.looked_at = self.looked_at.filter(|looked_at| *looked_at != row);
            self.scheduler.deactivate(function, queue);
        } else if place == 0 {
            self.dirty.insert(function, queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cycles in which there is a choice, each taken at once, of granules of 4 KiB.
    fn choices(
        turns: &mut FairTurns,
        until: Cycle,
        is_last: impl Fn(u16) -> bool,
    ) -> Vec<(Cycle, u16)> {
        let mut found = Vec::new();
        for now in turns.at..until {
            turns.advance(now, |_| 4096);
            if let Some(context) = turns.chosen() {
                found.push((now, context));
                turns.take(is_last(context));
            }
        }
        found
    }

    #[test]
    fn a_context_is_chosen_three_cycles_after_it_came_and_every_five() {
        let mut turns = FairTurns::new(2, 4, 4096);
        turns.advance(10, |_| 4096);
        turns.push(0, 1, 7);
        let found = choices(&mut turns, 30, |_| false);
        assert_eq!(found, [(13, 7), (18, 7), (23, 7), (28, 7)]);
    }

    #[test]
    fn rows_take_turns_and_next_is_never_late() {
        let mut turns = FairTurns::new(2, 4, 4096);
        for (now, function, queue, context) in [(0, 0, 1, 1), (1, 0, 2, 2), (2, 1, 1, 3)] {
            turns.advance(now, |_| 4096);
            turns.push(function, queue, context);
        }
        let mut order = Vec::new();
        let mut now = 3;
        while order.len() < 8 {
            turns.advance(now, |_| 4096);
            if let Some(context) = turns.chosen() {
                order.push(context);
                turns.take(false);
            }
            let next = turns.next().expect("there is more");
            for earlier in now + 1..next {
                let mut copy = FairTurns::new(2, 4, 4096);
                std::mem::swap(&mut copy, &mut turns);
                copy.advance(earlier, |_| 4096);
                assert_eq!(copy.chosen(), None, "in cycle {earlier}, before {next}");
                turns = copy;
            }
            now = next;
        }
        assert_eq!(order, [3, 1, 3, 2, 3, 1, 3, 2]);
    }

    #[test]
    fn what_is_taken_out_is_not_chosen() {
        let mut turns = FairTurns::new(1, 2, 4096);
        turns.push(0, 0, 1);
        turns.advance(1, |_| 4096);
        turns.push(0, 0, 2);
        turns.advance(5, |_| 4096);
        assert_eq!(turns.chosen(), Some(1));
        turns.remove(0, 0, 1);
        turns.advance(20, |_| 4096);
        assert_eq!(turns.chosen(), Some(2));
        turns.remove(0, 0, 2);
        turns.advance(40, |_| 4096);
        assert!(turns.chosen().is_none() && turns.is_still());
    }
}
