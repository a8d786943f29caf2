//! The untimed oracle: carries a script out in the order in which a twin has granted its locks, and
//! says where that twin's results are not the same.
//!
//! Where commands do not conflict any order gives the same results, so a twin that does not tell its
//! order is held to that of the script.

mod image;
mod progress;

use std::collections::BTreeMap;

use nvme_model::LockStep;
use nvme_spec::{CompletionEntry, Status, opcode::nvm};

use crate::drive::{UNTOUCHED, initial};
use crate::outcome::{Outcome, RoundOutcome};
use crate::script::{Command, Expect, Mix, Round, Script};
use crate::units::{Unit, first_lost_byte, spoilt_status};
use image::Image;
use progress::{Piece, Progress};

/// Where a twin's results are not those of the oracle.
pub(crate) fn check(script: &Script, outcome: &Outcome) -> Vec<String> {
    let mut oracle = Oracle {
        script,
        outcome,
        image: Image::new(&script.setup),
        wrong: Vec::new(),
    };
    for (round, record) in script.rounds.iter().zip(&outcome.rounds) {
        oracle.round(round, record);
    }
    oracle.wrong
}

struct Oracle<'a> {
    script: &'a Script,
    outcome: &'a Outcome,
    image: Image,
    wrong: Vec<String>,
}

