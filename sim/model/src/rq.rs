//! RQ: the one port through which the controller writes to and reads from hosts.
//!
//! Arbitration is at TLP boundaries: single-beat TLPs (host reads, CQEs, MSI-X messages) go in order
//! of arrival, before the next data TLP. A data burst is one value: where it ends moves on by a beat
//! for each TLP put between its own. When a TLP is taken is known the moment it is handed in.

use std::collections::VecDeque;

use pcie_host::endpoint::Cycle;

use crate::schedule::NEVER;

/// A single-beat TLP.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SmallTlp {
    /// A host read.
    Read {
        address: u64,
        length_bytes: u32,
        tag: u8,
    },
    /// A CQE.
    Completion { address: u64, entry: [u8; 16] },
    /// An MSI-X message.
    Interrupt { address: u64, data: u32 },
}

/// A TLP that is booked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Booked {
    /// Its beat is taken in this cycle.
    pub(crate) at: Cycle,
    /// Whose requester ID it carries.
    pub(crate) function: u8,
    pub(crate) tlp: SmallTlp,
}

/// Where the bytes of a data burst are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// A staging buffer, from its first byte.
    Staging(u8),
    /// The admin buffer of the context's function, from this byte on.
    Admin { offset: u16 },
}

/// Read data on their way to the host: at most 4 KiB, inside one page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DataBurst {
    pub(crate) context: u16,
    pub(crate) source: Source,
    pub(crate) address: u64,
    pub(crate) length_bytes: u32,
    /// Cycle in which the bytes of the first TLP are there.
    pub(crate) ready: Cycle,
    /// Cycle in which all bytes are there.
    pub(crate) complete: Cycle,
}

/// The burst that is being sent.
#[derive(Clone, Copy, Debug)]
struct Active {
    burst: DataBurst,
    /// Last cycle before the next TLP of the burst: a TLP boundary.
    boundary: Cycle,
    /// Full-size TLPs after the boundary, and beats of each.
    full_tlps: u32,
    full_beats: u32,
    /// Beats of the last, shorter TLP; 0 when there is none.
    tail_beats: u32,
    /// Cycle of the last beat.
    end: Cycle,
    /// Bytes before the boundary.
    passed_bytes: u32,
}

/// The TLPs of a burst that go before a single-beat TLP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// Their last beat is taken in this cycle.
    at: Cycle,
    pub(crate) burst: DataBurst,
    pub(crate) from_byte: u32,
    pub(crate) length_bytes: u32,
}

/// What the RQ has just done.
#[derive(Debug)]
pub(crate) enum Taken {
    /// A single-beat TLP was taken.
    Small(Booked),
    /// The beats of a data burst before a single-beat TLP were taken.
    Part(Part),
    /// The last beat of a data burst was taken, from this byte of it on.
    Data(DataBurst, u32),
}

/// The port.
#[derive(Debug)]
pub(crate) struct Rq {
    beat_bytes: u32,
    header_bytes: u32,
    max_payload_bytes: u32,
    small: VecDeque<Booked>,
    parts: VecDeque<Part>,
    waiting: VecDeque<DataBurst>,
    active: Option<Active>,
    /// Last cycle that is booked for single-beat TLPs.
    booked_until: Cycle,
    /// Last beat of the data burst before.
    free_at: Cycle,
}

impl Rq {
    pub(crate) const fn new(beat_bytes: u32, header_bytes: u32, max_payload_bytes: u32) -> Self {
        Self {
            beat_bytes,
            header_bytes,
            max_payload_bytes,
            small: VecDeque::new(),
            parts: VecDeque::new(),
            waiting: VecDeque::new(),
            active: None,
            booked_until: 0,
            free_at: 0,
        }
    }

    /// Payload size of bursts that begin from now on.
    pub(crate) const fn set_max_payload(&mut self, bytes: u32) {
        self.max_payload_bytes = bytes;
    }

    /// Bytes of the first TLP of a burst.
    pub(crate) fn first_tlp_bytes(&self, length_bytes: u32) -> u32 {
        length_bytes.min(self.max_payload_bytes)
    }

    const fn beats(&self, payload_bytes: u32) -> u32 {
        (self.header_bytes + payload_bytes).div_ceil(self.beat_bytes)
    }

