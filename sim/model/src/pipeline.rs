//! Register stages between the engines: what has been decided takes effect some cycles later.

use std::collections::{BTreeMap, VecDeque};

use nvme_spec::Status;
use pcie_host::endpoint::Cycle;

use crate::context::Phase;
use crate::model::Model;
use crate::schedule::{Engine, NEVER};

/// What takes effect later. Each of them names a context, which is not free before.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// The PRP walker takes the command up, or goes on with it.
    Walk,
    /// The walker has failed.
    WalkFails(Status),
    /// A segment has its buffers: its data can be asked for.
    Fetch,
    /// The data of a segment are all in the buffers.
    Filled(u8),
    /// Data of the command are lost.
    Lost,
    /// A compare has seen its last beat.
    Compared(u8),
    /// Nothing of the command is left to be done.
    Finish,
}

/// Steps under way, by the cycle in which they take effect, then in the order in which they were taken.
#[derive(Debug, Default)]
pub(crate) struct Pipeline {
    steps: BTreeMap<(Cycle, u64), (u16, Step)>,
    taken: u64,
    /// Queues that got SQEs, and when they may fetch more.
    refetches: VecDeque<(Cycle, usize, u16)>,
}

impl Model {
    /// The step takes effect in `cycles` cycles.
    pub(crate) fn later(&mut self, id: u16, step: Step, cycles: Cycle) {
        self.contexts[id].delayed += 1;
        let at = self.now + cycles;
        self.pipeline.taken += 1;
        self.pipeline
            .steps
            .insert((at, self.pipeline.taken), (id, step));
        self.schedule.no_later_than(Engine::Pipeline, at);
    }

    /// The queue may fetch more SQEs some cycles after the last ones have come.
    pub(crate) fn refetch_later(&mut self, function: usize, queue: u16) {
        let at = self.now + self.timing.refetch_cycles;
        self.pipeline.refetches.push_back((at, function, queue));
        self.schedule.no_later_than(Engine::Pipeline, at);
    }

    /// Steps whose time has come.
    pub(crate) fn run_pipeline(&mut self) {
        while let Some(first) = self.pipeline.steps.first_entry() {
            if first.key().0 > self.now {
                break;
            }
            let (id, step) = first.remove();
            self.contexts[id].delayed -= 1;
            self.take_step(id, step);
        }
        while let Some((at, function, queue)) = self.pipeline.refetches.front().copied()
            && at <= self.now
        {
            self.pipeline.refetches.pop_front();
            self.want_fetch(function, queue);
        }
        let steps = self.pipeline.steps.first_key_value();
        let refetch = self.pipeline.refetches.front();
        let next = steps.map_or(NEVER, |((at, _), _)| *at);
        self.schedule.set(
            Engine::Pipeline,
            next.min(refetch.map_or(NEVER, |(at, _, _)| *at)),
        );
        self.fetch_everything();
    }

    fn take_step(&mut self, id: u16, step: Step) {
        let context = &mut self.contexts[id];
        if context.doomed {
            self.drop_locks(id);
            return self.try_end(id);
        }
        match step {
            Step::Finish if context.failed => self.try_end(id),
            Step::Finish => self.finish(id),
            // An error or an Abort has come between.
            _ if context.failed => {
                self.drop_locks(id);
                self.try_end(id);
            }
            Step::Compared(index) => self.compared(id, usize::from(index)),
            Step::Walk => self.walk_prps(id),
            Step::WalkFails(status) => self.prp_list_failed(id, status),
            Step::Fetch => self.set_data_ready(id, true),
            Step::Filled(index) => {
                context.segments[usize::from(index)].phase = Phase::Filled;
                self.try_lock(id);
            }
            Step::Lost => self.fail(id, Status::DATA_TRANSFER_ERROR),
        }
    }
}
