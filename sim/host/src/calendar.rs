//! What happens when: a calendar for anything, and a channel for what keeps its order.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

use crate::endpoint::Cycle;

/// Something with a time; of the same time, what was put in first comes first.
struct Timed<T> {
    cycle: Cycle,
    sequence: u64,
    value: T,
}

impl<T> PartialEq for Timed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Timed<T> {}

impl<T> PartialOrd for Timed<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Timed<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.cycle, self.sequence).cmp(&(other.cycle, other.sequence))
    }
}

/// A calendar: earliest first.
pub(crate) struct Calendar<T> {
    heap: BinaryHeap<Reverse<Timed<T>>>,
    sequence: u64,
}

impl<T> Calendar<T> {
    pub(crate) fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            sequence: 0,
        }
    }

    pub(crate) fn push(&mut self, cycle: Cycle, value: T) {
        self.sequence += 1;
        self.heap.push(Reverse(Timed {
            cycle,
            sequence: self.sequence,
            value,
        }));
    }

    #[inline]
    pub(crate) fn next(&self) -> Option<Cycle> {
        self.heap.peek().map(|Reverse(timed)| timed.cycle)
    }

    #[inline]
    pub(crate) fn take(&mut self, cycle: Cycle) -> Option<T> {
        if self.next() != Some(cycle) {
            return None;
        }
        self.heap.pop().map(|Reverse(timed)| timed.value)
    }

    /// Takes everything out, in order.
    pub(crate) fn drain(&mut self) -> Vec<(Cycle, T)> {
        let latest_first = std::mem::take(&mut self.heap).into_sorted_vec();
        let earliest_first = latest_first.into_iter().rev();
        earliest_first
            .map(|Reverse(timed)| (timed.cycle, timed.value))
            .collect()
    }
}

/// What arrives in the order it was sent: cycles never go back.
pub(crate) struct Channel<T> {
    queue: VecDeque<(Cycle, T)>,
}

impl<T> Channel<T> {
    pub(crate) fn new() -> Self {
        Self {
            queue: VecDeque::new(),
        }
    }

    /// Adds what arrives in `cycle`, or with what was sent last when that is later.
    #[inline]
    pub(crate) fn push(&mut self, cycle: Cycle, value: T) {
        let cycle = self
            .queue
            .back()
            .map_or(cycle, |&(last, _)| cycle.max(last));
        self.queue.push_back((cycle, value));
    }

    #[inline]
    pub(crate) fn next(&self) -> Option<Cycle> {
        self.queue.front().map(|&(cycle, _)| cycle)
    }

    #[inline]
    pub(crate) fn take(&mut self, cycle: Cycle) -> Option<T> {
        if self.next() != Some(cycle) {
            return None;
        }
        self.queue.pop_front().map(|(_, value)| value)
    }

    /// Takes everything out, in order.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        self.queue.drain(..).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calendar_keeps_time_and_then_order() {
        let mut calendar = Calendar::new();
        for (cycle, value) in [(5, 'c'), (3, 'a'), (5, 'd'), (3, 'b')] {
            calendar.push(cycle, value);
        }
        assert_eq!(calendar.take(5), None, "3 comes first");
        let mut taken = vec![];
        while let Some(cycle) = calendar.next() {
            taken.push((cycle, calendar.take(cycle).expect("due")));
        }
        assert_eq!(taken, [(3, 'a'), (3, 'b'), (5, 'c'), (5, 'd')]);
    }

    #[test]
    fn nothing_overtakes_in_a_channel() {
        let mut channel = Channel::new();
        channel.push(9, 'a');
        channel.push(4, 'b');
        assert_eq!(
            (channel.take(4), channel.take(9), channel.take(9)),
            (None, Some('a'), Some('b'))
        );
    }
}
