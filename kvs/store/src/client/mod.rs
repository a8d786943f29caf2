//! A client: operations in flight on one queue of one device.
//!
//! Each operation is a [`Slot`](slot::Slot), a state machine that has at most one I/O in flight
//! (a scan also has some that read ahead) and is moved on by each completion. The files of this folder are its rooms: `lookup` finds a
//! key, `write` changes the page where it stands, `overflow` finds another, `conclude` follows the
//! commit, `clean` makes room, `scan` walks, `read_ahead` reads what a scan will ask for next. The protocol is in PROTOCOL.md beside this crate.

mod advance;
mod blocking;
mod clean;
mod conclude;
mod environment;
mod lookup;
mod overflow;
mod reactor;
mod read_ahead;
mod scan;
mod slot;
mod step;
mod write;

use std::cell::Cell;
use std::collections::VecDeque;
use std::marker::PhantomData;

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

use crate::acceptance::accept;
use crate::blocking_io::BlockingIo;
use crate::client_counter::{load_counter, take_client_id};
use crate::error::Error;
use crate::info::StoreInfo;
use crate::operation::{Cursor, Operation, Outcome, Ticket};
use crate::options::OpenOptions;
use crate::page::layout::{GUEST_OVERHEAD, GUEST_RESERVE, HEADER_BYTES};
use crate::page_store::{PageCompletion, PageStore};
use crate::statistics::{OperationCost, Statistics};
use crate::superblock::{check_writable, load, repair};
use environment::Environment;
pub(crate) use environment::PROBES;
use slot::Slot;
use step::Request;

/// Longest key.
const MAX_KEY_BYTES: usize = 255;

/// One client of a store. It can be sent to another thread, but not shared between threads; more
/// clients are further handles on the device, and need not know of each other.
///
/// Operations in flight at the same time are carried out in any order, those on one key too.
///
/// A client is invalid after `fork` or in the clone of a virtual machine: open a new one.
pub struct Client<P: PageStore> {
    store: P,
    info: StoreInfo,
    env: Environment,
    read_only: bool,
    page_bytes: usize,
    blocks_per_page: u64,
    in_flight_limit: usize,
    unix_ms_at_open: u64,
    opened_ns: u64,

    slots: Vec<Slot<P::Buffer>>,
    free: Vec<usize>,
    /// Slots whose I/O the device had no room for.
    stalled: VecDeque<usize>,
    /// Slots that back off.
    sleeping: Vec<usize>,
    /// Home pages that updates of this client are under way on.
    pages_in_change: Vec<u64>,
    /// Slots of updates that wait for another one on the same home page, oldest first: of two at once,
    /// one would lose the race and read again.
    lined_up: VecDeque<usize>,
    completions: Vec<PageCompletion<P::Buffer>>,
    finished: Vec<(Ticket, Result<Outcome, Error>)>,
    /// What operations cost that have ended, once somebody has asked for it.
    costs: Option<Vec<(Ticket, OperationCost)>>,
    next_ticket: u64,
    not_shared: PhantomData<Cell<()>>,
}

impl<P: PageStore> Client<P> {
    /// Opens the store on `store`.
    ///
    /// # Errors
    /// [`Error::NotFormatted`], [`Error::DamagedSuperblock`], [`Error::UnknownFeatures`],
    /// [`Error::UnfitDevice`], [`Error::Device`].
    pub fn open(mut store: P, options: OpenOptions) -> Result<Self, Error> {
        let mut io = BlockingIo::new(&mut store);
        let superblock = load(&mut io)?;
        let page_bytes = superblock.page_bytes();
        let device = io.device();
        let client_id = if options.read_only {
            0
        } else {
            check_writable(&superblock, device.clone())?;
            accept(io.store(), superblock.body.page_bytes.get())?;
            repair(&mut io)?;
            take_client_id(&mut io, &superblock)?
        };
        let clients = if options.read_only {
            load_counter(&mut io)?
        } else {
            client_id
        };
        let geometry = store.geometry();
        let env = Environment {
            device: device.clone(),
            context: superblock.context(),
            hasher: superblock.hasher(),
            client_id,
            sequence: 0,
            statistics: Statistics::default(),
            now_unix_ms: options.unix_ms,
            random: Pcg64Mcg::seed_from_u64(options.seed ^ client_id.rotate_left(32)),
            attempts_limit: options.attempts.max(1),
            back_off_base_ns: options.back_off_ns,
        };
        Ok(Self {
            info: superblock.info(device, clients),
            env,
            read_only: options.read_only,
            page_bytes,
            blocks_per_page: page_bytes as u64 / u64::from(geometry.block_bytes),
            in_flight_limit: options.in_flight.max(1),
            unix_ms_at_open: options.unix_ms,
            opened_ns: store.now_ns(),
            store,
            slots: Vec::new(),
            free: Vec::new(),
            stalled: VecDeque::new(),
            sleeping: Vec::new(),
            pages_in_change: Vec::new(),
            lined_up: VecDeque::new(),
            completions: Vec::new(),
            finished: Vec::new(),
            costs: None,
            next_ticket: 0,
            not_shared: PhantomData,
        })
    }

