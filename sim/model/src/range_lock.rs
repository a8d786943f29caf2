//! The range lock: the atomicity of the product, across all queues of all functions.
//!
//! A table of rows in order of arrival. A new row is compared with every row present; it waits for
//! the older ones it conflicts with (waiting or granted: nobody starves), kept as a set of rows in
//! one `u64`. A row that goes clears its bit everywhere, and whoever then waits for nothing can be granted:
//! one at a time, the lowest row first.

/// A row of the table.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    start: u64,
    end: u64,
    exclusive: bool,
    /// Older conflicting rows still present.
    waits_on: u64,
    /// Whose request it is; the table only keeps it.
    owner: u16,
}

/// The table.
#[derive(Debug)]
pub struct RangeLock {
    rows: Vec<Row>,
    rows_per_function: usize,
    present: u64,
    /// Of these, rows that wait for others, and rows that wait for nothing and were not granted yet.
    waiting: u64,
    untold: u64,
    /// Nothing conflicts any more.
    removed: bool,
}

/// A row that a request took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// Its number.
    pub row: u8,
    /// Something is in its way.
    pub waits: bool,
}

impl RangeLock {
    /// A table with `rows_per_function` rows for each function, 64 at most.
    pub fn new(functions: usize, rows_per_function: usize) -> Self {
        let rows = functions * rows_per_function;
        assert!(rows <= 64, "a row set is one u64");
        Self {
            rows: vec![Row::default(); rows],
            rows_per_function,
            present: 0,
            waiting: 0,
            untold: 0,
            removed: false,
        }
    }

    /// Grants every request from now on: for the test that shows what the lock is there for.
    pub(crate) const fn remove(&mut self) {
        self.removed = true;
    }

    const fn free_rows(&self, function: usize) -> u64 {
        let first = function * self.rows_per_function;
        let of_function = (u64::MAX >> (64 - self.rows_per_function)) << first;
        of_function & !self.present
    }

    /// Has the function a free row?
    pub const fn has_free(&self, function: usize) -> bool {
        self.free_rows(function) != 0
    }

    /// Asks for bytes `start..end`, where the rows in `going` are in nobody's way any more; `None` when
    /// the function has no row left.
    pub fn request(
        &mut self,
        function: usize,
        start: u64,
        end: u64,
        exclusive: bool,
        owner: u16,
        going: u64,
    ) -> Option<Request> {
        let free = self.free_rows(function);
        if free == 0 {
            return None;
        }
        let row = free.trailing_zeros() as usize;
        let mut waits_on = 0;
        let mut others = if self.removed {
            0
        } else {
            self.present & !going
        };
        while others != 0 {
            let index = others.trailing_zeros() as usize;
            others &= others - 1;
            let other = &self.rows[index];
            if (exclusive || other.exclusive) && start < other.end && other.start < end {
                waits_on |= 1 << index;
            }
        }
        self.rows[row] = Row {
            start,
            end,
            exclusive,
            waits_on,
            owner,
        };
        self.present |= 1 << row;
        let set = if waits_on == 0 {
            &mut self.untold
        } else {
            &mut self.waiting
        };
        *set |= 1 << row;
        Some(Request {
            row: row as u8,
            waits: waits_on != 0,
        })
    }

    /// Grants the lowest row that waits for nothing, but none of those in `going`.
    pub const fn grant(&mut self, going: u64) -> Option<u8> {
        let may = self.untold & !going;
        if may == 0 {
            return None;
        }
        let row = may.trailing_zeros();
        self.untold &= !(1 << row);
        Some(row as u8)
    }

    /// Is there a row that can be granted?
    pub const fn has_untold(&self) -> bool {
        self.untold != 0
    }

    /// Rows go: their ranges are free, or their requests are withdrawn.
    pub fn release(&mut self, rows: u64) {
        debug_assert!(
            self.present & rows == rows,
            "rows {rows:#x} are not all in use"
        );
        self.present &= !rows;
        self.waiting &= !rows;
        self.untold &= !rows;
        let mut waiting = self.waiting;
        while waiting != 0 {
            let index = waiting.trailing_zeros() as usize;
            waiting &= waiting - 1;
            let other = &mut self.rows[index];
            other.waits_on &= !rows;
            if other.waits_on == 0 {
                self.waiting &= !(1 << index);
                self.untold |= 1 << index;
            }
        }
    }

    /// Whose request a row is.
    pub fn owner(&self, row: u8) -> u16 {
        self.rows[usize::from(row)].owner
    }

    /// Range and mode of a row: first byte, first byte after it, exclusive.
    pub fn range(&self, row: u8) -> (u64, u64, bool) {
        let row = &self.rows[usize::from(row)];
        (row.start, row.end, row.exclusive)
    }

