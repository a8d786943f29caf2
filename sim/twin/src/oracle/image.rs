//! The medium as the oracle knows it.

use std::collections::BTreeSet;

use nvme_spec::{Status, opcode::nvm};

use super::progress::{Piece, Progress};
use crate::generate::first_tag;
use crate::script::{Data, Setup, contents};
use crate::units::{Unit, first_lost_byte};

/// For each block the tags of what it may hold: one, but where a reset has left it open.
pub(super) struct Image {
    blocks: Vec<Vec<u64>>,
    block_bytes: u32,
    /// Blocks that commands of this round have written.
    written: BTreeSet<u64>,
    /// The medium at the end of the round before.
    before: Vec<u8>,
}

/// Is this the content of one of these tags?
pub(super) fn holds(tags: &[u64], block: &[u8]) -> bool {
    tags.iter().any(|tag| contents(*tag, block.len()) == block)
}

impl Image {
    pub(super) fn new(setup: &Setup) -> Self {
        let bytes = setup.block_bytes as usize;
        Self {
            blocks: (0..setup.blocks).map(|lba| vec![first_tag(lba)]).collect(),
            block_bytes: setup.block_bytes,
            written: BTreeSet::new(),
            before: (0..setup.blocks)
                .flat_map(|lba| contents(first_tag(lba), bytes))
                .collect(),
        }
    }

    /// Carries out a piece of a unit.
    pub(super) fn carry_out(
        &mut self,
        unit: &Unit<'_>,
        piece: &Piece,
        certain: bool,
        progress: &mut Progress,
    ) -> Result<(), String> {
        let Some(blocks) = unit.blocks() else {
            return Err("a lock for a command that has no blocks".to_owned());
        };
        let data = unit.command.data.as_ref();
        let lost = data.and_then(first_lost_byte);
        if piece.start != progress.done {
            return Err(format!(
                "locks byte {} after {}",
                piece.start, progress.done
            ));
        }
        if lost.is_some_and(|lost| lost < piece.start + piece.length) {
            return Err("locks blocks whose data have not arrived".to_owned());
        }
        if progress.differs {
            return Err("locks more blocks after a difference".to_owned());
        }
        let length = (blocks.end - blocks.start) as u32 * self.block_bytes;
        if piece.length != unit.piece_bytes().min(length - piece.start) {
            return Err(format!(
                "locks {} bytes from byte {}",
                piece.length, piece.start
            ));
        }
        progress.done += piece.length;
        let first_index = (piece.start / self.block_bytes) as usize;
        let first = blocks.start + first_index as u64;
        let count = (piece.length / self.block_bytes) as usize;
        let Some(data) = data else { return Ok(()) };
        let of_piece = first_index..first_index + count;
        match unit.command.entry.opcode() {
            nvm::READ => {
                let range = first as usize..first as usize + count;
                progress.read.extend_from_slice(&self.blocks[range]);
            }
            nvm::WRITE => {
                progress.has_written = true;
                self.write(first, &data.tags[of_piece], certain);
            }
            _ => {
                let status = progress.answer.map(|entry| entry.status());
                progress.differs = self.differs(first, data, of_piece.clone(), status);
                let write = unit.second.and_then(|second| second.data.as_ref());
                if let Some(write) = write
                    && !progress.differs
                    && first_lost_byte(write).is_none()
                {
                    progress.has_written = true;
                    self.write(first, &write.tags[of_piece], certain);
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, first: u64, tags: &[u64], certain: bool) {
        for (lba, tag) in (first..).zip(tags) {
            self.written.insert(lba);
            let block = &mut self.blocks[lba as usize];
            if certain {
                block.clear();
            }
            if !block.contains(tag) {
                block.push(*tag);
            }
        }
    }

    /// Does the host's data differ? Where the medium may hold this or that, the answer decides.
    fn differs(
        &self,
        first: u64,
        data: &Data,
        of_piece: std::ops::Range<usize>,
        status: Option<Status>,
    ) -> bool {
        let flipped = data
            .flipped_byte
            .is_some_and(|byte| of_piece.contains(&((byte / self.block_bytes) as usize)));
        let mut may_equal = !flipped;
        let mut may_differ = flipped;
        for (lba, tag) in (first..).zip(&data.tags[of_piece]) {
            let block = &self.blocks[lba as usize];
            may_equal &= block.contains(tag);
            may_differ |= block.iter().any(|other| other != tag);
        }
        may_differ && !(may_equal && status == Some(Status::SUCCESS))
    }

    /// Compares it with the medium at the end of a round, which decides what was open.
    pub(super) fn settle(&mut self, medium: &[u8]) -> Vec<String> {
        let bytes = self.block_bytes as usize;
        let mut wrong = Vec::new();
        let blocks = self.blocks.iter_mut().zip(medium.chunks(bytes));
        for ((lba, before), (tags, block)) in self.before.chunks(bytes).enumerate().zip(blocks) {
            if !self.written.contains(&(lba as u64)) {
                if before != block {
                    wrong.push(format!(
                        "block {lba} has changed, and nobody has written it"
                    ));
                }
                continue;
            }
            let held = tags
                .iter()
                .copied()
                .find(|tag| contents(*tag, bytes) == block);
            match held {
                Some(tag) => *tags = vec![tag],
                None => wrong.push(format!("block {lba} holds nothing that was written to it")),
            }
        }
        self.written.clear();
        self.before = medium.to_vec();
        wrong
    }
}
