//! The PRP walker (NVMe 1.1 §4.3): fetches PRP lists into the entry table, for several commands at
//! once, each one page of its list at a time. Commands of up to two pages pass it by.

use nvme_spec::Status;
use pcie_host::endpoint::Cycle;
use zerocopy::IntoBytes;

use crate::context::{Kind, PrpSet};
use crate::model::{Model, PAGE};
use crate::pipeline::Step;
use crate::schedule::{Engine, NEVER};
use crate::timing::Geometry;

/// Bytes of a PRP entry.
const ENTRY: u32 = 8;

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

    /// Goes on with a command that has passed its checks: fetches what is missing of its PRP lists. What
    /// is walked goes on in cycle `walked_at`.
    pub(crate) fn walk_prps(&mut self, id: u16, walked_at: Cycle) {
        let context = &mut self.contexts[id];
        while usize::from(context.walking) < usize::from(context.fetched_sets) {
            let set = &context.prp[usize::from(context.walking)];
            if set.known < set.entries {
                self.prp_wait.push_back(id);
                self.schedule.no_later_than(Engine::Lists, self.now);
                return;
            }
            context.walking += 1;
        }
        self.walked(id, walked_at);
    }

    /// The next read of a list is asked for.
    pub(crate) fn run_lists(&mut self) {
        self.schedule.set(Engine::Lists, NEVER);
        if self.list_read.is_none()
            && let Some(id) = self.prp_wait.pop_front()
        {
            let from = self.now + 1;
            self.list_read = Some((from, id));
            self.schedule.no_later_than(Engine::Reads, from);
        }
    }

    /// Bus address and length of the next read of a context's list.
    pub(crate) fn list_piece(&self, id: u16) -> (u64, u32) {
        let context = &self.contexts[id];
        let set = &context.prp[usize::from(context.walking)];
        (
            set.list,
            set.next_chunk(self.read_request_bytes()) * ENTRY,
        )
    }

    /// A piece of a list into the table. `received` bytes of this read have come before.
    pub(crate) fn store_prp_list(&mut self, id: u16, received: u32, data: &[u8]) {
        let context = &self.contexts[id];
        let index = usize::from(context.walking);
        let first = self.prp_row(id, index) + usize::from(context.prp[index].known);
        let room = self.prp_entries[first..].as_mut_bytes();
        room[received as usize..][..data.len()].copy_from_slice(data);
    }

    /// A read of a list has brought all of its `bytes`.
    pub(crate) fn take_prp_list(&mut self, id: u16, bytes: usize) {
        let context = &self.contexts[id];
        let index = usize::from(context.walking);
        let set = context.prp[index];
        let first = self.prp_row(id, index) + usize::from(set.known);
        self.contexts[id].host_reads -= 1;
        if self.contexts[id].failed {
            return self.try_end(id);
        }
        let fetched = bytes / ENTRY as usize;
        let chains = set.chains_after(fetched as u32);
        let data_entries = fetched - usize::from(chains);
        let entries = &self.prp_entries[first..first + fetched];
        // Entries of a list have no offset, nor has the pointer to its next page (§4.3).
        if entries.iter().any(|entry| entry % u64::from(PAGE) != 0) {
            let fails = Step::WalkFails(Status::INVALID_FIELD);
            return self.later(id, fails, self.timing.list_cycles);
        }
        let next = if chains {
            entries[data_entries]
        } else {
            set.list + u64::from(ENTRY) * fetched as u64
        };
        let set = &mut self.contexts[id].prp[index];
        set.list = next;
        set.known += data_entries as u16;
        self.later(id, Step::Walk, self.timing.list_cycles);
    }

    /// A list that cannot be had or used. A pair whose Write has none still compares.
    pub(crate) fn prp_list_failed(&mut self, id: u16, status: Status) {
        let context = &mut self.contexts[id];
        if context.failed {
            self.try_end(id);
        } else if context.kind == Kind::Pair && context.walking == 1 {
            if context.status[1].is_success() {
                context.status[1] = status;
            }
            context.fetched_sets = 1;
            self.walk_prps(id, self.now + 1);
        } else {
            self.refuse(id, status);
        }
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
