//! K clients of one store in one process, interleaved command by command.
//!
//! Clients are looked after in turn, always in the same order. Time passes only when a whole round
//! has brought nothing: then all of them are blocked. So a run does not depend on who polls when.

use rdstore::{
    Client, Cursor, Error, Operation, OperationCost, Outcome, Statistics, Ticket, Version,
};

use super::record::{Stamp, write_key, write_value};
use crate::machine::Pages;
use rdstore::page_store::PageStore;

/// One operation of the store.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The record it is about (a scan: where it starts).
    pub record: u64,
    /// What to do.
    pub action: Action,
}

/// What to do with a record.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// Look it up.
    Get,
    /// Write it.
    Put(Stamp),
    /// Write it if it still has this version.
    Swap(Stamp, Version),
    /// Read entries: from the record's page on, or going on from a cursor.
    Scan {
        /// Where to go on.
        from: Option<Cursor>,
        /// At most so many.
        limit: usize,
    },
}

/// Device I/Os that an operation caused, as the store counts them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Cost {
    /// Page reads.
    pub reads: u64,
    /// Compare-and-Writes, failed ones too.
    pub pairs: u64,
    /// Compare-and-Writes that failed.
    pub miscompares: u64,
}

impl Cost {
    /// Everything: a Compare-and-Write is one I/O.
    pub fn ios(&self) -> u64 {
        self.reads + self.pairs
    }

    /// Adds `other`.
    pub fn add(&mut self, other: Self) {
        self.reads += other.reads;
        self.pairs += other.pairs;
        self.miscompares += other.miscompares;
    }

    /// What a client has done between two looks at its statistics.
    pub fn between(before: &Statistics, after: &Statistics) -> Self {
        Self {
            reads: after.reads - before.reads,
            pairs: after.compare_and_writes - before.compare_and_writes,
            miscompares: after.miscompares - before.miscompares,
        }
    }
}

/// An operation that has ended.
pub struct Ended<'a, T> {
    /// Which client's.
    pub client: usize,
    /// What the work said about it at its start.
    pub tag: T,
    /// Simulated time of its end.
    pub now_ns: u64,
    /// What came out.
    pub result: Result<Outcome<&'a [u8]>, Error>,
}

/// What a fleet is to do: operations on demand, and what is to be made of their results.
pub trait Work {
    /// What the work remembers about an operation while it runs.
    type Tag: Copy;

    /// The next operation of a client that begins at `now_ns`; `None` when there is none.
    fn next(&mut self, client: usize, now_ns: u64) -> Option<(Self::Tag, Request)>;

    /// An operation has ended. Gives back the one that follows it at once, if any.
    ///
    /// # Errors
    /// Ends the whole run.
    fn ended(
        &mut self,
        ended: Ended<'_, Self::Tag>,
    ) -> anyhow::Result<Option<(Self::Tag, Request)>>;

    /// What an operation cost that has ended just now.
    fn charge(&mut self, tag: Self::Tag, cost: Cost);
}

impl From<OperationCost> for Cost {
    fn from(cost: OperationCost) -> Self {
        Self {
            reads: cost.reads,
            pairs: cost.compare_and_writes,
            miscompares: cost.miscompares,
        }
    }
}

#[derive(Clone, Copy)]
struct Running<T> {
    ticket: Ticket,
    tag: T,
}

/// The clients.
pub struct Fleet {
    clients: Vec<Client<Pages>>,
    outstanding: usize,
    key: Vec<u8>,
    value: Vec<u8>,
    costs: Vec<(Ticket, OperationCost)>,
    /// Time of the latest look at a client.
    seen_ns: u64,
}

/// Longest wait at a time; commands that hang are the driver's business.
const WAIT_NS: u64 = 1_000_000_000;

impl Fleet {
    /// Clients that write values of `value_bytes` and keep `outstanding` operations in flight each.
    pub fn new(clients: Vec<Client<Pages>>, outstanding: usize, value_bytes: usize) -> Self {
        let mut fleet = Self {
            clients,
            outstanding,
            key: Vec::new(),
            value: vec![0; value_bytes],
            costs: Vec::new(),
            seen_ns: 0,
        };
        // The first call begins the record.
        fleet
            .clients
            .iter_mut()
            .for_each(|client| client.take_costs(&mut fleet.costs));
        fleet
    }

