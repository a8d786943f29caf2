//! The AXI4 master to the DRAM: a timeline of R beats and one of W beats, and the bursts on them.

use std::collections::VecDeque;

use pcie_host::endpoint::Cycle;

use crate::schedule::NEVER;

/// What a read burst is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReadPurpose {
    /// Data of a Read, into this staging buffer.
    Staging(u8),
    /// Compared with what the host sent, from `offset` of the buffer memory on; it takes a staging
    /// buffer, too.
    Compare { staging: u8, offset: u32 },
}

/// A read burst on R.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadBurst {
    pub(crate) context: u16,
    pub(crate) purpose: ReadPurpose,
    pub(crate) medium_offset: u64,
    pub(crate) length_bytes: u32,
    /// Last beat of R.
    pub(crate) end: Cycle,
}

/// A segment being written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriteBurst {
    pub(crate) context: u16,
    pub(crate) segment: u8,
    pub(crate) medium_offset: u64,
    /// Of the buffer memory.
    pub(crate) offset: u32,
    pub(crate) length_bytes: u32,
    /// The cycle before the first beat of W.
    pub(crate) start: Cycle,
    /// B.
    pub(crate) response: Cycle,
}

/// Both directions; each moves a beat a cycle, in order.
#[derive(Debug)]
pub(crate) struct Axi {
    beat_bytes: u32,
    pub(crate) reads: VecDeque<ReadBurst>,
    pub(crate) writes: VecDeque<WriteBurst>,
    r_busy_until: Cycle,
    w_busy_until: Cycle,
}

impl Axi {
    pub(crate) const fn new(beat_bytes: u32) -> Self {
        Self {
            beat_bytes,
            reads: VecDeque::new(),
            writes: VecDeque::new(),
            r_busy_until: 0,
            w_busy_until: 0,
        }
    }

    pub(crate) fn beats(&self, bytes: u32) -> Cycle {
        Cycle::from(bytes.div_ceil(self.beat_bytes))
    }

    /// Sends AR of a burst whose first beat could come after `first_beat`; returns the cycle before
    /// the one in which it does.
    pub(crate) fn read(&mut self, mut burst: ReadBurst, first_beat: Cycle) -> Cycle {
        let start = first_beat.max(self.r_busy_until);
        let skipped = (burst.medium_offset % u64::from(self.beat_bytes)) as u32;
        burst.end = start + self.beats(skipped + burst.length_bytes);
        self.r_busy_until = burst.end;
        self.reads.push_back(burst);
        start
    }

    /// Sends AW and W of a segment, from cycle `from` on; B comes `response_cycles` after the last beat.
    pub(crate) fn write(&mut self, mut burst: WriteBurst, from: Cycle, response_cycles: Cycle) {
        burst.start = from.max(self.w_busy_until);
        self.w_busy_until = burst.start + self.beats(burst.length_bytes);
        burst.response = self.w_busy_until + response_cycles;
        self.writes.push_back(burst);
    }

    pub(crate) fn next_read_end(&self) -> Cycle {
        self.reads.front().map_or(NEVER, |burst| burst.end)
    }

    pub(crate) fn next_write_response(&self) -> Cycle {
        self.writes.front().map_or(NEVER, |burst| burst.response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_follow_one_another_without_a_gap() {
        let mut axi = Axi::new(32);
        let burst = ReadBurst {
            context: 0,
            purpose: ReadPurpose::Staging(0),
            medium_offset: 0,
            length_bytes: 4096,
            end: 0,
        };
        assert_eq!(axi.read(burst, 25), 25);
        assert_eq!(axi.read(burst, 26), 25 + 128);
        assert_eq!(axi.next_read_end(), 25 + 128);
        let write = WriteBurst {
            context: 0,
            segment: 0,
            medium_offset: 0,
            offset: 0,
            length_bytes: 16_384,
            start: 0,
            response: 0,
        };
        axi.write(write, 10, 25);
        axi.write(write, 11, 25);
        assert_eq!(axi.next_write_response(), 10 + 512 + 25);
        assert_eq!(axi.writes[1].start, 522);
    }
}
