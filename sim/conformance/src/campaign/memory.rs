//! Host memory of a function in the campaign, laid out so that a stray DMA can be told from one
//! that a random command asked for.
//!
//! Whatever a random command may name, or take for a PRP list, consists of words that point into the
//! *wild* window: addresses with 0xf5 on top, where nothing is ever mapped. So a DMA that faults
//! outside the window was asked for by nobody. Every dword of all data looks like that, so it holds at
//! any alignment, and for data that have been on the medium.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use crate::rig::{Buffer, Controller};

const PAGE: u64 = 4096;
const DATA_PAGES: u64 = 40;
const LIST_PAGES: u64 = 6;
const ADMIN_PAGES: u64 = 4;
const RING_PAGES: u64 = 4;
const GUARD: u8 = 0xa7;

/// Two dwords that each have 0xf5 on top.
pub(super) fn wild_word(random: &mut Pcg64Mcg) -> u64 {
    let bits: u64 = random.random();
    0xf500_0000_f500_0000 | (bits & 0x00ff_ffff_00ff_ffff)
}

/// Would a random command name this? Below 4 GiB are words whose upper half was never written.
pub(super) fn is_wild(address: u64) -> bool {
    address >> 56 == 0xf5 || address < 1 << 32
}

/// What a function's random commands may name.
pub(super) struct Memory {
    /// Data, PRP lists, admin data, rings; a guard page behind each.
    all: Buffer,
}

impl Memory {
    pub(super) fn new(controller: &mut Controller) -> Self {
        let pages = DATA_PAGES + LIST_PAGES + ADMIN_PAGES + RING_PAGES + 4;
        Self {
            all: controller.buffer((pages * PAGE) as usize),
        }
    }

    /// Fresh words everywhere.
    pub(super) fn renew(&self, random: &mut Pcg64Mcg) {
        let words: Vec<u64> = (0..self.all.len() / 8).map(|_| wild_word(random)).collect();
        self.all.write_u64s(0, &words);
        for guard in Self::guards() {
            self.all
                .write((guard * PAGE) as usize, &[GUARD; PAGE as usize]);
        }
    }

    /// The page behind each part.
    fn guards() -> [u64; 4] {
        let data = DATA_PAGES;
        let list = data + 1 + LIST_PAGES;
        let admin = list + 1 + ADMIN_PAGES;
        [data, list, admin, admin + 1 + RING_PAGES]
    }

    /// No command names a guard page, so none of them changes.
    pub(super) fn assert_guards(&self) {
        for guard in Self::guards() {
            let page = self.all.read((guard * PAGE) as usize, PAGE as usize);
            assert!(
                page.iter().all(|&byte| byte == GUARD),
                "guard page {guard} was written"
            );
        }
    }

    fn page(&self, page: u64) -> u64 {
        self.all.address + page * PAGE
    }

    /// A page for data.
    pub(super) fn data_page(&self, random: &mut Pcg64Mcg) -> u64 {
        self.page(random.random_range(0..DATA_PAGES))
    }

    /// A page for Identify data and log pages; never read as a list.
    pub(super) fn admin_page(&self, random: &mut Pcg64Mcg) -> u64 {
        self.page(DATA_PAGES + 1 + LIST_PAGES + 1 + random.random_range(0..ADMIN_PAGES))
    }

    /// A page for a ring that nobody looks at.
    pub(super) fn ring_page(&self, random: &mut Pcg64Mcg) -> u64 {
        self.page(Self::guards()[2] + 1 + random.random_range(0..RING_PAGES))
    }

    /// Writes a PRP list of data pages, beginning anywhere in a list page, with a chain where it must
    /// be; now and then one entry is wrong.
    pub(super) fn list(&mut self, random: &mut Pcg64Mcg, entries: u32, spoil: bool) -> u64 {
        let first_page = DATA_PAGES + 1 + random.random_range(0..LIST_PAGES - 1);
        let mut address = self.page(first_page) + 8 * random.random_range(0..512);
        let start = address;
        let mut remaining = entries;
        let bad = random.random_range(0..entries);
        while remaining > 0 {
            let segment = nvme_spec::prp::list_segment(address, remaining);
            let mut words: Vec<u64> = (0..segment.data_entries)
                .map(|_| self.data_page(random))
                .collect();
            if spoil
                && (entries - remaining..entries - remaining + segment.data_entries).contains(&bad)
            {
                let word = &mut words[(bad - (entries - remaining)) as usize];
                *word = match random.random_range(0..3) {
                    0 => wild_word(random),
                    1 => wild_word(random) & !0xfff,
                    _ => *word + random.random_range(1..4096),
                };
            }
            remaining -= segment.data_entries;
            // The chain goes to the page behind, from its start.
            let next = self.page(first_page + 1);
            if segment.chained {
                words.push(next);
            }
            self.all
                .write_u64s((address - self.all.address) as usize, &words);
            address = next;
        }
        start
    }

    /// Bus addresses of data and lists.
    pub(super) fn read_by_commands(&self) -> (u64, u64) {
        (self.all.address, self.page(DATA_PAGES + 1 + LIST_PAGES))
    }
}