    /// What the superblock says.
    pub fn info(&self) -> &StoreInfo {
        &self.info
    }

    /// The device handle, to read its clock.
    pub fn store(&self) -> &P {
        &self.store
    }

    /// The device handle. Submitting pages through it while operations are in flight confuses both.
    pub fn store_mut(&mut self) -> &mut P {
        &mut self.store
    }

    /// What this client has done so far.
    pub fn stats(&self) -> Statistics {
        self.env.statistics
    }

    /// Moves into `costs` what each operation has cost that ended since the last call. The first call
    /// begins the record, which then grows until it is taken: for measuring, not for service.
    pub fn take_costs(&mut self, costs: &mut Vec<(Ticket, OperationCost)>) {
        costs.append(self.costs.get_or_insert_default());
    }

    /// Operations submitted whose outcome was not handed out yet.
    pub fn in_flight(&self) -> usize {
        self.slots.len() - self.free.len() + self.finished.len()
    }

    /// The largest value that a key of `key_bytes` can have.
    pub fn max_value_bytes(&self, key_bytes: usize) -> usize {
        max_value_bytes(self.page_bytes, key_bytes)
    }

    /// Where a scan that begins at the home page of `key` starts.
    ///
    /// # Errors
    /// [`Error::KeyLength`].
    pub fn cursor_for(&self, key: &[u8]) -> Result<Cursor, Error> {
        check_key(key)?;
        Ok(Cursor {
            page: self.env.hasher.home(self.env.hasher.hash(key)),
            hash: 0,
        })
    }

    /// Starts an operation. It is sent, together with others, by the next [`poll`](Self::poll),
    /// [`wait`](Self::wait) or [`ring`](Self::ring).
    ///
    /// # Errors
    /// [`Error::Busy`] when too many are in flight; [`Error::KeyLength`],
    /// [`Error::ValueTooLarge`], [`Error::ReadOnly`] for what can never work.
    pub fn submit(&mut self, operation: Operation<'_>) -> Result<Ticket, Error> {
        let (request, key, value, expires) = match operation {
            Operation::Get { key } => (Request::Get, key, &[][..], None),
            Operation::Put {
                key,
                value,
                expires_unix_ms,
            } => (Request::Put, key, value, expires_unix_ms),
            Operation::Delete { key } => (Request::Delete, key, &[][..], None),
            Operation::Add {
                key,
                value,
                expires_unix_ms,
            } => (Request::Add, key, value, expires_unix_ms),
            Operation::CompareAndSwap {
                key,
                expected,
                value,
                expires_unix_ms,
            } => (
                Request::CompareAndSwap(expected.0),
                key,
                value,
                expires_unix_ms,
            ),
            Operation::Scan { cursor, limit } => return self.submit_scan(cursor, limit),
        };
        check_key(key)?;
        let update = request.is_update();
        if update {
            if self.read_only {
                return Err(Error::ReadOnly);
            }
            let max_bytes = self.max_value_bytes(key.len());
            if value.len() > max_bytes {
                return Err(Error::ValueTooLarge {
                    bytes: value.len(),
                    max_bytes,
                });
            }
        }
        let index = self.take_slot(update)?;
        let hash = self.env.hasher.hash(key);
        let slot = &mut self.slots[index];
        slot.request = request;
        slot.key.clear();
        slot.key.extend_from_slice(key);
        slot.value.clear();
        slot.value.extend_from_slice(value);
        slot.expires_unix_ms = expires.unwrap_or(0);
        slot.hash = hash;
        slot.home_page = self.env.hasher.home(hash);
        slot.operation_id = if update {
            self.env.next_stamp()
        } else {
            crate::page::Stamp::NONE
        };
        Ok(self.begin(index))
    }

