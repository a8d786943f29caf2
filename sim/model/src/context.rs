//! Rows of the context table: a command under way, from the dispatcher to its CQE.

use nvme_spec::{Status, SubmissionEntry};
use pcie_host::endpoint::Cycle;

use crate::decode::Rejection;
use crate::options::MAXIMUM_VIRTUAL_FUNCTIONS;
use crate::schedule::NEVER;

/// What a context does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Kind {
    /// Nothing: the row is free.
    #[default]
    Free,
    /// Taken by the dispatcher, not decoded yet.
    Decoding,
    /// Media to host.
    Read,
    /// Host to media.
    Write,
    /// Host against media.
    Compare,
    /// A fused Compare and Write.
    Pair,
    /// No data of the medium: ends with its status.
    Status,
    /// An admin command.
    Admin,
}

/// Where a segment of a Write, Compare or pair is (a Read has one that covers all of it).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Phase {
    /// Not in use.
    #[default]
    Idle,
    /// Waits for buffers.
    Buffers,
    /// Host reads are being sent or awaited.
    Fetching,
    /// All data are in the buffers.
    Filled,
    /// Waits for a row of the range lock.
    Locking,
    /// In the range lock's table, waiting for older conflicting rows.
    Waiting,
    /// Holds its lock and reads the medium (Read, Compare, first half of a pair).
    Reading,
    /// Holds its lock and writes the medium.
    Writing,
    /// Through with the medium.
    Moved,
}

/// A piece of a command that is buffered, locked and moved as one: at most the atomic unit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Segment {
    pub(crate) phase: Phase,
    /// From the command's first byte.
    pub(crate) start: u32,
    pub(crate) length: u32,
    /// Bytes not asked for yet, both halves of a pair together.
    pub(crate) to_request: u32,
    /// Host reads under way, and whether there will be no more.
    pub(crate) reads: u32,
    pub(crate) is_asked: bool,
    /// Data of it are missing; of a pair, of the first and of the second half.
    pub(crate) is_lost: [bool; 2],
    /// Buffers it holds.
    pub(crate) buffers: u32,
    /// Row of the range lock, while Waiting, Reading or Writing.
    pub(crate) row: u8,
}

/// One of a context's two PRP sets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PrpSet {
    /// Entries, the first included.
    pub(crate) entries: u16,
    /// Entries that are in the table.
    pub(crate) known: u16,
    /// Offset within the first page.
    pub(crate) offset: u16,
    /// Bus address of the rest of the list.
    pub(crate) list: u64,
}

/// A command under way (a pair is one).
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) kind: Kind,
    pub(crate) function: u8,
    pub(crate) queue: u16,
    /// The SQE; of a pair, the Compare's and the Write's.
    pub(crate) sqe: [SubmissionEntry; 2],
    /// Commands that it is: 2 for a pair.
    pub(crate) completions: u8,
    /// CQ slots it holds.
    pub(crate) slots: u8,
    /// Halves that post a completion at the end; an Abort has ended the others before.
    pub(crate) posts: u8,
    pub(crate) status: [Status; 2],
    /// `status[1]` stands although the first half has failed.
    pub(crate) second_stands: bool,
    /// Halves whose completion has been dealt with.
    pub(crate) ended_halves: u8,
    /// Ends with `status` when what is under way has ended.
    pub(crate) failed: bool,
    /// Nothing more of it is started from this cycle on: it has failed.
    pub(crate) dead_from: Cycle,
    /// Its function was reset: ends without a completion when what is under way has ended.
    pub(crate) doomed: bool,
    pub(crate) medium_offset: u64,
    pub(crate) length: u32,
    pub(crate) prp: [PrpSet; 2],
    /// PRP sets whose data are fetched or filled: 2 for a pair whose Write can be executed.
    pub(crate) fetched_sets: u8,
    /// The set whose PRP list is being fetched.
    pub(crate) walking: u8,
    pub(crate) segments: [Segment; 2],
    /// The newest segment is being asked for, or waits for its buffers.
    pub(crate) is_asking: bool,
    /// Start of the next segment.
    pub(crate) next_segment: u32,
    /// Bytes of the medium asked for, within the segment that is Reading.
    pub(crate) read_issued: u32,
    /// The compare has found a difference.
    pub(crate) differs: bool,
    /// Counted in `lock_waits` already.
    pub(crate) lock_wait_counted: bool,
    /// Host reads under way.
    pub(crate) host_reads: u32,
    /// AXI bursts under way.
    pub(crate) axi_bursts: u32,
    /// Data bursts at or before the RQ.
    pub(crate) rq_bursts: u32,
    /// Delay lines and steps of the pipeline that name it.
    pub(crate) delayed: u8,
    /// CQE dword 0, and DNR, of an admin command.
    pub(crate) dword0: u32,
    pub(crate) do_not_retry: bool,
    /// Which field of the command was wrong.
    pub(crate) rejection: Option<Rejection>,
    /// Something of it is in the medium already.
    pub(crate) wrote: bool,
    /// Arrival of the doorbells that handed the SQEs over, when latencies are traced.
    pub(crate) doorbell_at: [Cycle; 2],
}

