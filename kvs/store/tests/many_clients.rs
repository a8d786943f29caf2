//! Many clients at once, by seed: every delay, lost race, unknown outcome and death.

mod support;

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rdstore::testing::{MemoryDevice, MemoryOptions, MemoryPageStore};
use rdstore::{
    Client, Cursor, FormatOptions, FsckOptions, OpenOptions, Operation, Outcome, Ticket, Version,
    format, fsck,
};
use support::fleet::turn;
use support::history::{Answer, Asked, Event};
use support::seeds::each_seed;
use support::versions::assert_atomic;

fn open(device: &MemoryDevice, seed: u64) -> Client<MemoryPageStore> {
    Client::open(
        device.handle(),
        OpenOptions {
            seed,
            ..OpenOptions::default()
        },
    )
    .unwrap()
}

/// Random operations of several clients, written down.
struct Campaign {
    device: MemoryDevice,
    clients: Vec<Option<Client<MemoryPageStore>>>,
    running: BTreeMap<(usize, Ticket), usize>,
    events: Vec<Event>,
    /// What each client saw last of each key.
    versions: BTreeMap<(usize, u32), u64>,
    random: Pcg64Mcg,
    now: u64,
    keys: u32,
    most_bytes: usize,
    unknown: u64,
    resolved: u64,
    miscompares: u64,
}

impl Campaign {
    fn new(seed: u64) -> Self {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let pages = random.random_range(2..10_usize);
        let options = MemoryOptions {
            seed,
            ..MemoryOptions::default()
        };
        let device = MemoryDevice::new((16 + pages) * 4096, options);
        format(
            &mut device.handle(),
            &FormatOptions {
                seed,
                ..FormatOptions::default()
            },
        )
        .unwrap();
        let clients = (0..random.random_range(2..6))
            .map(|_| Some(open(&device, seed)))
            .collect();
        let keys = random.random_range(1..12);
        let most_bytes = [60, 700, 3500][random.random_range(0..3_usize)];
        Self {
            device,
            clients,
            running: BTreeMap::new(),
            events: Vec::new(),
            versions: BTreeMap::new(),
            random,
            now: 0,
            keys,
            most_bytes,
            unknown: 0,
            resolved: 0,
            miscompares: 0,
        }
    }

    fn submit(&mut self, index: usize) {
        let number = self.random.random_range(0..self.keys);
        let key = format!("key {number}").into_bytes();
        let mut value = self.events.len().to_le_bytes().to_vec();
        value.resize(8 + self.random.random_range(0..=self.most_bytes), 0);
        let expected = self.versions.get(&(index, number)).copied().unwrap_or(1);
        let asked = match self.random.random_range(0..100) {
            0..35 => Asked::Get,
            35..60 => Asked::Put(value),
            60..70 => Asked::Add(value),
            70..85 => Asked::Delete,
            _ => Asked::Swap(expected, value),
        };
        let key = &key[..];
        let expires_unix_ms = None;
        let operation = match &asked {
            Asked::Get => Operation::Get { key },
            Asked::Put(value) => Operation::Put {
                key,
                value,
                expires_unix_ms,
            },
            Asked::Add(value) => Operation::Add {
                key,
                value,
                expires_unix_ms,
            },
            Asked::Delete => Operation::Delete { key },
            Asked::Swap(expected, value) => {
                let expected = Version(*expected);
                Operation::CompareAndSwap {
                    key,
                    expected,
                    value,
                    expires_unix_ms,
                }
            }
        };
        let Some(client) = &mut self.clients[index] else {
            return;
        };
        let ticket = client.submit(operation).unwrap();
        self.running.insert((index, ticket), self.events.len());
        self.now += 1;
        let (begin, end, key) = (self.now, u64::MAX, key.to_vec());
        self.events.push(Event {
            key,
            asked,
            answer: Answer::Unknown,
            begin,
            end,
        });
    }

    fn turn(&mut self) {
        turn(
            &self.device,
            &mut self.clients,
            &mut self.random,
            |index, ticket, result| {
                let event = self
                    .running
                    .remove(&(index, ticket))
                    .expect("it was submitted");
                self.now += 1;
                let answer = Answer::of(&result);
                if let Ok(outcome) = &result {
                    let key = std::str::from_utf8(&self.events[event].key).unwrap();
                    let number = key["key ".len()..].parse().unwrap();
                    self.versions.insert((index, number), outcome.version().0);
                }
                self.unknown += u64::from(answer == Answer::Unknown);
                // A look-up that failed saw nothing; an unknown change may still take effect.
                let open = answer == Answer::Unknown;
                self.events[event].answer = answer;
                self.events[event].end = if open { u64::MAX } else { self.now };
            },
        );
    }

