//! Deficit round robin: equal bytes for every row that has something to move.

/// An arbiter over at most 64 rows. Each visit of a row allows it `quantum` bytes more; what it does
/// not use it keeps while it has work, and loses when it has none.
#[derive(Clone, Debug, Default)]
pub struct Drr {
    quantum_bytes: u32,
    active: u64,
    current: usize,
    deficit_bytes: Vec<u32>,
}

impl Drr {
    /// `rows` rows, at most 64, none of them active.
    pub fn new(rows: usize, quantum_bytes: u32) -> Self {
        assert!(rows <= 64, "a row set is one u64");
        Self {
            quantum_bytes,
            active: 0,
            current: 0,
            deficit_bytes: vec![0; rows],
        }
    }

    /// The row has work.
    pub fn activate(&mut self, row: usize) {
        self.active |= 1 << row;
    }

    /// The row has no work.
    pub fn deactivate(&mut self, row: usize) {
        self.active &= !(1 << row);
        self.deficit_bytes[row] = 0;
    }

    /// Rows with work.
    pub const fn active(&self) -> u64 {
        self.active
    }

    /// The row whose turn it is, among the active rows in `allowed`; `cost` is what a row's next
    /// piece would take. The choice stands until [`charge`](Self::charge).
    pub fn select(&mut self, allowed: u64, mut cost: impl FnMut(usize) -> u32) -> Option<usize> {
        let eligible = self.active & allowed;
        if eligible == 0 {
            return None;
        }
        if eligible >> self.current & 1 == 1
            && self.deficit_bytes[self.current] >= cost(self.current)
        {
            return Some(self.current);
        }
        loop {
            // The next eligible row after the current one, around.
            let after = eligible & !(u64::MAX >> (63 - self.current));
            let next = if after == 0 { eligible } else { after }.trailing_zeros() as usize;
            self.current = next;
            self.deficit_bytes[next] = self.deficit_bytes[next].saturating_add(self.quantum_bytes);
            if self.deficit_bytes[next] >= cost(next) {
                return Some(next);
            }
        }
    }

    /// The selected row moves `bytes`.
    pub fn charge(&mut self, row: usize, bytes: u32) {
        debug_assert!(
            self.deficit_bytes[row] >= bytes,
            "row {row} moves more than it may"
        );
        self.deficit_bytes[row] = self.deficit_bytes[row].saturating_sub(bytes);
    }
}

/// Two levels of [`Drr`]: functions, then the function's queues.
#[derive(Clone, Debug, Default)]
pub struct FairScheduler {
    functions: Drr,
    queues: Vec<Drr>,
}

impl FairScheduler {
    /// `queues` queues of each of `functions` functions, none of them active.
    pub fn new(functions: usize, queues: usize, quantum_bytes: u32) -> Self {
        Self {
            functions: Drr::new(functions, quantum_bytes),
            queues: vec![Drr::new(queues, quantum_bytes); functions],
        }
    }

    /// The queue has work.
    pub fn activate(&mut self, function: usize, queue: usize) {
        self.queues[function].activate(queue);
        self.functions.activate(function);
    }

    /// The queue has no work.
    pub fn deactivate(&mut self, function: usize, queue: usize) {
        self.queues[function].deactivate(queue);
        if self.queues[function].active() == 0 {
            self.functions.deactivate(function);
        }
    }

    /// Has any queue work?
    pub const fn is_active(&self) -> bool {
        self.functions.active() != 0
    }

    /// Whose turn it is: function, queue, and the cost of its next piece as `cost` tells it.
    pub fn select(&mut self, cost: impl Fn(usize, usize) -> u32) -> Option<(usize, usize, u32)> {
        let Self { functions, queues } = self;
        // The function that gets the turn is the last one that is asked for its cost.
        let mut last = (0, 0);
        let function = functions.select(u64::MAX, |function| {
            let mut bytes = 0;
            let queue = queues[function].select(u64::MAX, |queue| {
                bytes = cost(function, queue);
                bytes
            });
            last = (queue.unwrap_or(0), bytes);
            bytes
        })?;
        Some((function, last.0, last.1))
    }

    /// The selected queue moves `bytes`.
    pub fn charge(&mut self, function: usize, queue: usize, bytes: u32) {
        self.functions.charge(function, bytes);
        self.queues[function].charge(queue, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Serves rows whose pieces have fixed sizes; returns bytes per row.
    fn serve(pieces: &[u32], rounds: usize) -> Vec<u64> {
        let mut drr = Drr::new(pieces.len(), 4096);
        (0..pieces.len()).for_each(|row| drr.activate(row));
        let mut bytes = vec![0; pieces.len()];
        for _ in 0..rounds {
            let row = drr.select(u64::MAX, |row| pieces[row]).unwrap();
            drr.charge(row, pieces[row]);
            bytes[row] += u64::from(pieces[row]);
        }
        bytes
    }

    #[test]
    fn bytes_are_equal_whatever_the_pieces() {
        let bytes = serve(&[512, 4096, 3584, 131_072, 2048], 100_000);
        let most = *bytes.iter().max().unwrap();
        for row in &bytes {
            assert!(most - row <= 2 * 131_072, "{bytes:?}");
        }
    }

    #[test]
    fn a_row_without_work_saves_nothing_up() {
        let mut drr = Drr::new(2, 4096);
        drr.activate(0);
        for _ in 0..100 {
            assert_eq!(drr.select(u64::MAX, |_| 4096), Some(0));
            drr.charge(0, 4096);
        }
        drr.activate(1);
        let mut turns = [0; 2];
        for _ in 0..100 {
            let row = drr.select(u64::MAX, |_| 4096).unwrap();
            drr.charge(row, 4096);
            turns[row] += 1;
        }
        assert_eq!(turns, [50, 50]);
    }

    #[test]
    fn a_row_that_is_not_allowed_is_passed_over() {
        let mut drr = Drr::new(64, 4096);
        drr.activate(3);
        drr.activate(63);
        assert_eq!(drr.select(1 << 63, |_| 1), Some(63));
        assert_eq!(drr.select(1 << 3, |_| 1), Some(3));
        assert_eq!(drr.select(1 << 5, |_| 1), None);
    }

    #[test]
    fn four_queues_of_one_function_gain_nothing_over_one_queue_of_another() {
        let mut scheduler = FairScheduler::new(2, 4, 4096);
        scheduler.activate(0, 0);
        (0..4).for_each(|queue| scheduler.activate(1, queue));
        let mut bytes = [0u64; 2];
        let mut of_queue = [0u64; 4];
        // Function 0 moves whole pages, queue 2 of function 1 halves.
        let cost = |function: usize, queue: usize| {
            if (function, queue) == (1, 2) {
                2048
            } else {
                4096
            }
        };
        for _ in 0..90_000 {
            let (function, queue, piece) = scheduler.select(cost).unwrap();
            assert_eq!(piece, cost(function, queue));
            scheduler.charge(function, queue, piece);
            bytes[function] += u64::from(piece);
            if function == 1 {
                of_queue[queue] += u64::from(piece);
            }
        }
        assert!(bytes[0].abs_diff(bytes[1]) <= 8192, "{bytes:?}");
        for queue in of_queue {
            assert!(queue.abs_diff(of_queue[0]) <= 16_384, "{of_queue:?}");
        }
    }
}
