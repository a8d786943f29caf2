//! From the medium: AXI read bursts in fair turns, to a host by way of staging buffer and RQ (Read), or
//! against the data a host has sent (Compare, first half of a pair).

use pcie_host::endpoint::Cycle;

use crate::axi::{ReadBurst, ReadPurpose};
use crate::context::{Context, Kind, Phase, Segment};
use crate::model::{Model, PAGE};
use crate::pipeline::Step;
use crate::rq::{DataBurst, Source};
use crate::schedule::{Engine, NEVER};

/// Shorter TLPs begin a cycle after the beat that completes their data.
const SHORT_TLP_BYTES: u32 = 64;

impl Context {
    /// The segment that holds its lock and reads the medium.
    fn reading(&self) -> Option<(usize, &Segment)> {
        self.segments
            .iter()
            .enumerate()
            .find(|(_, segment)| segment.phase == Phase::Reading)
    }
}

impl Model {
    /// Commands that the medium has found its data for.
    pub(crate) fn run_media(&mut self) {
        if let Some((at, id)) = self.in_media.front().copied()
            && at <= self.now
        {
            self.in_media.pop_front();
            self.contexts[id].delayed -= 1;
            if self.contexts[id].doomed {
                self.drop_locks(id);
                self.try_end(id);
            } else {
                self.push_read_turn(id);
            }
        }
        // One a cycle.
        let next = self.in_media.front().map_or(NEVER, |entry| entry.0);
        self.schedule.set(Engine::Media, next.max(self.now + 1));
    }

    /// Brings the turns of the read path up to this cycle.
    fn advance_read_turns(&mut self) {
        let mut turns = std::mem::take(&mut self.read_turns);
        turns.advance(self.now, |id| self.read_granule(id).1);
        self.read_turns = turns;
    }

    /// A context that has its lock reads from the medium.
    pub(crate) fn push_read_turn(&mut self, id: u16) {
        self.advance_read_turns();
        let context = &self.contexts[id];
        let (function, queue) = (usize::from(context.function), usize::from(context.queue));
        self.read_turns.push(function, queue, id);
        let next = self.read_turns.next().unwrap_or(NEVER);
        self.schedule.no_later_than(Engine::ReadPath, next);
    }

    /// The next piece that a context reads from the medium: bytes from `read_issued` on. A Read's pieces
    /// end where its host pages do.
    fn read_granule(&self, id: u16) -> (u64, u32) {
        let context = &self.contexts[id];
        let Some((_, segment)) = context.reading() else {
            return (0, 0);
        };
        if context.kind == Kind::Read {
            self.host_piece(id, 0, context.read_issued, segment.length)
        } else {
            (0, PAGE.min(segment.length - context.read_issued))
        }
    }

    /// Reads the granule whose turn it is, when there is a staging buffer for it and a burst to be had.
    pub(crate) fn run_read_path(&mut self) {
        while let Some((at, buffer)) = self.staging_back.front().copied()
            && at <= self.now
        {
            self.staging_back.pop_front();
            self.free_staging |= 1 << buffer;
        }
        self.advance_read_turns();
        let may_read =
            self.free_staging != 0 && self.axi.reads.len() < self.geometry.axi_read_bursts as usize;
        if may_read && let Some(id) = self.read_turns.chosen() {
            let (address, length) = self.read_granule(id);
            let is_last = self.issue_read(id, address, length);
            self.read_turns.take(is_last);
        }
        let back = self.staging_back.front().map_or(NEVER, |(at, _)| *at);
        let next = self.read_turns.next().unwrap_or(NEVER);
        self.schedule.set(Engine::ReadPath, back.min(next));
    }

