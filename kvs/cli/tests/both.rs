//! The driver and the store on the cycle model in this process, and on the same model served by another:
//! the same lines, twice, and once more where that keeps no time. Only time may differ.

mod support;

use std::time::{Duration, Instant};

use nvme_driver::{Completion, CompletionMode, Outcome, QueueOptions, QueuePair};
use rdstore::Outcome::{Found, Mismatch, Stored};
use rdstore::{Client, FormatOptions, OpenOptions};
use rdstore_cli::machine::{
    DeviceDma, DeviceTransport, Machine, MachineOptions, MissingFile, queue_options,
};
use support::served::Served;

const PAGE: usize = 4096;
const FUNCTIONS: usize = 2;

type Pair = QueuePair<DeviceTransport>;

/// Runs a test on both.
fn on_both(test: fn(&Machine)) {
    test(&machine("model:?size=16MiB"));
    for (doorbells, option) in [("mapped", ""), ("trapped", ""), ("mapped", "&at_once=1")] {
        let served = Served::start(&format!(
            "--device model:?size=16MiB{option} --functions {FUNCTIONS} --doorbells {doorbells}"
        ));
        test(&machine(&served.uri()));
        // What a client leaves behind is nothing to the next one.
        test(&machine(&(served.uri() + "?poll=interrupt")));
    }
}

fn machine(uri: &str) -> Machine {
    let options = MachineOptions {
        missing_file: MissingFile::Refuse,
        functions: FUNCTIONS,
        trace: false,
    };
    Machine::open(&uri.parse().expect("a URI"), options).expect("opened")
}

fn pair(machine: &Machine, client: usize) -> Pair {
    machine
        .queue_pair(client, queue_options(63, machine.completion()))
        .expect("a queue pair")
}

/// All requests in flight, ended, in the order of their tags.
fn finish(pair: &mut Pair) -> Vec<Completion<DeviceDma>> {
    let (mut ended, began) = (Vec::new(), Instant::now());
    while pair.in_flight() > 0 {
        if pair.poll(&mut ended) == 0 {
            pair.wait(pair.now_ns() + 1_000_000_000);
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{} left",
            pair.in_flight()
        );
    }
    ended.sort_by_key(|completion| completion.tag);
    ended
}

fn fill(bytes: &mut [u8], seed: u64) {
    for (index, word) in bytes.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(
            &(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ index as u64).to_le_bytes(),
        );
    }
}

fn write(pair: &mut Pair, lba: u64, bytes: usize, seed: u64) {
    let mut buffer = pair.buffer(bytes).expect("a buffer");
    fill(&mut buffer, seed);
    pair.submit_write(lba, (bytes / PAGE) as u32, buffer, 0)
        .expect("room");
    assert_eq!(finish(pair)[0].result, Ok(Outcome::Done));
}

fn holds(pair: &mut Pair, lba: u64, bytes: usize, seed: u64) -> bool {
    let buffer = pair.buffer(bytes).expect("a buffer");
    pair.submit_read(lba, (bytes / PAGE) as u32, buffer, 0)
        .expect("room");
    let ended = finish(pair).remove(0);
    assert_eq!(ended.result, Ok(Outcome::Done));
    let mut expected = vec![0; bytes];
    fill(&mut expected, seed);
    *ended.buffer.expect("it comes back") == *expected
}

fn compare_and_write(pair: &mut Pair, lba: u64, old: u64, new: u64) -> Outcome {
    let (mut before, mut after) = (
        pair.buffer(PAGE).expect("one"),
        pair.buffer(PAGE).expect("two"),
    );
    fill(&mut before, old);
    fill(&mut after, new);
    pair.submit_compare_and_write(lba, 1, before, after, 0)
        .expect("room");
    finish(pair).remove(0).result.expect("ended")
}

#[test]
fn data_of_every_size_comes_back_on_every_function() {
    on_both(|machine| {
        for function in 0..FUNCTIONS {
            let mut own = pair(machine, function);
            let mut other = pair(machine, function + 1);
            let most = own.info().maximum_transfer_bytes as usize;
            for pages in [1, 2, 3, 8, 31, most / PAGE] {
                let seed = (function * 1000 + pages) as u64;
                write(&mut own, 64, pages * PAGE, seed);
                assert!(holds(&mut other, 64, pages * PAGE, seed), "{pages} pages");
            }
        }
    });
}

#[test]
fn pairs_change_what_they_compare_with_and_nothing_else() {
    on_both(|machine| {
        let mut pairs = [pair(machine, 0), pair(machine, 1)];
        let before = machine.own_counters().expect("counters");
        write(&mut pairs[0], 5, PAGE, 0);
        for round in 0..20 {
            let [one, other] = &mut pairs;
            assert_eq!(compare_and_write(one, 5, round, round + 1), Outcome::Done);
            assert_eq!(compare_and_write(other, 5, round, 99), Outcome::Miscompare);
            assert!(holds(other, 5, PAGE, round + 1));
            pairs.swap(0, 1);
        }
        let after = machine.own_counters().expect("counters");
        let pairs: u64 = after
            .iter()
            .zip(&before)
            .map(|(after, before)| after.pairs - before.pairs)
            .sum();
        assert_eq!(pairs, 40);
    });
}

