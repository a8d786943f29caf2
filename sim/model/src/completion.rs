//! The completion engine: one CQE or message a cycle.
//!
//! The end of a command: counters, error log, its CQE (and the interrupt behind it), its context.

use std::collections::VecDeque;

use nvme_spec::opcode::nvm;
use nvme_spec::{CompletionEntry, Status};
use pcie_host::endpoint::{Cycle, FunctionId};
use zerocopy::IntoBytes;

use crate::admin::CommandError;
use crate::context::{Kind, Phase};
use crate::function::AdminWait;
use crate::model::Model;
use crate::rq::SmallTlp;
use crate::schedule::{Engine, NEVER};
use crate::take_if::TakeIf;
use crate::trace::{CommandTrace, LockEvent, LockStep};

/// What a CQE says beside its queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) command_id: u16,
    pub(crate) status: Status,
    pub(crate) dword0: u32,
    pub(crate) do_not_retry: bool,
    /// For the trace.
    pub(crate) doorbell_at: Cycle,
}

/// What the engine does next.
#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// The CQE of a command, or the first of a pair.
    #[default]
    First,
    /// The second CQE of a pair; so many were posted before.
    Second { id: u16, posted: u32 },
    /// The message behind CQEs.
    Interrupt {
        function: usize,
        queue: u16,
        vector: u16,
        posted: u32,
    },
}

/// Commands that have ended, by who says so, each from a cycle on.
#[derive(Debug, Default)]
pub(crate) struct Completer {
    state: State,
    /// The first cycle that is not taken.
    free_from: Cycle,
    sent: VecDeque<(Cycle, u16)>,
    ended: VecDeque<(Cycle, u16)>,
    admin: VecDeque<(Cycle, u16)>,
    /// Halves of pairs that have waited for a slot.
    parked: VecDeque<(Cycle, u16)>,
    /// Commands that were aborted in their FIFOs: function, queue.
    aborted: VecDeque<(usize, u16, Ended)>,
    /// Functions with events to be told.
    pub(crate) events: u32,
}

impl Completer {
    fn next(&self, now: Cycle) -> Cycle {
        if !matches!(self.state, State::First) || self.events != 0 || !self.aborted.is_empty() {
            return now + 1;
        }
        let queues = [&self.sent, &self.ended, &self.admin, &self.parked];
        let firsts = queues.into_iter().filter_map(|queue| queue.front());
        let next = firsts.fold(NEVER, |next, entry| next.min(entry.0));
        next.max(now + 1)
    }

    /// A command has been aborted in its FIFO.
    pub(crate) fn tell_aborted(&mut self, function: usize, queue: u16, ended: Ended) {
        self.aborted.push_back((function, queue, ended));
    }

    /// The function's messages are of no use any more.
    pub(crate) fn forget_function(&mut self, function: usize) {
        self.events &= !(1 << function);
        self.aborted.retain(|(owner, ..)| *owner != function);
        if matches!(self.state, State::Interrupt { function: owner, .. } if owner == function) {
            self.state = State::First;
        }
    }
}

/// Would the same I/O command fail again (CQE bit DNR)?
fn fails_again(status: Status) -> bool {
    matches!(
        status,
        Status::INVALID_OPCODE
            | Status::INVALID_FIELD
            | Status::INVALID_NAMESPACE
            | Status::LBA_OUT_OF_RANGE
            | Status::ABORTED_MISSING_FUSED
    )
}

impl Model {
    /// A command of the segment engine has ended: its CQE is next in the next cycle.
    pub(crate) fn finish_ended(&mut self, id: u16) {
        self.conclude(id);
        self.completer.ended.push_back((self.now + 1, id));
        self.kick_completions(self.now + 1);
    }

    /// The last data of a command have left.
    pub(crate) fn finish_sent(&mut self, id: u16) {
        self.conclude(id);
        self.completer.sent.push_back((self.now, id));
        self.kick_completions(self.now);
    }

    /// An admin command has ended.
    pub(crate) fn finish(&mut self, id: u16) {
        self.finish_at(id, self.now);
    }

    /// An admin command has ended: its CQE is next in cycle `at`.
    pub(crate) fn finish_at(&mut self, id: u16, at: Cycle) {
        self.conclude(id);
        self.completer.admin.push_back((at, id));
        self.kick_completions(at);
    }

