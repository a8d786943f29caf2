//! Devices and hosts by seed.

use pcie_host::{Delivery, HostOptions};
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use super::Limits;
use crate::script::{FunctionSetup, Mix, Setup};

/// Bytes of the namespace.
const MEDIUM_BYTES: u64 = 4 << 20;

fn choose<T: Copy>(random: &mut Pcg64Mcg, among: &[T]) -> T {
    among[random.random_range(0..among.len())]
}

pub(super) fn setup(random: &mut Pcg64Mcg, seed: u64, limits: &Limits) -> Setup {
    let mix = if random.random_bool(0.3) {
        Mix::Conflicting
    } else {
        Mix::ConflictFree
    };
    let functions = choose(random, &[1, 1, 2, 2, 3, 3, 4, 5, 7, 7]);
    let functions = functions.min(limits.functions.unwrap_or(usize::MAX)).max(1);
    let block_bytes = choose(random, &[4096, 4096, 4096, 512]);
    let most_queues = choose(random, &[1, 2, 4, 4]);
    let stalls = limits.stalls.unwrap_or_else(|| random.random_bool(0.25));
    Setup {
        mix,
        block_bytes,
        blocks: MEDIUM_BYTES / u64::from(block_bytes),
        functions: (0..functions)
            .map(|_| function(random, most_queues))
            .collect(),
        host: host(random, seed, stalls),
        mem_cycles: choose(random, &[25, 25, 25, 12, 60]),
        write_response_cycles: choose(random, &[25, 25, 25, 3, 60]),
        polling_cycles: choose(random, &[16, 32, 64]),
        stalls: stalls.then_some(seed),
    }
}

fn function(random: &mut Pcg64Mcg, most_queues: u16) -> FunctionSetup {
    let queues = random.random_range(1..=most_queues);
    let completion_queues = random.random_range(1..=queues);
    let entries = |random: &mut Pcg64Mcg, least: u32| match random.random_range(0..3) {
        0 => random.random_range(least..8),
        1 => random.random_range(8..32),
        _ => 64,
    };
    FunctionSetup {
        admin_entries: random.random_range(4..33),
        // Of two slots, a queue takes one entry; of three, a pair.
        completion_queues: (0..completion_queues).map(|_| entries(random, 2)).collect(),
        submission_queues: (1..=queues)
            .map(|queue| {
                let completion = if queue <= completion_queues {
                    queue
                } else {
                    random.random_range(1..=completion_queues)
                };
                (entries(random, 4), completion)
            })
            .collect(),
        interrupts: random.random_bool(0.5),
    }
}

fn host(random: &mut Pcg64Mcg, seed: u64, stalls: bool) -> HostOptions {
    let max_read_request_bytes = choose(random, &[128, 256, 512, 512, 512, 1024, 2048, 4096]);
    let completion_split_bytes = choose(random, &[64, 64, 128, 256, 256, 512, 4096]);
    let boundary_bytes = if completion_split_bytes >= 128 {
        128
    } else {
        64
    };
    let (mut completion_space_bytes, mut completion_space_headers) = (15_872, 64);
    if random.random_bool(0.2) {
        // Space for one read only makes a queue of the whole device: where cycles are compared there is
        // some for two.
        let reads = if stalls { 1 } else { 2 };
        let least = reads * max_read_request_bytes;
        completion_space_bytes = random.random_range(least..=least.max(8192)) & !3;
        let least = reads * (max_read_request_bytes / boundary_bytes + 1);
        completion_space_headers = random.random_range(least..=least.max(64));
    } else {
        completion_space_headers =
            completion_space_headers.max(max_read_request_bytes / boundary_bytes + 1);
    }
    HostOptions {
        rtt_cycles: choose(random, &[70, 70, 70, 20, 35, 140, 400]),
        max_payload_bytes: choose(random, &[128, 256, 256, 512]),
        max_read_request_bytes,
        completion_split_bytes,
        completion_space_bytes,
        completion_space_headers,
        software_cycles: choose(random, &[1, 10, 25]),
        reset_ends_reads: random.random_bool(0.7),
        seed,
        // As the Verilog has it: completion space is free again with each completion.
        delivery: Delivery::EachCompletion,
        ..HostOptions::default()
    }
}
