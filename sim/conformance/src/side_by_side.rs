//! Seeds side by side, one on each processor: they share nothing, and their results come in order.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;

/// Does `work` for each seed in as many threads as there are processors, and hands each result to `each` in
/// the order of the seeds: what comes of it does not depend on the machine.
///
/// # Panics
/// `work` panics; it names the seed, and no other is begun.
pub fn run<T: Send>(
    seeds: Range<u64>,
    work: impl Fn(u64) -> T + Sync,
    mut each: impl FnMut(u64, T),
) {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let (next, end) = (AtomicU64::new(seeds.start), seeds.end);
    let (results, arrivals) = channel();
    let (next, work) = (&next, &work);
    thread::scope(|scope| {
        for _ in 0..threads {
            let results = results.clone();
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    let at_work = AtWork { seed, next, end };
                    let result = work(seed);
                    drop(at_work);
                    // Nobody listens any more when `each` has panicked.
                    if results.send((seed, result)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(results);
        let mut early = BTreeMap::new();
        let mut awaited = seeds.start;
        for (seed, result) in arrivals {
            early.insert(seed, result);
            while let Some(result) = early.remove(&awaited) {
                each(awaited, result);
                awaited += 1;
            }
        }
    });
}

/// A seed that is being worked on: the last one when that panics.
struct AtWork<'a> {
    seed: u64,
    next: &'a AtomicU64,
    end: u64,
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("that was seed {}", self.seed);
            self.next.store(self.end, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::run;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn results_come_in_the_order_of_the_seeds() {
        let mut found = Vec::new();
        // The first of them takes longest.
        let work = |seed: u64| (0..(40 - seed) * 10_000).fold(seed, |sum, step| sum ^ step);
        run(3..40, work, |seed, result| found.push((seed, result)));
        let expected: Vec<_> = (3..40).map(|seed| (seed, work(seed))).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn nothing_is_begun_after_a_panic() {
        let begun = AtomicU64::new(0);
        let work = |seed| {
            begun.fetch_add(1, Ordering::Relaxed);
            assert_ne!(seed, 3);
        };
        let ended = catch_unwind(AssertUnwindSafe(|| run(0..1 << 40, work, |_, ()| ())));
        assert!(ended.is_err() && begun.into_inner() < 1 << 40);
    }

    #[test]
    fn no_seeds_are_no_work() {
        run(7..7, |_| panic!("there is no seed"), |_, ()| ());
    }
}