    pub(crate) fn kick_completions(&mut self, at: Cycle) {
        self.schedule
            .no_later_than(Engine::Completions, at.max(self.completer.free_from));
    }

    /// Settles how a command has ended.
    fn conclude(&mut self, id: u16) {
        let context = &mut self.contexts[id];
        debug_assert!(context.is_quiet() && !context.doomed, "{context:?}");
        let second = context.status[1];
        if context.completions == 2
            && !context.status[0].is_success()
            && !context.second_stands
            && second != Status::ABORT_REQUESTED
        {
            context.status[1] = Status::ABORTED_FAILED_FUSED;
        }
        context.delayed += 1;
        self.count(id);
    }

    /// One CQE, or the message behind one.
    pub(crate) fn run_completions(&mut self) {
        if self.completer.free_from <= self.now {
            match std::mem::take(&mut self.completer.state) {
                State::First => self.complete_next(),
                State::Second { id, posted } => self.complete_half(id, posted),
                State::Interrupt {
                    function,
                    queue,
                    vector,
                    posted,
                } => {
                    self.completer.free_from = self.now + 1;
                    self.interrupt(function, queue, vector, posted);
                }
            }
        }
        let next = self.completer.next(self.now);
        self.schedule
            .set(Engine::Completions, next.max(self.completer.free_from));
    }

    /// The command whose CQE is next: one whose data have been sent, one of the segment engine, an admin
    /// command, a half that has waited for its slot, an event.
    fn complete_next(&mut self) {
        let (now, completer) = (self.now, &mut self.completer);
        let due = |entry: &(Cycle, u16)| entry.0 <= now;
        let next = completer
            .sent
            .take_if(due)
            .or_else(|| completer.ended.take_if(due))
            .or_else(|| completer.admin.take_if(due))
            .or_else(|| completer.parked.take_if(due));
        if let Some((_, id)) = next {
            self.complete_half(id, 0);
        } else if let Some((function, queue, ended)) = completer.aborted.pop_front() {
            self.post_aborted(function, queue, ended);
        } else if completer.events != 0 {
            let function = completer.events.trailing_zeros() as usize;
            completer.events &= completer.events - 1;
            if self.post_deferred(function) {
                self.completer.free_from = now + 1;
                if let Some(vector) = self.functions[function].completion[0].vector {
                    self.completer.state = State::Interrupt {
                        function,
                        queue: 0,
                        vector,
                        posted: 1,
                    };
                }
            }
        }
    }

    /// Posts the completion of a command that was aborted in its FIFO; that of the Abort follows.
    fn post_aborted(&mut self, function: usize, queue: u16, ended: Ended) {
        let row = &mut self.functions[function];
        let completion = usize::from(row.submission[usize::from(queue)].completion_queue);
        let vector = row.completion[completion].vector;
        self.room_changes(function, completion as u16, self.now + 1);
        self.functions[function].completion[completion].reserved -= 1;
        self.post(function, queue, ended);
        self.completer.free_from = self.now + 1;
        if let Some(vector) = vector {
            self.completer.state = State::Interrupt {
                function,
                queue,
                vector,
                posted: 1,
            };
        }
        self.finish_at(self.admin_context(function), self.now + 1);
    }

    /// Posts the next half of a command; a pair's second one follows, then the message.
    fn complete_half(&mut self, id: u16, mut posted: u32) {
        let context = &mut self.contexts[id];
        let (function, queue) = (usize::from(context.function), context.queue);
        if context.doomed {
            context.delayed -= 1;
            return self.try_end(id);
        }
        let row = &self.functions[function];
        let completion_queue = row.submission[usize::from(queue)].completion_queue;
        let half = usize::from(context.ended_halves);
        let has_slot = context.slots > 0;
        if !has_slot && !row.completion[usize::from(completion_queue)].can_reserve(1) {
            return self.park(id, completion_queue);
        }
        self.completer.free_from = self.now + 1;
        let context = &mut self.contexts[id];
        context.ended_halves += 1;
        let posts = context.posts >> half & 1 == 1;
        if has_slot {
            context.slots -= 1;
            self.room_changes(function, completion_queue, self.now + 1);
            self.functions[function].completion[usize::from(completion_queue)].reserved -= 1;
        } else {
            self.functions[function].completion[usize::from(completion_queue)].half_waits = false;
        }
        if posts {
            self.post_half(id, half);
            posted += 1;
        }
        let context = &mut self.contexts[id];
        if context.ended_halves < context.completions {
            if context.slots == 0 {
                // The smallest queue: the second half waits for the host.
                self.functions[function].completion[usize::from(completion_queue)].half_waits =
                    true;
                self.park(id, completion_queue);
            } else {
                self.completer.state = State::Second { id, posted };
                return;
            }
        } else {
            context.delayed -= 1;
            self.end(id);
        }
        if posted > 0
            && let Some(vector) =
                self.functions[function].completion[usize::from(completion_queue)].vector
        {
            self.completer.state = State::Interrupt {
                function,
                queue,
                vector,
                posted,
            };
        }
    }