    /// No row is in use.
    pub const fn is_empty(&self) -> bool {
        self.present == 0
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use proptest::prelude::*;
    use proptest::test_runner::{Config, RngSeed, TestRunner};

    use super::*;

    /// The rule, written down as plainly as possible: requests in order of arrival; one is granted
    /// when no older one that is still there conflicts with it.
    #[derive(Default)]
    struct Oracle {
        requests: Vec<(u16, u64, u64, bool)>,
    }

    impl Oracle {
        fn granted(&self) -> Vec<u16> {
            let conflict = |a: &(u16, u64, u64, bool), b: &(u16, u64, u64, bool)| {
                (a.3 || b.3) && a.1 < b.2 && b.1 < a.2
            };
            self.requests
                .iter()
                .enumerate()
                .filter(|(index, request)| {
                    !self.requests[..*index]
                        .iter()
                        .any(|older| conflict(older, request))
                })
                .map(|(_, request)| request.0)
                .collect()
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Request {
            function: usize,
            start: u64,
            length: u64,
            exclusive: bool,
        },
        Release {
            choice: usize,
        },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..7usize, 0..40u64, 1..12u64, any::<bool>()).prop_map(
                |(function, start, length, exclusive)| Step::Request { function, start, length, exclusive }
            ),
            2 => (0..64usize).prop_map(|choice| Step::Release { choice }),
        ]
    }

    #[test]
    fn grants_what_the_naive_rule_grants() {
        let config = Config::default();
        let seed = match config.rng_seed {
            RngSeed::Fixed(seed) => seed,
            RngSeed::Random => RandomState::new().hash_one(0),
        };
        println!("PROPTEST_RNG_SEED={seed} repeats these cases");
        let config = Config {
            cases: 2000,
            failure_persistence: None,
            rng_seed: RngSeed::Fixed(seed),
            ..config
        };
        let mut runner = TestRunner::new(config);
        let steps = proptest::collection::vec(step(), 1..200);
        let result = runner.run(&steps, |steps| {
            let mut lock = RangeLock::new(7, 9);
            let mut oracle = Oracle::default();
            let mut row_of = std::collections::BTreeMap::new();
            let mut granted = Vec::new();
            for (owner, step) in steps.into_iter().enumerate() {
                let owner = owner as u16;
                match step {
                    Step::Request {
                        function,
                        start,
                        length,
                        exclusive,
                    } => {
                        let end = start + length;
                        let in_use = row_of
                            .values()
                            .filter(|row| **row as usize / 9 == function)
                            .count();
                        let request = lock.request(function, start, end, exclusive, owner, 0);
                        prop_assert_eq!(request.is_none(), in_use == 9);
                        if let Some(request) = request {
                            row_of.insert(owner, request.row);
                            oracle.requests.push((owner, start, end, exclusive));
                        }
                    }
                    Step::Release { choice } => {
                        if oracle.requests.is_empty() {
                            continue;
                        }
                        // Withdrawing a waiting request is a release, too.
                        let index = choice % oracle.requests.len();
                        let (owner, ..) = oracle.requests.remove(index);
                        granted.retain(|granted| *granted != owner);
                        let row = row_of.remove(&owner).unwrap();
                        lock.release(1 << row);
                    }
                }
                while let Some(row) = lock.grant(0) {
                    granted.push(lock.owner(row));
                }
                let mut expected = oracle.granted();
                expected.sort_unstable();
                granted.sort_unstable();
                prop_assert_eq!(&granted, &expected);
            }
            for row in row_of.into_values() {
                lock.release(1 << row);
            }
            prop_assert!(lock.is_empty());
            Ok(())
        });
        assert!(result.is_ok(), "{result:?}");
    }

    #[test]
    fn a_read_behind_a_waiting_write_waits_too() {
        let mut lock = RangeLock::new(1, 4);
        let read = lock.request(0, 0, 10, false, 0, 0).unwrap();
        let write = lock.request(0, 5, 6, true, 1, 0).unwrap();
        let late_read = lock.request(0, 0, 10, false, 2, 0).unwrap();
        assert!(!read.waits && write.waits && late_read.waits);
        assert_eq!(lock.grant(0), Some(read.row));
        assert_eq!(lock.grant(0), None);
        lock.release(1 << read.row);
        assert_eq!(lock.grant(0), Some(write.row));
        assert_eq!(lock.grant(0), None);
        lock.release(1 << write.row);
        assert_eq!(lock.grant(0), Some(late_read.row));
    }

    #[test]
    fn a_row_that_is_going_is_in_nobodys_way_and_not_free() {
        let mut lock = RangeLock::new(1, 2);
        let first = lock.request(0, 0, 10, true, 0, 0).unwrap();
        assert_eq!(lock.grant(0), Some(first.row));
        let going = 1 << first.row;
        let second = lock.request(0, 0, 10, true, 1, going).unwrap();
        assert!(!second.waits);
        assert!(!lock.has_free(0));
        lock.release(going);
        assert!(lock.has_free(0) && lock.has_untold());
        assert_eq!(lock.grant(0), Some(second.row));
    }
}
