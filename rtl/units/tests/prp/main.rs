//! The PRP walker and its memory against hosts that answer in any order, in pieces, or not at all: every
//! command's pages are found as NVMe 1.1 §4.3 has them, and no read asks for more than it should.
#![cfg(feature = "verilator")]

mod bench;
mod commands;
mod host;

use bench::{Bench, FUNCTIONS};
use rand::RngExt;

const CYCLES: u32 = 60_000;

/// Commands, wrong entries, failed reads: one in so many. Functions go away and come back, now and then
/// all of them at once, with all reads lost.
fn run(seed: u64, most_bytes: u64, start_every: u32, wrong_every: u32, resets: bool) {
    let mut bench = Bench::new(seed);
    bench.walker.set("most_bytes", most_bytes);
    let (mut gone, mut forget) = (0u64, false);
    let mut last_start = 0;
    for cycle in 0..CYCLES {
        if resets && bench.random.random_ratio(1, 200) {
            forget = bench.random.random_ratio(1, 4);
            gone = if forget {
                (1 << FUNCTIONS) - 1
            } else {
                bench.random.random_range(0..1 << FUNCTIONS)
                    & bench.random.random_range(0..1 << FUNCTIONS)
            };
        }
        for (context, command) in &mut bench.commands {
            command.was_gone |= gone >> (context >> 5) & 1 == 1;
        }
        bench.walker.set("gone", gone);
        bench.walker.set("forget", forget.into());
        if forget {
            // Whatever was asked for does not come.
            bench.reads.clear();
            bench.beats.clear();
            for command in bench.commands.values_mut() {
                command.reading = false;
            }
        }
        bench.look(cycle);
        let ended = bench.come(wrong_every * 4);
        let unsent = bench.drop_unsent(gone);
        bench.walker.set("start_valid", 0);
        // Contexts are not used again before their pages have been looked up.
        let draining = cycle > CYCLES - 5_000;
        if !forget
            && !draining
            && cycle - last_start >= 4
            && bench.lookups.is_empty()
            && bench.looked.is_empty()
            && bench.random.random_ratio(1, start_every)
        {
            last_start = cycle;
            bench.start(wrong_every);
        }
        bench
            .walker
            .set("list_ready", bench.random.random_ratio(1, 2).into());
        bench
            .walker
            .set("walked_ready", bench.random.random_ratio(3, 4).into());
        bench.walker.evaluate();
        for port in ["head_valid", "head_context", "head_set", "head_listed"] {
            let value = bench.walker.get(port);
            bench.memory.set(port, value);
        }
        let pages = bench.walker.get_bytes("head_pages");
        bench.memory.set_bytes("head_pages", &pages);
        if bench.walker.get("list_valid") == 1 {
            let function = bench.walker.get("list_context") >> 5;
            assert_eq!(gone >> function & 1, 0, "cycle {cycle}: a read for nobody");
            if bench.walker.get("list_ready") == 1 {
                bench.take_read(most_bytes);
            }
        }
        if bench.walker.get("walked_valid") == 1 && bench.walker.get("walked_ready") == 1 {
            bench.finish(cycle, gone);
        }
        if let Some((read, failed)) = ended {
            bench.note_end(&read, failed);
        }
        if let Some(read) = unsent {
            bench.note_end(&read, true);
        }
        if bench.beats.len() < 4 {
            bench.answer();
        }
        bench.walker.clock();
        bench.memory.clock();
    }
    assert!(
        bench.commands.is_empty(),
        "seed {seed}: {:#x?} never come out",
        bench.commands
    );
    println!(
        "seed {seed}: {} commands, {} pairs, {} pointers, {} failed",
        bench.walked, bench.pairs, bench.chained, bench.failed
    );
    let least = CYCLES / 200;
    assert!(
        bench.walked > least && bench.pairs > least / 4,
        "seed {seed}"
    );
    assert!(bench.chained > 50 && bench.failed > 10, "seed {seed}");
}

#[test]
fn lists_are_walked_as_the_standard_has_them() {
    run(11, 512, 2, 40, false);
    run(12, 128, 1, 40, false);
    run(13, 4096, 10, 10, false);
    run(14, 192, 2, 100, false);
}

#[test]
fn a_reset_ends_the_walks_of_its_function_and_no_others() {
    run(15, 512, 2, 60, true);
    run(16, 256, 1, 60, true);
}