    /// Hands in a single-beat TLP; returns the cycle in which it is taken.
    pub(crate) fn push(&mut self, function: u8, tlp: SmallTlp, now: Cycle) -> Cycle {
        let from = now.max(self.booked_until).max(self.free_at);
        let at = match &mut self.active {
            Some(active) => {
                let from = from.max(active.boundary);
                let full_beats = Cycle::from(active.full_beats);
                let passed = (from - active.boundary).div_ceil(full_beats);
                if passed < u64::from(active.full_tlps)
                    || (passed == u64::from(active.full_tlps) && active.tail_beats > 0)
                {
                    if passed > 0 {
                        let length_bytes = passed as u32 * self.max_payload_bytes;
                        self.parts.push_back(Part {
                            at: active.boundary + passed * full_beats,
                            burst: active.burst,
                            from_byte: active.passed_bytes,
                            length_bytes,
                        });
                        active.passed_bytes += length_bytes;
                    }
                    active.full_tlps -= passed as u32;
                    active.boundary += passed * full_beats + 1;
                    active.end += 1;
                    active.boundary
                } else {
                    active.end.max(self.booked_until) + 1
                }
            }
            None => from + 1,
        };
        self.booked_until = at;
        self.small.push_back(Booked { at, function, tlp });
        at
    }

    /// Hands in a data burst, behind those handed in before.
    pub(crate) fn push_data(&mut self, burst: DataBurst) {
        self.waiting.push_back(burst);
    }

    /// Lets the next burst begin when its time has come, and says when there is something to do next.
    pub(crate) fn settle(&mut self, now: Cycle) -> Cycle {
        let part = self.parts.front().map_or(NEVER, |part| part.at);
        let mut next = self.small.front().map_or(NEVER, |booked| booked.at);
        next = next.min(part);
        if self.active.is_none()
            && let Some(burst) = self.waiting.front()
        {
            let free = now.max(self.booked_until).max(self.free_at);
            if burst.ready <= free {
                self.begin(free);
            } else {
                next = next.min(burst.ready);
            }
        }
        if let Some(active) = &self.active {
            next = next.min(active.end);
        }
        next
    }

    fn begin(&mut self, boundary: Cycle) {
        let Some(burst) = self.waiting.pop_front() else {
            return;
        };
        let full_tlps = burst.length_bytes / self.max_payload_bytes;
        let tail_bytes = burst.length_bytes % self.max_payload_bytes;
        let tail_beats = if tail_bytes == 0 {
            0
        } else {
            self.beats(tail_bytes)
        };
        let full_beats = self.beats(self.max_payload_bytes);
        let end = boundary + Cycle::from(full_tlps * full_beats + tail_beats);
        self.active = Some(Active {
            burst,
            boundary,
            full_tlps,
            full_beats,
            tail_beats,
            end,
            passed_bytes: 0,
        });
    }

    /// What was taken up to and including cycle `now`, one at a time, in the order of the cycles.
    pub(crate) fn take(&mut self, now: Cycle) -> Option<Taken> {
        let data_end = self.active.as_ref().map_or(NEVER, |active| active.end);
        let small_at = self.small.front().map_or(NEVER, |booked| booked.at);
        if let Some(part) = self.parts.front().copied()
            && part.at <= now
            && part.at < small_at
        {
            self.parts.pop_front();
            return Some(Taken::Part(part));
        }
        if let Some(booked) = self.small.front()
            && booked.at <= now
            && booked.at < data_end
        {
            return self.small.pop_front().map(Taken::Small);
        }
        if data_end <= now {
            self.free_at = data_end;
            let active = self.active.take();
            return active.map(|active| Taken::Data(active.burst, active.passed_bytes));
        }
        None
    }

    /// Takes the data out of the bursts of contexts `is_cancelled` that have not begun: they take no
    /// beat, and come out when their source is free.
    pub(crate) fn cancel_data(&mut self, is_cancelled: impl Fn(u16) -> bool) {
        for burst in self
            .waiting
            .iter_mut()
            .filter(|burst| is_cancelled(burst.context))
        {
            burst.length_bytes = 0;
            burst.ready = burst.complete;
        }
    }

