//! Commands that hold their lock, and what must become of each.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;

pub(crate) const PAGE: u64 = 4096;

/// Bytes of the medium that are one context's.
pub(crate) const PART: u64 = 1 << 20;

/// Dwords of the medium: no two alike within reach.
pub(crate) fn medium_dword(address: u64) -> u32 {
    ((address / 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// A Read, or a segment of a compare.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) compares: bool,
    pub(crate) half: u64,
    pub(crate) address: u64,
    pub(crate) length: u64,
    pub(crate) offset: u64,
    pub(crate) lock_row: u64,
    /// Numbers of the host's pages, or of the buffers.
    pub(crate) pages: Vec<u64>,
    /// Byte of the command whose buffered copy is not what the medium has.
    pub(crate) differs_at: Option<u64>,
    /// Bytes asked of the medium, and sent; words in bursts, and those that have come.
    pub(crate) asked: u64,
    pub(crate) sent: u64,
    pub(crate) words: u64,
    pub(crate) words_read: u64,
    /// A beat came with an error; the function was gone for a while.
    pub(crate) bad: bool,
    pub(crate) was_gone: bool,
    pub(crate) released: bool,
    pub(crate) ended: bool,
}

impl Command {
    /// The context's own part of the medium, so that an address tells whose it is.
    pub(crate) fn new(random: &mut Pcg64Mcg, context: u64, lock_row: u64) -> Self {
        let compares = random.random_ratio(1, 3);
        let blocks = match random.random_range(0..8) {
            _ if compares => random.random_range(1..=32),
            0 => random.random_range(1..=256),
            1 => 8,
            _ => random.random_range(1..=24),
        };
        let length = 512 * blocks;
        let offset = match random.random_range(0..3) {
            0 => 0,
            1 => 4 * random.random_range(0..1024),
            _ => PAGE - 4 * random.random_range(1..8),
        };
        let differs_at =
            (compares && random.random_ratio(1, 3)).then(|| random.random_range(0..length));
        // Buffers of a function: a command does not have one twice.
        let first_buffer = random.random_range(0..16);
        let pages = (0..(offset + length).div_ceil(PAGE))
            .map(|page| {
                if compares {
                    (first_buffer + page) % 16
                } else {
                    random.random_range(0..1 << 52)
                }
            })
            .collect();
        Self {
            compares,
            half: random.random_range(0..2),
            address: context * PART + 512 * random.random_range(0..1024),
            length,
            offset,
            lock_row,
            pages,
            differs_at,
            asked: 0,
            sent: 0,
            words: 0,
            words_read: 0,
            bad: false,
            was_gone: false,
            released: false,
            ended: false,
        }
    }

    /// Bytes of the next granule: to the end of the host's page, or of the buffer.
    pub(crate) fn granule(&self) -> u64 {
        let at = if self.compares { 0 } else { self.offset } + self.asked;
        (PAGE - at % PAGE).min(self.length - self.asked)
    }

    /// Bus address of the next byte to send.
    pub(crate) fn host_address(&self) -> u64 {
        let at = self.offset + self.sent;
        self.pages[(at / PAGE) as usize] * PAGE + at % PAGE
    }

    /// The word of its buffers that begins at this byte, as the host has sent it.
    pub(crate) fn buffered(&self, at: u64) -> Vec<u8> {
        let mut word: Vec<u8> = (0..8)
            .flat_map(|dword| medium_dword(self.address + at + 4 * dword).to_le_bytes())
            .collect();
        if let Some(byte) = self.differs_at.filter(|byte| (at..at + 32).contains(byte)) {
            word[(byte - at) as usize] ^= 1 << (byte % 8);
        }
        word
    }

    /// May it have ended before its end?
    pub(crate) const fn may_fail(&self) -> bool {
        self.bad || self.was_gone
    }
}