    /// The clients, while nothing runs.
    pub fn clients_mut(&mut self) -> &mut [Client<Pages>] {
        &mut self.clients
    }

    /// Simulated time.
    pub fn now_ns(&self) -> u64 {
        self.clients
            .first()
            .map_or(0, |client| client.store().now_ns())
    }

    /// Runs `work` until it has nothing more to do and everything has ended.
    ///
    /// # Errors
    /// What `work` gives, and submissions that the store refuses.
    pub fn run<W: Work>(&mut self, work: &mut W) -> anyhow::Result<()> {
        let mut running: Vec<Vec<Running<W::Tag>>> = (0..self.clients.len())
            .map(|_| Vec::with_capacity(self.outstanding))
            .collect();
        let mut following = Vec::with_capacity(self.outstanding);
        let mut ended = Vec::with_capacity(self.outstanding);
        loop {
            let mut moved = false;
            let mut idle = true;
            for (index, running) in running.iter_mut().enumerate() {
                moved |= self.look_after(index, running, &mut following, &mut ended, work)?;
                idle &= running.is_empty();
            }
            if idle {
                return Ok(());
            }
            if !moved {
                self.wait();
            }
        }
    }

    /// Takes what a client has finished and gives it new work; true when anything happened.
    fn look_after<W: Work>(
        &mut self,
        index: usize,
        running: &mut Vec<Running<W::Tag>>,
        following: &mut Vec<(W::Tag, Request)>,
        ended: &mut Vec<Running<W::Tag>>,
        work: &mut W,
    ) -> anyhow::Result<bool> {
        let client = &mut self.clients[index];
        let now_ns = client.store().now_ns();
        self.seen_ns = now_ns;
        let mut failure = None;
        let mut moved = false;
        client.poll_with(|ticket, result| {
            moved = true;
            let Some(at) = running.iter().position(|r| r.ticket == ticket) else {
                return;
            };
            let operation = running.swap_remove(at);
            let tag = operation.tag;
            ended.push(operation);
            match work.ended(Ended {
                client: index,
                tag,
                now_ns,
                result,
            }) {
                Ok(next) => following.extend(next),
                Err(error) => failure = failure.take().or(Some(error)),
            }
        });
        if let Some(error) = failure {
            return Err(error);
        }
        if moved {
            client.take_costs(&mut self.costs);
            for (ticket, cost) in self.costs.drain(..) {
                if let Some(at) = ended
                    .iter()
                    .position(|operation| operation.ticket == ticket)
                {
                    work.charge(ended.swap_remove(at).tag, cost.into());
                }
            }
        }
        while running.len() < self.outstanding {
            let Some((tag, request)) = following.pop().or_else(|| work.next(index, now_ns)) else {
                break;
            };
            let ticket = self.submit(index, request)?;
            running.push(Running { ticket, tag });
            moved = true;
        }
        // What was posted since the poll has to reach the device before anybody lets time pass.
        self.clients[index].ring();
        Ok(moved)
    }

    fn submit(&mut self, index: usize, request: Request) -> Result<Ticket, Error> {
        write_key(request.record, &mut self.key);
        let client = &mut self.clients[index];
        let key = &self.key;
        client.submit(match request.action {
            Action::Get => Operation::Get { key },
            Action::Put(stamp) => {
                write_value(stamp, &mut self.value);
                Operation::Put {
                    key,
                    value: &self.value,
                    expires_unix_ms: None,
                }
            }
            Action::Swap(stamp, expected) => {
                write_value(stamp, &mut self.value);
                Operation::CompareAndSwap {
                    key,
                    expected,
                    value: &self.value,
                    expires_unix_ms: None,
                }
            }
            Action::Scan { from, limit } => {
                let cursor = match from {
                    Some(cursor) => cursor,
                    None => client.cursor_for(key)?,
                };
                Operation::Scan { cursor, limit }
            }
        })
    }

    fn wait(&mut self) {
        // Nobody sleeps longer than the first operation that backs off.
        let limit_ns = self.seen_ns + WAIT_NS;
        let wakes = self.clients.iter().filter_map(Client::next_wake_ns);
        let deadline_ns = wakes.fold(limit_ns, u64::min);
        if let Some(client) = self.clients.first_mut() {
            client.wait(deadline_ns);
        }
    }
}