#[test]
fn a_full_queue_ends_every_request_once() {
    on_both(|machine| {
        let mut pair = pair(machine, 1);
        for round in 0..5 {
            for tag in 0..u64::from(pair.capacity()) {
                let mut buffer = pair.buffer(PAGE).expect("a buffer");
                fill(&mut buffer, tag + round);
                pair.submit_write(100 + tag, 1, buffer, tag).expect("room");
            }
            let buffer = pair.buffer(PAGE).expect("a buffer");
            assert!(pair.submit_read(0, 1, buffer, 0).is_err(), "it is full");
            let ended = finish(&mut pair);
            let tags: Vec<u64> = ended.iter().map(|completion| completion.tag).collect();
            assert_eq!(tags, (0..u64::from(pair.capacity())).collect::<Vec<_>>());
            assert!(
                ended
                    .iter()
                    .all(|completion| completion.result == Ok(Outcome::Done))
            );
        }
        assert!(holds(&mut pair, 107, PAGE, 7 + 4));
        assert_eq!(pair.bogus_completions(), 0);
    });
}

#[test]
fn errors_of_the_device_name_it_and_what_was_asked() {
    on_both(|machine| {
        let mut pair = pair(machine, 0);
        let (buffer, end) = (pair.buffer(PAGE).expect("a buffer"), pair.info().blocks);
        pair.submit_read(end, 1, buffer, 0).expect("room");
        let error = finish(&mut pair)[0]
            .result
            .clone()
            .expect_err("beyond the end")
            .to_string();
        assert!(error.contains("LBA Out of Range"), "{error}");
        let device = machine.name().split('?').next().expect("a device");
        assert!(error.starts_with(device), "{error}");
    });
}

#[test]
fn a_reset_under_load_fails_what_is_in_flight_and_the_queues_go_on() {
    on_both(|machine| {
        let (mut pair, mut other) = (pair(machine, 0), pair(machine, 1));
        for round in 0..5 {
            for tag in 0..32 {
                let buffer = pair.buffer(8 * PAGE).expect("a buffer");
                pair.submit_read(tag * 8, 8, buffer, tag).expect("room");
            }
            pair.ring();
            machine
                .controller(0)
                .expect("there")
                .reset()
                .expect("reset");
            let ended = finish(&mut pair);
            assert_eq!(ended.len(), 32, "each comes back once");
            write(&mut pair, 7, PAGE, round);
            assert!(holds(&mut pair, 7, PAGE, round));
            assert!(
                holds(&mut other, 7, PAGE, round),
                "the other function noticed nothing"
            );
        }
    });
}

#[test]
fn an_interrupt_comes_with_a_completion() {
    on_both(|machine| {
        let options = QueueOptions {
            completion: CompletionMode::Msix,
            ..QueueOptions::default()
        };
        let mut pair = machine.queue_pair(0, options).expect("a queue pair");
        while pair.take_interrupt().expect("a vector") {}
        for _ in 0..10 {
            write(&mut pair, 3, PAGE, 1);
            let began = Instant::now();
            // The message may come a little later than the entry.
            while !pair.take_interrupt().expect("a vector") {
                pair.wait(pair.now_ns() + 1_000_000);
                assert!(began.elapsed() < Duration::from_secs(10), "no interrupt");
            }
        }
    });
}

#[test]
fn stores_hold_what_was_put_by_any_client() {
    on_both(|machine| {
        let pages = |client| {
            machine
                .pages(client, queue_options(255, machine.completion()))
                .expect("a queue pair")
        };
        let format = FormatOptions {
            force: true,
            ..FormatOptions::default()
        };
        rdstore::format(&mut pages(0), &format).expect("formatted");
        let mut clients: Vec<_> = (0..3)
            .map(|client| Client::open(pages(client), OpenOptions::default()).expect("opened"))
            .collect();
        for round in 0..30u32 {
            let (key, value) = ((round % 10).to_le_bytes(), [round as u8; 1000]);
            let written = clients[round as usize % 3]
                .put(&key, &value)
                .expect("put")
                .version();
            let other = &mut clients[(round as usize + 1) % 3];
            let found = other.get(&key).expect("got");
            assert!(
                matches!(&found, Found { value: there, version, .. } if *there == value && *version == written),
                "round {round}: {found:?}"
            );
            let swapped = other
                .compare_and_swap(&key, written, b"swapped")
                .expect("answered");
            assert!(
                matches!(swapped, Stored { version } if version > written),
                "{swapped:?}"
            );
            let stale = clients[0]
                .compare_and_swap(&key, written, b"late")
                .expect("answered");
            assert_eq!(
                stale,
                Mismatch {
                    version: swapped.version()
                }
            );
        }
        let report =
            rdstore::fsck(&mut pages(0), &rdstore::FsckOptions::default()).expect("walked");
        assert!(report.is_clean());
        assert_eq!(report.keys, 10);
    });
}