impl Oracle<'_> {
    fn round(&mut self, round: &Round, record: &RoundOutcome) {
        let units = Unit::of(round);
        let mut answers = BTreeMap::new();
        for answer in &record.answers {
            let key = (answer.function, answer.entry.command_id());
            if answers.insert(key, answer.entry).is_some() {
                self.wrong.push(format!("answered twice: {answer:x?}"));
            }
        }
        let answer = |unit: &Unit<'_>, command: &Command| -> Option<CompletionEntry> {
            answers.get(&(unit.group.function, command.id)).copied()
        };
        let mut progress: Vec<Progress> = units
            .iter()
            .map(|unit| Progress::new(answer(unit, unit.command)))
            .collect();
        let order = match &record.locks {
            Some(locks) => {
                let granted = locks.iter().filter(|event| event.step == LockStep::Granted);
                self.granted_pieces(&units, granted)
            }
            None if self.script.setup.mix == Mix::Conflicting => {
                self.wrong
                    .push("a conflicting mix without an order of locks".to_owned());
                return;
            }
            None => self.assumed_pieces(&units, &progress),
        };
        let last_piece: BTreeMap<usize, u32> = order
            .iter()
            .map(|piece| (piece.unit, piece.start))
            .collect();
        for piece in &order {
            let unit = &units[piece.unit];
            let own = &mut progress[piece.unit];
            // Whether a reset came before the last piece was written, only the medium can tell.
            let is_last = last_piece[&piece.unit] == piece.start;
            let certain = piece.certain && !(unit.command.races && own.answer.is_none() && is_last);
            if let Err(reason) = self.image.carry_out(unit, piece, certain, own) {
                self.wrong.push(format!("{}: {reason}", name(unit)));
            }
        }
        for (unit, progress) in units.iter().zip(&progress) {
            let second = unit.second.and_then(|second| answer(unit, second));
            if let Err(reason) = self.judge(unit, progress, second) {
                self.wrong.push(format!("{}: {reason}", name(unit)));
            }
        }
        self.wrong.extend(self.image.settle(&record.image));
    }

    fn granted_pieces<'e>(
        &mut self,
        units: &[Unit<'_>],
        granted: impl Iterator<Item = &'e nvme_model::LockEvent>,
    ) -> Vec<Piece> {
        let by_command: BTreeMap<(u8, u16, u16), usize> = units
            .iter()
            .enumerate()
            .map(|(index, unit)| {
                (
                    (unit.group.function, unit.group.queue, unit.command.id),
                    index,
                )
            })
            .collect();
        let block_bytes = u64::from(self.script.setup.block_bytes);
        let mut pieces = Vec::new();
        for event in granted {
            let key = (event.function.0, event.queue_id, event.command_id);
            let unit = by_command.get(&key).copied();
            let found = unit.and_then(|index| {
                let blocks = units[index].blocks()?;
                let start = event.start.checked_sub(blocks.start * block_bytes)?;
                (event.end <= blocks.end * block_bytes && event.exclusive == units[index].writes())
                    .then_some((index, start as u32))
            });
            let Some((unit, start)) = found else {
                self.wrong
                    .push(format!("a lock that nobody has asked for: {event:?}"));
                continue;
            };
            pieces.push(Piece {
                unit,
                start,
                length: (event.end - event.start) as u32,
                certain: true,
            });
        }
        pieces
    }

    /// Pieces in the order of the script, as far as answers and spoilt data tell.
    fn assumed_pieces(&self, units: &[Unit<'_>], progress: &[Progress]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for (index, unit) in units.iter().enumerate() {
            let Some(blocks) = unit.blocks() else {
                continue;
            };
            let data = unit.command.data.as_ref();
            let answer = progress[index].answer;
            let status = answer.map(|entry| entry.status());
            if status == Some(Status::ABORT_REQUESTED) && unit.command.races {
                continue;
            }
            let length = (blocks.end - blocks.start) as u32 * self.script.setup.block_bytes;
            let lost = data.and_then(first_lost_byte);
            let mut start = 0;
            while start < length {
                let piece = unit.piece_bytes().min(length - start);
                if lost.is_some_and(|lost| lost < start + piece) {
                    break;
                }
                pieces.push(Piece {
                    unit: index,
                    start,
                    length: piece,
                    // Those before one that is lost may or may not be through by then.
                    certain: lost.is_none() && !(unit.command.races && answer.is_none()),
                });
                start += piece;
            }
        }
        pieces
    }

    /// Is the answer what the order of the locks makes of it?
    fn judge(
        &self,
        unit: &Unit<'_>,
        progress: &Progress,
        second: Option<CompletionEntry>,
    ) -> Result<(), String> {
        let command = unit.command;
        let Some(answer) = progress.answer else {
            let may_lack = command.races || command.expect == Expect::Held;
            return if may_lack {
                Ok(())
            } else {
                Err("no answer".to_owned())
            };
        };
        let status = answer.status();
        let is = |status: Status, expected: Status| {
            if status == expected {
                Ok(())
            } else {
                Err(format!("{status}, not {expected}"))
            }
        };
        if command.races && status == Status::ABORT_REQUESTED {
            return if progress.has_written {
                Err("aborted, and yet it has written".to_owned())
            } else {
                Ok(())
            };
        }
        match command.expect {
            Expect::Refused(expected) => return is(status, expected),
            Expect::Same | Expect::Held => return Ok(()),
            Expect::CarriedOut => {}
        }
        let Some(blocks) = unit.blocks() else {
            return is(status, Status::SUCCESS);
        };
        let length = (blocks.end - blocks.start) as u32 * self.script.setup.block_bytes;
        let data = command.data.as_ref();
        let spoilt = spoilt_status(data);
        let expected = match spoilt {
            // Both may be found out first.
            Some(spoilt) if progress.differs => {
                if status == spoilt {
                    spoilt
                } else {
                    Status::COMPARE_FAILURE
                }
            }
            Some(spoilt) => spoilt,
            None if progress.differs => Status::COMPARE_FAILURE,
            None if progress.done < length => {
                return Err(format!(
                    "{status} after {} of {length} bytes",
                    progress.done
                ));
            }
            None => Status::SUCCESS,
        };
        is(status, expected)?;
        if let Some(write) = unit.second {
            let Some(second) = second else {
                return if command.races {
                    Ok(())
                } else {
                    Err("no answer to the second half".to_owned())
                };
            };
            let expected = if expected == Status::SUCCESS {
                spoilt_status(write.data.as_ref()).unwrap_or(Status::SUCCESS)
            } else {
                Status::ABORTED_FAILED_FUSED
            };
            is(second.status(), expected).map_err(|reason| format!("second half: {reason}"))?;
        }
        self.check_memory(unit, progress)
    }

    /// Is the data where the host wants it, and nothing beside it?
    fn check_memory(&self, unit: &Unit<'_>, progress: &Progress) -> Result<(), String> {
        let block_bytes = self.script.setup.block_bytes;
        for command in [Some(unit.command), unit.second].into_iter().flatten() {
            let Some(data) = &command.data else { continue };
            let Some(memory) = self.outcome.memory.get(&command.id) else {
                continue;
            };
            if command.entry.opcode() != nvm::READ {
                if *memory != initial(data, block_bytes) {
                    return Err("what the host has sent was written to".to_owned());
                }
                continue;
            }
            let (start, end) = (data.offset as usize, (data.offset + data.bytes) as usize);
            let beside = memory[..start].iter().chain(&memory[end..]);
            if beside.into_iter().any(|byte| *byte != UNTOUCHED) {
                return Err("memory beside the data was written to".to_owned());
            }
            if spoilt_status(Some(data)).is_some() {
                continue;
            }
            for (index, block) in memory[start..end].chunks(block_bytes as usize).enumerate() {
                if !progress
                    .read
                    .get(index)
                    .is_some_and(|tags| image::holds(tags, block))
                {
                    return Err(format!(
                        "block {index} of what was read is not what the medium held"
                    ));
                }
            }
        }
        Ok(())
    }
}

fn name(unit: &Unit<'_>) -> String {
    let kind = match (unit.second, unit.command.entry.opcode()) {
        (Some(_), _) => "pair",
        (None, _) if unit.group.queue == 0 => "admin command",
        (None, nvm::READ) => "Read",
        (None, nvm::WRITE) => "Write",
        (None, nvm::COMPARE) => "Compare",
        _ => "command",
    };
    format!(
        "{kind} {:#x} of queue {} of function {}",
        unit.command.id, unit.group.queue, unit.group.function
    )
}