impl Context {
    pub(crate) fn free() -> Self {
        Self {
            kind: Kind::Free,
            function: 0,
            queue: 0,
            sqe: [SubmissionEntry::default(); 2],
            completions: 0,
            slots: 0,
            posts: 0,
            status: [Status::SUCCESS; 2],
            second_stands: false,
            ended_halves: 0,
            failed: false,
            dead_from: NEVER,
            doomed: false,
            medium_offset: 0,
            length: 0,
            prp: [PrpSet::default(); 2],
            fetched_sets: 1,
            walking: 0,
            segments: [Segment::default(); 2],
            is_asking: false,
            next_segment: 0,
            read_issued: 0,
            differs: false,
            lock_wait_counted: false,
            host_reads: 0,
            axi_bursts: 0,
            rq_bursts: 0,
            delayed: 0,
            dword0: 0,
            do_not_retry: false,
            rejection: None,
            wrote: false,
            doorbell_at: [0; 2],
        }
    }

    /// Nothing that names this context is under way.
    pub(crate) const fn is_quiet(&self) -> bool {
        self.host_reads == 0 && self.axi_bursts == 0 && self.rq_bursts == 0 && self.delayed == 0
    }
}

/// The context table: rows of one function stand together, its admin context last.
#[derive(Debug)]
pub(crate) struct Contexts {
    pub(crate) rows: Vec<Context>,
    per_function: usize,
    free: [u32; MAXIMUM_VIRTUAL_FUNCTIONS as usize + 1],
}

impl Contexts {
    pub(crate) fn new(functions: usize, io_contexts: u32) -> Self {
        let per_function = io_contexts as usize + 1;
        Self {
            rows: vec![Context::free(); functions * per_function],
            per_function,
            free: [u32::MAX >> (31 - io_contexts); MAXIMUM_VIRTUAL_FUNCTIONS as usize + 1],
        }
    }

    /// Number of the row of a function at `index`.
    pub(crate) const fn id(&self, function: usize, index: usize) -> u16 {
        (function * self.per_function + index) as u16
    }

    /// Index of a row among those of its function.
    pub(crate) const fn index(&self, id: u16) -> usize {
        id as usize % self.per_function
    }

    /// Is a context free for a command of the admin queue, or of an I/O queue?
    pub(crate) const fn has_free(&self, function: usize, admin: bool) -> bool {
        self.free[function] & self.mask(admin) != 0
    }

    const fn mask(&self, admin: bool) -> u32 {
        let admin_bit = 1 << (self.per_function - 1);
        if admin { admin_bit } else { admin_bit - 1 }
    }

    /// Takes a free context.
    pub(crate) fn take(&mut self, function: usize, admin: bool) -> Option<u16> {
        let free = self.free[function] & self.mask(admin);
        if free == 0 {
            return None;
        }
        let index = free.trailing_zeros() as usize;
        self.free[function] &= !(1 << index);
        let id = self.id(function, index);
        let row = &mut self.rows[usize::from(id)];
        row.kind = Kind::Decoding;
        row.function = function as u8;
        row.completions = 1;
        row.posts = 1;
        row.fetched_sets = 1;
        row.status = [Status::SUCCESS; 2];
        row.failed = false;
        row.dead_from = NEVER;
        row.second_stands = false;
        row.ended_halves = 0;
        row.doomed = false;
        row.segments = [Segment::default(); 2];
        row.is_asking = false;
        row.next_segment = 0;
        row.read_issued = 0;
        row.differs = false;
        row.lock_wait_counted = false;
        row.dword0 = 0;
        row.do_not_retry = false;
        row.rejection = None;
        row.wrote = false;
        debug_assert!(row.is_quiet());
        Some(id)
    }

    /// Frees a context.
    pub(crate) fn put(&mut self, id: u16) {
        let index = self.index(id);
        let row = &mut self.rows[usize::from(id)];
        debug_assert!(row.kind != Kind::Free && row.is_quiet());
        row.kind = Kind::Free;
        self.free[usize::from(row.function)] |= 1 << index;
    }

    /// No command of the function is under way.
    pub(crate) const fn all_free(&self, function: usize) -> bool {
        self.free[function] == self.mask(false) | self.mask(true)
    }

    /// Rows of a function that are taken.
    pub(crate) fn taken(&self, function: usize) -> impl Iterator<Item = u16> + use<> {
        let taken = !self.free[function] & (self.mask(false) | self.mask(true));
        let first = self.id(function, 0);
        (0..32u16)
            .filter(move |index| taken >> index & 1 == 1)
            .map(move |index| first + index)
    }
}

impl std::ops::Index<u16> for Contexts {
    type Output = Context;
    fn index(&self, id: u16) -> &Context {
        &self.rows[usize::from(id)]
    }
}

impl std::ops::IndexMut<u16> for Contexts {
    fn index_mut(&mut self, id: u16) -> &mut Context {
        &mut self.rows[usize::from(id)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_and_io_contexts_are_apart() {
        let mut contexts = Contexts::new(2, 3);
        let io: Vec<u16> = std::iter::from_fn(|| contexts.take(1, false)).collect();
        assert_eq!(io, [4, 5, 6]);
        assert_eq!(contexts.take(1, true), Some(7));
        assert!(!contexts.has_free(1, true) && contexts.has_free(0, true));
        contexts.put(4);
        assert_eq!(contexts.take(1, false), Some(4));
        assert_eq!(contexts.taken(1).collect::<Vec<_>>(), [4, 5, 6, 7]);
        assert!(contexts.all_free(0) && !contexts.all_free(1));
    }

    #[test]
    fn thirty_one_contexts_and_the_admin_one_fit() {
        let mut contexts = Contexts::new(1, 31);
        assert_eq!(std::iter::from_fn(|| contexts.take(0, false)).count(), 31);
        assert_eq!(contexts.take(0, true), Some(31));
    }
}
