//! Hosts' memory as far as PRP lists go, and commands whose pages stand in them.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_pcg::Pcg64Mcg;

pub(crate) const PAGE: u64 = 4096;
pub(crate) const ENTRY: u64 = 8;

/// One PRP set of a command, as the command has it and as the host means it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Set {
    pub(crate) prp1: u64,
    pub(crate) prp2: u64,
    /// Numbers of its pages.
    pub(crate) pages: Vec<u64>,
    /// Addresses of the list's entries in the order in which they must be fetched; a pointer is left out.
    pub(crate) list: Vec<u64>,
}

impl Set {
    /// A set for `length` bytes, its list written to `memory`. Lists often begin close to the end of a
    /// page; one in `wrong_every` has an entry, or a pointer, with an offset.
    pub(crate) fn new(
        random: &mut Pcg64Mcg,
        memory: &mut BTreeMap<u64, u64>,
        length: u64,
        wrong_every: u32,
    ) -> Self {
        let offset = match random.random_range(0..3) {
            0 => 0,
            1 => 4 * random.random_range(0..1024),
            _ => PAGE - 4 * random.random_range(1..8),
        };
        let count = (offset + length).div_ceil(PAGE) as usize;
        let mut page = || random.random_range(0..1 << 52);
        let pages: Vec<u64> = (0..count).map(|_| page()).collect();
        let mut set = Self {
            prp1: pages[0] * PAGE + offset,
            prp2: random.random(),
            pages,
            list: Vec::new(),
        };
        match count {
            1 => {}
            2 => set.prp2 = set.pages[1] * PAGE,
            _ => set.write_list(random, memory, wrong_every),
        }
        set
    }

    fn write_list(
        &mut self,
        random: &mut Pcg64Mcg,
        memory: &mut BTreeMap<u64, u64>,
        wrong_every: u32,
    ) {
        let slots = match random.random_range(0..3) {
            0 => random.random_range(1..=512),
            _ => random.random_range(1..40),
        };
        let mut at = random.random_range(0..1 << 52) * PAGE + PAGE - slots * ENTRY;
        self.prp2 = at;
        let mut written = Vec::new();
        let left = &self.pages[1..];
        for (index, page) in left.iter().enumerate() {
            if at % PAGE == PAGE - ENTRY && index + 1 < left.len() {
                let next = random.random_range(0..1 << 52) * PAGE;
                memory.insert(at, next);
                written.push(at);
                at = next;
            }
            memory.insert(at, page * PAGE);
            written.push(at);
            self.list.push(at);
            at += ENTRY;
        }
        if random.random_ratio(1, wrong_every) {
            let at = written[random.random_range(0..written.len())];
            // What lies behind a pointer of another page is not where it was written.
            let offset = 1 << random.random_range(0..12);
            *memory.entry(at).or_default() |= offset;
        }
    }
}
