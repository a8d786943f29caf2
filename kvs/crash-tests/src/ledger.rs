//! The checker: what may be found, given what was begun and acknowledged.
//!
//! Versions order the changes of a key, so that a history can be checked in one pass, however long
//! it is. While clients run, each answer is held against what was certain when its operation began;
//! [`Ledger::audit`] then checks what needs the whole history; after a crash, [`Ledger::restart`]
//! holds what is there against both: the newest acknowledged change of the key, or one that was
//! begun and never answered.

mod audit;

use std::collections::{BTreeMap, BTreeSet};

use crate::witness::{Action, Answer, Begun, Witness};

/// A key's state at a version: the operation that wrote the value, or `None` for absent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct State {
    /// The version.
    pub version: u64,
    /// The operation whose value is there.
    pub writer: Option<u64>,
}

/// An operation without an answer, or with an answer that says nothing.
#[derive(Clone, Copy, Debug)]
struct Open {
    begun: Begun,
    /// What was certain of the key when it began.
    floor: State,
}

/// A change that was acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Change {
    operation: u64,
    action: Action,
    /// Does the key have a value after it?
    stored: bool,
}

/// A look-up that missed, while the key had been there when it began.
#[derive(Clone, Copy, Debug)]
struct Miss {
    operation: u64,
    floor: State,
    version: u64,
}

#[derive(Default, Debug)]
struct Key {
    /// The newest state that anybody was told.
    floor: State,
    /// Operations under way.
    pending: BTreeMap<u64, Open>,
    /// Operations that ended without saying how.
    unknown: BTreeMap<u64, Begun>,
    /// Operations that ended and have changed nothing.
    void: BTreeSet<u64>,
    /// Acknowledged changes by version.
    changes: BTreeMap<u64, Change>,
    /// Values seen by look-ups, by version.
    seen: BTreeMap<u64, u64>,
    misses: Vec<Miss>,
    /// Lengths of the values that operations have written or may have.
    lengths: BTreeMap<u64, u32>,
    /// The state after the last restart.
    base: State,
}

/// What a history has come to.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Totals {
    /// Operations begun.
    pub begun: u64,
    /// Changes acknowledged.
    pub acknowledged: u64,
    /// Look-ups answered.
    pub looked_up: u64,
    /// Operations that ended in an error after which nothing has changed.
    pub nothing_changed: u64,
    /// Operations that ended with an unknown outcome.
    pub unknown: u64,
    /// Operations that a crash left without an answer.
    pub unanswered: u64,
    /// Of those with unknown outcome or without an answer: found to have taken effect.
    pub took_effect: u64,
}

/// The checker of one store.
#[derive(Default, Debug)]
pub struct Ledger {
    keys: BTreeMap<u32, Key>,
    /// Which key an operation is about, while it is under way.
    under_way: BTreeMap<u64, u32>,
    newest_client_id: u64,
    totals: Totals,
    violations: Vec<String>,
}

impl Ledger {
    /// What must not be, so far, and begins a new list.
    pub fn take_violations(&mut self) -> Vec<String> {
        std::mem::take(&mut self.violations)
    }

    /// What the history has come to.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Operations that have begun and not ended.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// The newest state of `key` that anybody was told.
    pub fn floor(&self, key: u32) -> State {
        self.keys
            .get(&key)
            .map_or(State::default(), |key| key.floor)
    }

    /// The newest client id that was seen.
    pub fn newest_client_id(&self) -> u64 {
        self.newest_client_id
    }

    fn end(&mut self, number: u32, open: Open, answer: Answer) -> Result<(), String> {
        let operation = open.begun.operation;
        let action = open.begun.action;
        let key = self.keys.entry(number).or_default();
        match answer {
            Answer::Found {
                version,
                writer,
                value_bytes,
            } => {
                self.totals.looked_up += 1;
                if action != Action::Get {
                    return Err(format!("{action:?} was answered with a value"));
                }
                key.not_older(open.floor, version)?;
                key.found(version, writer, Some(value_bytes))
            }
            Answer::Missing(version) => {
                self.totals.looked_up += 1;
                if matches!(action, Action::Put | Action::Add) {
                    return Err(format!("{action:?} was answered with Missing"));
                }
                key.not_older(open.floor, version)?;
                if action.stores() {
                    key.void.insert(operation);
                }
                if open.floor.writer.is_some() {
                    let floor = open.floor;
                    key.misses.push(Miss {
                        operation,
                        floor,
                        version,
                    });
                }
                key.raise(State {
                    version,
                    writer: None,
                });
                Ok(())
            }
            Answer::Stored(version) if action.stores() => {
                self.totals.acknowledged += 1;
                key.changed(open, version, true)
            }
            Answer::Deleted(version) if action == Action::Delete => {
                self.totals.acknowledged += 1;
                key.changed(open, version, false)
            }
            Answer::Refused(version) if matches!(action, Action::Add | Action::Swap { .. }) => {
                self.totals.looked_up += 1;
                key.not_older(open.floor, version)?;
                key.void.insert(operation);
                Ok(())
            }
            Answer::NothingChanged => {
                self.totals.nothing_changed += 1;
                key.void.insert(operation);
                Ok(())
            }
            Answer::Unknown if action != Action::Get => {
                self.totals.unknown += 1;
                key.unknown.insert(operation, open.begun);
                Ok(())
            }
            _ => Err(format!("{action:?} was answered with {answer:?}")),
        }
    }
}

