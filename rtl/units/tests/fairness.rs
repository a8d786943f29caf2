//! The arbiters choose what the cycle model's choose, on random traffic.
#![cfg(feature = "verilator")]

use nvme_model::drr::{Drr, FairScheduler};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rtl_units::{Module, packed};

const FUNCTIONS: usize = 7;
const QUEUES: usize = 5;
const QUANTUM_BYTES: u32 = 4096;
const CYCLES: u32 = 200_000;

/// Turns some of the bits.
fn toggle(random: &mut Pcg64Mcg, bits: u64, count: usize) -> u64 {
    if random.random_ratio(1, 3) {
        bits ^ 1 << random.random_range(0..count)
    } else {
        bits
    }
}

#[test]
fn drr_arbiter_chooses_what_the_model_chooses() {
    let mut random = Pcg64Mcg::seed_from_u64(1);
    let mut module = Module::new("drr_arbiter");
    module.reset();
    let mut arbiters = vec![Drr::new(QUEUES, QUANTUM_BYTES); FUNCTIONS];
    let mut costs = [[4096u32; QUEUES]; FUNCTIONS];
    let (mut active, mut choices, mut visits) = (0u64, 0, 0);
    for cycle in 0..CYCLES {
        active = toggle(&mut random, active, FUNCTIONS * QUEUES);
        for row in 0..FUNCTIONS * QUEUES {
            let arbiter = &mut arbiters[row / QUEUES];
            if active >> row & 1 == 1 {
                arbiter.activate(row % QUEUES);
            } else {
                arbiter.deactivate(row % QUEUES);
            }
        }
        let arbiter = random.random_range(0..FUNCTIONS);
        let allowed =
            random.random_range(0..1u64 << QUEUES) | random.random_range(0..1u64 << QUEUES);
        let row_costs = costs[arbiter];
        module.set("active", active);
        module.set("arbiter", arbiter as u64);
        module.set("allowed", allowed);
        module.set_bytes("costs", &packed(19, row_costs.map(u64::from)));
        let select = random.random_ratio(2, 3);
        let charge = select && random.random_ratio(3, 4);
        module.set("select", select.into());
        module.set("charge", charge.into());
        module.evaluate();
        if select {
            let mut asked = 0;
            let expected = arbiters[arbiter].select(allowed, |row| {
                asked += 1;
                row_costs[row]
            });
            let valid = module.get("chosen_valid") == 1;
            let chosen = valid.then(|| module.get("chosen") as usize);
            assert_eq!(chosen, expected, "cycle {cycle}");
            if let Some(row) = chosen {
                choices += 1;
                visits += u32::from(asked > 8);
                if charge {
                    arbiters[arbiter].charge(row, row_costs[row]);
                    costs[arbiter][row] = match random.random_range(0..4) {
                        0 => 64,
                        1 => 512 * random.random_range(1..=512),
                        2 => 4096,
                        _ => random.random_range(1..=262_144),
                    };
                }
            }
        }
        module.clock();
    }
    assert!(
        choices > 50_000 && visits > 1_000,
        "{choices} choices, {visits} of many visits"
    );
}

/// Hands in the cost of a queue's next piece, with the next clock.
fn set_cost(module: &mut Module, function: usize, queue: usize, bytes: u32) {
    module.set("cost_valid", 1);
    module.set("cost_function", function as u64);
    module.set("cost_queue", queue as u64);
    module.set("cost", bytes.into());
}

#[test]
fn fair_scheduler_chooses_what_the_model_chooses() {
    let mut random = Pcg64Mcg::seed_from_u64(2);
    let mut module = Module::new("fair_scheduler");
    module.reset();
    let mut scheduler = FairScheduler::new(FUNCTIONS, QUEUES, QUANTUM_BYTES);
    let mut costs = [[4096u32; QUEUES]; FUNCTIONS];
    for row in 0..FUNCTIONS * QUEUES {
        set_cost(&mut module, row / QUEUES, row % QUEUES, 4096);
        module.clock();
    }
    let (mut active, mut choices) = (0u64, 0);
    for cycle in 0..CYCLES {
        active = toggle(&mut random, active, FUNCTIONS * QUEUES);
        for row in 0..FUNCTIONS * QUEUES {
            if active >> row & 1 == 1 {
                scheduler.activate(row / QUEUES, row % QUEUES);
            } else {
                scheduler.deactivate(row / QUEUES, row % QUEUES);
            }
        }
        // Choices are three cycles apart at least, and nothing has changed in the cycle before.
        module.set("active", active);
        module.set("select", 0);
        module.clock();
        module.set("cost_valid", 0);
        for _ in 0..random.random_range(1..4) {
            module.clock();
        }
        let select = random.random_ratio(2, 3);
        let charge = select && random.random_ratio(3, 4);
        module.set("select", select.into());
        module.set("charge", charge.into());
        module.evaluate();
        if select {
            let expected = scheduler.select(|function, queue| costs[function][queue]);
            let valid = module.get("chosen_valid") == 1;
            let chosen = valid.then(|| {
                let bytes = module.get("chosen_bytes") as u32;
                (
                    module.get("chosen_function") as usize,
                    module.get("chosen_queue") as usize,
                    bytes,
                )
            });
            assert_eq!(chosen, expected, "cycle {cycle}");
            if let Some((function, queue, bytes)) = chosen {
                choices += 1;
                if charge {
                    scheduler.charge(function, queue, bytes);
                    costs[function][queue] = match random.random_range(0..3) {
                        0 => 512,
                        1 => 4096,
                        _ => random.random_range(1..=4096),
                    };
                    set_cost(&mut module, function, queue, costs[function][queue]);
                }
            }
        }
        module.clock();
    }
    assert!(choices > 50_000, "{choices} choices");
}
