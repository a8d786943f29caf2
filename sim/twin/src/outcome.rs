//! What a twin has answered.

use std::collections::BTreeMap;

use nvme_model::{CommandTrace, LockEvent};
use nvme_spec::CompletionEntry;
use nvme_spec::log_page::ErrorLogEntry;
use pcie_host::endpoint::Cycle;

/// What host software has seen of a twin, and what the twin's traces tell.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Round by round.
    pub rounds: Vec<RoundOutcome>,
    /// The pages of each command's data, as they were at the end, in the order of the data.
    pub memory: BTreeMap<u16, Vec<u8>>,
    /// The medium at the end.
    pub image: Vec<u8>,
    /// Cycles of every command at the port.
    pub commands: Vec<CommandTrace>,
    /// Why the run ended early: a rule of the port, an answer that never came.
    pub failure: Option<String>,
}

/// What one round brought.
#[derive(Debug, Default)]
pub struct RoundOutcome {
    /// Its first cycle.
    pub start: Cycle,
    /// The cycle in which the host had seen everything answered.
    pub end: Cycle,
    /// In the order in which host software found them.
    pub answers: Vec<Answer>,
    /// Steps of the range lock, when the twin tells them.
    pub locks: Option<Vec<LockEvent>>,
    /// The medium at the round's end.
    pub image: Vec<u8>,
    /// What the logs said.
    pub look: Option<Look>,
    /// Vectors whose message has come, of each function.
    pub interrupts: Vec<u32>,
}

/// A completion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Of this function.
    pub function: u8,
    /// Found in this queue.
    pub completion_queue: u16,
    /// The entry.
    pub entry: CompletionEntry,
}

/// Log pages and features of one function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Look {
    /// Of this function.
    pub function: u8,
    /// Error log: entries in an order that does not depend on time, without their counts.
    pub errors: Vec<ErrorLogEntry>,
    /// The highest error count.
    pub error_count: u64,
    /// The health page.
    pub health: Vec<u8>,
    /// Counters, a row of bytes each: its own, then those of all functions.
    pub counters: Vec<Vec<u8>>,
    /// Values of the mandatory features.
    pub features: Vec<u32>,
}

impl Outcome {
    /// A run that told nothing.
    pub fn failed(reason: String) -> Self {
        Self {
            failure: Some(reason),
            ..Self::default()
        }
    }

    /// The answer of a command, and where it stood.
    pub fn answer(&self, function: u8, id: u16) -> Option<&Answer> {
        let mut answers = self.rounds.iter().flat_map(|round| &round.answers);
        answers.find(|answer| answer.function == function && answer.entry.command_id() == id)
    }
}
