//! Completion queues never promise a slot that there is not, soon promise every one that there is, and
//! number slots and phases as the standard does (NVMe 1.1 §4.1, §4.6).
#![cfg(feature = "verilator")]

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rtl_units::Module;

const FUNCTIONS: u64 = 7;
/// Rows that are used, of different functions.
const ROWS: [u64; 6] = [0, 1, 9, 20, 33, 54];
const BURSTS: u32 = 600;
const BURST_CYCLES: u32 = 300;
/// A change of every row is known after as many cycles.
const SETTLE_CYCLES: u32 = 16;
/// The dispatcher promises no more often.
const PROMISE_CYCLES: u32 = 4;

/// A completion queue by the book.
#[derive(Clone, Copy, Debug)]
struct Queue {
    row: u64,
    address: u64,
    entries: u64,
    /// Since it was made: taken by the host, written, and promised without being written.
    taken: u64,
    posted: u64,
    promised: u64,
}

impl Queue {
    fn free(&self) -> u64 {
        self.entries - 1 - (self.posted - self.taken) - self.promised
    }

    /// So many as a pair begins with.
    fn pair(&self) -> u64 {
        if self.entries == 2 { 1 } else { 2 }
    }
}

fn bit(set: u64, row: u64) -> bool {
    set >> row & 1 == 1
}

struct Bench {
    module: Module,
    random: Pcg64Mcg,
    queues: [Option<Queue>; ROWS.len()],
    since_promise: u32,
    posted: u32,
    wrong: u32,
}

impl Bench {
    fn pick(&mut self) -> usize {
        self.random.random_range(0..ROWS.len())
    }

    /// What the module says of room must be so; when nothing has changed for long, all of it.
    fn check(&mut self, settled: bool) {
        let rooms = [
            self.module.get("room_one"),
            self.module.get("room_two"),
            self.module.get("live"),
        ];
        let [one, two, live] = rooms;
        for (place, queue) in self.queues.iter().enumerate() {
            let row = ROWS[place];
            assert_eq!(bit(live, row), queue.is_some(), "row {row}");
            let has_one = queue.is_some_and(|queue| queue.free() >= 1);
            let has_pair = queue.is_some_and(|queue| queue.free() >= queue.pair());
            assert!(has_one || !bit(one, row), "no slot: {queue:?}");
            assert!(has_pair || !bit(two, row), "no slots of a pair: {queue:?}");
            if settled {
                let told = (bit(one, row), bit(two, row));
                assert_eq!(told, (has_one, has_pair), "{queue:?}");
            }
        }
    }

    fn promise(&mut self) {
        let place = self.pick();
        let two = self.random.random_ratio(1, 3);
        let rooms = self.module.get(if two { "room_two" } else { "room_one" });
        let may = self.since_promise >= PROMISE_CYCLES && bit(rooms, ROWS[place]);
        self.module.set("reserve_valid", may.into());
        self.module.set("reserve_two", two.into());
        self.module.set("reserve_row", ROWS[place]);
        self.since_promise += 1;
        if may && let Some(queue) = &mut self.queues[place] {
            queue.promised += if two { queue.pair() } else { 1 };
            self.since_promise = 1;
        }
    }

    /// A CQE of a promised slot, one of a slot that was not, or a promise given up.
    fn complete(&mut self) {
        let place = self.pick();
        let reserving = self.module.get("reserve_valid") == 1;
        let room = bit(self.module.get("room_one"), ROWS[place]) && !reserving;
        let Some(queue) = &mut self.queues[place] else {
            return;
        };
        let claims = room && self.random.random_ratio(1, 8);
        if queue.promised == 0 && !claims {
            return;
        }
        let row = queue.row;
        if !claims && self.random.random_ratio(1, 16) {
            self.module.set("release_valid", 1);
            self.module.set("release_row", row);
            queue.promised -= 1;
            return;
        }
        self.module.set("post_row", row);
        self.module.evaluate();
        let slot = queue.posted % queue.entries;
        let expected = [
            ("post_address", queue.address + 16 * slot),
            ("post_phase", 1 - (queue.posted / queue.entries) % 2),
            ("post_two_slots", u64::from(queue.entries == 2)),
            ("post_vector", row % 5),
            ("post_interrupts", row % 2),
        ];
        for (name, value) in expected {
            assert_eq!(self.module.get(name), value, "{name} of {queue:?}");
        }
        self.module.set("post_valid", 1);
        self.module.set("post_claims", claims.into());
        queue.promised -= u64::from(!claims);
        queue.posted += 1;
        self.posted += 1;
    }

