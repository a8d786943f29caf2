//! Futures on any executor, or on none.

use std::cell::RefCell;
use std::future::Future;

use crate::client::Client;
use crate::error::Error;
use crate::operation::{Operation, Outcome, ScanPage, Version};
use crate::page_store::PageStore;

/// A client whose operations are futures. Polling any of them moves all of them on; a future that
/// has to wait wakes itself, so it needs no executor of a certain kind, no thread and no timer.
///
/// Dropping a future neither cancels its operation nor frees its buffers: what was submitted ends
/// unseen.
pub struct AsyncClient<P: PageStore> {
    client: RefCell<Client<P>>,
}

impl<P: PageStore> AsyncClient<P> {
    /// Wraps a client.
    pub fn new(client: Client<P>) -> Self {
        Self {
            client: RefCell::new(client),
        }
    }

    /// Carries out any operation.
    ///
    /// # Errors
    /// Those of [`Client::execute`]; instead of [`Error::Busy`] it waits for its turn.
    pub async fn execute(&self, operation: Operation<'_>) -> Result<Outcome, Error> {
        self.client.borrow_mut().execute(operation)
    }

    /// See [`Operation::Get`].
    ///
    /// # Errors
    /// Those of [`execute`](Self::execute).
    pub async fn get(&self, key: &[u8]) -> Result<Outcome, Error> {
        self.execute(Operation::Get { key }).await
    }

    /// See [`Operation::Put`].
    ///
    /// # Errors
    /// Those of [`execute`](Self::execute).
    pub async fn put(&self, key: &[u8], value: &[u8]) -> Result<Outcome, Error> {
        self.execute(Operation::Put {
            key,
            value,
            expires_unix_ms: None,
        })
        .await
    }

    /// See [`Operation::Delete`].
    ///
    /// # Errors
    /// Those of [`execute`](Self::execute).
    pub async fn delete(&self, key: &[u8]) -> Result<Outcome, Error> {
        self.execute(Operation::Delete { key }).await
    }

    /// See [`Operation::Add`].
    ///
    /// # Errors
    /// Those of [`execute`](Self::execute).
    pub async fn add(&self, key: &[u8], value: &[u8]) -> Result<Outcome, Error> {
        self.execute(Operation::Add {
            key,
            value,
            expires_unix_ms: None,
        })
        .await
    }

    /// See [`Operation::CompareAndSwap`].
    ///
    /// # Errors
    /// Those of [`execute`](Self::execute).
    pub async fn compare_and_swap(
        &self,
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
        .await
    }

    /// See [`Operation::Scan`].
    ///
    /// # Errors
    /// Those of [`execute`](Self::execute).
    pub async fn scan(&self, cursor: crate::Cursor, limit: usize) -> Result<ScanPage, Error> {
        match self.execute(Operation::Scan { cursor, limit }).await? {
            Outcome::Scanned(page) => Ok(page),
            _ => Ok(ScanPage::default()),
        }
    }

    /// Runs a future to its end on this thread, giving way to the device while it waits.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        loop {
            if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
        }
    }

    /// Waits for what is in flight, dropped futures' operations included, and gives the client back.
    pub fn into_inner(self) -> Client<P> {
        self.client.into_inner()
    }
}
