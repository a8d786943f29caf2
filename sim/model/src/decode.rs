//! The decoder: every check of an I/O command, before anything is moved (NVMe 1.1 §4.3, §6).

use nvme_spec::command::CDW12_PROTECTION_MASK;
use nvme_spec::log_page::ErrorLocation;
use nvme_spec::opcode::nvm;
use nvme_spec::{ALL_NAMESPACES, Fuse, NAMESPACE_ID, Status, SubmissionEntry};
use pcie_host::endpoint::Port;

use crate::context::{Kind, PrpSet};
use crate::model::{Model, PAGE};
use crate::schedule::{Engine, NEVER};

// Bytes of the SQE (§4.2 Figure 11).
const OPCODE_BYTE: u8 = 0;
const FLAGS_BYTE: u8 = 1;
const NAMESPACE_BYTE: u8 = 4;
const PRP1_BYTE: u8 = 24;
const PRP2_BYTE: u8 = 32;
const STARTING_LBA_BYTE: u8 = 40;
const BLOCK_COUNT_BYTE: u8 = 48;
const PROTECTION_BYTE: u8 = 51;

/// Why a command is not executed, and which byte of it is to blame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rejection {
    pub(crate) status: Status,
    byte: u8,
}

impl Rejection {
    const fn at(byte: u8, status: Status) -> Self {
        Self { status, byte }
    }

    /// For the error log.
    pub(crate) const fn location(self) -> ErrorLocation {
        ErrorLocation::new().with_byte(self.byte)
    }
}

/// What a sound command is to do.
#[derive(Clone, Copy, Debug)]
struct Sound {
    kind: Kind,
    medium_offset: u64,
    length: u32,
    prp: PrpSet,
}

impl Model {
    /// Commands that come out of the decoder.
    pub(crate) fn run_decode(&mut self, port: &mut dyn Port) {
        while let Some((at, id)) = self.decoding.front().copied() {
            if at > self.now {
                break;
            }
            self.decoding.pop_front();
            self.contexts[id].delayed -= 1;
            if self.contexts[id].doomed {
                self.try_end(id);
            } else if self.contexts[id].queue == 0 {
                self.start_admin(id);
            } else {
                self.decode(id, port);
            }
        }
        self.schedule.set(
            Engine::Decode,
            self.decoding.front().map_or(NEVER, |entry| entry.0),
        );
    }

    fn decode(&mut self, id: u16, port: &mut dyn Port) {
        let rejected = if self.contexts[id].completions == 2 {
            self.decode_pair(id)
        } else {
            self.decode_single(id)
        };
        match rejected {
            Ok(()) if self.contexts[id].kind == Kind::Status => self.pass_refused(id),
            Ok(()) if self.execute_at_once(id, port) => {}
            Ok(()) => self.start_walk(id),
            Err(rejection) => {
                let context = &mut self.contexts[id];
                context.kind = if context.completions == 2 {
                    Kind::Pair
                } else {
                    Kind::Status
                };
                context.failed = true;
                context.status[0] = rejection.status;
                context.rejection = Some(rejection);
                self.pass_refused(id);
            }
        }
    }

    fn decode_single(&mut self, id: u16) -> Result<(), Rejection> {
        let status = self.contexts[id].status[0];
        let sqe = &self.contexts[id].sqe[0];
        if !status.is_success() {
            // Half a pair that could be none in any company is invalid, not alone.
            let expected = if sqe.fuse() == Fuse::First {
                nvm::COMPARE
            } else {
                nvm::WRITE
            };
            return Err(
                if status == Status::ABORTED_MISSING_FUSED && sqe.opcode() != expected {
                    Rejection::at(OPCODE_BYTE, Status::INVALID_FIELD)
                } else {
                    Rejection::at(FLAGS_BYTE, status)
                },
            );
        }
        let sound = self.check(sqe)?;
        self.accept(id, sound);
        Ok(())
    }

    /// Both halves of a pair. What is wrong with the pair as a pair ends both with Invalid Field
    /// (§6.1: ranges must be the same); a Compare that is wrong ends the Write with 09h; a Write that is
    /// wrong does not keep the Compare from being executed.
    fn decode_pair(&mut self, id: u16) -> Result<(), Rejection> {
        let context = &self.contexts[id];
        if !context.status[0].is_success() {
            // The first was aborted while it waited, so the second has none.
            let aborted = Rejection::at(FLAGS_BYTE, context.status[0]);
            self.reject_pair(id, Status::ABORTED_MISSING_FUSED);
            return Err(aborted);
        }
        let [compare, write] = context.sqe;
        let mismatch = if compare.opcode() != nvm::COMPARE || write.opcode() != nvm::WRITE {
            Some(OPCODE_BYTE)
        } else if compare.starting_lba() != write.starting_lba() {
            Some(STARTING_LBA_BYTE)
        } else if compare.block_count() != write.block_count()
            || u64::from(compare.block_count()) * u64::from(self.block_bytes)
                > u64::from(self.geometry.atomic_unit_bytes)
        {
            Some(BLOCK_COUNT_BYTE)
        } else if compare.namespace_id != write.namespace_id {
            Some(NAMESPACE_BYTE)
        } else {
            None
        };
        if let Some(byte) = mismatch {
            self.reject_pair(id, Status::INVALID_FIELD);
            return Err(Rejection::at(byte, Status::INVALID_FIELD));
        }
        let sound = self.check(&compare)?;
        let second = self.check(&write);
        self.accept(id, sound);
        let context = &mut self.contexts[id];
        context.kind = Kind::Pair;
        match second {
            Ok(write) if context.status[1].is_success() => {
                context.prp[1] = write.prp;
                context.fetched_sets = 2;
                self.set_prp_entries(id, 1);
            }
            Ok(_) => {}
            Err(rejection) => {
                if context.status[1].is_success() {
                    context.status[1] = rejection.status;
                    context.rejection = Some(rejection);
                }
            }
        }
        Ok(())
    }

