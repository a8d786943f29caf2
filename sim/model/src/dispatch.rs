//! The dispatcher: takes SQEs out of their FIFOs, pairs up fused commands, and gives each command a
//! context and its CQ slots, all or nothing. Round robin over functions, then by bytes over queues.

use nvme_spec::opcode::nvm;
use nvme_spec::{Fuse, Status, SubmissionEntry};
use pcie_host::endpoint::Cycle;

use crate::model::Model;
use crate::queue::SubmissionQueue;
use crate::schedule::{Engine, NEVER};

/// What stands at the head of a FIFO.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Head {
    /// Nothing that can go yet. A fused first waits here for its neighbour, holding nothing.
    Waits,
    /// One command.
    Single,
    /// A fused first whose neighbour is no fused second, or a second without a first.
    Orphan,
    /// A fused first and the fused second behind it.
    Pair,
}

impl Head {
    const fn completions(self) -> u8 {
        match self {
            Self::Pair => 2,
            _ => 1,
        }
    }
}

impl SubmissionQueue {
    fn head_of_fifo(&self) -> Head {
        let Some(first) = self.peek(0) else {
            return Head::Waits;
        };
        match first.fuse() {
            Fuse::First => match self.peek(1).map(SubmissionEntry::fuse) {
                None => Head::Waits,
                Some(Fuse::Second) => Head::Pair,
                Some(_) => Head::Orphan,
            },
            Fuse::Second => Head::Orphan,
            Fuse::Normal | Fuse::Reserved => Head::Single,
        }
    }
}

/// Bytes a command will move: what its queue's turn is charged with.
fn cost(block_bytes: u32, most: u32, sqe: &SubmissionEntry) -> u32 {
    match sqe.opcode() {
        nvm::READ | nvm::WRITE | nvm::COMPARE => {
            sqe.block_count().saturating_mul(block_bytes).min(most)
        }
        _ => 64,
    }
}

impl Model {
    /// Something has changed that may let a command go.
    pub(crate) fn kick_dispatch(&mut self) {
        self.schedule
            .no_later_than(Engine::Dispatch, self.now.max(self.dispatch_from));
    }

    /// Brings the ready sets in line with a queue's FIFO.
    pub(crate) fn queue_changed(&mut self, function: usize, id: u16) {
        let row = &mut self.functions[function];
        let index = usize::from(id);
        let ready = row.submission[index].peek(0).is_some();
        row.ready_queues = row.ready_queues & !(1 << id) | u64::from(ready) << id;
        if ready {
            row.dispatch_turns.activate(index);
        } else {
            row.dispatch_turns.deactivate(index);
        }
        let any = row.ready_queues != 0;
        self.ready_functions = self.ready_functions & !(1 << function) | u32::from(any) << function;
    }

    /// Takes the next command, if any can go.
    pub(crate) fn run_dispatch(&mut self) {
        let functions = self.functions.len();
        let mut candidates = self.ready_functions;
        while candidates != 0 {
            let later = candidates & (u32::MAX << self.dispatch_function);
            let function = if later == 0 { candidates } else { later }.trailing_zeros() as usize;
            candidates &= !(1 << function);
            if self.dispatch_from_function(function) {
                self.dispatch_function = (function + 1) % functions;
                self.dispatch_from = self.now + self.timing.dispatch_cycles;
                self.schedule.set(Engine::Dispatch, self.dispatch_from);
                return;
            }
        }
        self.schedule.set(Engine::Dispatch, NEVER);
    }

    fn dispatch_from_function(&mut self, function: usize) -> bool {
        let row = &mut self.functions[function];
        if !row.runs() {
            return false;
        }
        if row.ready_queues & 1 == 1
            && self.contexts.has_free(function, true)
            && row.completion[0].reserve(1)
        {
            self.take_command(function, 0, Head::Single, 1);
            return true;
        }
        let mut candidates = row.ready_queues & !1;
        if candidates == 0 || !self.contexts.has_free(function, false) {
            return false;
        }
        let mut allowed = 0;
        while candidates != 0 {
            let id = candidates.trailing_zeros() as usize;
            candidates &= candidates - 1;
            let queue = &row.submission[id];
            let head = queue.head_of_fifo();
            let completion = &row.completion[usize::from(queue.completion_queue)];
            let slots = completion.slots_for(head.completions());
            if head != Head::Waits && completion.can_reserve(slots.into()) {
                allowed |= 1 << id;
            }
        }
        let (block_bytes, most) = (self.block_bytes, self.geometry.maximum_transfer_bytes);
        let submission = &row.submission;
        let of_queue = |id: usize| {
            let first = submission[id]
                .peek(0)
                .map_or(0, |sqe| cost(block_bytes, most, sqe));
            first * (1 + u32::from(submission[id].head_of_fifo() == Head::Pair))
        };
        let Some(id) = row.dispatch_turns.select(allowed, of_queue) else {
            return false;
        };
        let bytes = of_queue(id);
        row.dispatch_turns.charge(id, bytes);
        let head = row.submission[id].head_of_fifo();
        let completion = &mut row.completion[usize::from(row.submission[id].completion_queue)];
        let slots = completion.slots_for(head.completions());
        completion.reserve(slots.into());
        self.take_command(function, id as u16, head, slots);
        true
    }

    /// Moves a command (or pair) from its FIFO into a context. Its CQ slots are reserved.
    fn take_command(&mut self, function: usize, id: u16, head: Head, slots: u8) {
        let queue = &mut self.functions[function].submission[usize::from(id)];
        let pair = head == Head::Pair;
        let aborted = [queue.is_aborted(0), pair && queue.is_aborted(1)];
        let rung_at = |queue: &SubmissionQueue| -> Cycle {
            queue
                .doorbell_at
                .get(queue.head as usize)
                .copied()
                .unwrap_or(0)
        };
        let mut doorbell_at = [rung_at(queue), 0];
        let mut sqe = [queue.pop(), SubmissionEntry::default()];
        if pair {
            doorbell_at[1] = rung_at(queue);
            sqe[1] = queue.pop();
        }
        queue.in_flight += 1;
        self.queue_changed(function, id);
        self.want_fetch(function, id);
        self.fetch_everything();

        let Some(context) = self.contexts.take(function, id == 0) else {
            return;
        };
        let row = &mut self.contexts[context];
        row.queue = id;
        row.sqe = sqe;
        row.doorbell_at = doorbell_at;
        row.completions = head.completions();
        row.slots = slots;
        row.posts = u8::from(!aborted[0]) | u8::from(pair && !aborted[1]) << 1;
        if head == Head::Orphan {
            row.status[0] = Status::ABORTED_MISSING_FUSED;
        }
        for (status, aborted) in row.status.iter_mut().zip(aborted) {
            if aborted {
                *status = Status::ABORT_REQUESTED;
            }
        }
        row.delayed += 1;
        let at = self.now + self.timing.decode_cycles;
        self.decoding.push_back((at, context));
        self.schedule.no_later_than(Engine::Decode, at);
    }
}