    /// Sends what was submitted since the last poll, without taking anything in. Only of use before
    /// waiting on another client of the same device: polling and waiting send, too.
    pub fn ring(&mut self) {
        self.store.ring();
    }

    fn submit_scan(&mut self, cursor: Cursor, limit: usize) -> Result<Ticket, Error> {
        let index = self.take_slot(false)?;
        let first = self.env.hasher.first_page();
        let last = self.env.hasher.end() - 1;
        let slot = &mut self.slots[index];
        slot.request = Request::Scan {
            limit: limit.max(1),
        };
        slot.cursor = if cursor.page < first {
            Cursor {
                page: first,
                hash: 0,
            }
        } else {
            cursor
        };
        if slot.cursor.page > last {
            slot.cursor = Cursor {
                page: last,
                hash: u64::MAX,
            };
        }
        slot.home_page = slot.cursor.page;
        Ok(self.begin(index))
    }

    fn begin(&mut self, index: usize) -> Ticket {
        let slot = &mut self.slots[index];
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        slot.ticket = ticket;
        if slot.request.is_update() {
            if self.pages_in_change.contains(&slot.home_page) {
                self.lined_up.push_back(index);
                return Ticket(ticket);
            }
            self.pages_in_change.push(slot.home_page);
        }
        let next = slot.start();
        self.drive(index, next, &mut |_, _| {
            unreachable!("an operation begins with a read")
        });
        Ticket(ticket)
    }

    /// A free slot with the buffers that an update, or a look-up, needs.
    fn take_slot(&mut self, update: bool) -> Result<usize, Error> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.slots.len() < self.in_flight_limit => {
                self.slots.push(Slot::new());
                self.slots.len() - 1
            }
            None => {
                return Err(Error::Busy {
                    in_flight: self.in_flight(),
                });
            }
        };
        let slot = &mut self.slots[index];
        let bytes = self.page_bytes;
        let mut whole = true;
        let mut ensure = |place: &mut Option<P::Buffer>| {
            if place.is_none() {
                *place = self.store.buffer(bytes);
            }
            whole &= place.is_some();
        };
        ensure(&mut slot.home.buffer);
        ensure(&mut slot.guest.buffer);
        if update {
            ensure(&mut slot.third.buffer);
            ensure(&mut slot.fresh);
        }
        if !whole {
            self.free.push(index);
            return Err(Error::Busy {
                in_flight: self.in_flight(),
            });
        }
        slot.reset();
        Ok(index)
    }

    /// Waits until nothing is in flight, and gives the device handle back. Outcomes that nobody
    /// polled are dropped.
    ///
    /// # Errors
    /// The first error among those outcomes.
    pub fn close(mut self) -> Result<P, Error> {
        let mut failed = None;
        while self.in_flight() > 0 {
            let handed_out = self.poll_with(|_, result| {
                if let (Err(error), None) = (result, &failed) {
                    failed = Some(error);
                }
            });
            if handed_out == 0 {
                self.wait(u64::MAX);
            }
        }
        failed.map_or(Ok(self.store), Err)
    }
}

/// The largest value that fits in a page of any kind together with a key of `key_bytes`.
pub(crate) fn max_value_bytes(page_bytes: usize, key_bytes: usize) -> usize {
    (page_bytes - HEADER_BYTES).saturating_sub(GUEST_OVERHEAD + GUEST_RESERVE + key_bytes)
}

fn check_key(key: &[u8]) -> Result<(), Error> {
    if (1..=MAX_KEY_BYTES).contains(&key.len()) {
        Ok(())
    } else {
        Err(Error::KeyLength { bytes: key.len() })
    }
}
