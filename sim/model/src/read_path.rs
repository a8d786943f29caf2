//! From the medium: AXI read bursts in fair turns, to a host by way of staging buffer and RQ (Read), or
//! against the data a host has sent (Compare, first half of a pair).

use crate::axi::{ReadBurst, ReadPurpose};
use crate::context::{Context, Kind, Phase, Segment};
use crate::model::{Model, PAGE};
use crate::pipeline::Step;
use crate::rq::{DataBurst, Source};
use crate::schedule::{Engine, NEVER};

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
        while let Some((at, id)) = self.in_media.front().copied() {
            if at > self.now {
                break;
            }
            self.in_media.pop_front();
            self.contexts[id].delayed -= 1;
            if self.contexts[id].failed || self.contexts[id].doomed {
                self.try_end(id);
            } else {
                self.set_read_ready(id, true);
            }
        }
        self.schedule.set(
            Engine::Media,
            self.in_media.front().map_or(NEVER, |entry| entry.0),
        );
        self.issue_reads();
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

    /// Sends AXI read bursts, granule by granule in fair turns.
    pub(crate) fn issue_reads(&mut self) {
        while self.axi.reads.len() < self.geometry.axi_read_bursts as usize
            && self.read_turns.is_active()
            && (self.free_staging != 0 || self.compares_ready > 0)
        {
            let mut turns = std::mem::take(&mut self.read_turns);
            let picked = turns.select(|function, queue| {
                let first = self.functions[function].read_ready[queue].front();
                first.map_or(0, |context| self.read_granule(*context).1)
            });
            let picked = picked.and_then(|(function, queue, bytes)| {
                let id = *self.functions[function].read_ready[queue].front()?;
                if self.contexts[id].kind == Kind::Read && self.free_staging == 0 {
                    return None;
                }
                turns.charge(function, queue, bytes);
                Some(id)
            });
            self.read_turns = turns;
            let Some(id) = picked else { return };
            let (address, length) = self.read_granule(id);
            self.issue_read(id, address, length);
        }
    }

    fn issue_read(&mut self, id: u16, address: u64, length_bytes: u32) {
        let context = &self.contexts[id];
        let Some((index, segment)) = context.reading() else {
            return;
        };
        let at = context.read_issued;
        let is_read = context.kind == Kind::Read;
        let staging = self.free_staging.trailing_zeros() as u8;
        let half = if context.kind == Kind::Pair { 0 } else { index };
        let purpose = if is_read {
            ReadPurpose::Staging(staging)
        } else {
            ReadPurpose::Compare {
                offset: self.buffer_offset(id, half) + at,
            }
        };
        let burst = ReadBurst {
            context: id,
            purpose,
            medium_offset: context.medium_offset + u64::from(segment.start + at),
            length_bytes,
            end: 0,
        };
        let all_issued = at + length_bytes == segment.length;
        let start = self.now.max(context.ready_at).max(self.read_choice_from);
        self.read_choice_from = start + self.timing.read_choice_cycles;
        let first_beat = start + self.timing.mem_cycles;
        let start = self.axi.read(burst, first_beat);
        let context = &mut self.contexts[id];
        context.read_issued += length_bytes;
        context.axi_bursts += 1;
        if is_read {
            self.free_staging &= !(1 << staging);
            context.rq_bursts += 1;
            let first_tlp = self.rq.first_tlp_bytes(length_bytes);
            self.rq.push_data(DataBurst {
                context: id,
                source: Source::Staging(staging),
                address,
                length_bytes,
                ready: start + self.axi.beats(first_tlp),
                complete: start + self.axi.beats(length_bytes),
            });
        }
        if all_issued {
            self.set_read_ready(id, false);
        }
    }

    /// Read bursts whose last beat has come.
    pub(crate) fn run_axi_reads(&mut self) {
        while let Some(burst) = self.axi.reads.front().copied() {
            if burst.end > self.now {
                break;
            }
            self.axi.reads.pop_front();
            self.end_read_burst(burst);
        }
        self.issue_reads();
        self.fetch_everything();
    }

    fn end_read_burst(&mut self, burst: ReadBurst) {
        let id = burst.context;
        let context = &mut self.contexts[id];
        context.axi_bursts -= 1;
        if context.failed || context.doomed {
            self.drop_locks(id);
            self.try_end(id);
            return;
        }
        let length = burst.length_bytes as usize;
        match burst.purpose {
            ReadPurpose::Staging(buffer) => {
                let staging = &mut self.staging[usize::from(buffer) * PAGE as usize..][..length];
                self.medium.read(burst.medium_offset, staging);
            }
            ReadPurpose::Compare { offset } => {
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
            let (function, row) = (usize::from(context.function), segment.row);
            context.segments[index].phase = Phase::Idle;
            self.release_row(function, row);
        } else {
            self.later(id, Step::Compared(index as u8), self.timing.compare_cycles);
        }
    }

    /// A data burst has left through the RQ (or was cancelled): its source is free.
    pub(crate) fn end_data_burst(&mut self, burst: DataBurst) {
        let context = &mut self.contexts[burst.context];
        context.rq_bursts -= 1;
        if let Source::Staging(buffer) = burst.source {
            self.free_staging |= 1 << buffer;
        }
        let context = &self.contexts[burst.context];
        if context.failed || context.doomed {
            self.try_end(burst.context);
        } else if context.rq_bursts == 0 {
            match burst.source {
                Source::Admin { .. } => self.finish(burst.context),
                Source::Staging(_) if context.read_issued == context.length => {
                    self.finish(burst.context);
                }
                Source::Staging(_) => {}
            }
        }
        self.issue_reads();
    }
}
