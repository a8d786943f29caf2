//! The end of a command: counters, error log, its CQE (and the interrupt behind it), its context.

use nvme_spec::opcode::nvm;
use nvme_spec::{CompletionEntry, Status};
use pcie_host::endpoint::{Cycle, FunctionId};
use zerocopy::IntoBytes;

use crate::admin::CommandError;
use crate::context::{Kind, Phase};
use crate::function::AdminWait;
use crate::model::Model;
use crate::rq::SmallTlp;
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
    /// Ends a command with its status: posts its completions, frees its context.
    pub(crate) fn finish(&mut self, id: u16) {
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
        self.count(id);
        self.post_halves(id);
    }

    /// Posts what a command has not posted yet, as far as its completion queue has slots, then frees
    /// its context.
    pub(crate) fn post_halves(&mut self, id: u16) {
        let context = &self.contexts[id];
        let (function, queue) = (usize::from(context.function), context.queue);
        let row = &self.functions[function];
        let completion = usize::from(row.submission[usize::from(queue)].completion_queue);
        let mut posted = 0;
        while self.contexts[id].ended_halves < self.contexts[id].completions {
            let context = &mut self.contexts[id];
            let half = usize::from(context.ended_halves);
            let slots = &mut self.functions[function].completion[completion];
            if context.slots > 0 {
                context.slots -= 1;
                slots.reserved -= 1;
            } else if slots.can_reserve(1) {
                // It is taken at once.
            } else {
                self.functions[function].completion_wait |= 1 << self.contexts.index(id);
                break;
            }
            context.ended_halves += 1;
            if context.posts >> half & 1 == 0 {
                continue;
            }
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
            posted += 1;
        }
        if posted > 0
            && let Some(vector) = self.functions[function].completion[completion].vector
        {
            self.interrupt(function, queue, vector, posted);
        }
        if self.contexts[id].ended_halves == self.contexts[id].completions {
            self.end(id);
        }
    }

    /// A completion queue has slots again: posts what waited for one.
    pub(crate) fn post_waiting(&mut self, function: usize, completion_queue: u16) {
        let mut waiting = self.functions[function].completion_wait;
        while waiting != 0 {
            let id = self
                .contexts
                .id(function, waiting.trailing_zeros() as usize);
            waiting &= waiting - 1;
            let queue = usize::from(self.contexts[id].queue);
            if self.functions[function].submission[queue].completion_queue == completion_queue {
                self.functions[function].completion_wait &= !(1 << self.contexts.index(id));
                self.post_halves(id);
            }
        }
    }

    /// Writes a CQE into the next slot of the queue's completion queue.
    pub(crate) fn post(&mut self, function: usize, queue: u16, ended: Ended) {
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
                self.kick_dispatch();
            }
        }
        if self.functions[function].admin_wait == AdminWait::ContextEnds(id) {
            self.functions[function].admin_wait = AdminWait::Nothing;
            self.finish(self.admin_context(function));
        } else {
            self.check_admin_wait(function);
        }
        self.check_shut_down(function);
        self.check_drained(function);
    }

    /// An error ends the command: nothing more of it is started, and its completion is posted when
    /// everything of it that is under way has ended (the host may take its buffers back then).
    pub(crate) fn fail(&mut self, id: u16, status: Status) {
        let context = &mut self.contexts[id];
        if !context.failed {
            context.failed = true;
            context.status[0] = status;
            self.withdraw(id);
            self.drop_locks(id);
        }
        self.try_end(id);
    }

    /// Takes a context out of every arbiter and waiting set.
    pub(crate) fn withdraw(&mut self, id: u16) {
        let function = usize::from(self.contexts[id].function);
        self.functions[function]
            .lock_wait
            .retain(|other| *other != id);
        self.set_buffer_wait(id, false);
        self.set_data_ready(id, false);
        self.set_read_ready(id, false);
        self.prp_wait.retain(|waiting| *waiting != id);
        if self.data_job.is_some_and(|job| job.context == id) {
            self.data_job = None;
        }
        for segment in &mut self.contexts[id].segments {
            segment.to_request = 0;
        }
    }

    /// Gives up locks that a failed or doomed context awaits or reads under, once no AXI burst needs
    /// them; a lock that it writes under goes with B.
    pub(crate) fn drop_locks(&mut self, id: u16) {
        if self.contexts[id].axi_bursts > 0 {
            return;
        }
        for index in 0..2 {
            let context = &mut self.contexts[id];
            let segment = &mut context.segments[index];
            if matches!(segment.phase, Phase::Waiting | Phase::Reading) {
                segment.phase = Phase::Filled;
                let (function, row) = (usize::from(context.function), segment.row);
                self.release_row(function, row);
            }
        }
    }

    /// Ends a failed or doomed context if nothing of it is under way any more.
    pub(crate) fn try_end(&mut self, id: u16) {
        let context = &self.contexts[id];
        if context.kind == Kind::Free || !(context.failed || context.doomed) || !context.is_quiet()
        {
            return;
        }
        for index in 0..2 {
            if self.contexts[id].segments[index].phase != Phase::Idle {
                self.free_buffers(id, index);
            }
        }
        if self.contexts[id].doomed {
            self.end(id);
        } else {
            self.finish(id);
        }
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