    /// Sends AR of a granule; true when the context has nothing more to read.
    fn issue_read(&mut self, id: u16, address: u64, length_bytes: u32) -> bool {
        let context = &self.contexts[id];
        let Some((index, segment)) = context.reading() else {
            return true;
        };
        let at = context.read_issued;
        let is_read = context.kind == Kind::Read;
        let staging = self.free_staging.trailing_zeros() as u8;
        let half = if context.kind == Kind::Pair { 0 } else { index };
        let purpose = if is_read {
            ReadPurpose::Staging(staging)
        } else {
            ReadPurpose::Compare {
                staging,
                offset: self.buffer_offset(id, half) + at,
            }
        };
        let medium_offset = context.medium_offset + u64::from(segment.start + at);
        let burst = ReadBurst {
            context: id,
            purpose,
            medium_offset,
            length_bytes,
            end: 0,
        };
        let all_issued = at + length_bytes == segment.length;
        self.free_staging &= !(1 << staging);
        // AR is on the port in the next cycle.
        let first_beat = self.now + 1 + self.timing.mem_cycles;
        let start = self.axi.read(burst, first_beat);
        let context = &mut self.contexts[id];
        context.read_issued += length_bytes;
        context.axi_bursts += 1;
        if is_read {
            context.rq_bursts += 1;
            // Whatever cycle its beats come in: nobody writes there meanwhile.
            let place = usize::from(staging) * PAGE as usize;
            let data = &mut self.staging[place..place + length_bytes as usize];
            self.medium.read(medium_offset, data);
            // A short TLP is not begun with the beat that completes it.
            let first_tlp = self.rq.first_tlp_bytes(length_bytes);
            let skipped = medium_offset % u64::from(self.geometry.beat_bytes);
            let beats = self.axi.beats(first_tlp + skipped as u32);
            let waits = Cycle::from(first_tlp < SHORT_TLP_BYTES);
            self.rq.push_data(DataBurst {
                context: id,
                source: Source::Staging(staging),
                address,
                length_bytes,
                ready: start + beats + waits,
                complete: start + self.axi.beats(length_bytes + skipped as u32),
            });
        }
        all_issued
    }

    /// Read bursts whose last beat has come.
    pub(crate) fn run_axi_reads(&mut self) {
        while let Some(burst) = self.axi.reads.front().copied() {
            if burst.end > self.now {
                break;
            }
            self.axi.reads.pop_front();
            self.end_read_burst(burst);
            self.schedule.no_later_than(Engine::ReadPath, self.now);
        }
    }

    fn end_read_burst(&mut self, burst: ReadBurst) {
        let id = burst.context;
        if let ReadPurpose::Compare { staging, .. } = burst.purpose {
            self.free_staging |= 1 << staging;
        }
        let context = &mut self.contexts[id];
        context.axi_bursts -= 1;
        if context.doomed {
            self.drop_locks(id);
            self.try_end(id);
            return;
        }
        let length = burst.length_bytes as usize;
        match burst.purpose {
            ReadPurpose::Staging(_) => {}
            ReadPurpose::Compare { offset, .. } => {
                let sent = &self.buffers[offset as usize..][..length];
                context.differs |= self.medium.bytes(burst.medium_offset, length) != sent;
            }
        }
        let Some((index, segment)) = context.reading() else {
            return;
        };
        if context.axi_bursts > 0 || context.read_issued < segment.length {
            return;
        }
        if context.kind == Kind::Read {
            // The last R: others may write the range now, its data are in staging buffers.
            let row = segment.row;
            context.segments[index].phase = Phase::Idle;
            self.release_row(row);
        } else {
            self.later(id, Step::Compared(index as u8), self.timing.compare_cycles);
        }
    }

    /// A data burst has left through the RQ (or was cancelled): its source is free.
    pub(crate) fn end_data_burst(&mut self, burst: DataBurst) {
        let context = &mut self.contexts[burst.context];
        context.rq_bursts -= 1;
        if let Source::Staging(buffer) = burst.source {
            let at = self.now + 1;
            self.staging_back.push_back((at, buffer));
            self.schedule.no_later_than(Engine::ReadPath, at);
        }
        let context = &self.contexts[burst.context];
        if context.doomed {
            self.try_end(burst.context);
        } else if context.rq_bursts == 0 {
            match burst.source {
                Source::Admin { .. } => self.finish_sent(burst.context),
                Source::Staging(_) if context.read_issued == context.length => {
                    self.finish_sent(burst.context);
                }
                Source::Staging(_) => {}
            }
        }
    }
}
