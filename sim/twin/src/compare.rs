//! Twin against twin, where no order of the commands may make a difference.

use std::collections::BTreeSet;

use nvme_spec::{CompletionEntry, Fuse};

use crate::outcome::{Answer, Look, Outcome, RoundOutcome};
use crate::script::{Expect, Round, Script};
use crate::units::{UNIT_BYTES, Unit, first_lost_byte};

/// Where the two have not done the same.
pub(crate) fn compare(script: &Script, one: &Outcome, other: &Outcome) -> Vec<String> {
    let mut comparison = Comparison {
        script,
        open_blocks: BTreeSet::new(),
        upset: BTreeSet::new(),
        wrong: Vec::new(),
    };
    let rounds = script
        .rounds
        .iter()
        .zip(one.rounds.iter().zip(&other.rounds));
    for (number, (round, (one_round, other_round))) in rounds.enumerate() {
        let before = comparison.wrong.len();
        comparison.round(round, one_round, other_round);
        for text in &mut comparison.wrong[before..] {
            *text = format!("round {number}: {text}");
        }
    }
    comparison.memory(one, other);
    comparison.wrong
}

struct Comparison<'a> {
    script: &'a Script,
    /// Blocks whose content a race has decided.
    open_blocks: BTreeSet<u64>,
    /// Functions whose counts a race has decided.
    upset: BTreeSet<u8>,
    wrong: Vec<String>,
}

/// An entry without what depends on when it was posted.
fn without_place(entry: &CompletionEntry) -> (u32, u32, u16, u32) {
    let phase = 1 << 16;
    (
        entry.dword0,
        entry.dword1,
        entry.submission_queue_id,
        entry.dword3 & !phase,
    )
}

