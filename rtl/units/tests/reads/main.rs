//! The read path and its sender against a memory that answers in any order, with errors, and hosts that
//! take what comes at their own pace: every byte goes where it belongs, once, and every command ends once.
#![cfg(feature = "verilator")]

mod bench;
mod commands;
mod link;
mod memory;

use bench::{Bench, FUNCTIONS, Traffic};
use rand::RngExt;

const CYCLES: u32 = 60_000;
/// Cycles in which all must have ended after that.
const MOST_CYCLES: u32 = 400_000;

fn run(traffic: Traffic) {
    let mut bench = Bench::new(traffic);
    let seed = traffic.seed;
    for cycle in 0..CYCLES + MOST_CYCLES {
        if cycle > CYCLES && bench.commands.is_empty() {
            break;
        }
        if traffic.reset_every > 0 && bench.random.random_ratio(1, traffic.reset_every) {
            bench.gone = bench.random.random_range(0..1 << FUNCTIONS)
                & bench.random.random_range(0..1 << FUNCTIONS);
        }
        bench.reader.set("gone", bench.gone);
        for (context, command) in &mut bench.commands {
            command.was_gone |= bench.gone >> (context >> 5) & 1 == 1;
        }
        if cycle < CYCLES {
            bench.start();
        } else {
            bench.reader.set("start_valid", 0);
        }
        let ready = bench.random.random_ratio(traffic.ready_of_4, 4);
        let takes = bench.random.random_ratio(3, 4);
        bench.reader.set("m_axi_arready", takes.into());
        bench.sender.set("data_ready", ready.into());
        let Bench {
            memory,
            reader,
            sender,
            random,
            ..
        } = &mut bench;
        let beat = memory.drive(reader, sender, random, cycle, traffic.bad_every);
        bench.answer();
        bench.note_granule();
        if let Some(beat) = beat {
            bench.note_beat(&beat);
        }
        if takes && bench.reader.get("m_axi_arvalid") == 1 {
            let burst = bench.memory.take(&bench.reader, &mut bench.random, cycle);
            bench.note_burst(burst);
        }
        let most_dwords = 32 << traffic.max_payload;
        if let Some(tlp) = bench.link.take(&bench.sender, ready, most_dwords) {
            bench.receive(&tlp);
        }
        bench.note_ends();
        bench.clock();
    }
    assert!(
        bench.commands.is_empty(),
        "seed {seed}: {:#x?} never end",
        bench.commands
    );
    println!(
        "seed {seed}: {} sent, {} bytes, {} failed, {} compared, {} differ",
        bench.sent, bench.bytes, bench.failed, bench.compared, bench.differing
    );
    assert!(bench.sent > 40 && bench.compared > 20, "seed {seed}");
    let fails = traffic.reset_every > 0 || traffic.bad_every < 100_000;
    assert!(!fails || bench.failed > 5, "seed {seed}");
}

const QUIET: Traffic = Traffic {
    seed: 0,
    max_payload: 1,
    start_every: 40,
    bad_every: 1_000_000_000,
    reset_every: 0,
    ready_of_4: 4,
};

#[test]
fn every_byte_goes_where_it_belongs() {
    run(Traffic { seed: 21, ..QUIET });
    run(Traffic {
        seed: 22,
        max_payload: 0,
        start_every: 10,
        ready_of_4: 3,
        ..QUIET
    });
    run(Traffic {
        seed: 23,
        max_payload: 5,
        start_every: 300,
        ..QUIET
    });
}

#[test]
fn a_bad_response_ends_its_command_and_no_other() {
    run(Traffic {
        seed: 24,
        bad_every: 2_000,
        ..QUIET
    });
    run(Traffic {
        seed: 25,
        bad_every: 300,
        ready_of_4: 1,
        ..QUIET
    });
}

#[test]
fn a_reset_ends_the_commands_of_its_function() {
    run(Traffic {
        seed: 26,
        reset_every: 500,
        ..QUIET
    });
    run(Traffic {
        seed: 27,
        bad_every: 1_000,
        reset_every: 200,
        ready_of_4: 2,
        ..QUIET
    });
}
