//! Physical Region Pages: how a transfer is described by PRP entries and lists (NVMe 1.1 §4.3).
//!
//! Pure arithmetic for both sides: the driver lays lists out with it, the controller walks them
//! with it. The memory page is 4 KiB (CC.MPS = 0).
//!
//! 1.1 has no status of its own for a misaligned entry (PRP Offset Invalid came with 1.2): the
//! strict reading, which this project follows, is Invalid Field in Command for all of them.

use crate::MEMORY_PAGE_BYTES;

const PAGE: u64 = MEMORY_PAGE_BYTES as u64;

/// Bytes of a PRP entry.
pub const ENTRY_BYTES: u64 = 8;
/// Entries of a whole list page, the chain pointer included.
pub const ENTRIES_PER_LIST_PAGE: u32 = (PAGE / ENTRY_BYTES) as u32;

/// Offset of an address within its memory page, bits 11:00.
pub const fn page_offset(address: u64) -> u32 {
    (address % PAGE) as u32
}

/// May this stand in PRP1 of a data command? Any page, an offset that is a multiple of 4.
pub const fn first_entry_is_valid(prp1: u64) -> bool {
    prp1.is_multiple_of(4)
}

/// May this be a PRP entry after the first, or the pointer from one list page to the next? The
/// offset must be 0.
pub const fn entry_is_valid(entry: u64) -> bool {
    entry.is_multiple_of(PAGE)
}

/// May this stand in PRP2 as a list pointer? The list may begin inside a page, at a multiple of 8.
pub const fn list_pointer_is_valid(pointer: u64) -> bool {
    pointer.is_multiple_of(ENTRY_BYTES)
}

/// Data pages that a transfer touches, so PRP entries it needs (PRP1 included, chain pointers not);
/// 0 for an empty transfer. Only the offset of `prp1` counts.
pub const fn data_entries(prp1: u64, transfer_bytes: u64) -> u32 {
    if transfer_bytes == 0 {
        return 0;
    }
    (page_offset(prp1) as u64 + transfer_bytes).div_ceil(PAGE) as u32
}

/// What PRP2 means for a transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prp2 {
    /// Reserved: the transfer ends within the page of PRP1.
    Unused,
    /// The second and last data page.
    DataPage,
    /// A pointer to a list of this many data pages (the first page is PRP1's).
    List {
        /// Data pages named by the list, chain pointers not counted.
        data_entries: u32,
    },
}

/// What PRP2 means for a transfer of `transfer_bytes` that starts at `prp1`.
pub const fn second_entry(prp1: u64, transfer_bytes: u64) -> Prp2 {
    match data_entries(prp1, transfer_bytes) {
        0 | 1 => Prp2::Unused,
        2 => Prp2::DataPage,
        entries => Prp2::List {
            data_entries: entries - 1,
        },
    }
}

/// The part of a list that lies in one page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListSegment {
    /// Entries that name data pages.
    pub data_entries: u32,
    /// One more entry follows them, in the last 8 bytes of the page: the pointer to the next segment.
    pub chained: bool,
}

impl ListSegment {
    /// Bytes of the segment, the chain pointer included.
    pub const fn bytes(self) -> u32 {
        (self.data_entries + self.chained as u32) * ENTRY_BYTES as u32
    }
}

/// The segment at `list_address` when `remaining_entries` data pages are still to be named.
///
/// The last entry of a page is a chain pointer if, and only if, the rest does not fit without it.
pub const fn list_segment(list_address: u64, remaining_entries: u32) -> ListSegment {
    let room = (PAGE as u32 - page_offset(list_address)) / ENTRY_BYTES as u32;
    if remaining_entries <= room {
        ListSegment {
            data_entries: remaining_entries,
            chained: false,
        }
    } else {
        ListSegment {
            data_entries: room - 1,
            chained: true,
        }
    }
}

/// List pages that `entries` data pages need when the list begins at `list_address` and every
/// further segment at the start of a page; 0 without entries.
pub const fn list_pages(list_address: u64, entries: u32) -> u32 {
    let mut remaining = entries;
    let mut pages = 0;
    let mut address = list_address;
    while remaining > 0 {
        remaining -= list_segment(address, remaining).data_entries;
        pages += 1;
        address = 0;
    }
    pages
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    #[test]
    fn says_what_prp2_means_at_every_edge() {
        assert_eq!(second_entry(0x1000, 0), Prp2::Unused);
        assert_eq!(second_entry(0x1000, 4096), Prp2::Unused);
        assert_eq!(second_entry(0x1ffc, 4), Prp2::Unused);
        assert_eq!(second_entry(0x1ffc, 8), Prp2::DataPage);
        assert_eq!(second_entry(0x1000, 4097), Prp2::DataPage);
        assert_eq!(second_entry(0x1000, 8192), Prp2::DataPage);
        assert_eq!(second_entry(0x1004, 8192), Prp2::List { data_entries: 2 });
        assert_eq!(
            second_entry(0x1000, 128 << 10),
            Prp2::List { data_entries: 31 }
        );
        assert_eq!(
            second_entry(0x1ffc, 128 << 10),
            Prp2::List { data_entries: 32 }
        );
    }

    #[test]
    fn a_full_page_of_entries_needs_no_chain_pointer() {
        let whole = ListSegment {
            data_entries: 512,
            chained: false,
        };
        assert_eq!(list_segment(0x8000, 512), whole);
        let chained = ListSegment {
            data_entries: 511,
            chained: true,
        };
        assert_eq!(list_segment(0x8000, 513), chained);
        assert_eq!(list_pages(0x8000, 513), 2);
    }

    #[test]
    fn a_list_at_the_end_of_a_page_may_hold_nothing_but_the_chain_pointer() {
        let only_pointer = ListSegment {
            data_entries: 0,
            chained: true,
        };
        assert_eq!(list_segment(0x8ff8, 2), only_pointer);
        assert_eq!(list_pages(0x8ff8, 2), 2);
        assert_eq!(list_pages(0x8ff8, 1), 1);
        assert_eq!(only_pointer.bytes(), 8);
    }

    #[test]
    fn alignment_follows_the_place_of_the_entry() {
        assert!(first_entry_is_valid(0x1004) && !first_entry_is_valid(0x1002));
        assert!(entry_is_valid(0x1000) && !entry_is_valid(0x1004));
        assert!(list_pointer_is_valid(0x1008) && !list_pointer_is_valid(0x1004));
    }

    proptest! {
        #[test]
        fn entries_cover_the_transfer_and_no_page_more(
            prp1 in 0u64..0x4000, transfer_bytes in 1u64..=1 << 20,
        ) {
            let touched: Vec<u64> =
                (prp1 / 4096..=(prp1 + transfer_bytes - 1) / 4096).collect();
            prop_assert_eq!(data_entries(prp1, transfer_bytes) as usize, touched.len());
        }

        #[test]
        fn segments_stay_in_their_page_and_add_up(
            offset in 0u64..512, entries in 1u32..5000,
        ) {
            let mut address = offset * 8;
            let (mut remaining, mut pages) = (entries, 0);
            while remaining > 0 {
                let segment = list_segment(address, remaining);
                prop_assert!(page_offset(address) + segment.bytes() <= 4096);
                // A chain pointer stands in the last slot of its page and nowhere else.
                prop_assert!(
                    !segment.chained || page_offset(address) + segment.bytes() == 4096
                );
                remaining -= segment.data_entries;
                prop_assert_eq!(segment.chained, remaining > 0);
                address = 0;
                pages += 1;
            }
            prop_assert_eq!(list_pages(offset * 8, entries), pages);
        }
    }
}
