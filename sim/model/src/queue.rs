//! Rows of the queue tables: submission queues with their SQE FIFOs, completion queues.

use nvme_spec::SubmissionEntry;
use pcie_host::endpoint::Cycle;

use crate::heads::Head;

/// A submission queue (NVMe 1.1 §4.1) and the SQEs prefetched from it.
#[derive(Debug)]
pub(crate) struct SubmissionQueue {
    pub(crate) live: bool,
    /// Delete I/O Submission Queue waits for its commands in flight.
    pub(crate) deleting: bool,
    pub(crate) address: u64,
    pub(crate) entries: u32,
    pub(crate) completion_queue: u16,
    /// The host's tail, as the last doorbell said.
    pub(crate) tail: u32,
    /// Next slot to fetch.
    pub(crate) fetch: u32,
    /// First slot whose SQE has not been taken by the dispatcher: what CQEs report.
    pub(crate) head: u32,
    /// SQEs of the current batch not asked for yet.
    pub(crate) batch_left: u32,
    /// The FIFO is known to take more: it is empty, or holds nothing but the first half of a pair.
    pub(crate) is_hungry: bool,
    /// What is known to stand at the head of the FIFO, and what it moves.
    pub(crate) head_there: Head,
    pub(crate) cost_bytes: u32,
    /// Host reads of SQEs under way.
    pub(crate) reads: u32,
    /// Contexts that hold a command of this queue.
    pub(crate) in_flight: u32,
    /// The FIFO: a ring of SQEs, its first place, places taken (asked for or there).
    pub(crate) fifo: Box<[SubmissionEntry]>,
    pub(crate) fifo_first: usize,
    pub(crate) fifo_used: usize,
    /// By place: the SQE is there; an Abort has hit it.
    pub(crate) there: u64,
    pub(crate) aborted: u64,
    /// By slot of the ring, when latencies are traced: the cycle in which its doorbell arrived.
    pub(crate) doorbell_at: Vec<Cycle>,
}

impl SubmissionQueue {
    pub(crate) fn new(fifo_entries: u32) -> Self {
        Self {
            live: false,
            deleting: false,
            address: 0,
            entries: 0,
            completion_queue: 0,
            tail: 0,
            fetch: 0,
            head: 0,
            batch_left: 0,
            is_hungry: false,
            head_there: Head::Empty,
            cost_bytes: 0,
            reads: 0,
            in_flight: 0,
            fifo: vec![SubmissionEntry::default(); fifo_entries as usize].into(),
            fifo_first: 0,
            fifo_used: 0,
            there: 0,
            aborted: 0,
            doorbell_at: Vec::new(),
        }
    }

    /// A queue of `entries` slots at `address`, empty.
    pub(crate) fn create(&mut self, address: u64, entries: u32, completion_queue: u16) {
        self.delete();
        self.live = true;
        self.address = address;
        self.entries = entries;
        self.completion_queue = completion_queue;
    }

    /// No queue. Host reads under way and commands in flight keep their counts.
    pub(crate) fn delete(&mut self) {
        self.live = false;
        self.deleting = false;
        self.tail = 0;
        self.fetch = 0;
        self.head = 0;
        self.drop_fifo();
        self.doorbell_at.clear();
    }

    /// Drops what was prefetched.
    pub(crate) const fn drop_fifo(&mut self) {
        self.batch_left = 0;
        self.is_hungry = true;
        self.head_there = Head::Empty;
        self.fifo_first = 0;
        self.fifo_used = 0;
        self.there = 0;
        self.aborted = 0;
    }

    /// Slots between two indices of the ring, forwards.
    pub(crate) const fn distance(&self, from: u32, to: u32) -> u32 {
        if to >= from {
            to - from
        } else {
            to + self.entries - from
        }
    }

    /// SQEs the host has handed over that have not been asked for.
    pub(crate) const fn unfetched(&self) -> u32 {
        self.distance(self.fetch, self.tail)
    }

    /// The FIFO's place `index` from its first.
    pub(crate) const fn place(&self, index: usize) -> usize {
        let place = self.fifo_first + index;
        if place >= self.fifo.len() {
            place - self.fifo.len()
        } else {
            place
        }
    }

    /// The SQE `index` places behind the first, if it has arrived.
    pub(crate) fn peek(&self, index: usize) -> Option<&SubmissionEntry> {
        let place = self.place(index);
        (index < self.fifo_used && self.there >> place & 1 == 1).then(|| &self.fifo[place])
    }

    /// Has an Abort hit the SQE `index` places behind the first?
    pub(crate) const fn is_aborted(&self, index: usize) -> bool {
        self.aborted >> self.place(index) & 1 == 1
    }

