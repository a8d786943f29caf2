//! The four AXI4-Streams at the pins, beat by beat.

use std::collections::VecDeque;

use pcie_host::endpoint::Cycle;

use crate::design::{Design, Pin};
use crate::stall::Stalls;
use crate::tlp::{BEAT_DWORDS, Beat, OutBeat};

/// Most non-posted requests that the block lets the user have credit for (PG023, `pcie_cq_np_req`).
const MOST_CREDITS: u8 = 32;

/// A stream towards the endpoint: CQ or RC.
pub(crate) struct Source {
    data: Pin<[u32; BEAT_DWORDS]>,
    keep: Pin<u8>,
    last: Pin<u8>,
    user: Pin<[u32; 3]>,
    valid: Pin<u8>,
    ready: Pin<u8>,
    /// Asks for non-posted requests; CQ only.
    request: Option<Pin<u8>>,
    credits: u8,
    pub(crate) beats: VecDeque<Beat>,
    offered: bool,
    stalls: Stalls,
}

impl Source {
    pub(crate) fn new(design: &Design, name: &str, stalls: Stalls, request: Option<&str>) -> Self {
        Self {
            data: design.pin(&format!("{name}_tdata")),
            keep: design.pin(&format!("{name}_tkeep")),
            last: design.pin(&format!("{name}_tlast")),
            user: design.pin(&format!("{name}_tuser")),
            valid: design.pin(&format!("{name}_tvalid")),
            ready: design.pin(&format!("{name}_tready")),
            request: request.map(|name| design.pin(name)),
            credits: 0,
            beats: VecDeque::new(),
            offered: false,
            stalls,
        }
    }

    /// Offers the next beat when it is time for it.
    #[inline]
    pub(crate) fn drive(&mut self, now: Cycle) {
        if self.offered {
            return;
        }
        let Some(beat) = self.beats.front() else {
            return;
        };
        let waits = beat.non_posted && self.credits == 0 && self.request.is_some();
        if beat.from > now || waits || self.stalls.now() {
            return;
        }
        self.data.set(beat.data);
        self.keep.set(beat.keep);
        self.last.set(beat.last.into());
        self.user.set(beat.user);
        self.valid.set(1);
        self.offered = true;
    }

    /// What became of it in this cycle, before the edge; true when it was taken.
    #[inline]
    pub(crate) fn sample(&mut self) -> bool {
        let mut credits = self.credits;
        if let Some(request) = &self.request
            && credits < MOST_CREDITS
        {
            credits += request.get() & 1;
        }
        let taken = self.offered && self.ready.get() != 0;
        if taken && let Some(beat) = self.beats.pop_front() {
            credits = credits.saturating_sub(beat.non_posted.into());
            self.offered = false;
        }
        self.credits = credits;
        taken
    }

    /// After the edge of a cycle in which a beat was taken: nothing is offered until the next one.
    #[inline]
    pub(crate) fn after_edge(&self) {
        if !self.offered {
            self.valid.set(0);
        }
    }

    /// Drops everything (the link is gone).
    pub(crate) fn clear(&mut self) {
        self.beats.clear();
        self.offered = false;
        self.valid.set(0);
    }
}

/// A stream from the endpoint: CC or RQ.
pub(crate) struct Sink {
    data: Pin<[u32; BEAT_DWORDS]>,
    keep: Pin<u8>,
    last: Pin<u8>,
    user: Pin<u64>,
    valid: Pin<u8>,
    ready: Pin<u8>,
    is_ready: bool,
    /// The next beat begins a TLP.
    begins: bool,
    /// Since when the first beat of the TLP under way has been offered.
    offered: Cycle,
    /// The TLP under way had begun when the link went: nobody gets what is left of it.
    discards: bool,
    /// What the endpoint has offered and must keep, while it is not taken.
    kept: Option<([u32; BEAT_DWORDS], u64)>,
    stalls: Stalls,
}

impl Sink {
    pub(crate) fn new(design: &Design, name: &str, stalls: Stalls) -> Self {
        let ready: Pin<u8> = design.pin(&format!("{name}_tready"));
        ready.set(1);
        Self {
            data: design.pin(&format!("{name}_tdata")),
            keep: design.pin(&format!("{name}_tkeep")),
            last: design.pin(&format!("{name}_tlast")),
            user: design.pin(&format!("{name}_tuser")),
            valid: design.pin(&format!("{name}_tvalid")),
            ready,
            is_ready: true,
            begins: true,
            offered: 0,
            discards: false,
            kept: None,
            stalls,
        }
    }

    #[inline]
    pub(crate) fn drive(&mut self) {
        if self.stalls.is_on() {
            self.is_ready = !self.stalls.now();
            self.ready.set(self.is_ready.into());
        }
    }

    #[inline]
    pub(crate) fn is_offered(&self) -> bool {
        self.valid.get() != 0
    }

    /// The beat that is taken in this cycle `now`, before the edge, and whether it begins a TLP.
    ///
    /// # Panics
    /// A beat was changed or withdrawn while it waited (AXI4-Stream §2.2.1).
    #[inline]
    pub(crate) fn sample(&mut self, now: Cycle) -> Option<(OutBeat, bool)> {
        if !self.is_offered() {
            assert!(
                self.kept.is_none(),
                "a beat was withdrawn before it was taken"
            );
            return None;
        }
        let data = self.data.get();
        let user = self.user.get();
        if let Some(kept) = self.kept {
            assert!(
                kept == (data, user),
                "a beat was changed before it was taken"
            );
        }
        if self.begins && self.kept.is_none() {
            self.offered = now;
        }
        if !self.is_ready {
            self.kept = Some((data, user));
            return None;
        }
        self.kept = None;
        let last = self.last.get() != 0;
        let begins = std::mem::replace(&mut self.begins, last);
        if self.discards {
            self.discards = !last;
            return None;
        }
        let beat = OutBeat {
            data,
            keep: self.keep.get(),
            last,
            user,
        };
        Some((beat, begins))
    }

    /// Since when the TLP whose beat was taken last has been offered.
    #[inline]
    pub(crate) const fn offered(&self) -> Cycle {
        self.offered
    }

    /// The link is gone, and with it what had begun. The endpoint sends the rest of it all the same.
    pub(crate) fn clear(&mut self) {
        self.discards = !self.begins;
        self.kept = None;
    }
}
