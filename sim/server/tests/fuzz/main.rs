//! Clients that send whatever they like, by seed: the server does not panic, leak or stall, and a
//! client at another function never notices.
//!
//! 20,000 messages, or a million with `RDSTORE_FULL=1`; `RDSTORE_SEED` names another seed.

#[path = "../server/client.rs"]
#[expect(dead_code, reason = "shared with the tests of single messages")]
mod client;
mod malice;
#[path = "../server/memory.rs"]
#[expect(dead_code, reason = "shared with the tests of single messages")]
mod memory;
#[path = "../server/rig.rs"]
#[expect(dead_code, reason = "shared with the tests of single messages")]
mod rig;

use std::path::Path;

use nvme_spec::Status;
use nvme_spec::opcode::nvm;
use rand::SeedableRng;
use rand_pcg::Pcg64;

use client::{Client, DATA};
use malice::Malice;
use rig::Rig;

/// Messages of one connection, at most.
const MESSAGES_A_CONNECTION: usize = 200;
/// What the process may have grown by in the end: the allocator's own slack.
const GROWTH_BYTES: u64 = 64 << 20;

/// What a process holds that could leak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Holdings {
    descriptors: usize,
    shared_maps: usize,
}

fn holdings() -> Holdings {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    Holdings {
        // The listing has a descriptor of its own, always.
        descriptors: std::fs::read_dir("/proc/self/fd").unwrap().count(),
        shared_maps: maps.lines().filter(|line| line.contains("memfd:")).count(),
    }
}

fn resident_bytes() -> u64 {
    let statistics = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statistics
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    pages * 4096
}

/// The server has given back what its client had: an honest client can use the function.
fn settle(socket: &Path) {
    let mut client = Client::connect_retrying(socket);
    client.bring_up(true);
    let read = Client::transfer(nvm::READ, 1, DATA);
    assert_eq!(client.run(1, read), Status::SUCCESS);
}

#[test]
fn no_message_makes_it_panic_leak_or_stall() {
    let full = std::env::var("RDSTORE_FULL").is_ok_and(|value| value == "1");
    let messages = if full { 1_000_000 } else { 20_000 };
    let seed = std::env::var("RDSTORE_SEED").map_or(1, |seed| seed.parse().unwrap());
    println!("RDSTORE_SEED={seed}, {messages} messages");
    let rig = Rig::new(2);
    let (pf, vf0) = (rig.socket("pf"), rig.socket("vf0"));
    let mut witness = Client::connect(&vf0);
    witness.map_doorbells();
    witness.bring_up(true);
    settle(&pf);
    let (mut before, mut resident) = (holdings(), resident_bytes());
    let mut random = Pcg64::seed_from_u64(seed);
    let (mut sent, mut connections) = (0, 0_u64);
    while sent < messages {
        let mut malice = Malice::connect(&pf, &mut random);
        sent += malice.misbehave(&mut random, MESSAGES_A_CONNECTION);
        drop(malice);
        connections += 1;
        let read = Client::transfer(nvm::READ, connections % 1000, DATA);
        assert_eq!(witness.run(1, read), Status::SUCCESS);
        if connections == 50 {
            // By now everything that is made once has been made.
            settle(&pf);
            (before, resident) = (holdings(), resident_bytes());
        }
    }
    settle(&pf);
    wait_for(&pf, before);
    let grown = resident_bytes().saturating_sub(resident);
    assert!(
        grown < GROWTH_BYTES,
        "{grown} bytes more than in the beginning"
    );
    println!("{sent} messages in {connections} connections");
}

/// The server needs a moment to see that the last client has gone.
fn wait_for(socket: &Path, expected: Holdings) {
    for _ in 0..1000 {
        settle(socket);
        if holdings() == expected {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(holdings(), expected, "after everybody has gone");
}
