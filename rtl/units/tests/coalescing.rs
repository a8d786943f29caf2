//! Coalesced interrupts come at the threshold, or when their time is over, as in the cycle model
//! (NVMe 1.1 §5.12.1.8); never twice, never not at all.
#![cfg(feature = "verilator")]

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rtl_units::{Module, packed};

const FUNCTIONS: usize = 2;
const VECTORS: usize = 4;
/// As build.rs sets it.
const UNIT_CYCLES: u64 = 16;
const CYCLES: u64 = 400_000;
/// Vectors are looked at in turn; one that is just being told is passed by.
const LATE_CYCLES: u64 = 3 * (FUNCTIONS * VECTORS) as u64;

/// A vector as the model keeps it.
#[derive(Clone, Copy, Default)]
struct Vector {
    coalesced: u64,
    deadline: Option<u64>,
}

struct Bench {
    module: Module,
    vectors: [[Vector; VECTORS]; FUNCTIONS],
    /// Time and threshold less one of each function, vectors left out, MSI-X on.
    settings: [(u64, u64); FUNCTIONS],
    left_out: [u64; FUNCTIONS],
    enable: u64,
    told: u32,
    due: u32,
    forgotten: u32,
}

impl Bench {
    fn configure(&mut self, random: &mut Pcg64Mcg) {
        for function in 0..FUNCTIONS {
            self.settings[function] = (random.random_range(0..6), random.random_range(0..6));
            self.left_out[function] = random.random_range(0..2) * random.random_range(0..16);
        }
        let settings = self.settings.map(|(time, less_one)| time << 8 | less_one);
        self.module.set_bytes("settings", &packed(16, settings));
        self.module
            .set_bytes("left_out", &packed(32, self.left_out));
        self.switch(random);
    }

    fn switch(&mut self, random: &mut Pcg64Mcg) {
        self.enable = random.random_range(0..4);
        self.module.set("enable", self.enable);
    }

    fn is_enabled(&self, function: usize) -> bool {
        self.enable >> function & 1 == 1
    }

    /// One completion, or two; what the model says of it.
    fn complete(&mut self, now: u64, random: &mut Pcg64Mcg) {
        let (function, vector) = (
            random.random_range(0..FUNCTIONS),
            random.random_range(0..VECTORS),
        );
        let two = random.random_ratio(1, 4);
        let io = random.random_ratio(7, 8);
        self.module.set("completed_valid", 1);
        self.module
            .set("completed_row", (function * VECTORS + vector) as u64);
        self.module.set("completed_two", two.into());
        self.module.set("completed_io", io.into());
        self.module.evaluate();
        if !self.is_enabled(function) {
            return;
        }
        let (time, less_one) = self.settings[function];
        let coalesces =
            io && time > 0 && less_one > 0 && self.left_out[function] >> vector & 1 == 0;
        let row = &mut self.vectors[function][vector];
        let total = row.coalesced + 1 + u64::from(two);
        let tells = !coalesces || total > less_one;
        assert_eq!(self.module.get("completed_tells"), tells.into(), "at {now}");
        if tells {
            *row = Vector::default();
            self.told += 1;
        } else {
            row.coalesced = total;
            row.deadline.get_or_insert(now + time * UNIT_CYCLES);
        }
    }

    /// What is due, is due in time.
    fn check_due(&mut self, now: u64) {
        if self.module.get("due_valid") == 1 {
            let row = self.module.get("due_row") as usize;
            let vector = &mut self.vectors[row / VECTORS][row % VECTORS];
            let deadline = vector.deadline.unwrap_or(u64::MAX);
            assert!(deadline <= now, "{row} at {now}: due at {deadline}");
            *vector = Vector::default();
            self.due += 1;
        }
        for function in 0..FUNCTIONS {
            let enabled = self.is_enabled(function);
            for vector in &mut self.vectors[function] {
                let late = vector
                    .deadline
                    .is_some_and(|deadline| deadline + LATE_CYCLES < now);
                assert!(!late || !enabled, "a message is late at {now}");
                if late {
                    // Nobody is to be told: it is forgotten.
                    *vector = Vector::default();
                    self.forgotten += 1;
                }
            }
        }
    }
}

#[test]
fn coalesced_interrupts_come_in_time() {
    let mut random = Pcg64Mcg::seed_from_u64(17);
    let mut bench = Bench {
        module: Module::new("interrupt_coalescing"),
        vectors: Default::default(),
        settings: Default::default(),
        left_out: Default::default(),
        enable: 0,
        told: 0,
        due: 0,
        forgotten: 0,
    };
    bench.module.reset();
    let mut completed = false;
    for now in 0..CYCLES {
        // Settings change when all that was held is over; MSI-X is switched at any time.
        if now % 1_000 == 0 {
            bench.configure(&mut random);
        }
        if now % 1_000 == 500 {
            bench.switch(&mut random);
        }
        let quiet = now % 1_000 > 800;
        completed = !completed && !quiet && random.random_ratio(1, 6);
        bench.module.set("completed_valid", 0);
        if now % 1_000 == 999 && random.random_ratio(1, 4) {
            bench.module.set("clear", 3);
            bench.vectors = Default::default();
        }
        bench.module.evaluate();
        if completed {
            bench.complete(now, &mut random);
        }
        bench.check_due(now);
        let enabled = (0..FUNCTIONS).filter(|function| bench.is_enabled(*function));
        let held = enabled
            .flat_map(|function| bench.vectors[function])
            .any(|vector| vector.deadline.is_some());
        assert!(
            !held || completed || bench.module.get("busy") == 1,
            "idle at {now} with completions to be told"
        );
        bench.module.clock();
        bench.module.set("clear", 0);
    }
    let counts = [bench.told, bench.due, bench.forgotten];
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
}
