//! One client against a map that knows what must be there: every operation, keys and values of
//! all sizes, stores so small that pages overflow and fill up all the time.

mod support;

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rdstore::page_store::PageStore;
use rdstore::testing::{MemoryDevice, MemoryOptions, MemoryPageStore};
use rdstore::{
    Client, Cursor, Error, FormatOptions, FsckOptions, OpenOptions, Operation, Outcome, Version,
    format, fsck,
};
use support::seeds::each_seed;

/// Milliseconds since 1970 when the store is opened.
const OPENED_MS: u64 = 1_700_000_000_000;

#[derive(Clone, Debug)]
struct Expected {
    value: Vec<u8>,
    version: Version,
    expires: Option<u64>,
}

struct Shadow {
    device: MemoryDevice,
    client: Client<MemoryPageStore>,
    entries: BTreeMap<Vec<u8>, Expected>,
    /// The highest version any operation on the key has shown.
    versions: BTreeMap<Vec<u8>, Version>,
    random: Pcg64Mcg,
    page_bytes: usize,
    pages: usize,
    opened_ns: u64,
    capacity_bytes: usize,
    keys: u32,
    full: u32,
}

impl Shadow {
    fn new(seed: u64) -> Self {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let page_bytes = [4096, 8192, 16384][random.random_range(0..3_usize)];
        let pages = random.random_range(2..7_usize);
        let delay_ns = (1_000, 1_000);
        let device = MemoryDevice::new(
            (64 << 10) + pages * page_bytes,
            MemoryOptions {
                seed,
                delay_ns,
                ..MemoryOptions::default()
            },
        );
        let options = FormatOptions {
            page_bytes: u32::try_from(page_bytes).unwrap(),
            seed,
            ..FormatOptions::default()
        };
        format(&mut device.handle(), &options).unwrap();
        let options = OpenOptions {
            unix_ms: OPENED_MS,
            seed,
            ..OpenOptions::default()
        };
        let client = Client::open(device.handle(), options).unwrap();
        let opened_ns = client.store().now_ns();
        let capacity_bytes = pages * (page_bytes - 256);
        let keys = random.random_range(2..40);
        Self {
            device,
            client,
            entries: BTreeMap::new(),
            versions: BTreeMap::new(),
            random,
            page_bytes,
            pages,
            opened_ns,
            capacity_bytes,
            keys,
            full: 0,
        }
    }

    fn now_ms(&self) -> u64 {
        OPENED_MS + (self.client.store().now_ns() - self.opened_ns) / 1_000_000
    }

    fn key(&mut self) -> Vec<u8> {
        let number = self.random.random_range(0..self.keys);
        // Some keys are long, and bytes are arbitrary.
        let len = 1 + (number as usize * 37) % 255;
        let mut key = vec![(number % 251) as u8; len];
        key[len - 1] = (number * 7 % 256) as u8;
        key[0] = (number % 256) as u8;
        key
    }

    fn value(&mut self, key: &[u8]) -> Vec<u8> {
        let most = self.client.max_value_bytes(key.len());
        let len = match self.random.random_range(0..10) {
            0 => 0,
            1 => most,
            2..=4 => self.random.random_range(0..=most),
            _ => self.random.random_range(0..=self.page_bytes / 8),
        };
        let mut value = vec![0; len];
        self.random.fill(&mut value[..]);
        value
    }

    /// What must be there now.
    fn live(&self, key: &[u8]) -> Option<&Expected> {
        let now_ms = self.now_ms();
        self.entries
            .get(key)
            .filter(|entry| entry.expires.is_none_or(|at| at > now_ms))
    }

    fn used_bytes(&self) -> usize {
        self.entries
            .iter()
            .map(|(key, entry)| 72 + key.len() + entry.value.len())
            .sum()
    }

    /// Versions never go back, and a change is above everything seen before.
    fn note(&mut self, key: &[u8], version: Version, changed: bool) {
        let last = self.versions.entry(key.to_vec()).or_default();
        if changed {
            assert!(version > *last, "{version} after {last}");
        } else {
            assert!(version >= *last, "{version} after {last}");
        }
        *last = version;
    }

    fn step(&mut self) {
        let key = self.key();
        match self.random.random_range(0..100) {
            0..30 => self.get(&key),
            30..55 => self.write(&key, 0),
            55..65 => self.write(&key, 1),
            65..75 => self.write(&key, 2),
            75..92 => self.delete(&key),
            92..96 => self.device.pass(self.random.random_range(0..40_000_000)),
            96..98 => self.scan(),
            _ => self.multi_get(),
        }
    }

    fn get(&mut self, key: &[u8]) {
        let before = self.live(key).cloned();
        let outcome = self.client.get(key).unwrap();
        self.check_found(key, before, &outcome);
    }

    fn check_found(&mut self, key: &[u8], before: Option<Expected>, outcome: &Outcome) {
        match (before, &outcome) {
            (
                Some(expected),
                Outcome::Found {
                    version,
                    value,
                    expires_unix_ms,
                },
            ) => {
                assert_eq!(*version, expected.version);
                assert!(*value == expected.value, "another value");
                assert_eq!(*expires_unix_ms, expected.expires);
            }
            // It may end between the look at the map and the look at the page.
            (Some(expected), Outcome::Missing { .. }) if expected.expires.is_some() => {
                assert!(self.live(key).is_none());
            }
            (None, Outcome::Missing { .. }) => {}
            (before, outcome) => panic!("{outcome:?}, expected {before:?}"),
        }
        self.note(key, outcome.version(), false);
    }

