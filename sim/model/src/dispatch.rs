//! The dispatcher: takes SQEs out of their FIFOs, pairs up fused commands, and gives each command a
//! context and its CQ slots, all or nothing. Round robin over functions, then by bytes over queues.
//!
//! A choice takes three cycles: which functions could go and whose turn it is; which of its queues; then
//! the command is taken, if nothing has come between.

use nvme_spec::{Status, SubmissionEntry};
use pcie_host::endpoint::Cycle;

use crate::heads::Head;
use crate::model::Model;
use crate::queue::SubmissionQueue;
use crate::rows::in_turn;
use crate::schedule::{Engine, NEVER};

/// A choice under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Choice {
    /// None.
    #[default]
    Nothing,
    /// Of a function, among these queues, in this cycle.
    Queue {
        at: Cycle,
        function: usize,
        allowed: u64,
    },
    /// Of a command: it is taken in this cycle.
    Command {
        at: Cycle,
        function: usize,
        queue: usize,
    },
}

impl Model {
    /// Something has changed that may let a command go.
    pub(crate) fn kick_dispatch(&mut self) {
        self.kick_dispatch_at(self.now);
    }

    /// Something changes in cycle `at` that may let a command go.
    pub(crate) fn kick_dispatch_at(&mut self, at: Cycle) {
        self.schedule
            .no_later_than(Engine::Dispatch, at.max(self.dispatch_from));
    }

    /// Brings the ready sets in line with what stands at the head of a queue's FIFO.
    pub(crate) fn queue_changed(&mut self, function: usize, id: u16) {
        let row = &mut self.functions[function];
        let index = usize::from(id);
        let queue = &row.submission[index];
        let is_live = queue.live && !queue.deleting;
        let is_ready = is_live && queue.head_there.is_ready();
        row.ready_queues = row.ready_queues & !(1 << id) | u64::from(is_ready) << id;
        if is_live && queue.head_there != Head::Empty {
            row.dispatch_turns.activate(index);
        } else {
            row.dispatch_turns.deactivate(index);
        }
        let any = row.ready_queues != 0;
        self.ready_functions = self.ready_functions & !(1 << function) | u32::from(any) << function;
    }

    /// The next step of a choice.
    pub(crate) fn run_dispatch(&mut self) {
        match self.dispatch_choice {
            Choice::Nothing => self.choose_function(),
            Choice::Queue {
                at,
                function,
                allowed,
            } if at <= self.now => self.choose_queue(function, allowed),
            Choice::Command {
                at,
                function,
                queue,
            } if at <= self.now => {
                self.dispatch_choice = Choice::Nothing;
                self.schedule
                    .set(Engine::Dispatch, self.dispatch_from.max(self.now + 1));
                self.take_chosen(function, queue);
            }
            Choice::Queue { at, .. } | Choice::Command { at, .. } => {
                self.schedule.set(Engine::Dispatch, at);
            }
        }
    }

    /// Which functions could go, and whose turn it is.
    fn choose_function(&mut self) {
        if self.now < self.dispatch_from {
            return self.schedule.set(Engine::Dispatch, self.dispatch_from);
        }
        self.advance_room(self.now);
        let mut candidates = self.ready_functions;
        while let Some(function) = in_turn(candidates, self.dispatch_function) {
            candidates &= !(1 << function);
            let allowed = self.may_go(function);
            if allowed != 0 {
                self.dispatch_from = self.now + self.timing.dispatch_cycles;
                self.choose_next(Choice::Queue {
                    at: self.now + 1,
                    function,
                    allowed,
                });
                return;
            }
        }
        // Room that is being looked at may be enough in the next cycle.
        let next = if self.ready_functions != 0 && self.is_room_changing() {
            self.now + 1
        } else {
            NEVER
        };
        self.schedule.set(Engine::Dispatch, next);
    }

    fn choose_next(&mut self, choice: Choice) {
        self.dispatch_choice = choice;
        self.schedule.set(Engine::Dispatch, self.now + 1);
    }

    /// Queues of a function whose first command could go.
    fn may_go(&self, function: usize) -> u64 {
        let row = &self.functions[function];
        let mut ready = row.ready_queues;
        if !row.runs() || ready == 0 {
            return 0;
        }
        if !self.contexts.has_free(function, true) {
            ready &= !1;
        }
        if !self.contexts.has_free(function, false) {
            ready &= 1;
        }
        let mut allowed = 0;
        while ready != 0 {
            let id = ready.trailing_zeros() as usize;
            ready &= ready - 1;
            let queue = &row.submission[id];
            let completion = &row.completion[usize::from(queue.completion_queue)];
            if completion.has_room(queue.head_there.completions()) {
                allowed |= 1 << id;
            }
        }
        allowed
    }

    /// Which of a function's queues: the admin queue, else by bytes.
    fn choose_queue(&mut self, function: usize, allowed: u64) {
        let row = &mut self.functions[function];
        let submission = &row.submission;
        let queue = if allowed & 1 == 1 {
            Some(0)
        } else {
            let cost_bytes = |id: usize| submission[id].cost_bytes;
            let queue = row.dispatch_turns.select(allowed, cost_bytes);
            if let Some(queue) = queue {
                row.dispatch_turns.charge(queue, cost_bytes(queue));
            }
            queue
        };
        match queue {
            Some(queue) => self.choose_next(Choice::Command {
                at: self.now + 1,
                function,
                queue,
            }),
            None => {
                self.dispatch_choice = Choice::Nothing;
                self.schedule
                    .set(Engine::Dispatch, self.dispatch_from.max(self.now + 1));
            }
        }
    }

    /// Takes the chosen command, unless something has come between.
    fn take_chosen(&mut self, function: usize, id: usize) {
        self.advance_room(self.now);
        let row = &self.functions[function];
        let queue = &row.submission[id];
        let head = queue.head_there;
        let completion_queue = queue.completion_queue;
        let completion = &row.completion[usize::from(completion_queue)];
        if row.ready_queues >> id & 1 == 0
            || !row.runs()
            || !completion.has_room(head.completions())
        {
            return;
        }
        let slots = completion.slots_for(head.completions());
        self.reserve_slots(function, completion_queue, slots);
        self.dispatch_function = (function + 1) % self.functions.len();
        self.take_command(function, id as u16, head, slots);
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
        self.popped_from(function, usize::from(id));

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
