//! The SQE fetch engine: which queue wants SQEs, and the reads it asks for, one a cycle.

use nvme_spec::SUBMISSION_ENTRY_BYTES;
use pcie_host::endpoint::Cycle;

use crate::model::{Model, PAGE};
use crate::reads::EntriesRead;
use crate::rows::in_turn;
use crate::schedule::{Engine, NEVER};

const SQE: u32 = SUBMISSION_ENTRY_BYTES as u32;

impl Model {
    /// A queue may want SQEs in cycle `at`.
    pub(crate) fn kick_fetch(&mut self, at: Cycle) {
        if self.fetch_functions != 0 {
            self.schedule.no_later_than(Engine::Fetch, at);
        }
    }

    /// Notes whether a queue wants SQEs: it is within a batch, or has some to fetch, and its FIFO is
    /// empty or holds nothing but the first half of a pair. So batches form by themselves when the queue
    /// is deep.
    pub(crate) fn want_fetch(&mut self, function: usize, id: u16) {
        let row = &mut self.functions[function];
        let runs = row.runs();
        let queue = &row.submission[usize::from(id)];
        let wants = runs
            && queue.live
            && !queue.deleting
            && (queue.batch_left > 0 || (queue.is_hungry && queue.unfetched() > 0));
        row.fetch_queues = row.fetch_queues & !(1 << id) | u32::from(wants) << id;
        self.note_fetch(function);
        if wants {
            self.kick_fetch(self.now);
        }
    }

    /// Brings the set of functions that want SQEs in line with the function's queues.
    pub(crate) fn note_fetch(&mut self, function: usize) {
        let wants = self.functions[function].fetch_queues != 0;
        self.fetch_functions =
            self.fetch_functions & !(1 << function) | u32::from(wants) << function;
    }

    /// Asks for the next read of a batch: round robin over functions, then queues, a batch as a whole.
    /// Reads end at the ring's end, at 4 KiB and at MRRS.
    pub(crate) fn run_fetch(&mut self) {
        self.schedule.set(Engine::Fetch, NEVER);
        if self.entries_read.is_some() {
            // Asked again when it has been sent.
            return;
        }
        let Some(function) = in_turn(self.fetch_functions, self.fetch_function) else {
            return;
        };
        let row = &mut self.functions[function];
        if !row.runs() {
            row.fetch_queues = 0;
            self.note_fetch(function);
            return self.kick_fetch(self.now + 1);
        }
        let Some(id) = in_turn(row.fetch_queues, row.fetch_next as usize) else {
            return;
        };
        let most = self.read_request_bytes() / SQE;
        let row = &mut self.functions[function];
        let queue = &mut row.submission[id];
        if queue.batch_left == 0 {
            let room = (queue.fifo.len() - queue.fifo_used) as u32;
            queue.batch_left = queue.unfetched().min(room);
        }
        let address = queue.address + u64::from(queue.fetch) * u64::from(SQE);
        let page_end = (PAGE - (address % u64::from(PAGE)) as u32) / SQE;
        let count = queue
            .batch_left
            .min(most)
            .min(queue.entries - queue.fetch)
            .min(page_end);
        let slot = queue.reserve(count) as u8;
        queue.is_hungry = false;
        queue.reads += 1;
        let ends_batch = queue.batch_left == 0;
        self.entries_read = Some(EntriesRead {
            from: self.now + 1,
            function: function as u8,
            queue: id as u16,
            slot,
            address,
            length_bytes: count * SQE,
        });
        row.fetch_next = if ends_batch {
            (id as u32 + 1) % 32
        } else {
            id as u32
        };
        self.fetch_function = if ends_batch {
            (function + 1) % self.functions.len()
        } else {
            function
        };
        self.heads.forget_hunger(function, id);
        self.want_fetch(function, id as u16);
        self.schedule.set(Engine::Fetch, NEVER);
        self.schedule.no_later_than(Engine::Reads, self.now + 1);
    }
}
