//! A device handle whose owner dies at its n-th command.

use std::cell::Cell;
use std::rc::Rc;

use anyhow::bail;
use rdstore::page_store::PageStore;
use rdstore::{Client, Error, Operation, Outcome};

use crate::meddling::{MeddledPages, Meddler};

/// How many commands an owner may still send, and has sent.
#[derive(Clone, Debug)]
pub struct Lifetime(Rc<Counts>);

#[derive(Debug)]
struct Counts {
    commands_left: Cell<u64>,
    pairs_left: Cell<u64>,
    sent: Cell<u64>,
    refused: Cell<bool>,
}

impl Default for Lifetime {
    /// A long one.
    fn default() -> Self {
        Self(Rc::new(Counts {
            commands_left: Cell::new(u64::MAX),
            pairs_left: Cell::new(u64::MAX),
            sent: Cell::new(0),
            refused: Cell::new(false),
        }))
    }
}

impl Lifetime {
    /// From now on, `commands` more are sent, and none after them.
    pub fn ends_after(&self, commands: u64) {
        self.0.commands_left.set(commands);
        self.0.sent.set(0);
    }

    /// From now on, `pairs` more Compare-and-Writes are sent, and nothing after the next is refused.
    pub fn ends_after_pairs(&self, pairs: u64) {
        self.0.pairs_left.set(pairs);
    }

    /// Commands sent since [`ends_after`](Self::ends_after).
    pub fn sent(&self) -> u64 {
        self.0.sent.get()
    }

    /// A command was refused: the owner can do nothing any more.
    pub fn is_over(&self) -> bool {
        self.0.refused.get()
    }
}

impl Meddler for Lifetime {
    fn takes(&mut self, pair: bool) -> bool {
        let counts = &self.0;
        let pairs = u64::from(pair);
        if counts.refused.get()
            || counts.commands_left.get() == 0
            || counts.pairs_left.get() < pairs
        {
            counts.refused.set(true);
            return false;
        }
        counts.commands_left.set(counts.commands_left.get() - 1);
        counts.pairs_left.set(counts.pairs_left.get() - pairs);
        counts.sent.set(counts.sent.get() + 1);
        true
    }
}

/// Pages of another handle until the [`Lifetime`] is over; then it takes nothing any more.
pub type MortalPages<P> = MeddledPages<P, Lifetime>;

impl<P: PageStore> MortalPages<P> {
    /// Ties `inner` to `lifetime`.
    pub fn new(inner: P, lifetime: Lifetime) -> Self {
        Self::with(inner, lifetime)
    }
}

/// When the owner of a [`Lifetime`] dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Death {
    /// As soon as its last command is sent.
    CommandInFlight,
    /// When its last command has ended, before it sends another.
    BeforeNextCommand,
}

/// Lets a client that is tied to `lifetime` carry out one operation, as far as it lives. Gives back
/// its outcome, or `None` when the client has died first; then it is to be dropped.
///
/// # Errors
/// It neither ends nor dies within a minute of simulated time.
pub fn live_and_die<P: PageStore>(
    client: &mut Client<MortalPages<P>>,
    lifetime: &Lifetime,
    commands: u64,
    death: Death,
    operation: Operation<'_>,
) -> anyhow::Result<Option<Result<Outcome, Error>>> {
    lifetime.ends_after(commands);
    client.submit(operation)?;
    let deadline_ns = client.store().now_ns() + 60_000_000_000;
    let mut outcomes = Vec::new();
    loop {
        if death == Death::CommandInFlight && lifetime.sent() == commands {
            return Ok(None);
        }
        client.poll(&mut outcomes);
        if let Some((_, result)) = outcomes.pop() {
            return Ok(Some(result));
        }
        if lifetime.is_over() && client.store().in_flight() == 0 {
            return Ok(None);
        }
        let now_ns = client.store().now_ns();
        if now_ns >= deadline_ns {
            bail!("{operation:?} hangs at its command {}", lifetime.sent());
        }
        if client.store().in_flight() > 0 || client.next_wake_ns().is_some() {
            client.wait(deadline_ns);
        }
    }
}
