//! Abort (NVMe 1.1 §5.1): best effort, but what it says is true.

use nvme_spec::Status;

use crate::completion::Ended;
use crate::context::{Kind, Phase};
use crate::function::AdminWait;
use crate::model::Model;

impl Model {
    /// §5.1 Abort. A prefetched command ends at once, if its completion queue has a slot; one in flight
    /// ends when what is under way of it has ended, if nothing of it has reached host or medium. The
    /// Abort's own completion follows.
    pub(crate) fn abort(&mut self, id: u16, function: usize, queue_id: u16, command_id: u16) {
        self.contexts[id].dword0 = 0;
        if self.abort_prefetched(function, queue_id, command_id) {
            // Its own completion follows that of the aborted command.
        } else if let Some(target) = self.abort_in_flight(function, queue_id, command_id) {
            self.functions[function].admin_wait = AdminWait::ContextEnds(target);
        } else {
            self.contexts[id].dword0 = 1;
            self.finish_at(id, self.now + 1);
        }
    }

    fn abort_prefetched(&mut self, function: usize, queue_id: u16, command_id: u16) -> bool {
        let row = &mut self.functions[function];
        let queue = &mut row.submission[usize::from(queue_id)];
        let found = (0..queue.fifo_used).find(|index| {
            let is_it = queue
                .peek(*index)
                .is_some_and(|sqe| sqe.command_id() == command_id);
            is_it && !queue.is_aborted(*index)
        });
        let Some(index) = found else { return false };
        let completion = usize::from(queue.completion_queue);
        if queue_id == 0 || !row.completion[completion].reserve(1) {
            return false;
        }
        queue.aborted |= 1 << queue.place(index);
        let slot = (queue.head as usize + index) % queue.entries as usize;
        let ended = Ended {
            command_id,
            status: Status::ABORT_REQUESTED,
            dword0: 0,
            do_not_retry: false,
            doorbell_at: queue.doorbell_at.get(slot).copied().unwrap_or(0),
        };
        self.completer.tell_aborted(function, queue_id, ended);
        self.kick_completions(self.now);
        true
    }

    /// Marks a command in flight as aborted; returns its context, whose end the Abort waits for.
    fn abort_in_flight(&mut self, function: usize, queue_id: u16, command_id: u16) -> Option<u16> {
        let target = self.contexts.taken(function).find(|id| {
            let context = &self.contexts[*id];
            let hits = |half: usize| {
                context.posts >> half & 1 == 1 && context.sqe[half].command_id() == command_id
            };
            context.queue == queue_id && context.kind != Kind::Admin && (hits(0) || hits(1))
        })?;
        let context = &mut self.contexts[target];
        let moves = |phase| matches!(phase, Phase::Reading | Phase::Writing | Phase::Moved);
        let too_late = context.failed
            || context.wrote
            || context.ended_halves > 0
            || context.rq_bursts > 0
            || context.segments.iter().any(|segment| moves(segment.phase));
        if too_late || queue_id == 0 {
            return None;
        }
        let is_first = context.sqe[0].command_id() == command_id && context.posts & 1 == 1;
        if !is_first {
            // The Write of a pair: its Compare goes on alone.
            context.status[1] = Status::ABORT_REQUESTED;
        } else if context.kind == Kind::Decoding {
            context.status[0] = Status::ABORT_REQUESTED;
        } else {
            self.fail(target, Status::ABORT_REQUESTED);
        }
        Some(target)
    }
}