    /// The second half of a pair ends with a status of its own, whatever the first ends with.
    fn reject_pair(&mut self, id: u16, status: Status) {
        let context = &mut self.contexts[id];
        context.second_stands = true;
        if context.status[1].is_success() {
            context.status[1] = status;
        }
    }

    fn accept(&mut self, id: u16, sound: Sound) {
        let context = &mut self.contexts[id];
        context.kind = sound.kind;
        context.medium_offset = sound.medium_offset;
        context.length = sound.length;
        context.prp[0] = sound.prp;
        context.walking = 0;
        if sound.kind == Kind::Read {
            context.segments[0].length = sound.length;
        }
        if sound.kind != Kind::Status {
            self.set_prp_entries(id, 0);
        }
    }

    fn check(&self, sqe: &SubmissionEntry) -> Result<Sound, Rejection> {
        let kind = match sqe.opcode() {
            nvm::FLUSH => Kind::Status,
            nvm::READ => Kind::Read,
            nvm::WRITE => Kind::Write,
            nvm::COMPARE => Kind::Compare,
            _ => return Err(Rejection::at(OPCODE_BYTE, Status::INVALID_OPCODE)),
        };
        if sqe.data_pointer_type() != 0 || sqe.fuse() == Fuse::Reserved {
            return Err(Rejection::at(FLAGS_BYTE, Status::INVALID_FIELD));
        }
        let all = kind == Kind::Status && sqe.namespace_id == ALL_NAMESPACES;
        if sqe.namespace_id != NAMESPACE_ID && !all {
            return Err(Rejection::at(NAMESPACE_BYTE, Status::INVALID_NAMESPACE));
        }
        if kind == Kind::Status {
            // Flush: what has been completed is in the medium already.
            return Ok(Sound {
                kind,
                medium_offset: 0,
                length: 0,
                prp: PrpSet::default(),
            });
        }
        if sqe.cdw12 & CDW12_PROTECTION_MASK != 0 {
            // The namespace has no protection information.
            return Err(Rejection::at(PROTECTION_BYTE, Status::INVALID_FIELD));
        }
        let block_bytes = u64::from(self.block_bytes);
        let length = u64::from(sqe.block_count()) * block_bytes;
        if length > u64::from(self.geometry.maximum_transfer_bytes) {
            return Err(Rejection::at(BLOCK_COUNT_BYTE, Status::INVALID_FIELD));
        }
        let blocks = self.medium_bytes / block_bytes;
        let end = sqe.starting_lba().checked_add(u64::from(sqe.block_count()));
        if end.is_none_or(|end| end > blocks) {
            return Err(Rejection::at(STARTING_LBA_BYTE, Status::LBA_OUT_OF_RANGE));
        }
        let length = length as u32;
        let prp = check_prps(sqe, length)?;
        Ok(Sound {
            kind,
            medium_offset: sqe.starting_lba() * block_bytes,
            length,
            prp,
        })
    }

    /// Notes the PRP entries that stand in the command itself.
    fn set_prp_entries(&mut self, id: u16, set: usize) {
        let first = self.prp_row(id, set);
        let sqe = &self.contexts[id].sqe[set];
        let (prp1, prp2) = (sqe.prp1, sqe.prp2);
        self.prp_entries[first] = prp1;
        if self.contexts[id].prp[set].entries == 2 {
            self.prp_entries[first + 1] = prp2;
        }
    }
}

/// §4.3 (1.1 has no status of its own for it): PRP1 is dword aligned; PRP2 is page aligned as an entry, qword aligned as a list pointer.
fn check_prps(sqe: &SubmissionEntry, length: u32) -> Result<PrpSet, Rejection> {
    if sqe.prp1 & 0b11 != 0 {
        return Err(Rejection::at(PRP1_BYTE, Status::INVALID_FIELD));
    }
    let offset = (sqe.prp1 % u64::from(PAGE)) as u32;
    let entries = (offset + length).div_ceil(PAGE) as u16;
    let (known, alignment) = match entries {
        1 => (1, 0),
        2 => (2, u64::from(PAGE) - 1),
        _ => (1, 0b111),
    };
    if sqe.prp2 & alignment != 0 {
        return Err(Rejection::at(PRP2_BYTE, Status::INVALID_FIELD));
    }
    Ok(PrpSet {
        entries,
        known,
        offset: offset as u16,
        list: sqe.prp2,
    })
}