    /// Drops all single-beat TLPs (the link is gone).
    pub(crate) fn clear_small(&mut self) {
        self.small.clear();
        self.parts.clear();
    }

    /// Single-beat TLPs of a function that are booked and not yet taken.
    pub(crate) fn small_of(&self, function: u8) -> usize {
        self.small
            .iter()
            .filter(|booked| booked.function == function)
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: SmallTlp = SmallTlp::Read {
        address: 0,
        length_bytes: 512,
        tag: 0,
    };

    fn burst(length_bytes: u32, ready: Cycle) -> DataBurst {
        DataBurst {
            context: 0,
            source: Source::Staging(0),
            address: 0,
            length_bytes,
            ready,
            complete: ready,
        }
    }

    /// Runs until nothing is left: (cycle, is it data).
    fn drain(rq: &mut Rq, mut now: Cycle) -> Vec<(Cycle, bool)> {
        let mut taken = Vec::new();
        loop {
            let next = rq.settle(now);
            if next == NEVER {
                return taken;
            }
            now = now.max(next);
            while let Some(what) = rq.take(now) {
                if matches!(what, Taken::Part(_)) {
                    continue;
                }
                taken.push((now, matches!(what, Taken::Data(..))));
            }
        }
    }

    #[test]
    fn a_page_takes_sixteen_tlps_of_nine_beats() {
        let mut rq = Rq::new(32, 16, 256);
        rq.push_data(burst(4096, 0));
        rq.push_data(burst(4096, 0));
        assert_eq!(drain(&mut rq, 0), [(144, true), (288, true)]);
        let mut rq = Rq::new(32, 16, 128);
        rq.push_data(burst(4096, 0));
        assert_eq!(drain(&mut rq, 0), [(160, true)]);
        let mut rq = Rq::new(32, 16, 256);
        rq.push_data(burst(300, 10));
        assert_eq!(drain(&mut rq, 0), [(10 + 9 + 2, true)]);
    }

    #[test]
    fn small_tlps_go_at_the_next_boundary_and_move_the_end() {
        let mut rq = Rq::new(32, 16, 256);
        rq.push_data(burst(512, 0));
        rq.settle(0);
        // The first TLP has beats 1 to 9, so the two go in cycles 10 and 11.
        assert_eq!(rq.push(0, READ, 3), 10);
        assert_eq!(rq.push(0, READ, 4), 11);
        // Second TLP 12 to 20; the third one comes behind it all, before the next burst.
        assert_eq!(rq.push(0, READ, 13), 21);
        rq.push_data(burst(256, 0));
        assert_eq!(
            drain(&mut rq, 13),
            [
                (13, false),
                (13, false),
                (20, true),
                (21, false),
                (30, true)
            ]
        );
    }

    #[test]
    fn an_idle_port_takes_one_tlp_a_cycle() {
        let mut rq = Rq::new(32, 16, 256);
        assert_eq!(rq.push(0, READ, 5), 6);
        assert_eq!(rq.push(0, READ, 5), 7);
        assert_eq!(rq.push(0, READ, 20), 21);
        assert_eq!(rq.small_of(0), 3);
        assert_eq!(drain(&mut rq, 5), [(6, false), (7, false), (21, false)]);
    }

    #[test]
    fn a_cancelled_burst_takes_no_beat() {
        let mut rq = Rq::new(32, 16, 256);
        for context in 0..3 {
            rq.push_data(DataBurst {
                context,
                complete: 200,
                ..burst(4096, 0)
            });
        }
        rq.settle(0);
        rq.cancel_data(|context| context < 2);
        // The first has begun; the second comes out when its source is free.
        assert_eq!(drain(&mut rq, 0), [(144, true), (200, true), (344, true)]);
    }

    #[test]
    fn a_burst_that_is_not_ready_keeps_nobody_waiting() {
        let mut rq = Rq::new(32, 16, 256);
        rq.push_data(burst(256, 100));
        assert_eq!(rq.settle(0), 100);
        assert_eq!(rq.push(0, READ, 50), 51);
        assert_eq!(drain(&mut rq, 50), [(51, false), (109, true)]);
    }
}
