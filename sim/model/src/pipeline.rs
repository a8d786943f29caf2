//! Register stages between the engines: what has been decided takes effect some cycles later.

use std::collections::BTreeMap;

use pcie_host::endpoint::Cycle;

use crate::model::Model;
use crate::schedule::{Engine, NEVER};

/// What takes effect later. Each of them names a context, which is not free before.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// A compare has seen its last beat.
    Compared(u8),
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
        if self.contexts[id].doomed {
            self.drop_locks(id);
            return self.try_end(id);
        }
        match step {
            Step::Compared(index) => self.compared(id, usize::from(index)),
        }
    }
}
