//! Which blocks a command touches, and what they hold by then.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use crate::script::{Mix, Setup};

/// Versions of a block that commands of a conflicting mix write and compare with.
const VERSIONS: u64 = 3;
/// Tag of block 0 as it is at first.
const FIRST_TAG: u64 = 1;
/// Blocks that everybody wants, in a conflicting mix.
const HOT_BYTES: u64 = 96 << 10;

/// A range that a command of this round has.
#[derive(Clone, Copy, Debug)]
struct Claim {
    first: u64,
    end: u64,
    writes: bool,
}

/// The namespace, as far as a script can know it.
#[derive(Debug)]
pub(super) struct Blocks {
    mix: Mix,
    blocks: u64,
    block_bytes: u32,
    /// Tag of each block; `None` when a race decides it.
    tags: Vec<Option<u64>>,
    claims: Vec<Claim>,
    /// What the round's commands leave behind.
    pending: Vec<(u64, Option<u64>)>,
    next_tag: u64,
}

/// The tag of a block at the start.
pub fn first_tag(lba: u64) -> u64 {
    FIRST_TAG + lba
}

impl Blocks {
    pub(super) fn new(setup: &Setup) -> Self {
        Self {
            mix: setup.mix,
            blocks: setup.blocks,
            block_bytes: setup.block_bytes,
            tags: (0..setup.blocks).map(|lba| Some(first_tag(lba))).collect(),
            claims: Vec::new(),
            pending: Vec::new(),
            next_tag: 1 << 32,
        }
    }

    pub(super) fn begin_round(&mut self) {
        self.claims.clear();
    }

    pub(super) fn end_round(&mut self) {
        for (lba, tag) in self.pending.drain(..) {
            self.tags[lba as usize] = tag;
        }
    }

    /// A range that no other command of the round is in the way of; `None` when the namespace is full.
    pub(super) fn claim(
        &mut self,
        random: &mut Pcg64Mcg,
        count: u32,
        writes: bool,
        known: bool,
    ) -> Option<u64> {
        let count = u64::from(count);
        if self.mix == Mix::Conflicting {
            let hot = (HOT_BYTES / u64::from(self.block_bytes)).max(count);
            return Some(random.random_range(0..=hot - count));
        }
        for _ in 0..60 {
            let first = match random.random_range(0..8) {
                0 => self.blocks - count,
                _ => random.random_range(0..=self.blocks - count),
            };
            let claim = Claim {
                first,
                end: first + count,
                writes,
            };
            let conflicts = |other: &Claim| {
                (writes || other.writes) && first < other.end && other.first < claim.end
            };
            let is_known = self.tags[first as usize..claim.end as usize]
                .iter()
                .all(Option::is_some);
            if !self.claims.iter().any(conflicts) && (is_known || !known) {
                self.claims.push(claim);
                return Some(first);
            }
        }
        None
    }

    /// Tags of new contents.
    pub(super) fn new_tags(&mut self, random: &mut Pcg64Mcg, first: u64, count: u32) -> Vec<u64> {
        if self.mix == Mix::Conflicting {
            let version = random.random_range(0..VERSIONS);
            return self.version(version, first, count);
        }
        let tag = self.next_tag;
        self.next_tag += u64::from(count);
        (tag..tag + u64::from(count)).collect()
    }

    /// Tags that the blocks may hold when a command gets at them: must hold, in a conflict-free mix.
    pub(super) fn old_tags(&mut self, random: &mut Pcg64Mcg, first: u64, count: u32) -> Vec<u64> {
        if self.mix == Mix::Conflicting {
            let version = random.random_range(0..VERSIONS);
            return self.version(version, first, count);
        }
        let range = first as usize..first as usize + count as usize;
        // What nobody knows does not match.
        self.tags[range]
            .iter()
            .map(|tag| tag.unwrap_or(0))
            .collect()
    }

    fn version(&self, version: u64, first: u64, count: u32) -> Vec<u64> {
        let tags = first..first + u64::from(count);
        tags.map(|lba| first_tag(lba) + version * self.blocks)
            .collect()
    }

    /// A command of this round leaves this behind, or (`None`) nobody knows what.
    pub(super) fn leave(&mut self, first: u64, tags: Option<&[u64]>, count: u32) {
        for block in 0..u64::from(count) {
            let tag = tags.map(|tags| tags[block as usize]);
            self.pending.push((first + block, tag));
        }
    }
}
