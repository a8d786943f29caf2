//! Sets of rows of the queue tables: a row is a queue of a function.

use crate::options::MAXIMUM_VIRTUAL_FUNCTIONS;

const FUNCTIONS: usize = MAXIMUM_VIRTUAL_FUNCTIONS as usize + 1;

/// A set of rows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RowSet {
    functions: u32,
    queues: [u32; FUNCTIONS],
}

impl RowSet {
    pub(crate) const fn insert(&mut self, function: usize, queue: usize) {
        self.queues[function] |= 1 << queue;
        self.functions |= 1 << function;
    }

    pub(crate) const fn remove(&mut self, function: usize, queue: usize) {
        self.queues[function] &= !(1 << queue);
        if self.queues[function] == 0 {
            self.functions &= !(1 << function);
        }
    }

    pub(crate) const fn remove_function(&mut self, function: usize) {
        self.queues[function] = 0;
        self.functions &= !(1 << function);
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.functions == 0
    }

    /// The lowest row: function, then queue.
    pub(crate) const fn first(&self) -> Option<(usize, usize)> {
        if self.functions == 0 {
            return None;
        }
        let function = self.functions.trailing_zeros() as usize;
        Some((function, self.queues[function].trailing_zeros() as usize))
    }
}

/// The lowest member of a set from `from` on, else the lowest of all: round robin.
pub(crate) const fn in_turn(set: u32, from: usize) -> Option<usize> {
    if set == 0 {
        return None;
    }
    let later = if from < 32 {
        set & (u32::MAX << from)
    } else {
        0
    };
    let among = if later == 0 { set } else { later };
    Some(among.trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_function_by_function() {
        let mut rows = RowSet::default();
        for (function, queue) in [(3, 0), (1, 31), (1, 4), (8, 2)] {
            rows.insert(function, queue);
        }
        rows.remove(1, 4);
        assert_eq!(rows.first(), Some((1, 31)));
        rows.remove_function(1);
        assert_eq!(rows.first(), Some((3, 0)));
        rows.remove(3, 0);
        rows.remove(8, 2);
        assert!(rows.is_empty() && rows.first().is_none());
    }

    #[test]
    fn turns_go_around() {
        assert_eq!(in_turn(0b1010, 0), Some(1));
        assert_eq!(in_turn(0b1010, 2), Some(3));
        assert_eq!(in_turn(0b1010, 4), Some(1));
        assert_eq!(in_turn(0, 4), None);
    }
}
