//! The movers' turns: what is chosen is what the cycle model's scheduler would choose among the contexts
//! that are ready, and of a queue's contexts the one that has been ready longest.
#![cfg(feature = "verilator")]

use std::collections::VecDeque;

use nvme_model::drr::FairScheduler;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rtl_units::Module;

const FUNCTIONS: usize = 7;
const QUEUES: usize = 5;
const QUEUE_WIDTH: u32 = 3;
const CONTEXTS: usize = 16;
const QUANTUM_BYTES: u32 = 4096;
const CYCLES: u32 = 300_000;

/// What is ready, and what each context has left to move.
struct Oracle {
    scheduler: FairScheduler,
    /// Contexts of each queue, by number within the function.
    ready: [[VecDeque<usize>; QUEUES]; FUNCTIONS],
    granules: [[VecDeque<u32>; CONTEXTS]; FUNCTIONS],
}

impl Oracle {
    fn new() -> Self {
        Self {
            scheduler: FairScheduler::new(FUNCTIONS, QUEUES, QUANTUM_BYTES),
            ready: Default::default(),
            granules: Default::default(),
        }
    }

    fn push(&mut self, function: usize, queue: usize, context: usize) {
        self.ready[function][queue].push_back(context);
        self.scheduler.activate(function, queue);
    }

    /// Function, queue, context, bytes; charged.
    fn choose(&mut self) -> Option<(usize, usize, usize, u32)> {
        let Self {
            scheduler,
            ready,
            granules,
        } = self;
        let (function, queue, bytes) = scheduler.select(|function, queue| {
            let head = ready[function][queue].front();
            head.map_or(0, |context| granules[function][*context][0])
        })?;
        scheduler.charge(function, queue, bytes);
        Some((function, queue, ready[function][queue][0], bytes))
    }

    fn pop(&mut self, function: usize, queue: usize) {
        self.ready[function][queue].pop_front();
        if self.ready[function][queue].is_empty() {
            self.scheduler.deactivate(function, queue);
        }
    }
}

/// Sizes of granules as commands have them: few and large, many and small, now and then none.
fn granules(random: &mut Pcg64Mcg) -> VecDeque<u32> {
    let count = random.random_range(1..6);
    (0..count)
        .map(|_| match random.random_range(0..8) {
            0 => 0,
            1..3 => 512,
            3..6 => 4096,
            _ => random.random_range(1..=4096),
        })
        .collect()
}

/// How busy it is: one in so many cycles brings a context, and takes a granule.
fn run(seed: u64, push_every: u32, take_every: u32) {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let mut module = Module::new("fair_turns");
    module.reset();
    let mut oracle = Oracle::new();
    let mut free: Vec<(usize, usize)> = (0..FUNCTIONS)
        .flat_map(|function| (0..CONTEXTS).map(move |context| (function, context)))
        .collect();
    let mut chosen: Option<(usize, usize, usize, u32)> = None;
    // What the last cycle brought and took
    let mut pushed = None;
    let mut popped = None;
    let (mut choices, mut waited, mut lonely_since) = (0, 0, None);
    for cycle in 0..CYCLES {
        let valid = module.get("chosen_valid") == 1;
        if valid && chosen.is_none() {
            let row = module.get("chosen_row") as usize;
            let context = module.get("chosen_context") as usize;
            let (function, queue) = (row >> QUEUE_WIDTH, row & ((1 << QUEUE_WIDTH) - 1));
            assert_eq!(context >> 5, function, "seed {seed} cycle {cycle}");
            assert_eq!(context >> 4 & 1, 0, "seed {seed} cycle {cycle}");
            let bytes = module.get("chosen_bytes") as u32;
            chosen = Some((function, queue, context & 15, bytes));
            assert_eq!(chosen, oracle.choose(), "seed {seed} cycle {cycle}");
            choices += 1;
            if let Some(since) = lonely_since.take() {
                assert_eq!(cycle - since, 3, "seed {seed} cycle {cycle}");
            }
            waited = 0;
        }
        assert_eq!(valid, chosen.is_some(), "seed {seed} cycle {cycle}");
        if let Some((function, queue, context)) = pushed.take() {
            oracle.push(function, queue, context);
        }
        if let Some((function, queue)) = popped.take() {
            oracle.pop(function, queue);
        }
        if !valid && oracle.scheduler.is_active() {
            waited += 1;
            assert!(waited < 40, "seed {seed} cycle {cycle}: nobody's turn");
        }

        module.set("push_valid", 0);
        if !free.is_empty() && random.random_ratio(1, push_every) {
            let (function, context) = free.swap_remove(random.random_range(0..free.len()));
            let queue = random.random_range(1..QUEUES);
            if !oracle.scheduler.is_active() {
                lonely_since = Some(cycle);
            } else {
                // Another one may be looked at first.
                lonely_since = None;
            }
            oracle.granules[function][context] = granules(&mut random);
            module.set("push_valid", 1);
            module.set("push_row", (function << QUEUE_WIDTH | queue) as u64);
            module.set("push_context", (function << 5 | context) as u64);
            pushed = Some((function, queue, context));
        }
        let take = valid && random.random_ratio(1, take_every);
        module.set("take", take.into());
        module.set("take_last", 0);
        module.evaluate();
        // The cost that is asked for stands before what this cycle takes: it cannot be of the same context.
        if module.get("look_valid") == 1 {
            let context = module.get("look_context") as usize;
            let cost = oracle.granules[context >> 5][context & 15][0];
            module.set("look_cost", cost.into());
        }
        if let Some((function, queue, context, _)) = chosen.filter(|_| take) {
            let left = &mut oracle.granules[function][context];
            left.pop_front();
            if left.is_empty() {
                module.set("take_last", 1);
                free.push((function, context));
                popped = Some((function, queue));
            }
            chosen = None;
        }
        module.clock();
    }
    assert!(
        choices > CYCLES / 12 / (push_every.max(take_every)),
        "seed {seed}: {choices} choices"
    );
}

#[test]
fn turns_are_the_models_turns_when_all_are_busy() {
    run(1, 1, 1);
    run(2, 3, 20);
}

#[test]
fn turns_are_the_models_turns_when_few_are_busy() {
    run(3, 20, 1);
    run(4, 60, 10);
}