impl Key {
    /// Nobody sees a version older than what was certain when he began.
    fn not_older(&self, floor: State, version: u64) -> Result<(), String> {
        if version >= floor.version {
            return Ok(());
        }
        Err(format!(
            "version {version}, but {} was certain when it began: a stale read",
            floor.version
        ))
    }

    fn raise(&mut self, state: State) {
        if state.version > self.floor.version {
            self.floor = state;
        }
    }

    /// A value was seen at a version: it is of an operation that could have written it.
    fn found(&mut self, version: u64, writer: u64, value_bytes: Option<u32>) -> Result<(), String> {
        match self.lengths.get(&writer) {
            None => {
                return Err(format!(
                    "the value is of operation {writer:#x}, not of this key"
                ));
            }
            Some(bytes) if value_bytes.is_some_and(|found| found != *bytes) => {
                return Err(format!(
                    "the value of operation {writer:#x} has {value_bytes:?} bytes, {bytes} were written"
                ));
            }
            Some(_) => {}
        }
        if self.void.contains(&writer) {
            return Err(format!(
                "the value is of operation {writer:#x}, which had changed nothing"
            ));
        }
        if let Some(change) = self.changes.get(&version)
            && (change.operation != writer || !change.stored)
        {
            return Err(format!(
                "version {version} has the value of {writer:#x}, but belongs to {change:x?}"
            ));
        }
        if let Some(other) = self.seen.insert(version, writer)
            && other != writer
        {
            return Err(format!(
                "version {version} had the value of {other:#x}, now has that of {writer:#x}"
            ));
        }
        self.raise(State {
            version,
            writer: Some(writer),
        });
        Ok(())
    }

    /// A change was acknowledged.
    fn changed(&mut self, open: Open, version: u64, stored: bool) -> Result<(), String> {
        let Begun {
            operation, action, ..
        } = open.begun;
        if version <= open.floor.version {
            return Err(format!(
                "acknowledged as version {version}, but {} was certain when it began",
                open.floor.version
            ));
        }
        let change = Change {
            operation,
            action,
            stored,
        };
        if let Some(other) = self.changes.insert(version, change) {
            return Err(format!(
                "two changes have version {version}: {other:x?} too"
            ));
        }
        if let Some(seen) = self.seen.get(&version)
            && (!stored || *seen != operation)
        {
            return Err(format!(
                "acknowledged as version {version}, which had the value of {seen:#x}"
            ));
        }
        self.raise(State {
            version,
            writer: stored.then_some(operation),
        });
        Ok(())
    }
}

impl Witness for Ledger {
    fn begun(&mut self, begun: Begun) {
        self.totals.begun += 1;
        let key = self.keys.entry(begun.key).or_default();
        let floor = key.floor;
        if begun.action.stores() {
            key.lengths.insert(begun.operation, begun.value_bytes);
        }
        key.pending.insert(begun.operation, Open { begun, floor });
        if self.under_way.insert(begun.operation, begun.key).is_some() {
            let operation = begun.operation;
            self.violations
                .push(format!("operation {operation:#x} begins twice"));
        }
    }

    fn ended(&mut self, operation: u64, answer: Answer) {
        let number = self.under_way.remove(&operation);
        let open = number.and_then(|number| {
            let key = self.keys.get_mut(&number)?;
            Some((number, key.pending.remove(&operation)?))
        });
        let Some((number, open)) = open else {
            self.violations.push(format!(
                "operation {operation:#x} ended with {answer:?}, but was not under way: answered twice?"
            ));
            return;
        };
        if let Err(what) = self.end(number, open, answer) {
            self.violations.push(format!(
                "key {number}, operation {operation:#x} ({:?} answered with {answer:?}): {what}",
                open.begun.action
            ));
        }
    }

    fn opened(&mut self, client_id: u64) {
        if client_id <= self.newest_client_id {
            self.violations.push(format!(
                "client id {client_id} was given, after {} had been: ids are never used again",
                self.newest_client_id
            ));
        }
        self.newest_client_id = self.newest_client_id.max(client_id);
    }
}

#[cfg(test)]
mod tests;
