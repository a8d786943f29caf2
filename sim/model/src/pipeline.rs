//! Register stages between the engines: what has been decided takes effect some cycles later.

use std::collections::BTreeMap;

use nvme_spec::Status;
use pcie_host::endpoint::Cycle;

use crate::model::Model;
use crate::schedule::{Engine, NEVER};

/// What takes effect later. Each of them names a context, which is not free before.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// The PRP walker takes the command up, or goes on with it.
    Walk,
    /// The walker has failed.
    WalkFails(Status),
    /// Data of the command are lost.
    Lost,
    /// A compare has seen its last beat.
    Compared(u8),
    /// A failed command may have ended.
    Finish,
}

/// Steps under way, by the cycle in which they take effect, then in the order in which they were taken.
#[derive(Debug, Default)]
pub(crate) struct Pipeline {
    steps: BTreeMap<(Cycle, u64), (u16, Step)>,
    taken: u64,
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
        let next = self.pipeline.steps.first_key_value();
        self.schedule
            .set(Engine::Pipeline, next.map_or(NEVER, |((at, _), _)| *at));
    }

    fn take_step(&mut self, id: u16, step: Step) {
        let context = &mut self.contexts[id];
        if context.doomed {
            self.drop_locks(id);
            return self.try_end(id);
        }
        match step {
            Step::Finish => self.try_end(id),
            // An error or an Abort has come between.
            _ if context.failed => {
                self.drop_locks(id);
                self.try_end(id);
            }
            Step::Compared(index) => self.compared(id, usize::from(index)),
            Step::Walk => self.walk_prps(id, self.now + 1),
            Step::WalkFails(status) => self.prp_list_failed(id, status),
            Step::Lost => self.fail(id, Status::DATA_TRANSFER_ERROR),
        }
    }
}
