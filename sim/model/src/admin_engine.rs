//! Carries out what the admin engine decides: queues made and deleted, transfers, Aborts, events.

use nvme_spec::Status;

use crate::admin::{self, AdminAction, ControllerView, HostPiece, IoCounters};
use crate::completion::Ended;
use crate::context::Kind;
use crate::function::{AdminWait, DeferredCompletion, Function};
use crate::model::Model;
use crate::rq::{DataBurst, Source};
use crate::schedule::{Engine, NEVER};

/// What the admin engine may ask about one function.
struct View<'a> {
    functions: &'a [Function],
    function: usize,
    now: u64,
}

impl View<'_> {
    fn own(&self) -> &Function {
        &self.functions[self.function]
    }
}

impl ControllerView for View<'_> {
    fn completion_queue_exists(&self, queue_id: u16) -> bool {
        self.own()
            .completion
            .get(usize::from(queue_id))
            .is_some_and(|queue| queue.live)
    }

    fn submission_queue_exists(&self, queue_id: u16) -> bool {
        self.own()
            .submission
            .get(usize::from(queue_id))
            .is_some_and(|queue| queue.live)
    }

    fn completion_queue_in_use(&self, queue_id: u16) -> bool {
        self.own()
            .completion
            .get(usize::from(queue_id))
            .is_some_and(|queue| queue.users > 0)
    }

    fn any_io_queue_exists(&self) -> bool {
        self.own().completion[1..].iter().any(|queue| queue.live)
    }

    fn counters(&self, function: u8) -> IoCounters {
        self.functions[usize::from(function)].counters
    }

    fn has_admin_slot(&self) -> bool {
        self.own().completion[0].can_reserve(1)
    }

    fn now_cycles(&self) -> u64 {
        self.now
    }
}

impl Model {
    /// The context of a function's admin queue.
    pub(crate) const fn admin_context(&self, function: usize) -> u16 {
        self.contexts
            .id(function, self.geometry.contexts_per_function as usize)
    }

    /// An admin command has been decoded: hands it to the admin engine.
    pub(crate) fn start_admin(&mut self, id: u16) {
        // Waiting begins in the next cycle.
        let at = self.now + 1 + self.timing.admin_cycles;
        let context = &mut self.contexts[id];
        context.kind = Kind::Admin;
        context.delayed += 1;
        self.in_admin.push_back((at, id));
        self.schedule.no_later_than(Engine::Admin, at);
    }

    /// Admin commands whose answer is formed.
    pub(crate) fn run_admin(&mut self) {
        while let Some((at, id)) = self.in_admin.front().copied() {
            if at > self.now {
                break;
            }
            self.in_admin.pop_front();
            self.contexts[id].delayed -= 1;
            if self.contexts[id].doomed {
                self.try_end(id);
            } else {
                self.execute_admin(id);
            }
        }
        self.schedule.set(
            Engine::Admin,
            self.in_admin.front().map_or(NEVER, |entry| entry.0),
        );
    }

    fn execute_admin(&mut self, id: u16) {
        let function = usize::from(self.contexts[id].function);
        let action = admin::execute(
            &mut self.admins[function],
            &self.admin_config,
            &View {
                functions: &self.functions,
                function,
                now: self.now,
            },
            &self.contexts[id].sqe[0],
            &mut self.admin_buffers[function],
        );
        let features = self.admins[function].features();
        let row = &mut self.functions[function];
        row.aggregation_threshold = features.aggregation_threshold();
        row.aggregation_cycles =
            u64::from(features.aggregation_time_us() / 100) * self.timing.coalescing_step_cycles;
        self.carry_out(id, function, action);
        self.send_events(function);
    }

