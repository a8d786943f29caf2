//! Cycles side by side: latencies by class of command, and throughput.

use std::collections::BTreeMap;

use nvme_spec::opcode::nvm;

use crate::outcome::Outcome;
use crate::script::{Expect, Script};
use crate::units::{Unit, spoilt_status};

/// Commands that should take the same time for the same reasons.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Class {
    /// What the command is.
    pub kind: &'static str,
    /// Its data: at most so many bytes; 0 without.
    pub most_bytes: u32,
    /// Nothing else was under way.
    pub alone: bool,
}

/// Latencies of one command on both twins.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its class.
    pub class: Class,
    /// In this script.
    pub seed: u64,
    /// Round, function and identifier.
    pub place: (usize, u8, u16),
    /// Doorbell at the port to CQE at the port, one twin and the other.
    pub cycles: (u64, u64),
}

impl Sample {
    /// How far apart, as a share of the first twin's.
    pub fn error(&self) -> f64 {
        let (one, other) = self.cycles;
        (other as f64 - one as f64).abs() / one as f64
    }
}

/// What a script's cycles came to.
#[derive(Clone, Debug, Default)]
pub struct Cycles {
    /// A sample for each command that both have answered and no race decided.
    pub samples: Vec<Sample>,
    /// Cycles from first doorbell to last CQE of the rounds under load, one twin and the other.
    pub loaded: (u64, u64),
}

const SIZES: [u32; 5] = [4096, 8192, 16_384, 65_536, 131_072];

fn class(unit: &Unit<'_>, alone: bool, beside_lost_read: bool) -> Class {
    let command = unit.command;
    let data = command.data.as_ref();
    let opcode = command.entry.opcode();
    let kind = if beside_lost_read {
        // Whoever needs its tag or its completion space waits, too.
        "beside a lost read"
    } else if unit.group.queue == 0 {
        "admin"
    } else if command.expect != Expect::CarriedOut {
        "refused"
    } else if spoilt_status(data).is_some()
        || unit
            .second
            .is_some_and(|second| spoilt_status(second.data.as_ref()).is_some())
    {
        "data lost"
    } else {
        match (unit.second, opcode) {
            (Some(_), _) => "pair",
            (None, nvm::READ) => "Read",
            (None, nvm::WRITE) => "Write",
            (None, nvm::COMPARE) => "Compare",
            _ => "Flush",
        }
    };
    let has_size = matches!(kind, "pair" | "Read" | "Write" | "Compare");
    let bytes = data.map_or(0, |data| data.bytes);
    let size = SIZES
        .iter()
        .find(|size| bytes <= **size)
        .copied()
        .unwrap_or(0);
    Class {
        kind,
        most_bytes: if has_size { size } else { 0 },
        alone,
    }
}

/// Cycles of a script on both twins.
pub fn cycles(script: &Script, one: &Outcome, other: &Outcome) -> Cycles {
    let times = |outcome: &Outcome| -> BTreeMap<(u8, u16), (u64, u64)> {
        let commands = outcome.commands.iter();
        commands
            .map(|trace| {
                let key = (trace.function.0, trace.command_id);
                (key, (trace.doorbell_at, trace.completion_at))
            })
            .collect()
    };
    let (one, other) = (times(one), times(other));
    let mut cycles = Cycles::default();
    for (number, round) in script.rounds.iter().enumerate() {
        let loses_a_read = round.has_lost_read();
        let mut spans = [(u64::MAX, 0), (u64::MAX, 0)];
        let mut widen = |index: usize, span: (u64, u64)| {
            let all: &mut (u64, u64) = &mut spans[index];
            *all = (all.0.min(span.0), all.1.max(span.1));
        };
        for unit in Unit::of(round) {
            if unit.command.races || unit.command.expect == Expect::Held {
                continue;
            }
            let last = unit.second.unwrap_or(unit.command);
            let key = (unit.group.function, last.id);
            let (Some(&one), Some(&other)) = (one.get(&key), other.get(&key)) else {
                continue;
            };
            widen(0, one);
            widen(1, other);
            cycles.samples.push(Sample {
                class: class(&unit, round.serial, loses_a_read),
                seed: script.seed,
                place: (number, unit.group.function, unit.command.id),
                cycles: (one.1 - one.0, other.1 - other.0),
            });
        }
        let has_throughput = !round.serial && round.upheaval.is_none() && !loses_a_read;
        if has_throughput && spans[0].0 < u64::MAX {
            cycles.loaded.0 += spans[0].1 - spans[0].0;
            cycles.loaded.1 += spans[1].1 - spans[1].0;
        }
    }
    cycles
}
