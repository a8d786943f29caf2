//! The PRP walker (NVMe 1.1 §4.3): fetches PRP lists into the entry table, for several commands at
//! once, each one page of its list at a time. Commands of up to two pages pass it by.

use std::collections::VecDeque;

use nvme_spec::Status;
use pcie_host::endpoint::Cycle;
use zerocopy::IntoBytes;

use crate::context::{Kind, PrpSet};
use crate::model::{Model, PAGE};
use crate::schedule::{Engine, NEVER};
use crate::take_if::TakeIf;
use crate::timing::Geometry;

/// Bytes of a PRP entry.
const ENTRY: u32 = 8;

/// Commands that are walked: each entry from a cycle on.
#[derive(Debug, Default)]
pub(crate) struct Walker {
    /// The last cycle in which a command began to be walked, and in which one was refused.
    started_at: Option<Cycle>,
    refused_at: Option<Cycle>,
    /// Their next read is to be asked for.
    waiting: VecDeque<(Cycle, u16)>,
    /// Reads that have ended.
    ended: VecDeque<(Cycle, u16, Result<u32, Status>)>,
    /// Commands that are through, or with what they end.
    walked: VecDeque<(Cycle, u16, Option<Status>)>,
}

impl Walker {
    /// The context's list is not fetched any more.
    pub(crate) fn forget(&mut self, id: u16) {
        self.waiting.retain(|(_, waiting)| *waiting != id);
    }
}

impl PrpSet {
    /// Entries between the list pointer and the end of its page.
    fn in_page(&self) -> u32 {
        (PAGE - (self.list % u64::from(PAGE)) as u32) / ENTRY
    }

    /// How many entries to fetch next, the pointer to the next page of the list included.
    fn next_chunk(&self, most_bytes: u32) -> u32 {
        let needed = u32::from(self.entries - self.known);
        needed.min(self.in_page()).min(most_bytes / ENTRY)
    }

    /// Is the last of `fetched` entries the pointer to the next page of the list?
    fn chains_after(&self, fetched: u32) -> bool {
        u32::from(self.entries - self.known) > self.in_page() && fetched == self.in_page()
    }
}

impl Model {
    /// Entries a set has room for: the pages of the largest transfer, one more when it is unaligned,
    /// and a list pointer behind them.
    pub(crate) const fn prp_stride(geometry: &Geometry) -> usize {
        (geometry.maximum_transfer_bytes / PAGE) as usize + 2
    }

    /// First entry of a set in the table.
    pub(crate) const fn prp_row(&self, id: u16, set: usize) -> usize {
        (id as usize * 2 + set) * Self::prp_stride(&self.geometry)
    }

    /// The host's piece of a set that begins at byte `from` of the command: bus address and length, at
    /// most to the end of its page and to byte `to`.
    pub(crate) fn host_piece(&self, id: u16, set: usize, from: u32, to: u32) -> (u64, u32) {
        let offset = u32::from(self.contexts[id].prp[set].offset) + from;
        let entry = self.prp_entries[self.prp_row(id, set) + (offset / PAGE) as usize];
        let page = entry & !(u64::from(PAGE) - 1);
        let length = (PAGE - offset % PAGE).min(to - from);
        (page + u64::from(offset % PAGE), length)
    }

    /// A command has passed its checks: fetches its PRP lists, or passes on when it has none.
    pub(crate) fn start_walk(&mut self, id: u16) {
        self.walker.started_at = Some(self.now);
        if self.wants_list(id) {
            self.walker.waiting.push_back((self.now + 1, id));
        } else {
            self.contexts[id].delayed += 1;
            self.walker.walked.push_back((self.now, id, None));
        }
        self.schedule.no_later_than(Engine::Lists, self.now);
    }

    /// A command is refused: nothing that was walked passes in the same cycle.
    pub(crate) fn pass_refused(&mut self, id: u16) {
        self.walker.refused_at = Some(self.now);
        self.walked(id, self.now + 1);
    }

    /// Is there more of a context's lists to be fetched?
    fn wants_list(&mut self, id: u16) -> bool {
        let context = &mut self.contexts[id];
        while usize::from(context.walking) < usize::from(context.fetched_sets) {
            let set = &context.prp[usize::from(context.walking)];
            if set.known < set.entries {
                return true;
            }
            context.walking += 1;
        }
        false
    }