    /// Put (0), add (1) or compare-and-swap (2).
    fn write(&mut self, key: &[u8], kind: u32) {
        let value = self.value(key);
        let expires_unix_ms = (self.random.random_range(0..4) == 0)
            .then(|| self.now_ms() + self.random.random_range(1..50));
        let before = self.live(key).cloned();
        let known = before.as_ref().map_or(Version(1), |entry| entry.version);
        let wrong = self.random.random_range(0..3) == 0;
        let expected = if wrong {
            Version(known.0 + 1000)
        } else {
            known
        };
        let operation = match kind {
            0 => Operation::Put {
                key,
                value: &value,
                expires_unix_ms,
            },
            1 => Operation::Add {
                key,
                value: &value,
                expires_unix_ms,
            },
            _ => Operation::CompareAndSwap {
                key,
                expected,
                value: &value,
                expires_unix_ms,
            },
        };
        let result = self.client.execute(operation);
        let ended = before.as_ref().is_some_and(|entry| entry.expires.is_some())
            && self.live(key).is_none();
        match (result, kind, &before) {
            (Ok(Outcome::Stored { version }), _, _) => {
                let allowed = match kind {
                    0 => true,
                    1 => before.is_none() || ended,
                    _ => before.is_some() && !wrong,
                };
                assert!(allowed, "kind {kind} stored over {before:?}");
                self.note(key, version, true);
                let entry = Expected {
                    value,
                    version,
                    expires: expires_unix_ms,
                };
                self.entries.insert(key.to_vec(), entry);
            }
            (Ok(Outcome::Exists { version }), 1, Some(entry)) => assert_eq!(version, entry.version),
            (Ok(Outcome::Mismatch { version }), 2, Some(entry)) => {
                assert!(wrong);
                assert_eq!(version, entry.version);
            }
            (Ok(Outcome::Missing { version }), 2, _) => {
                assert!(before.is_none() || ended);
                self.note(key, version, false);
            }
            (Err(Error::Full { .. }), _, _) => {
                self.full += 1;
                // Were there so much room in all, one page would have enough for this entry, or
                // for the largest one, which may have to leave for it.
                let used = self.used_bytes();
                let size = |key: usize, value: usize| 72 + 2 * 96 + key + value;
                let entries = self.entries.iter();
                let sizes = entries.map(|(key, entry)| size(key.len(), entry.value.len()));
                let need = sizes.max().unwrap_or(0).max(size(key.len(), value.len()));
                let room = self.capacity_bytes.saturating_sub(used);
                assert!(
                    room < self.pages * need,
                    "full with {used} bytes used, {need} needed"
                );
            }
            (result, kind, before) => panic!("kind {kind} over {before:?} ended as {result:?}"),
        }
    }

    fn delete(&mut self, key: &[u8]) {
        let before = self.live(key).cloned();
        let outcome = self.client.delete(key).unwrap();
        match (&before, &outcome) {
            (Some(_), Outcome::Deleted { .. }) | (None, Outcome::Missing { .. }) => {}
            (Some(entry), Outcome::Missing { .. }) if entry.expires.is_some() => {
                assert!(self.live(key).is_none());
            }
            other => panic!("{other:?}"),
        }
        self.note(key, outcome.version(), before.is_some());
        self.entries.remove(key);
    }

    fn scan(&mut self) {
        let mut found = BTreeMap::new();
        let mut next = Some(Cursor::START);
        while let Some(cursor) = next {
            let limit = self.random.random_range(1..6);
            let page = self.client.scan(cursor, limit).unwrap();
            assert!(page.entries.len() <= limit);
            for entry in page.entries {
                assert!(
                    found.insert(entry.key, entry.value).is_none(),
                    "a key twice"
                );
            }
            next = page.next;
        }
        for (key, value) in &found {
            assert!(self.entries[key].value == *value);
        }
        // Keys that end may have ended in the meantime.
        let lasting = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.expires.is_none());
        for (key, _) in lasting {
            assert!(found.contains_key(key), "a key is left out");
        }
    }

    fn multi_get(&mut self) {
        let keys: Vec<Vec<u8>> = (0..self.random.random_range(0..200))
            .map(|_| self.key())
            .collect();
        let before: Vec<_> = keys.iter().map(|key| self.live(key).cloned()).collect();
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let outcomes = self.client.multi_get(&keys).unwrap();
        assert_eq!(outcomes.len(), keys.len());
        for ((key, before), outcome) in keys.iter().zip(before).zip(outcomes) {
            self.check_found(key, before, &outcome);
        }
    }

    fn check_store(&mut self) {
        let report = fsck(&mut self.device.handle(), &FsckOptions::default()).unwrap();
        assert!(report.is_clean(), "{:?}", report.violations);
        assert_eq!(
            report.orphans, 0,
            "a client that lives clears up after itself"
        );
        assert!(
            report.keys
                >= self
                    .entries
                    .values()
                    .filter(|e| e.expires.is_none())
                    .count() as u64
        );
    }
}

#[test]
fn every_operation_agrees_with_the_map() {
    let full = std::cell::Cell::new(0);
    let overflowed = std::cell::Cell::new(0);
    each_seed(120, |seed| {
        let mut shadow = Shadow::new(seed);
        for step in 0..300 {
            shadow.step();
            if step % 50 == 0 {
                shadow.check_store();
            }
        }
        shadow.check_store();
        full.set(full.get() + shadow.full);
        overflowed.set(overflowed.get() + shadow.client.stats().overflowed);
    });
    // The point of stores this small.
    assert!(
        full.get() > 100 && overflowed.get() > 1000,
        "{full:?} full, {overflowed:?} overflowed"
    );
}