impl Comparison<'_> {
    fn round(&mut self, round: &Round, one: &RoundOutcome, other: &RoundOutcome) {
        let racing: BTreeSet<(u8, u16)> = round
            .groups
            .iter()
            .flat_map(|group| {
                group
                    .commands
                    .iter()
                    .map(|command| (group.function, command))
            })
            .filter(|(_, command)| command.races)
            .map(|(function, command)| (function, command.id))
            .collect();
        self.upset
            .extend(racing.iter().map(|(function, _)| *function));
        if let Some(upheaval) = &round.upheaval {
            self.upset.insert(upheaval.function);
            if upheaval.function == 0 || upheaval.hits_all() {
                self.upset
                    .extend(0..self.script.setup.functions.len() as u8);
            }
        }
        let certain = |record: &RoundOutcome| -> Vec<Answer> {
            let answers = record.answers.iter();
            answers
                .filter(|answer| !racing.contains(&(answer.function, answer.entry.command_id())))
                .copied()
                .collect()
        };
        let (one_answers, other_answers) = (certain(one), certain(other));
        self.answers(&one_answers, &other_answers);
        self.orders(round, &one_answers, &other_answers);
        if round.upheaval.is_none() && racing.is_empty() && one.interrupts != other.interrupts {
            self.wrong.push(format!(
                "vectors whose message has come: {:x?} and {:x?}",
                one.interrupts, other.interrupts
            ));
        }
        self.image(round, one, other);
        if let (Some(one), Some(other)) = (&one.look, &other.look)
            && !self.upset.contains(&one.function)
        {
            self.look(one, other);
        }
    }

    /// Every answer of one is an answer of the other.
    fn answers(&mut self, one: &[Answer], other: &[Answer]) {
        let key = |answer: &Answer| (answer.function, answer.entry.command_id());
        for answer in one {
            let twin = other.iter().find(|twin| key(twin) == key(answer));
            let same = twin.is_some_and(|twin| {
                without_place(&twin.entry) == without_place(&answer.entry)
                    && twin.completion_queue == answer.completion_queue
            });
            if !same {
                self.wrong
                    .push(format!("answers {answer:x?} and {twin:x?}"));
            }
        }
        for twin in other {
            if !one.iter().any(|answer| key(twin) == key(answer)) {
                self.wrong.push(format!("answers None and {twin:x?}"));
            }
        }
    }

    /// Where standard or design fix an order: one command at a time, the admin queue, halves of a pair.
    fn orders(&mut self, round: &Round, one: &[Answer], other: &[Answer]) {
        let held: BTreeSet<u16> = self
            .script
            .commands()
            .filter(|(_, command)| command.expect == Expect::Held)
            .map(|(_, command)| command.id)
            .collect();
        let fixed = |answers: &[Answer]| -> Vec<(u8, CompletionEntry)> {
            let fixed = answers.iter().filter(|answer| {
                (round.serial || answer.completion_queue == 0)
                    && !held.contains(&answer.entry.command_id())
            });
            let mut fixed: Vec<_> = fixed
                .map(|answer| (answer.function, answer.entry))
                .collect();
            if !round.serial {
                fixed.sort_by_key(|(function, _)| *function);
            }
            fixed
        };
        let (one_fixed, other_fixed) = (fixed(one), fixed(other));
        let order = |entries: &[(u8, CompletionEntry)]| -> Vec<(u8, u16)> {
            let keys = entries.iter();
            keys.map(|(function, entry)| (*function, entry.command_id()))
                .collect()
        };
        if order(&one_fixed) != order(&other_fixed) {
            self.wrong.push(format!(
                "order of answers: {:x?} and {:x?}",
                order(&one_fixed),
                order(&other_fixed)
            ));
        } else if round.serial {
            // Of several commands handed over together, the head says how many were fetched by then.
            let alone = |function: u8, id: u16| {
                round.groups.iter().any(|group| {
                    group.function == function
                        && group.commands.len() == 1
                        && group.commands[0].id == id
                })
            };
            let heads = |entries: &[(u8, CompletionEntry)]| -> Vec<u16> {
                entries
                    .iter()
                    .filter(|(function, entry)| alone(*function, entry.command_id()))
                    .map(|(_, entry)| entry.submission_head)
                    .collect()
            };
            if heads(&one_fixed) != heads(&other_fixed) {
                self.wrong.push(format!(
                    "SQ heads of {:x?}: {:x?} and {:x?}",
                    order(&one_fixed),
                    heads(&one_fixed),
                    heads(&other_fixed)
                ));
            }
        }
        for answers in [one, other] {
            self.halves(round, answers);
        }
    }

    /// The Compare of a pair is answered before its Write.
    fn halves(&mut self, round: &Round, answers: &[Answer]) {
        let place = |function: u8, id: u16| {
            let mut entries = answers.iter();
            entries
                .position(|answer| (answer.function, answer.entry.command_id()) == (function, id))
        };
        for unit in Unit::of(round) {
            let Some(second) = unit.second else { continue };
            debug_assert_eq!(second.entry.fuse(), Fuse::Second);
            let function = unit.group.function;
            if place(function, unit.command.id) > place(function, second.id) {
                self.wrong.push(format!(
                    "the Write {:#x} of a pair was answered before its Compare",
                    second.id
                ));
            }
        }
    }

    fn image(&mut self, round: &Round, one: &RoundOutcome, other: &RoundOutcome) {
        for unit in Unit::of(round) {
            let Some(blocks) = unit.blocks().filter(|_| unit.writes()) else {
                continue;
            };
            let data = unit.command.data.as_ref();
            let bytes = data.map_or(0, |data| data.bytes);
            let in_parts = bytes > UNIT_BYTES && data.and_then(first_lost_byte).is_some();
            let is_open = unit.command.races || in_parts;
            for lba in blocks {
                if is_open {
                    self.open_blocks.insert(lba);
                } else if unit.second.is_none() {
                    self.open_blocks.remove(&lba);
                }
            }
        }
        let bytes = self.script.setup.block_bytes as usize;
        let blocks = one.image.chunks(bytes).zip(other.image.chunks(bytes));
        let different: Vec<usize> = blocks
            .enumerate()
            .filter(|(lba, (one, other))| {
                one != other && !self.open_blocks.contains(&(*lba as u64))
            })
            .map(|(lba, _)| lba)
            .collect();
        if !different.is_empty() {
            self.wrong
                .push(format!("the media differ in blocks {different:?}"));
        }
    }

    fn look(&mut self, one: &Look, other: &Look) {
        let upset = &self.upset;
        let rows = |look: &Look| -> Vec<Vec<u8>> {
            let functions = std::iter::once(look.function).chain(0..);
            let rows = functions.zip(&look.counters);
            rows.filter(|(function, _)| !upset.contains(function))
                .map(|(_, row)| row.clone())
                .collect()
        };
        let parts = [
            (
                "error log",
                one.errors == other.errors && one.error_count == other.error_count,
            ),
            ("health page", one.health == other.health),
            ("counters", rows(one) == rows(other)),
            ("features", one.features == other.features),
        ];
        for (what, same) in parts {
            if !same {
                let shown = |look: &Look| match what {
                    "error log" => {
                        let used = look.errors.iter().filter(|entry| entry.status_field != 0);
                        format!(
                            "{} errors, {used:x?}",
                            look.error_count,
                            used = used.collect::<Vec<_>>()
                        )
                    }
                    "health page" => format!("{:x?}", &look.health[..96]),
                    "counters" => format!("{:x?}", rows(look)),
                    _ => format!("{:x?}", look.features),
                };
                self.wrong.push(format!(
                    "{what} of function {}: {} and {}",
                    one.function,
                    shown(one),
                    shown(other)
                ));
            }
        }
    }

    fn memory(&mut self, one: &Outcome, other: &Outcome) {
        for (group, command) in self.script.commands() {
            if command.races || self.was_open(command) {
                continue;
            }
            let (one, other) = (one.memory.get(&command.id), other.memory.get(&command.id));
            if one != other {
                let first = one.zip(other).and_then(|(one, other)| {
                    one.iter().zip(other).position(|(one, other)| one != other)
                });
                self.wrong.push(format!(
                    "data of command {:#x} of function {} differ, first in byte {first:?} of its pages",
                    command.id, group.function
                ));
            }
        }
    }

    /// A command that found an error while its data moved: how much had moved is a matter of time.
    fn was_open(&self, command: &crate::script::Command) -> bool {
        command
            .data
            .as_ref()
            .is_some_and(|data| data.tags.is_empty() && first_lost_byte(data).is_some())
    }
}
