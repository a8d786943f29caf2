//! I/O commands.

use nvme_spec::command::CDW12_FORCE_UNIT_ACCESS;
use nvme_spec::{Fuse, Status, SubmissionEntry};
use rand::RngExt;

use super::{Generator, Only};
use crate::script::{Command, Data, Expect};

/// Largest Compare whose data may be spoiled, and largest pair: what is compared as one.
pub(super) const UNIT_BYTES: u32 = 16_384;

impl Generator {
    /// A command, a pair, or something that looks like one.
    pub(super) fn io(&mut self, races: bool) -> Vec<Command> {
        let among = match self.limits.only {
            Only::Everything => 0..100,
            Only::Moves => 0..86,
            Only::Reads => 0..32,
            Only::Writes => 32..60,
            Only::Compares => 60..70,
            Only::Pairs => 70..86,
        };
        match self.random.random_range(among) {
            0..32 => self.read(races).into_iter().collect(),
            32..60 => self.write(races).into_iter().collect(),
            60..70 => self.compare(races).into_iter().collect(),
            70..86 => self.pair(races).unwrap_or_default(),
            86..90 => vec![self.flush()],
            90..95 => self.near_miss(races),
            _ => vec![self.bad()],
        }
    }

    pub(super) fn command(&mut self, entry: SubmissionEntry, data: Option<Data>) -> Command {
        Command {
            id: self.id(),
            entry,
            data,
            expect: Expect::CarriedOut,
            races: false,
        }
    }

    pub(super) fn flush(&mut self) -> Command {
        let mut entry = SubmissionEntry::flush();
        if self.chance(20) {
            entry.namespace_id = nvme_spec::ALL_NAMESPACES;
        }
        self.command(entry, None)
    }

    /// Is something wrong with a command's memory, in so many of a hundred?
    fn spoils(&mut self, percent: u32) -> bool {
        self.limits.only == Only::Everything && self.chance(percent)
    }

    fn blocks_of(&self, bytes: u32) -> u32 {
        bytes / self.setup.block_bytes
    }

    pub(super) fn read(&mut self, _races: bool) -> Option<Command> {
        let bytes = self.bytes(u32::MAX);
        let count = self.blocks_of(bytes);
        let lba = self.blocks.claim(&mut self.random, count, false, true)?;
        let mut data = self.data(bytes, vec![]);
        if self.spoils(6) {
            data.spoil = self.spoil_of_read(&data);
        }
        Some(self.command(SubmissionEntry::read(lba, count), Some(data)))
    }

    pub(super) fn write(&mut self, races: bool) -> Option<Command> {
        let bytes = self.bytes(u32::MAX);
        let count = self.blocks_of(bytes);
        let lba = self.blocks.claim(&mut self.random, count, true, false)?;
        let tags = self.blocks.new_tags(&mut self.random, lba, count);
        let mut data = self.data(bytes, tags);
        if !races && self.spoils(8) {
            data.spoil = Some(self.spoil(&data));
        }
        let certain = !races && !data.spoil.is_some_and(crate::script::Spoil::is_fatal);
        let left = certain.then_some(&data.tags[..]);
        self.blocks.leave(lba, left, count);
        let mut entry = SubmissionEntry::write(lba, count);
        if self.chance(10) {
            entry.cdw12 |= CDW12_FORCE_UNIT_ACCESS;
        }
        Some(self.command(entry, Some(data)))
    }

    pub(super) fn compare(&mut self, races: bool) -> Option<Command> {
        let spoiled = !races && self.spoils(8);
        let bytes = self.bytes(if spoiled { UNIT_BYTES } else { u32::MAX });
        let count = self.blocks_of(bytes);
        let lba = self.blocks.claim(&mut self.random, count, false, true)?;
        let mut data = self.compared(lba, count);
        if spoiled {
            data.spoil = Some(self.spoil(&data));
        }
        Some(self.command(SubmissionEntry::compare(lba, count), Some(data)))
    }

