//! Methods that wait.

use std::collections::BTreeMap;

use super::Client;
use crate::error::Error;
use crate::operation::{Cursor, Operation, Outcome, ScanPage, Version};
use crate::page_store::PageStore;

impl<P: PageStore> Client<P> {
    /// Submits one operation and waits for its outcome; outcomes of others are kept for `poll`.
    ///
    /// # Errors
    /// Those of [`submit`](Self::submit), except [`Error::Busy`] while waiting can help, and of
    /// the outcome.
    pub fn execute(&mut self, operation: Operation<'_>) -> Result<Outcome, Error> {
        let ticket = loop {
            match self.submit(operation) {
                Err(Error::Busy { .. }) if self.in_flight() > self.finished.len() => {
                    self.pump_or_wait();
                }
                submitted => break submitted?,
            }
        };
        loop {
            if let Some(result) = self.take_finished(ticket) {
                return result;
            }
            self.pump_or_wait();
        }
    }

    /// Moves operations on, and waits if none has ended.
    fn pump_or_wait(&mut self) {
        let before = self.finished.len();
        self.pump_and_keep();
        if self.finished.len() == before && self.in_flight() > before {
            self.wait_for_device();
        }
    }

    fn wait_for_device(&mut self) {
        let first_wake = self
            .sleeping
            .iter()
            .map(|index| self.slots[*index].wake_ns)
            .min();
        self.store.wait(first_wake.unwrap_or(u64::MAX));
    }

    /// Looks a key up, and waits. See [`Operation::Get`].
    ///
    /// # Errors
    /// Those of [`execute`](Self::execute).
    pub fn get(&mut self, key: &[u8]) -> Result<Outcome, Error> {
        self.execute(Operation::Get { key })
    }

    /// Writes a value, and waits. See [`Operation::Put`].
    ///
    /// # Errors
    /// Those of [`execute`](Self::execute), such as [`Error::Full`].
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<Outcome, Error> {
        self.execute(Operation::Put {
            key,
            value,
            expires_unix_ms: None,
        })
    }

    /// Removes a key, and waits. See [`Operation::Delete`].
    ///
    /// # Errors
    /// Those of [`execute`](Self::execute).
    pub fn delete(&mut self, key: &[u8]) -> Result<Outcome, Error> {
        self.execute(Operation::Delete { key })
    }

    /// Writes a value if the key is absent, and waits. See [`Operation::Add`].
    ///
    /// # Errors
    /// Those of [`execute`](Self::execute).
    pub fn add(&mut self, key: &[u8], value: &[u8]) -> Result<Outcome, Error> {
        self.execute(Operation::Add {
            key,
            value,
            expires_unix_ms: None,
        })
    }

    /// Writes a value if the version is `expected`, and waits. See [`Operation::CompareAndSwap`].
    ///
    /// # Errors
    /// Those of [`execute`](Self::execute).
    pub fn compare_and_swap(
        &mut self,
        key: &[u8],
        expected: Version,
        value: &[u8],
    ) -> Result<Outcome, Error> {
        self.execute(Operation::CompareAndSwap {
            key,
            expected,
            value,
            expires_unix_ms: None,
        })
    }

    /// Looks many keys up at once; the outcomes are in the order of the keys.
    ///
    /// # Errors
    /// The first error that a look-up met; the others are still carried out.
    pub fn multi_get(&mut self, keys: &[&[u8]]) -> Result<Vec<Outcome>, Error> {
        let mut waiting = BTreeMap::new();
        let mut outcomes: Vec<Option<Outcome>> = vec![None; keys.len()];
        let mut failed = None;
        let mut next = 0;
        while next < keys.len() || !waiting.is_empty() {
            while let Some(key) = keys.get(next) {
                match self.submit(Operation::Get { key }) {
                    Ok(ticket) => waiting.insert(ticket, next),
                    Err(Error::Busy { .. }) if self.in_flight() > self.finished.len() => break,
                    Err(error) => {
                        failed = failed.or(Some(error));
                        None
                    }
                };
                next += 1;
            }
            self.pump_or_wait();
            let mut kept = Vec::new();
            for (ticket, result) in self.finished.drain(..) {
                match (waiting.remove(&ticket), result) {
                    (None, result) => kept.push((ticket, result)),
                    (Some(at), Ok(outcome)) => outcomes[at] = Some(outcome),
                    (Some(_), Err(error)) => failed = failed.or(Some(error)),
                }
            }
            self.finished = kept;
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(outcomes.into_iter().flatten().collect()),
        }
    }

    /// Reads up to `limit` entries from `cursor` on, and waits. See [`Operation::Scan`].
    ///
    /// # Errors
    /// Those of [`execute`](Self::execute).
    pub fn scan(&mut self, cursor: Cursor, limit: usize) -> Result<ScanPage, Error> {
        match self.execute(Operation::Scan { cursor, limit })? {
            Outcome::Scanned(page) => Ok(page),
            other => unreachable!("a scan ended as {other:?}"),
        }
    }

    /// Replaces a value by what `change` makes of it, as one atomic step: reads, calls `change`
    /// (with `None` for an absent key), writes if nobody else did meanwhile, and begins again if
    /// somebody did. When `change` gives `None`, nothing is written and the look-up is returned.
    ///
    /// # Errors
    /// Those of [`execute`](Self::execute); [`Error::Contention`] when somebody always did.
    pub fn read_modify_write(
        &mut self,
        key: &[u8],
        mut change: impl FnMut(Option<&[u8]>) -> Option<Vec<u8>>,
    ) -> Result<Outcome, Error> {
        for attempt in 1..=self.env.attempts_limit {
            let found = self.get(key)?;
            let value = match &found {
                Outcome::Found { value, .. } => change(Some(value)),
                _ => change(None),
            };
            let Some(value) = value else { return Ok(found) };
            let outcome = match &found {
                Outcome::Found {
                    version,
                    expires_unix_ms,
                    ..
                } => self.execute(Operation::CompareAndSwap {
                    key,
                    expected: *version,
                    value: &value,
                    expires_unix_ms: *expires_unix_ms,
                })?,
                _ => self.add(key, &value)?,
            };
            if let Outcome::Stored { .. } = outcome {
                return Ok(outcome);
            }
            self.env.statistics.retries += 1;
            let delay_ns = self.env.back_off_ns(attempt);
            let until_ns = self.store.now_ns().saturating_add(delay_ns);
            while delay_ns > 0 && self.store.now_ns() < until_ns {
                self.store.wait(until_ns);
                self.pump_and_keep();
            }
        }
        let page = self.env.hasher.home(self.env.hasher.hash(key));
        Err(Error::Contention {
            attempts: self.env.attempts_limit,
            page,
        })
    }
}
