//! Commands that are nearly a Compare-and-Write.

use nvme_spec::{Fuse, Status, SubmissionEntry};
use rand::RngExt;

use super::Generator;
use crate::script::{Command, Expect};

impl Generator {
    /// Halves that do not fit, halves without their neighbour.
    pub(super) fn near_miss(&mut self, races: bool) -> Vec<Command> {
        let Some(mut pair) = self.untouching_pair() else {
            return vec![];
        };
        let missing = Expect::Refused(Status::ABORTED_MISSING_FUSED);
        let invalid = Expect::Refused(Status::INVALID_FIELD);
        match self.random.random_range(0..9) {
            // A first alone; what follows is its own command.
            0 => {
                pair.truncate(1);
                pair[0].expect = missing;
                let follower = match self.random.random_range(0..3) {
                    0 => self.read(races),
                    1 => self.write(races),
                    _ => None,
                };
                let follower = follower.unwrap_or_else(|| self.flush());
                pair.push(follower);
                pair
            }
            // A second alone.
            1 => {
                pair.remove(0);
                pair[0].expect = missing;
                let flush = self.flush();
                vec![flush, pair.remove(0)]
            }
            // First, first, second: the first first is alone.
            2 => {
                let Some(mut alone) = self.untouching_pair() else {
                    return vec![];
                };
                alone.truncate(1);
                alone[0].expect = missing;
                let Some(whole) = self.pair(races) else {
                    return vec![];
                };
                alone.extend(whole);
                alone
            }
            3 => {
                pair[1].entry.cdw10 ^= 1;
                self.refused(pair, invalid)
            }
            4 => {
                pair[1].entry.cdw12 ^= 1;
                self.refused(pair, invalid)
            }
            5 => {
                pair[1].entry.namespace_id = 2;
                self.refused(pair, invalid)
            }
            6 => {
                let opcode = self.choose(&[0u32, 1, 2, 9]);
                pair[0].entry.cdw0 = pair[0].entry.cdw0 & !0xff | opcode;
                self.refused(pair, invalid)
            }
            7 => {
                let opcode = self.choose(&[0u32, 2, 5, 9]);
                pair[1].entry.cdw0 = pair[1].entry.cdw0 & !0xff | opcode;
                self.refused(pair, invalid)
            }
            // More than the atomic unit.
            _ => {
                let count = super::io::UNIT_BYTES / self.setup.block_bytes;
                for half in &mut pair {
                    half.entry.cdw12 = half.entry.cdw12 & !0xffff | count;
                }
                self.refused(pair, invalid)
            }
        }
    }

    fn refused(&mut self, mut pair: Vec<Command>, expect: Expect) -> Vec<Command> {
        for half in &mut pair {
            half.expect = expect;
        }
        pair
    }

    /// The halves of a pair that has no blocks of its own: it must touch none.
    fn untouching_pair(&mut self) -> Option<Vec<Command>> {
        let count = self.random.random_range(1..=2);
        let lba = self.random.random_range(0..self.setup.blocks - 8);
        let bytes = count * self.setup.block_bytes;
        let tags: Vec<u64> = (0..u64::from(count)).collect();
        let compared = self.data(bytes, tags.clone());
        let written = self.data(bytes, tags);
        let first = SubmissionEntry::compare(lba, count).with_fuse(Fuse::First);
        let second = SubmissionEntry::write(lba, count).with_fuse(Fuse::Second);
        Some(vec![
            self.command(first, Some(compared)),
            self.command(second, Some(written)),
        ])
    }
}
