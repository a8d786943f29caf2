//! Histories of random operations, judged by what a single register would have answered.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rdstore::testing::{MemoryDevice, MemoryOptions, MemoryPageStore};
use rdstore::{Client, FsckOptions, OpenOptions, Ticket, fsck};

use crate::open;
use crate::support::fleet::turn;
use crate::support::history::{Answer, Asked, Event};
use crate::support::sample;
use crate::support::seeds::each_seed;
use crate::support::versions::assert_atomic;

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
        let device = sample::device(pages, options);
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
        let Some(client) = &mut self.clients[index] else {
            return;
        };
        let ticket = client.submit(asked.of(&key)).unwrap();
        self.running.insert((index, ticket), self.events.len());
        self.now += 1;
        let (begin, end) = (self.now, u64::MAX);
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
