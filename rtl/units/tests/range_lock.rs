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
    // Rows in use.
    let mut present = 0u64;
    let (mut grants, mut waits) = (0, 0);
    for cycle in 0..CYCLES {
        let ready = random.random_ratio(9, 10);
        module.set("grant_ready", ready.into());
        module.evaluate();
        assert_eq!(
            module.get("grant_valid") == 1,
            lock.has_untold(),
            "cycle {cycle}"
        );
        if ready && let Some(row) = lock.grant(0) {
            assert_eq!(module.get("grant_row"), u64::from(row), "cycle {cycle}");
            let context = u64::from(lock.owner(row));
            assert_eq!(module.get("grant_context"), context, "cycle {cycle}");
            grants += 1;
        }

        // The request sees the rows that go in the same cycle, and is not kept waiting by them.
        let mut candidates = bits(present);
        let mut going = 0u64;
        for port in ["release", "release_write"] {
            let goes = random.random_ratio(1, 3) && !candidates.is_empty();
            module.set(&format!("{port}_valid"), goes.into());
            if goes {
                let row = candidates.swap_remove(random.random_range(0..candidates.len()));
                module.set(&format!("{port}_row"), row);
                going |= 1 << row;
            }
        }
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
            let made = lock.request(function, first, last + 1, exclusive, context as u16, going);
            let Some(made) = made else {
                panic!("cycle {cycle}: the model has no free row");
            };
            present |= 1 << made.row;
            waits += u32::from(made.waits);
        }
        lock.release(going);
        present &= !going;
        module.clock();
    }
    assert!(
        grants > 10_000 && waits > 10_000,
        "{grants} grants, {waits} waits"
    );
}
