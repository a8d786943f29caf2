//! Futures on any executor, or on none.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use crate::client::Client;
use crate::error::Error;
use crate::operation::{Cursor, Operation, Outcome, ScanPage, Ticket, Version};
use crate::page_store::PageStore;

/// A client whose operations are futures. Polling any of them moves all of them on; a future that
/// has to wait wakes itself, so it needs no executor of a certain kind, no thread and no timer.
///
/// Dropping a future neither cancels its operation nor frees its buffers: what was submitted ends
/// unseen.
pub struct AsyncClient<P: PageStore> {
    client: RefCell<Client<P>>,
}

/// Forgets the operation when its future is dropped before the end.
struct Waiting<'a, P: PageStore> {
    client: &'a RefCell<Client<P>>,
    ticket: Option<Ticket>,
}

impl<P: PageStore> Drop for Waiting<'_, P> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.client.borrow_mut().discard(ticket);
        }
    }
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
    /// Those of [`Client::execute`].
    pub async fn execute(&self, operation: Operation<'_>) -> Result<Outcome, Error> {
        let mut waiting = Waiting {
            client: &self.client,
            ticket: None,
        };
        let ticket = poll_fn(|context| {
            let mut client = self.client.borrow_mut();
            match client.submit(operation) {
                Err(Error::Busy { in_flight }) if in_flight > 0 => {
                    client.pump_and_keep();
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
                submitted => Poll::Ready(submitted),
            }
        })
        .await?;
        waiting.ticket = Some(ticket);
        poll_fn(|context| {
            let mut client = self.client.borrow_mut();
            if let Some(result) = client.take_finished(ticket) {
                waiting.ticket = None;
                return Poll::Ready(result);
            }
            client.pump_and_keep();
            match client.take_finished(ticket) {
                Some(result) => {
                    waiting.ticket = None;
                    Poll::Ready(result)
                }
                None => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
            }
        })
        .await
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
    pub async fn scan(&self, cursor: Cursor, limit: usize) -> Result<ScanPage, Error> {
        match self.execute(Operation::Scan { cursor, limit }).await? {
            Outcome::Scanned(page) => Ok(page),
            other => unreachable!("a scan ended as {other:?}"),
        }
    }

    /// Runs a future to its end on this thread, giving way to the device while it waits.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
            let mut client = self.client.borrow_mut();
            if client.in_flight() > 0 {
                client.wait(u64::MAX);
            }
        }
    }

    /// Gives the client back. Operations whose futures were dropped are still in flight:
    /// [`Client::close`] waits for them.
    pub fn into_inner(self) -> Client<P> {
        self.client.into_inner()
    }
}
