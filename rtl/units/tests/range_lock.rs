//! The range lock grants what the cycle model's grants, one cycle later, in the order of the rows.
#![cfg(feature = "verilator")]

use nvme_model::range_lock::RangeLock;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rtl_units::Module;

const FUNCTIONS: usize = 7;
const ROWS: usize = 7;
const CYCLES: u32 = 200_000;

fn bits(set: u64) -> Vec<u64> {
    (0..64).filter(|bit| set >> bit & 1 == 1).collect()
}

#[test]
fn range_lock_grants_what_the_model_grants() {
    let mut random = Pcg64Mcg::seed_from_u64(3);
    let mut module = Module::new("range_lock");
    module.reset();
    let mut lock = RangeLock::new(FUNCTIONS, ROWS);
    // Rows in use, and granted rows of which nobody has been told.
    let (mut present, mut granted) = (0u64, 0u64);
    let (mut grants, mut waits) = (0, 0);
    for cycle in 0..CYCLES {
        let ready = random.random_ratio(9, 10);
        module.set("grant_ready", ready.into());
        module.evaluate();
        assert_eq!(
            module.get("grant_valid") == 1,
            granted != 0,
            "cycle {cycle}"
        );
        if granted != 0 {
            let row = granted.trailing_zeros();
            assert_eq!(module.get("grant_row"), u64::from(row), "cycle {cycle}");
            let context = u64::from(lock.owner(row as u8));
            assert_eq!(module.get("grant_context"), context, "cycle {cycle}");
            grants += 1;
            if ready {
                granted &= granted - 1;
            }
        }

        // The request sees the rows that go in the same cycle, and is not kept waiting by them.
        let going = [random.random_ratio(1, 3), random.random_ratio(1, 3)];
        let mut candidates = bits(present);
        let function = random.random_range(0..FUNCTIONS);
        let free = present >> (function * ROWS) & ((1 << ROWS) - 1) != (1 << ROWS) - 1;
        assert_eq!(
            module.get("free") >> function & 1 == 1,
            free,
            "cycle {cycle}"
        );
        let request = free && random.random_ratio(1, 2);
        module.set("request_valid", request.into());
        if request {
            let first = random.random_range(0..60);
            let last = first + random.random_range(0..8);
            let exclusive = random.random_ratio(1, 2);
            let context = (function as u64) << 5 | random.random_range(0..32);
            module.set("request_context", context);
            module.set("request_first", first);
            module.set("request_last", last);
            module.set("request_exclusive", exclusive.into());
            let made = lock.request(function, first, last + 1, exclusive, context as u16);
            let Some(made) = made else {
                panic!("cycle {cycle}: the model has no free row");
            };
            present |= 1 << made.row;
            if made.granted {
                granted |= 1 << made.row;
            } else {
                waits += 1;
            }
        }
        for (goes, port) in going.into_iter().zip(["release", "release_write"]) {
            let goes = goes && !candidates.is_empty();
            module.set(&format!("{port}_valid"), goes.into());
            if goes {
                let row = candidates.swap_remove(random.random_range(0..candidates.len()));
                module.set(&format!("{port}_row"), row);
                present &= !(1 << row);
                granted &= !(1 << row);
                granted |= lock.release(row as u8);
            }
        }
        module.clock();
    }
    assert!(
        grants > 10_000 && waits > 10_000,
        "{grants} grants, {waits} waits"
    );
}