    /// A half waits for a slot of its completion queue.
    fn park(&mut self, id: u16, completion_queue: u16) {
        let function = usize::from(self.contexts[id].function);
        self.functions[function].completion_wait |= 1 << self.contexts.index(id);
        self.post_waiting(function, completion_queue);
    }

    fn post_half(&mut self, id: u16, half: usize) {
        let context = &self.contexts[id];
        let (function, queue) = (usize::from(context.function), context.queue);
        let status = context.status[half];
        let admin = context.kind == Kind::Admin;
        let ended = Ended {
            command_id: context.sqe[half].command_id(),
            status,
            dword0: context.dword0,
            do_not_retry: if admin {
                context.do_not_retry
            } else {
                fails_again(status)
            },
            doorbell_at: context.doorbell_at[half],
        };
        if !status.is_success() && !admin {
            self.log_error(id, half, status);
        }
        self.post(function, queue, ended);
    }

    /// A completion queue may have slots again: what waited for one is posted.
    pub(crate) fn post_waiting(&mut self, function: usize, completion_queue: u16) {
        let row = &self.functions[function];
        if !row.completion[usize::from(completion_queue)].can_reserve(1) {
            return;
        }
        let mut waiting = row.completion_wait;
        while waiting != 0 {
            let id = self
                .contexts
                .id(function, waiting.trailing_zeros() as usize);
            waiting &= waiting - 1;
            let queue = usize::from(self.contexts[id].queue);
            if self.functions[function].submission[queue].completion_queue == completion_queue {
                self.functions[function].completion_wait &= !(1 << self.contexts.index(id));
                // It is found, and then offered.
                let at = self.now + 2;
                self.completer.parked.push_back((at, id));
                self.kick_completions(at);
            }
        }
    }

    /// Writes a CQE into the next slot of the queue's completion queue.
    pub(crate) fn post(&mut self, function: usize, queue: u16, ended: Ended) {
        let completion_queue =
            self.functions[function].submission[usize::from(queue)].completion_queue;
        self.room_changes(function, completion_queue, self.now + 1);
        let row = &mut self.functions[function];
        let submission = &row.submission[usize::from(queue)];
        let head = submission.head as u16;
        let (address, phase) = row.completion[usize::from(submission.completion_queue)].advance();
        let entry = CompletionEntry::new(
            ended.dword0,
            head,
            queue,
            ended.command_id,
            ended.status,
            ended.do_not_retry,
            phase,
        );
        let mut bytes = [0; 16];
        bytes.copy_from_slice(entry.as_bytes());
        let tlp = SmallTlp::Completion {
            address,
            entry: bytes,
        };
        let completion_at = self.rq.push(function as u8, tlp, self.now);
        if self.trace.options.commands {
            self.trace.commands.push(CommandTrace {
                function: FunctionId(function as u8),
                queue_id: queue,
                command_id: ended.command_id,
                status: ended.status,
                doorbell_at: ended.doorbell_at,
                completion_at,
            });
        }
    }

    fn count(&mut self, id: u16) {
        let context = &self.contexts[id];
        let counters = &mut self.functions[usize::from(context.function)].counters;
        let bytes = u64::from(context.length);
        let miscompared = context.status[0] == Status::COMPARE_FAILURE;
        let compared = context.status[0].is_success() || miscompared;
        match context.kind {
            Kind::Read if compared => counters.count_read(bytes),
            Kind::Write if compared => counters.count_write(bytes),
            Kind::Compare if compared => counters.count_compare(bytes, miscompared),
            Kind::Pair if miscompared || (compared && context.status[1].is_success()) => {
                counters.count_pair(bytes, miscompared);
            }
            _ => {}
        }
    }