    fn carry_out(&mut self, id: u16, function: usize, action: AdminAction) {
        let row = &mut self.functions[function];
        match action {
            AdminAction::Complete {
                status,
                dword0,
                do_not_retry,
            } => {
                let context = &mut self.contexts[id];
                context.status[0] = status;
                context.dword0 = dword0;
                context.do_not_retry = do_not_retry;
                self.finish(id);
            }
            AdminAction::TransferToHost { pieces, .. } => self.transfer_to_host(id, pieces),
            AdminAction::CreateCompletionQueue {
                queue_id,
                entries,
                address,
                interrupt_vector,
            } => {
                self.room_changes(function, queue_id, self.now + 1);
                self.functions[function].completion[usize::from(queue_id)].create(
                    address,
                    entries,
                    interrupt_vector,
                );
                self.finish(id);
            }
            AdminAction::CreateSubmissionQueue {
                queue_id,
                entries,
                address,
                completion_queue_id,
            } => {
                row.completion[usize::from(completion_queue_id)].users += 1;
                let queue = &mut row.submission[usize::from(queue_id)];
                queue.create(address, entries, completion_queue_id);
                if self.trace.options.commands {
                    queue.doorbell_at = vec![self.now; entries as usize];
                }
                self.finish(id);
            }
            AdminAction::DeleteSubmissionQueue { queue_id } => {
                // What has not been started is dropped; what has been, ends with its completion.
                row.submission[usize::from(queue_id)].deleting = true;
                row.submission[usize::from(queue_id)].drop_fifo();
                row.admin_wait = AdminWait::QueueEmpty(queue_id);
                self.queue_changed(function, queue_id);
                self.want_fetch(function, queue_id);
                self.check_admin_wait(function);
            }
            AdminAction::DeleteCompletionQueue { queue_id } => {
                row.completion[usize::from(queue_id)].live = false;
                self.finish(id);
            }
            AdminAction::Abort {
                queue_id,
                command_id,
            } => self.abort(id, function, queue_id, command_id),
            AdminAction::AbortAsyncEvent { command_id } => {
                let status = Status::ABORT_REQUESTED;
                row.deferred.push_back(DeferredCompletion {
                    command_id,
                    dword0: 0,
                    status,
                });
                self.tell_events(function);
                self.finish(id);
            }
            AdminAction::HoldAsyncEvent => {
                self.contexts[id].posts = 0;
                self.finish(id);
            }
        }
    }

    fn transfer_to_host(&mut self, id: u16, pieces: [HostPiece; 2]) {
        let mut offset = 0;
        for piece in pieces.into_iter().filter(|piece| piece.length_bytes > 0) {
            self.contexts[id].rq_bursts += 1;
            self.rq.push_data(DataBurst {
                context: id,
                source: Source::Admin { offset },
                address: piece.address,
                length_bytes: piece.length_bytes,
                ready: self.now + self.timing.admin_data_cycles,
                complete: self.now + self.timing.admin_data_cycles,
            });
            offset += piece.length_bytes as u16;
        }
    }

    /// Completes an admin command that waited, if what it waited for has come.
    pub(crate) fn check_admin_wait(&mut self, function: usize) {
        let row = &mut self.functions[function];
        let AdminWait::QueueEmpty(queue_id) = row.admin_wait else {
            return;
        };
        let queue = &mut row.submission[usize::from(queue_id)];
        if queue.in_flight > 0 || queue.reads > 0 {
            return;
        }
        row.completion[usize::from(queue.completion_queue)].users -= 1;
        queue.delete();
        row.admin_wait = AdminWait::Nothing;
        self.finish(self.admin_context(function));
    }

    /// Completes Asynchronous Event Requests for which there is an event.
    pub(crate) fn send_events(&mut self, function: usize) {
        while let Some(event) = self.admins[function].take_event_completion() {
            self.functions[function]
                .deferred
                .push_back(DeferredCompletion {
                    command_id: event.command_id,
                    dword0: event.dword0,
                    status: Status::SUCCESS,
                });
        }
        self.tell_events(function);
    }

    /// Has completions posted that no context stands for, when there are any.
    pub(crate) fn tell_events(&mut self, function: usize) {
        if !self.functions[function].deferred.is_empty() {
            self.completer.events |= 1 << function;
            self.kick_completions(self.now);
        }
    }

    /// Posts the first completion that has waited for a slot of the admin completion queue.
    pub(crate) fn post_deferred(&mut self, function: usize) -> bool {
        let row = &mut self.functions[function];
        let Some(deferred) = row.deferred.front().copied() else {
            return false;
        };
        if !row.completion[0].can_reserve(1) {
            return false;
        }
        row.deferred.pop_front();
        let DeferredCompletion {
            command_id,
            dword0,
            status,
        } = deferred;
        let ended = Ended {
            command_id,
            status,
            dword0,
            do_not_retry: false,
            doorbell_at: self.now,
        };
        self.post(function, 0, ended);
        self.tell_events(function);
        true
    }
}
