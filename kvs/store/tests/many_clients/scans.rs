//! Scans of a store that others are changing.

use std::cell::Cell;
use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rdstore::page_store::PageStore;
use rdstore::testing::{MemoryOptions, MemoryPageStore};
use rdstore::{Client, Cursor, Error, Operation, Outcome, Ticket};

use crate::open;
use crate::support::fleet::turn;
use crate::support::sample;
use crate::support::seeds::each_seed;

#[test]
fn a_scan_shows_each_key_that_stays_exactly_once() {
    each_seed(40, |seed| {
        let options = MemoryOptions {
            seed,
            delay_ns: (500, 5_000),
            ..MemoryOptions::default()
        };
        let device = sample::device(12, options);
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let lasting: Vec<Vec<u8>> = (0..12)
            .map(|n| format!("lasting {n}").into_bytes())
            .collect();
        let passing: Vec<Vec<u8>> = (0..8)
            .map(|n| format!("passing {n}").into_bytes())
            .collect();
        let mut first = open(&device, seed);
        for key in &lasting {
            first
                .put(key, &vec![1; random.random_range(0..2000)])
                .unwrap();
        }
        let mut fleet = vec![
            Some(first),
            Some(open(&device, seed)),
            Some(open(&device, seed)),
        ];
        let mut scan: Option<Ticket> = None;
        let mut cursor = Cursor::START;
        let mut seen: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
        let mut passes = 0;
        while passes < 4 {
            for client in fleet.iter_mut().flatten().take(2) {
                if client.in_flight() < 3 {
                    let expires_unix_ms = None;
                    let value = vec![2; random.random_range(0..2500)];
                    let value = &value[..];
                    // Sizes change all the time, so that entries move between pages.
                    let operation = match random.random_range(0..4) {
                        0 => Operation::Delete {
                            key: &passing[random.random_range(0..8_usize)],
                        },
                        1 => {
                            let key = &passing[random.random_range(0..8_usize)][..];
                            Operation::Put {
                                key,
                                value,
                                expires_unix_ms,
                            }
                        }
                        _ => {
                            let key = &lasting[random.random_range(0..12_usize)][..];
                            Operation::Put {
                                key,
                                value,
                                expires_unix_ms,
                            }
                        }
                    };
                    client.submit(operation).unwrap();
                }
            }
            if scan.is_none() {
                let limit = random.random_range(1..8);
                let scanner = fleet[2].as_mut().unwrap();
                scan = Some(scanner.submit(Operation::Scan { cursor, limit }).unwrap());
            }
            turn(&device, &mut fleet, &mut random, |index, ticket, result| {
                if index != 2 || Some(ticket) != scan {
                    return;
                }
                let Outcome::Scanned(page) = result.unwrap() else {
                    panic!("not a scan")
                };
                scan = None;
                for entry in page.entries {
                    *seen.entry(entry.key).or_default() += 1;
                }
                cursor = page.next.unwrap_or_else(|| {
                    passes += 1;
                    for key in &lasting {
                        assert_eq!(seen.get(key), Some(&1), "{}", key.escape_ascii());
                    }
                    seen.clear();
                    Cursor::START
                });
            });
        }
    });
}

#[test]
fn a_cursor_that_no_scan_gave_is_harmless() {
    let device = sample::device(4, MemoryOptions::default());
    let mut client = open(&device, 0);
    for key in 0..20_u8 {
        client.put(&[key], &[key; 500]).unwrap();
    }
    let cursor = |page, hash| Cursor { page, hash };
    // Before the first page: as from the start. Within a page: no more than what is left.
    let all = client.scan(cursor(3, u64::MAX), 100).unwrap();
    assert_eq!((all.entries.len(), all.next), (20, None));
    let some = client.scan(cursor(17, u64::MAX / 2), 100).unwrap();
    assert!(some.entries.iter().all(|entry| all.entries.contains(entry)));
    // Behind the last page: nothing, and it is the end.
    for page in [20, 21, u64::MAX] {
        let none = client.scan(cursor(page, 0), 100).unwrap();
        assert_eq!((none.entries.len(), none.next), (0, None), "page {page}");
    }
    // A limit of nothing still makes progress.
    let one = client.scan(Cursor::START, 0).unwrap();
    assert_eq!(one.entries.len(), 1);
    assert_eq!(
        client.scan(Cursor::START, usize::MAX).unwrap().entries,
        all.entries
    );
}

/// A scan that read one page after the other took a round trip for each: 617 µs of simulated time
/// for fifty records.
#[test]
fn a_scan_keeps_some_reads_in_flight_and_few_are_in_vain() {
    let device = sample::device(64, MemoryOptions::default());
    let mut client = open(&device, 0);
    for key in 0..200_u8 {
        client.put(&[key], &[key; 400]).unwrap();
    }
    let mut scan = |limit| {
        let (before, begin_ns) = (client.stats().reads, device_ns(&client));
        client
            .submit(Operation::Scan {
                cursor: Cursor::START,
                limit,
            })
            .unwrap();
        let (mut outcomes, mut most) = (Vec::new(), 0);
        while client.poll(&mut outcomes) == 0 {
            most = most.max(client.store().in_flight());
            client.wait(u64::MAX);
        }
        assert_eq!(client.store().in_flight(), 0, "nothing is left behind");
        let Ok(Outcome::Scanned(page)) = outcomes.remove(0).1 else {
            panic!("not a scan")
        };
        let reads = client.stats().reads - before;
        (
            page.entries.len(),
            reads,
            device_ns(&client) - begin_ns,
            most,
        )
    };
    let (entries, reads, took_ns, most) = scan(usize::MAX);
    assert_eq!((entries, reads), (200, 64), "every page once");
    assert_eq!(most, 8, "reads in flight");
    assert!(took_ns < 20_000, "64 reads of 1 µs took {took_ns} ns");
    let (entries, reads, ..) = scan(1);
    assert_eq!((entries, reads), (1, 1), "nothing is read in vain");
    let (entries, reads, ..) = scan(50);
    assert_eq!(entries, 50);
    assert!(reads <= 26, "{reads} reads for about 16 pages");
}

fn device_ns(client: &Client<MemoryPageStore>) -> u64 {
    client.store().now_ns()
}

/// A read ahead that fails is nobody's loss: the scan reads the page again when it gets there.
#[test]
fn only_a_page_that_cannot_be_read_by_the_scan_itself_fails_it() {
    let (failed, whole) = (Cell::new(0), Cell::new(0));
    each_seed(40, |seed| {
        let options = MemoryOptions {
            seed,
            delay_ns: (500, 5_000),
            ..MemoryOptions::default()
        };
        let device = sample::device(32, options);
        let mut client = open(&device, seed);
        for key in 0..100_u8 {
            client.put(&[key], &[key; 400]).unwrap();
        }
        device.set_options(MemoryOptions {
            failed_per_million: 20_000,
            ..options
        });
        match client.scan(Cursor::START, usize::MAX) {
            Ok(page) => {
                assert_eq!(page.entries.len(), 100);
                whole.set(whole.get() + 1);
            }
            Err(error) => {
                assert!(matches!(error, Error::Device { .. }), "{error}");
                failed.set(failed.get() + 1);
            }
        }
        assert_eq!(client.store().in_flight(), 0, "nothing is left behind");
    });
    let (failed, whole) = (failed.get(), whole.get());
    assert!(whole > 10 && failed > 0, "{whole} whole, {failed} failed");
}