    fn log_error(&mut self, id: u16, half: usize, status: Status) {
        let context = &self.contexts[id];
        let sqe = &context.sqe[half];
        let location = context
            .rejection
            .filter(|rejection| rejection.status == status)
            .map(super::decode::Rejection::location);
        let moves_blocks = matches!(sqe.opcode(), nvm::READ | nvm::WRITE | nvm::COMPARE);
        self.admins[usize::from(context.function)].record_error(CommandError {
            submission_queue_id: context.queue,
            command_id: sqe.command_id(),
            status,
            location,
            lba: if moves_blocks { sqe.starting_lba() } else { 0 },
            namespace_id: sqe.namespace_id,
        });
    }

    /// Frees a context, and lets what waited for its end go on.
    pub(crate) fn end(&mut self, id: u16) {
        let context = &self.contexts[id];
        let function = usize::from(context.function);
        let queue = usize::from(context.queue);
        let doomed = context.doomed;
        self.contexts.put(id);
        let row = &mut self.functions[function];
        if !doomed {
            row.submission[queue].in_flight -= 1;
            if row.ready_queues != 0 {
                self.kick_dispatch_at(self.now + 1);
            }
        }
        if self.functions[function].admin_wait == AdminWait::ContextEnds(id) {
            self.functions[function].admin_wait = AdminWait::Nothing;
            self.finish_at(self.admin_context(function), self.now + 1);
        } else {
            self.check_admin_wait(function);
        }
        self.check_shut_down(function);
        self.check_drained(function);
    }

    /// Takes a context out of every arbiter and waiting set.
    pub(crate) fn withdraw(&mut self, id: u16) {
        self.forget_lock_wait(id);
        self.forget_buffer_wait(id);
        let context = &self.contexts[id];
        let (function, queue) = (usize::from(context.function), usize::from(context.queue));
        self.data_turns.remove(function, queue, id);
        self.read_turns.remove(function, queue, id);
        self.walker.forget(id);
        self.list_read = self.list_read.filter(|(_, listed)| *listed != id);
        self.data_job = self.data_job.filter(|job| job.context != id);
        for segment in &mut self.contexts[id].segments {
            segment.to_request = 0;
            if segment.phase == Phase::Locking {
                segment.phase = Phase::Filled;
            }
        }
        self.kick_reads();
        self.schedule.no_later_than(Engine::Lists, self.now);
    }

    /// Gives up locks that a doomed context awaits or reads under, once no AXI burst needs
    /// them; a lock that it writes under goes with B.
    pub(crate) fn drop_locks(&mut self, id: u16) {
        if self.contexts[id].axi_bursts > 0 {
            return;
        }
        for index in 0..2 {
            let segment = &mut self.contexts[id].segments[index];
            if matches!(segment.phase, Phase::Waiting | Phase::Reading) {
                segment.phase = Phase::Filled;
                let row = segment.row;
                self.release_row(row);
            }
        }
    }

    /// Ends a doomed context if nothing of it is under way any more.
    pub(crate) fn try_end(&mut self, id: u16) {
        let context = &self.contexts[id];
        if context.kind == Kind::Free || !context.doomed || !context.is_quiet() {
            return;
        }
        for index in 0..2 {
            if self.contexts[id].segments[index].phase != Phase::Idle {
                self.free_buffers(id, index);
            }
        }
        self.end(id);
    }

    /// Keeps a step of a context's row of the range lock for the trace.
    pub(crate) fn trace_lock(&mut self, step: LockStep, id: u16, row: u8) {
        if !self.trace.options.locks {
            return;
        }
        let context = &self.contexts[id];
        let (start, end, exclusive) = self.lock.range(row);
        self.trace.locks.push(LockEvent {
            at: self.now,
            step,
            function: FunctionId(context.function),
            queue_id: context.queue,
            command_id: context.sqe[0].command_id(),
            start,
            end,
            exclusive,
        });
    }
}
