//! The next image of a page in which one entry takes the place of another: what most updates write.

use super::edit::{NewEntry, PageEdit};
use super::layout::{EntryState, GuestHeader};
use super::view::{Entry, PageView};

impl<'a> PageEdit<'a> {
    /// Begins with a copy of `old` in `new` in which `entry` stands behind all others and `replaced`,
    /// an entry of `old`, is gone; a guest keeps its token. The same image as from taking the one out
    /// and adding the other, with every byte written once. The caller has made sure of the room.
    pub(crate) fn begin_replacing(
        old: &[u8],
        new: &'a mut [u8],
        replaced: &Entry<'_>,
        entry: NewEntry<'_>,
        state: EntryState,
    ) -> Self {
        let guest = (replaced.state != EntryState::Native).then_some(GuestHeader {
            token: replaced.token,
            home_stamp: replaced.home_stamp,
        });
        let (offset, bytes) = (replaced.offset, replaced.bytes);
        let old_end = PageView::new(old, false).entries_end();
        let start = old_end - bytes;
        new[..offset].copy_from_slice(&old[..offset]);
        new[offset..start].copy_from_slice(&old[offset + bytes..old_end]);
        let mut edit = Self { bytes: new };
        edit.count_out(bytes);
        let end = edit.add(entry, state, guest);
        if end < old_end {
            edit.bytes[end..old_end].fill(0);
        }
        let rest = end.max(old_end);
        edit.bytes[rest..].copy_from_slice(&old[rest..]);
        edit
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    use super::*;
    use crate::page::verify::PageContext;
    use crate::page::{Stamp, view::directory_offset};

    const CONTEXT: PageContext = PageContext {
        uuid: [7; 16],
        generation: 1,
        epoch: 1,
    };

    fn entry<'a>(key: &'a [u8], value: &'a [u8], version: u64) -> NewEntry<'a> {
        NewEntry {
            key,
            value,
            tag: u32::from(key[0]),
            version,
            writer: Stamp::new(3, version),
            expires_unix_ms: version % 3,
        }
    }

    /// A page of natives and guests in a random order, with more directory entries than the header
    /// holds.
    fn page(random: &mut Pcg64Mcg) -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        let mut edit = PageEdit::begin(&[], true, &mut bytes, &CONTEXT, 9);
        for key in 1..random.random_range(2..6_u8) {
            let value = vec![key; random.random_range(0..600)];
            let (key, version) = ([key; 5], u64::from(key));
            if random.random_bool(0.5) {
                edit.add_native(entry(&key, &value, version));
            } else {
                let (token, home) = (Stamp::new(1, version), Stamp::new(2, version));
                edit.add_guest(
                    entry(&key, &value, version),
                    EntryState::Committed,
                    token,
                    home,
                );
            }
        }
        for token in 1..random.random_range(1..8) {
            edit.add_directory(5, token, Stamp::new(4, token));
        }
        edit.finish(Stamp::new(5, 1), 1, None);
        bytes
    }

    #[test]
    fn replacing_gives_what_taking_out_and_adding_give() {
        let mut random = Pcg64Mcg::seed_from_u64(11);
        for _ in 0..2_000 {
            let old = page(&mut random);
            let view = PageView::new(&old, false);
            let at = random.random_range(0..view.entry_count());
            let replaced = view.entries().nth(at).expect("there are as many");
            let room = view.free_bytes() + replaced.value.len();
            let value = vec![0xee; random.random_range(0..=room)];
            let next = entry(replaced.key, &value, 77);
            let state = if replaced.state == EntryState::Native {
                EntryState::Native
            } else {
                EntryState::Tombstone
            };
            let (stamp, operation) = (Stamp::new(6, 6), Some(Stamp::new(8, 8)));

            // What the buffer held before must not show.
            let mut at_once = vec![0xaa; old.len()];
            PageEdit::begin_replacing(&old, &mut at_once, &replaced, next, state)
                .finish(stamp, 3, operation);

            let mut in_steps = vec![0; old.len()];
            let mut edit = PageEdit::begin(&old, false, &mut in_steps, &CONTEXT, 9);
            if state == EntryState::Native {
                edit.remove_native(replaced.key, replaced.tag);
                edit.add_native(next);
            } else {
                edit.remove_guest(replaced.token);
                edit.add_guest(next, state, replaced.token, replaced.home_stamp);
            }
            edit.finish(stamp, 3, operation);
            assert_eq!(at_once, in_steps);
            let end = PageView::new(&at_once, false).entries_end();
            let directory = view.directory_len().max(4) - 1;
            let free_end = directory_offset(old.len(), directory).expect("it fits");
            assert!(at_once[end..free_end].iter().all(|byte| *byte == 0));
        }
    }
}
