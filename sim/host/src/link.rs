//! Booked time on one direction of the link and on one stream of the endpoint's port.

use crate::endpoint::Cycle;

/// One direction of the link. Kept in bytes since cycle 0, so that no fraction of a cycle is lost.
#[derive(Debug)]
pub struct LinkTimeline {
    bytes_per_cycle: u64,
    /// One beyond the last byte booked.
    end: u64,
}

impl LinkTimeline {
    /// An idle link.
    pub fn new(bytes_per_cycle: u32) -> Self {
        Self {
            bytes_per_cycle: bytes_per_cycle.into(),
            end: 0,
        }
    }

    /// Books `bytes` that are ready to go from the start of cycle `ready`; the cycle in which the
    /// last of them passes.
    #[inline]
    pub fn pass(&mut self, ready: Cycle, bytes: u64) -> Cycle {
        self.end = self.end.max(ready * self.bytes_per_cycle) + bytes;
        (self.end - 1) / self.bytes_per_cycle
    }
}

/// One stream of the port (CQ or RC): TLPs do not share a beat, and it is never stalled.
#[derive(Debug)]
pub struct StreamTimeline {
    beat_bytes: u64,
    /// First cycle without a beat.
    free: Cycle,
}

impl StreamTimeline {
    /// An idle stream.
    pub fn new(beat_bytes: u32) -> Self {
        Self {
            beat_bytes: beat_bytes.into(),
            free: 0,
        }
    }

    /// Beats of a TLP of `bytes`.
    pub fn beats(&self, bytes: u64) -> u64 {
        bytes.div_ceil(self.beat_bytes)
    }

    /// Books a TLP of `bytes` (descriptor and data) whose first bytes are there in cycle `ready` and
    /// whose last byte arrives in cycle `arrived`; the cycle of its last beat.
    #[inline]
    pub fn pass(&mut self, ready: Cycle, arrived: Cycle, bytes: u64) -> Cycle {
        let beats = self.beats(bytes);
        let last = (self.free.max(ready) + beats - 1).max(arrived);
        self.free = last + 1;
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_of_a_cycle_add_up() {
        // Eight completions of 256 bytes are 8 x 276 bytes: 69 cycles at 32 bytes a cycle.
        let mut link = LinkTimeline::new(32);
        let last = (0..8).map(|_| link.pass(100, 276)).last();
        assert_eq!(last, Some(100 + 69 - 1));
    }

    #[test]
    fn a_stream_pays_whole_beats_and_waits_for_the_link() {
        let mut stream = StreamTimeline::new(32);
        assert_eq!(stream.pass(10, 10, 268), 18);
        assert_eq!(stream.pass(10, 10, 268), 27);
        assert_eq!(stream.pass(10, 50, 268), 50);
        assert_eq!(stream.pass(10, 10, 12), 51);
    }
}
