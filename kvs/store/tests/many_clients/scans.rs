//! Scans of a store that others are changing.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rdstore::testing::MemoryOptions;
use rdstore::{Cursor, Operation, Outcome, Ticket};

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
