//! What a client does next.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use super::{LoadOptions, generator};
use crate::witness::{Action, Answer, Begun};

/// Draws the operations of one client.
pub(super) struct Drawer {
    random: Pcg64Mcg,
    /// The client's number, then how many clients share the keys (1: they share all of them).
    first_key: u32,
    key_step: u32,
    keys: u32,
    value_bytes: RangeInclusive<usize>,
    next_operation: u64,
    left: Option<u64>,
    /// Versions this client has seen, for compare-and-swap.
    versions: BTreeMap<u32, u64>,
}

impl Drawer {
    pub(super) fn new(options: &LoadOptions, index: u32, clients: u32) -> Self {
        let (first_key, key_step) = if options.own_keys {
            (index, clients)
        } else {
            (0, 1)
        };
        Self {
            random: generator(options.seed, u64::from(index) + 1),
            first_key,
            key_step,
            keys: options.keys / key_step,
            value_bytes: options.value_bytes.clone(),
            next_operation: u64::from(options.epoch) << 40 | u64::from(index) << 32 | 1,
            left: options.operations,
            versions: BTreeMap::new(),
        }
    }

    /// The next operation, on a key that is not `under_way`; `None` when all is done.
    pub(super) fn next(&mut self, under_way: impl Fn(u32) -> bool) -> Option<Begun> {
        match &mut self.left {
            Some(0) => return None,
            Some(left) => *left -= 1,
            None => {}
        }
        let key = loop {
            let drawn = self.random.random_range(0..self.keys);
            let key = self.first_key + self.key_step * drawn;
            if !under_way(key) {
                break key;
            }
        };
        let action = match self.random.random_range(0..100) {
            0..15 => Action::Get,
            15..55 => Action::Put,
            55..75 => Action::Delete,
            75..85 => Action::Add,
            _ => match self.versions.get(&key) {
                Some(version) => Action::Swap { expected: *version },
                None => Action::Get,
            },
        };
        // Drawn whether it is used or not, so that one answer does not change what follows.
        let value_bytes = self.random.random_range(self.value_bytes.clone()) as u32;
        let operation = self.next_operation;
        self.next_operation += 1;
        Some(Begun {
            operation,
            key,
            action,
            value_bytes: if action.stores() { value_bytes } else { 0 },
        })
    }

    /// Remembers the version that an answer gave.
    pub(super) fn learn(&mut self, key: u32, answer: Answer) {
        match answer {
            Answer::Found { version, .. } | Answer::Stored(version) | Answer::Refused(version) => {
                self.versions.insert(key, version);
            }
            Answer::Missing(_) | Answer::Deleted(_) => {
                self.versions.remove(&key);
            }
            Answer::NothingChanged | Answer::Unknown | Answer::Broken => {}
        }
    }
}