    /// A read has ended, a command is through, the next read is asked for: one of each a cycle.
    pub(crate) fn run_lists(&mut self) {
        let now = self.now;
        if self.walker.started_at != Some(now)
            && let Some((_, id, outcome)) = self.walker.ended.take_if(|entry| entry.0 <= now)
        {
            self.contexts[id].delayed -= 1;
            self.step_walk(id, outcome);
        }
        if self.walker.refused_at != Some(now)
            && let Some((_, id, failure)) = self.walker.walked.take_if(|entry| entry.0 <= now)
        {
            self.contexts[id].delayed -= 1;
            if self.contexts[id].doomed {
                self.try_end(id);
            } else if let Some(status) = failure {
                self.refuse(id, status);
            } else {
                self.walked(id, now + 1);
            }
        }
        if self.list_read.is_none()
            && let Some((_, id)) = self.walker.waiting.take_if(|entry| entry.0 <= now)
        {
            self.list_read = Some((now + 1, id));
            self.schedule.no_later_than(Engine::Reads, now + 1);
        }
        let walker = &self.walker;
        let ended = walker.ended.front().map_or(NEVER, |entry| entry.0);
        let walked = walker.walked.front().map_or(NEVER, |entry| entry.0);
        let mut next = ended.min(walked);
        // While a read is asked for, its end is waited for.
        if self.list_read.is_none() {
            next = next.min(walker.waiting.front().map_or(NEVER, |entry| entry.0));
        }
        self.schedule.set(Engine::Lists, next.max(now + 1));
    }

    /// A read of a list has ended; what it has brought, in bytes.
    pub(crate) fn end_list_read(&mut self, id: u16, outcome: Result<u32, Status>) {
        let context = &mut self.contexts[id];
        context.host_reads -= 1;
        context.delayed += 1;
        let at = self.now + 1;
        self.walker.ended.push_back((at, id, outcome));
        self.schedule.no_later_than(Engine::Lists, at);
    }

    /// Goes on with a command whose read has ended.
    fn step_walk(&mut self, id: u16, outcome: Result<u32, Status>) {
        if self.contexts[id].doomed {
            return self.try_end(id);
        }
        let mut failure = outcome
            .and_then(|bytes| self.take_prp_list(id, bytes))
            .err();
        let context = &mut self.contexts[id];
        if let Some(status) = failure
            && context.kind == Kind::Pair
            && context.walking == 1
        {
            // A pair whose Write has no list still compares.
            if context.status[1].is_success() {
                context.status[1] = status;
            }
            context.fetched_sets = 1;
            failure = None;
        }
        let at = self.now + 1;
        if failure.is_none() && self.wants_list(id) {
            self.walker.waiting.push_back((at, id));
        } else {
            self.contexts[id].delayed += 1;
            self.walker.walked.push_back((at, id, failure));
        }
    }

    /// Bus address and length of the next read of a context's list.
    pub(crate) fn list_piece(&self, id: u16) -> (u64, u32) {
        let context = &self.contexts[id];
        let set = &context.prp[usize::from(context.walking)];
        (set.list, set.next_chunk(self.read_request_bytes()) * ENTRY)
    }

    /// A piece of a list into the table. `received` bytes of this read have come before.
    pub(crate) fn store_prp_list(&mut self, id: u16, received: u32, data: &[u8]) {
        let context = &self.contexts[id];
        let index = usize::from(context.walking);
        let first = self.prp_row(id, index) + usize::from(context.prp[index].known);
        let room = self.prp_entries[first..].as_mut_bytes();
        room[received as usize..][..data.len()].copy_from_slice(data);
    }

    /// Takes note of a piece of a list.
    fn take_prp_list(&mut self, id: u16, bytes: u32) -> Result<(), Status> {
        let context = &self.contexts[id];
        let index = usize::from(context.walking);
        let set = context.prp[index];
        let first = self.prp_row(id, index) + usize::from(set.known);
        let fetched = (bytes / ENTRY) as usize;
        let chains = set.chains_after(fetched as u32);
        let data_entries = fetched - usize::from(chains);
        let entries = &self.prp_entries[first..first + fetched];
        // Entries of a list have no offset, nor has the pointer to its next page (§4.3).
        if entries.iter().any(|entry| entry % u64::from(PAGE) != 0) {
            return Err(Status::INVALID_FIELD);
        }
        let next = if chains {
            entries[data_entries]
        } else {
            set.list + u64::from(ENTRY) * fetched as u64
        };
        let set = &mut self.contexts[id].prp[index];
        set.list = next;
        set.known += data_entries as u16;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(entries: u16, known: u16, list: u64) -> PrpSet {
        PrpSet {
            entries,
            known,
            offset: 0,
            list,
        }
    }

    #[test]
    fn a_list_ends_where_its_page_ends() {
        let chunk = |set: PrpSet, most_bytes| {
            let entries = set.next_chunk(most_bytes);
            (entries, set.chains_after(entries))
        };
        assert_eq!(chunk(set(33, 1, 0x1000), 512), (32, false));
        assert_eq!(chunk(set(33, 1, 0x1000 + 4096 - 32 * 8), 512), (32, false));
        assert_eq!(chunk(set(33, 1, 0x1000 + 4096 - 31 * 8), 512), (31, true));
        assert_eq!(chunk(set(3, 1, 0x1ff8), 512), (1, true));
        assert_eq!(chunk(set(2, 1, 0x1ff8), 512), (1, false));
        // Read requests of 128 bytes: the pointer comes with the second.
        assert_eq!(chunk(set(33, 1, 0x1000 + 4096 - 31 * 8), 128), (16, false));
        assert_eq!(chunk(set(33, 17, 0x1000 + 4096 - 15 * 8), 128), (15, true));
    }
}