    /// A head doorbell, every fourth of them anything.
    fn take(&mut self) {
        let place = self.pick();
        let any = self.random.random_ratio(1, 4);
        let wild = [0, 1, 2, 3, 5, 0xfff, 0x1_0000][self.random.random_range(0..7)];
        self.module.set("head_valid", 1);
        self.module.set("head_row", ROWS[place]);
        let Some(queue) = &mut self.queues[place] else {
            self.module.set("head_value", wild);
            self.module.evaluate();
            assert_eq!(self.module.get("head_wrong_queue"), 1);
            return;
        };
        let waiting = queue.posted - queue.taken;
        let takes = if any || waiting == 0 {
            let before = queue.taken % queue.entries;
            (wild < queue.entries).then(|| (wild + queue.entries - before) % queue.entries)
        } else {
            Some(self.random.random_range(1..=waiting))
        };
        let value = takes.map_or(wild, |takes| (queue.taken + takes) % queue.entries);
        let takes = takes.filter(|takes| (1..=waiting).contains(takes));
        self.module.set("head_value", value);
        self.module.evaluate();
        assert_eq!(self.module.get("head_wrong_queue"), 0);
        let wrong = takes.is_none();
        assert_eq!(
            self.module.get("head_wrong_value"),
            wrong.into(),
            "{value} to {queue:?}"
        );
        queue.taken += takes.unwrap_or(0);
        self.wrong += u32::from(wrong);
    }

    fn make_or_remove(&mut self) {
        let place = self.pick();
        let row = ROWS[place];
        if let Some(queue) = self.queues[place] {
            if queue.promised == 0 {
                self.module.set("remove_valid", 1);
                self.module.set("remove_row", row);
                self.queues[place] = None;
            }
            return;
        }
        let entries = [2, 2, 3, 4, 5, 16, 17, 1024][self.random.random_range(0..8)];
        let queue = Queue {
            row,
            address: self.random.random_range(1..1u64 << 40) << 12,
            entries,
            taken: 0,
            posted: 0,
            promised: 0,
        };
        let ports = [
            ("create_valid", 1),
            ("create_row", row),
            ("create_address", queue.address),
            ("create_last", entries - 1),
            ("create_interrupts", row % 2),
            ("create_vector", row % 5),
        ];
        for (name, value) in ports {
            self.module.set(name, value);
        }
        self.queues[place] = Some(queue);
    }

    fn clock(&mut self) {
        self.module.clock();
        let inputs = [
            "clear",
            "head_valid",
            "create_valid",
            "remove_valid",
            "reserve_valid",
            "release_valid",
            "post_valid",
            "post_claims",
        ];
        for name in inputs {
            self.module.set(name, 0);
        }
        self.module.evaluate();
    }
}

#[test]
fn completion_queues_promise_what_there_is() {
    let mut bench = Bench {
        module: Module::new("cq_table"),
        random: Pcg64Mcg::seed_from_u64(11),
        queues: [None; ROWS.len()],
        since_promise: 0,
        posted: 0,
        wrong: 0,
    };
    bench.module.reset();
    for burst in 0..BURSTS {
        // Some bursts with few heads moved, some with few promises: full and empty queues.
        let (promises, heads) = [(3, 1), (1, 3), (2, 2)][burst as usize % 3];
        for _ in 0..BURST_CYCLES {
            bench.check(false);
            // What is written in this cycle, the host does not know in it.
            if bench.random.random_ratio(heads, 4) {
                bench.take();
            }
            if bench.random.random_ratio(promises, 4) {
                bench.promise();
            } else {
                bench.since_promise += 1;
            }
            if bench.random.random_ratio(2, 3) {
                bench.complete();
            }
            bench.clock();
        }
        for _ in 0..SETTLE_CYCLES {
            bench.check(false);
            bench.clock();
        }
        bench.check(true);
        // Queues come and go between bursts; now and then a function loses all of them.
        for _ in 0..4 {
            bench.make_or_remove();
            bench.clock();
        }
        if burst % 16 == 0 {
            let function = bench.random.random_range(0..FUNCTIONS);
            bench.module.set("clear", 1 << function);
            let rows = bench.queues.iter_mut().zip(ROWS);
            for (queue, _) in rows.filter(|(_, row)| row / 8 == function) {
                *queue = None;
            }
            bench.clock();
        }
    }
    let (posted, wrong) = (bench.posted, bench.wrong);
    assert!(posted > 20_000 && wrong > 5_000, "{posted}, {wrong}");
}

/// A promise is known before the dispatcher can make the next one: it makes one every four cycles.
#[test]
fn a_promise_is_known_in_four_cycles() {
    let mut module = Module::new("cq_table");
    module.reset();
    for (name, value) in [
        ("create_valid", 1),
        ("create_row", 9),
        ("create_last", 1000),
    ] {
        module.set(name, value);
    }
    module.clock();
    module.set("create_valid", 0);
    for _ in 0..PROMISE_CYCLES {
        module.clock();
    }
    module.set("reserve_row", 9);
    for promise in 0..900 {
        assert!(bit(module.get("room_one"), 9), "promise {promise}");
        module.set("reserve_valid", 1);
        module.clock();
        module.set("reserve_valid", 0);
        for _ in 1..PROMISE_CYCLES {
            module.clock();
        }
    }
}