    /// Data to compare with: what the blocks hold, more often than not.
    fn compared(&mut self, lba: u64, count: u32) -> Data {
        let tags = self.blocks.old_tags(&mut self.random, lba, count);
        let bytes = count * self.setup.block_bytes;
        let mut data = self.data(bytes, tags);
        if self.chance(25) {
            data.flipped_byte = Some(match self.random.random_range(0..3) {
                0 => 0,
                1 => bytes - 1,
                _ => self.random.random_range(0..bytes),
            });
        }
        data
    }

    pub(super) fn pair(&mut self, races: bool) -> Option<Vec<Command>> {
        let bytes = self.bytes(UNIT_BYTES);
        let count = self.blocks_of(bytes);
        let lba = self.blocks.claim(&mut self.random, count, true, true)?;
        let mut compared = self.compared(lba, count);
        let tags = self.blocks.new_tags(&mut self.random, lba, count);
        let mut written = self.data(bytes, tags);
        if !races && self.limits.only == Only::Everything {
            match self.random.random_range(0..20) {
                0 => compared.spoil = Some(self.spoil(&compared)),
                1 => written.spoil = Some(self.spoil(&written)),
                _ => {}
            }
        }
        let fatal = |data: &Data| data.spoil.is_some_and(crate::script::Spoil::is_fatal);
        if races {
            self.blocks.leave(lba, None, count);
        } else if !fatal(&compared) && !fatal(&written) && compared.flipped_byte.is_none() {
            self.blocks.leave(lba, Some(&written.tags), count);
        }
        let first = SubmissionEntry::compare(lba, count).with_fuse(Fuse::First);
        let second = SubmissionEntry::write(lba, count).with_fuse(Fuse::Second);
        Some(vec![
            self.command(first, Some(compared)),
            self.command(second, Some(written)),
        ])
    }

    /// A command that is refused before anything moves.
    pub(super) fn bad(&mut self) -> Command {
        let bytes = self.bytes(8192);
        let count = self.blocks_of(bytes);
        let lba = self
            .random
            .random_range(0..self.setup.blocks - u64::from(count));
        let mut entry = match self.random.random_range(0..3) {
            0 => SubmissionEntry::read(lba, count),
            1 => SubmissionEntry::write(lba, count),
            _ => SubmissionEntry::compare(lba, count),
        };
        let tags = (0..u64::from(count)).collect();
        let mut data = self.data(bytes, tags);
        let status = match self.random.random_range(0..10) {
            0 => {
                entry.cdw0 = entry.cdw0 & !0xff | self.choose(&[3u32, 4, 6, 0x55, 0x80, 0xff]);
                Status::INVALID_OPCODE
            }
            1 => {
                entry.namespace_id = self.choose(&[0, 2, 0xffff_fffe, 0xffff_ffff]);
                Status::INVALID_NAMESPACE
            }
            2 => {
                entry.cdw0 |= self.random.random_range(1..4) << 14;
                Status::INVALID_FIELD
            }
            3 => {
                entry.cdw0 |= 3 << 8;
                Status::INVALID_FIELD
            }
            4 => {
                entry.cdw12 |= 1 << self.random.random_range(26..30);
                Status::INVALID_FIELD
            }
            5 => {
                data.offset = data.offset & !3 | self.random.random_range(1..4);
                Status::INVALID_FIELD
            }
            6 => {
                let most = (128 << 10) / self.setup.block_bytes;
                entry.cdw12 = entry.cdw12 & !0xffff | self.random.random_range(most..=0xffff);
                Status::INVALID_FIELD
            }
            7 => {
                let beyond = self.setup.blocks - self.random.random_range(0..u64::from(count));
                entry.cdw10 = beyond as u32;
                Status::LBA_OUT_OF_RANGE
            }
            8 => {
                entry.cdw11 = self.choose(&[1, 0x8000_0000, 0xffff_ffff]);
                Status::LBA_OUT_OF_RANGE
            }
            _ => {
                // The last block there can be, and one more: a sum that overflows.
                entry.cdw10 = u32::MAX;
                entry.cdw11 = u32::MAX;
                Status::LBA_OUT_OF_RANGE
            }
        };
        let mut command = self.command(entry, Some(data));
        command.expect = Expect::Refused(status);
        command
    }
}
