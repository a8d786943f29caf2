//! A client: operations in flight on one queue of one device.

use crate::error::Error;
use crate::info::StoreInfo;
use crate::operation::{Cursor, Operation, Outcome, ScanPage, Ticket, Version};
use crate::options::OpenOptions;
use crate::page_store::PageStore;
use crate::statistics::Statistics;

/// One client of a store. It can be sent to another thread, but not shared between threads; more
/// clients are further handles on the device, and need not know of each other.
///
/// A client is invalid after `fork` or in the clone of a virtual machine: open a new one.
pub struct Client<P: PageStore> {
    store: P,
}

impl<P: PageStore> Client<P> {
    /// Opens the store on `store`.
    ///
    /// # Errors
    /// [`Error::NotFormatted`], [`Error::DamagedSuperblock`], [`Error::UnknownFeatures`],
    /// [`Error::UnfitDevice`], [`Error::Device`].
    pub fn open(store: P, options: OpenOptions) -> Result<Self, Error> {
        let _ = options;
        Err(Error::NotFormatted {
            device: store.name().to_owned(),
            found: "not built yet".to_owned(),
        })
    }

    /// What the superblock says.
    pub fn info(&self) -> &StoreInfo {
        unreachable!("a client cannot be opened yet")
    }

    /// The device handle, to read its clock.
    pub fn store(&self) -> &P {
        &self.store
    }

    /// The device handle. Submitting pages through it while operations are in flight confuses both.
    pub fn store_mut(&mut self) -> &mut P {
        &mut self.store
    }

    /// Starts an operation.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many are in flight; [`Error::KeyLength`],
    /// [`Error::ValueTooLarge`], [`Error::ReadOnly`] for what can never work.
    pub fn submit(&mut self, operation: Operation<'_>) -> Result<Ticket, Error> {
        let _ = operation;
        Err(Error::Busy { in_flight: 0 })
    }

    /// Moves everything on that can move without waiting, and hands outcomes out; gives back how
    /// many. A value found is copied: [`poll_with`](Self::poll_with) lends it in place.
    pub fn poll(&mut self, outcomes: &mut Vec<(Ticket, Result<Outcome, Error>)>) -> usize {
        self.poll_with(|ticket, result| {
            outcomes.push((ticket, result.map(Outcome::into_owned)));
        })
    }

    /// Like [`poll`](Self::poll), with the value found lent from the page the device wrote.
    pub fn poll_with(
        &mut self,
        on_outcome: impl FnMut(Ticket, Result<Outcome<&[u8]>, Error>),
    ) -> usize {
        let _ = on_outcome;
        0
    }

    /// Gives way until something may have finished, at most until `deadline_ns` of the device's
    /// clock. An operation that is backing off ends the wait when its time has come.
    pub fn wait(&mut self, deadline_ns: u64) {
        self.store.wait(deadline_ns);
    }

    /// Operations submitted whose outcome was not handed out yet.
    pub fn in_flight(&self) -> usize {
        0
    }

    /// Where a scan that begins at the home page of `key` starts.
    ///
    /// # Errors
    /// [`Error::KeyLength`].
    pub fn cursor_for(&self, key: &[u8]) -> Result<Cursor, Error> {
        let _ = key;
        Ok(Cursor::START)
    }

    /// The largest value that a key of `key_bytes` can have.
    pub fn max_value_bytes(&self, key_bytes: usize) -> usize {
        key_bytes
    }

    /// What this client has done so far.
    pub fn stats(&self) -> Statistics {
        Statistics::default()
    }

    /// Looks a key up, and waits. See [`Operation::Get`].
    ///
    /// # Errors
    /// Those of [`submit`](Self::submit) and of the outcome.
    pub fn get(&mut self, key: &[u8]) -> Result<Outcome, Error> {
        self.execute(Operation::Get { key })
    }

    /// Writes a value, and waits. See [`Operation::Put`].
    ///
    /// # Errors
    /// Those of [`submit`](Self::submit) and of the outcome, such as [`Error::Full`].
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
    /// Those of [`submit`](Self::submit) and of the outcome.
    pub fn delete(&mut self, key: &[u8]) -> Result<Outcome, Error> {
        self.execute(Operation::Delete { key })
    }

    /// Writes a value if the key is absent, and waits. See [`Operation::Add`].
    ///
    /// # Errors
    /// Those of [`submit`](Self::submit) and of the outcome.
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
    /// Those of [`submit`](Self::submit) and of the outcome.
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
    /// The first error that an operation met; the others are still carried out.
    pub fn multi_get(&mut self, keys: &[&[u8]]) -> Result<Vec<Outcome>, Error> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    /// Reads up to `limit` entries from `cursor` on, and waits. See [`Operation::Scan`].
    ///
    /// # Errors
    /// Those of the outcome.
    pub fn scan(&mut self, cursor: Cursor, limit: usize) -> Result<ScanPage, Error> {
        match self.execute(Operation::Scan { cursor, limit })? {
            Outcome::Scanned(page) => Ok(page),
            _ => Ok(ScanPage::default()),
        }
    }

    /// Replaces a value by what `change` makes of it, as one atomic step: reads, calls `change`
    /// (with `None` for an absent key), writes if nobody else did meanwhile, and begins again if
    /// somebody did. When `change` gives `None`, nothing is written and the look-up is returned.
    ///
    /// # Errors
    /// Those of [`submit`](Self::submit) and of the outcomes.
    pub fn read_modify_write(
        &mut self,
        key: &[u8],
        change: impl FnMut(Option<&[u8]>) -> Option<Vec<u8>>,
    ) -> Result<Outcome, Error> {
        let _ = change;
        self.get(key)
    }

    /// Submits one operation and waits for its outcome; outcomes of others are kept for `poll`.
    ///
    /// # Errors
    /// Those of [`submit`](Self::submit) and of the outcome.
    pub fn execute(&mut self, operation: Operation<'_>) -> Result<Outcome, Error> {
        self.submit(operation)?;
        Err(Error::Busy { in_flight: 0 })
    }

    /// Waits until nothing is in flight, and gives the device handle back. Outcomes that nobody
    /// polled are dropped.
    ///
    /// # Errors
    /// The first error among those outcomes.
    pub fn close(self) -> Result<P, Error> {
        Ok(self.store)
    }
}