    /// Takes the first SQE: its slot of the ring is free for the host from now on.
    pub(crate) fn pop(&mut self) -> SubmissionEntry {
        let place = self.fifo_first;
        self.there &= !(1 << place);
        self.aborted &= !(1 << place);
        self.fifo_first = self.place(1);
        self.fifo_used -= 1;
        self.head = if self.head + 1 == self.entries {
            0
        } else {
            self.head + 1
        };
        self.fifo[place]
    }

    /// Takes `count` places at the end of the FIFO for SQEs that are asked for; returns the first.
    pub(crate) const fn reserve(&mut self, count: u32) -> usize {
        let place = self.place(self.fifo_used);
        self.fifo_used += count as usize;
        self.batch_left -= count;
        self.fetch += count;
        if self.fetch >= self.entries {
            self.fetch -= self.entries;
        }
        place
    }
}

/// A completion queue (§4.1).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CompletionQueue {
    pub(crate) live: bool,
    pub(crate) address: u64,
    pub(crate) entries: u32,
    /// The host's head, as the last doorbell said.
    pub(crate) head: u32,
    /// Next slot to write.
    pub(crate) tail: u32,
    /// Phase tag of the next entry.
    pub(crate) phase: bool,
    /// Slots promised to commands under way.
    pub(crate) reserved: u32,
    /// Slots that the dispatcher knows of, 2 for more.
    pub(crate) room: u8,
    /// The next slot is for the second half of a pair that has posted its first.
    pub(crate) half_waits: bool,
    pub(crate) vector: Option<u16>,
    /// Submission queues that post here.
    pub(crate) users: u32,
}

impl CompletionQueue {
    pub(crate) const fn create(&mut self, address: u64, entries: u32, vector: Option<u16>) {
        *self = Self {
            live: true,
            address,
            entries,
            head: 0,
            tail: 0,
            phase: true,
            reserved: 0,
            room: 0,
            half_waits: false,
            vector,
            users: 0,
        };
    }

    /// Entries the host has not consumed.
    pub(crate) const fn posted(&self) -> u32 {
        if self.tail >= self.head {
            self.tail - self.head
        } else {
            self.tail + self.entries - self.head
        }
    }

    /// Slots that a command with `completions` takes before it starts: one each. The smallest queue
    /// has room for one only; there the second half of a pair waits for its slot at the end.
    pub(crate) const fn slots_for(&self, completions: u8) -> u8 {
        if self.entries == 2 { 1 } else { completions }
    }

    /// Could it promise `slots` more? A queue of n slots takes n - 1 entries (§4.1.1).
    pub(crate) const fn can_reserve(&self, slots: u32) -> bool {
        self.live && self.posted() + self.reserved + slots < self.entries
    }

    /// Promises `slots` slots, all or none.
    pub(crate) const fn reserve(&mut self, slots: u32) -> bool {
        let fits = self.can_reserve(slots);
        if fits {
            self.reserved += slots;
        }
        fits
    }

    /// Takes the next slot: its bus address and phase tag.
    pub(crate) const fn advance(&mut self) -> (u64, bool) {
        let address = self.address + self.tail as u64 * 16;
        let phase = self.phase;
        self.tail += 1;
        if self.tail == self.entries {
            self.tail = 0;
            self.phase = !self.phase;
        }
        (address, phase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_completion_queue_of_n_slots_takes_one_less() {
        let mut queue = CompletionQueue::default();
        assert!(!queue.reserve(1));
        queue.create(0x1000, 4, None);
        assert!(queue.reserve(2));
        assert!(!queue.reserve(2));
        assert!(queue.reserve(1));
        assert!(!queue.reserve(1));
        for slot in 0..3 {
            queue.reserved -= 1;
            assert_eq!(queue.advance(), (0x1000 + slot * 16, true));
        }
        assert!(!queue.reserve(1));
        queue.head = 1;
        assert!(queue.reserve(1));
        queue.reserved -= 1;
        queue.advance();
        assert_eq!(queue.advance(), (0x1000, false));
    }

    #[test]
    fn the_fifo_goes_around() {
        let mut queue = SubmissionQueue::new(4);
        queue.create(0, 3, 1);
        for round in 0..20 {
            queue.tail = (queue.tail + 2) % 3;
            assert_eq!(queue.unfetched(), 2);
            queue.batch_left = 2;
            let place = queue.reserve(2);
            for index in 0..2 {
                let place = (place + index) % 4;
                queue.fifo[place].cdw10 = round * 2 + index as u32;
                assert!(queue.peek(index).is_none());
                queue.there |= 1 << place;
            }
            assert_eq!(queue.peek(1).unwrap().cdw10, round * 2 + 1);
            assert_eq!(queue.pop().cdw10, round * 2);
            assert_eq!(queue.pop().cdw10, round * 2 + 1);
            assert_eq!(queue.head, queue.tail);
        }
    }
}