    fn kill(&mut self, index: usize, seed: u64) {
        let Some(client) = self.clients[index].take() else {
            return;
        };
        self.count(&client);
        use rdstore::page_store::PageStore;
        if self.random.random_range(0..2) == 0 {
            self.device.drop_pending(client.store().number());
        }
        assert!(client.store().in_flight() < 1000);
        drop(client);
        self.running.retain(|(of, _), _| *of != index);
        // Opening meets the same faults.
        let options = OpenOptions {
            seed,
            ..OpenOptions::default()
        };
        let mut attempts = (0..20).map(|_| Client::open(self.device.handle(), options));
        self.clients[index] = attempts.find_map(Result::ok);
        assert!(
            self.clients[index].is_some(),
            "twenty attempts at opening failed"
        );
    }

    fn count(&mut self, client: &Client<MemoryPageStore>) {
        self.resolved += client.stats().unknown_resolved;
        self.miscompares += client.stats().miscompares;
    }

    fn run(&mut self, operations: usize, deaths: bool) {
        let depth = self.random.random_range(1..6);
        while self.events.len() < operations {
            for index in 0..self.clients.len() {
                let in_flight = self.clients[index].as_ref().map_or(0, Client::in_flight);
                if in_flight < depth && self.random.random_range(0..3) == 0 {
                    self.submit(index);
                }
            }
            self.turn();
            if deaths && self.random.random_range(0..300) == 0 {
                let index = self.random.random_range(0..self.clients.len());
                let seed = self.random.random();
                self.kill(index, seed);
            }
        }
        while !self.running.is_empty() {
            self.turn();
        }
    }

    /// Reads everything once more, and judges.
    fn judge(&mut self) {
        for client in self
            .clients
            .iter_mut()
            .filter_map(Option::take)
            .collect::<Vec<_>>()
        {
            self.count(&client);
        }
        self.device.set_options(MemoryOptions::default());
        while self.device.advance() {}
        let report = fsck(&mut self.device.handle(), &FsckOptions::default()).unwrap();
        assert!(report.is_clean(), "{:?}", report.violations);
        let mut reader = open(&self.device, 0);
        for number in 0..self.keys {
            let key = format!("key {number}").into_bytes();
            let answer = Answer::of(&reader.get(&key));
            self.now += 2;
            let (begin, end) = (self.now - 1, self.now);
            self.events.push(Event {
                key,
                asked: Asked::Get,
                answer,
                begin,
                end,
            });
        }
        assert_atomic(&self.events);
    }
}

#[test]
fn histories_of_clients_that_race_are_atomic() {
    let miscompares = std::cell::Cell::new(0);
    each_seed(150, |seed| {
        let mut campaign = Campaign::new(seed);
        let delay_ns = (500, 5_000);
        campaign.device.set_options(MemoryOptions {
            seed,
            delay_ns,
            ..MemoryOptions::default()
        });
        campaign.run(400, false);
        campaign.judge();
        assert_eq!(campaign.unknown, 0);
        miscompares.set(miscompares.get() + campaign.miscompares);
    });
    assert!(
        miscompares.get() > 1000,
        "the races are the point: {miscompares:?}"
    );
}

#[test]
fn histories_with_unknown_outcomes_failures_and_deaths_are_atomic() {
    let (unknown, resolved) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    each_seed(150, |seed| {
        let mut campaign = Campaign::new(seed);
        campaign.device.set_options(MemoryOptions {
            seed,
            delay_ns: (500, 5_000),
            unknown_per_million: 50_000,
            failed_per_million: 5_000,
            ..MemoryOptions::default()
        });
        campaign.run(400, true);
        campaign.judge();
        unknown.set(unknown.get() + campaign.unknown);
        resolved.set(resolved.get() + campaign.resolved);
    });
    println!(
        "{} outcomes stayed unknown, {} were resolved",
        unknown.get(),
        resolved.get()
    );
    assert!(resolved.get() > 1000, "{resolved:?}");
    assert!(unknown.get() * 10 < resolved.get(), "most can be told");
}

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
    let device = MemoryDevice::new((16 + 64) * 4096, options);
    format(
        &mut device.handle(),
        &FormatOptions {
            seed,
            ..FormatOptions::default()
        },
    )
    .unwrap();
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

#[test]
fn a_scan_shows_each_key_that_stays_exactly_once() {
    each_seed(40, |seed| {
        let options = MemoryOptions {
            seed,
            delay_ns: (500, 5_000),
            ..MemoryOptions::default()
        };
        let device = MemoryDevice::new((16 + 12) * 4096, options);
        format(
            &mut device.handle(),
            &FormatOptions {
                seed,
                ..FormatOptions::default()
            },
        )
        .unwrap();
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
