//! Counters that several clients raise by compare-and-swap.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rdstore::testing::MemoryOptions;
use rdstore::{Client, FsckOptions, Operation, Outcome, Ticket, fsck};

use crate::open;
use crate::support::fleet::turn;
use crate::support::sample;

#[test]
fn no_increment_of_a_counter_is_lost() {
    for clients in 2..=7_usize {
        count_up(clients, 1_000, 3_000);
    }
}

fn count_up(clients: usize, counters: u32, increments: u64) {
    let seed = clients as u64;
    let options = MemoryOptions {
        seed,
        delay_ns: (500, 3_000),
        ..MemoryOptions::default()
    };
    let device = sample::device(64, options);
    let mut fleet: Vec<_> = (0..clients).map(|_| Some(open(&device, seed))).collect();
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let mut running: BTreeMap<(usize, Ticket), (u32, Option<u64>)> = BTreeMap::new();
    let key = |counter: u32| format!("counter {counter}").into_bytes();
    let mut ready: Vec<(usize, u32, Option<Outcome>)> = Vec::new();
    let mut begun = vec![0; clients];
    let mut done = 0;
    while done < increments * clients as u64 {
        for (index, begun) in begun.iter_mut().enumerate() {
            let busy = fleet[index].as_ref().map_or(0, Client::in_flight) >= 8;
            if !busy && *begun < increments {
                *begun += 1;
                // Skewed, so that the races are many.
                let most = random.random_range(0..counters);
                let counter = random.random_range(0..=most);
                ready.push((index, counter, None));
            }
        }
        for (index, counter, found) in ready.drain(..) {
            let client = fleet[index].as_mut().unwrap();
            let key = key(counter);
            let (key, expires_unix_ms) = (&key[..], None);
            let (value, ticket);
            let next = match found {
                None => {
                    ticket = client.submit(Operation::Get { key });
                    None
                }
                Some(Outcome::Found {
                    version,
                    value: old,
                    ..
                }) => {
                    let next = u64::from_le_bytes(old.try_into().unwrap()) + 1;
                    value = next.to_le_bytes();
                    let (expected, value) = (version, &value[..]);
                    ticket = client.submit(Operation::CompareAndSwap {
                        key,
                        expected,
                        value,
                        expires_unix_ms,
                    });
                    Some(next)
                }
                Some(_) => {
                    value = 1_u64.to_le_bytes();
                    let value = &value[..];
                    ticket = client.submit(Operation::Add {
                        key,
                        value,
                        expires_unix_ms,
                    });
                    Some(1)
                }
            };
            running.insert((index, ticket.unwrap()), (counter, next));
        }
        turn(&device, &mut fleet, &mut random, |index, ticket, result| {
            let (counter, next) = running.remove(&(index, ticket)).unwrap();
            match (next, result.unwrap()) {
                (None, outcome) => ready.push((index, counter, Some(outcome))),
                (Some(_), Outcome::Stored { .. }) => done += 1,
                (Some(_), _) => ready.push((index, counter, None)),
            }
        });
    }
    let mut reader = open(&device, seed);
    let sum: u64 = (0..counters)
        .map(|counter| match reader.get(&key(counter)).unwrap() {
            Outcome::Found { value, .. } => u64::from_le_bytes(value.try_into().unwrap()),
            _ => 0,
        })
        .sum();
    assert_eq!(sum, increments * clients as u64, "{clients} clients");
    assert!(
        device.counters().miscompares > 0,
        "{clients} clients never met"
    );
    assert!(
        fsck(&mut device.handle(), &FsckOptions::default())
            .unwrap()
            .is_clean()
    );
}
