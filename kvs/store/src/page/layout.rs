//! Bytes of a page: header, entries, overflow directory. All numbers are little-endian.
//!
//! ```text
//! 0        header, the first 4 directory entries in it              256
//! 256      entries, packed                                          256 + entry_bytes
//!          zeros
//!          further directory entries, the fifth last, growing down  page end
//! ```

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// First four bytes of every page.
pub(crate) const MAGIC: u32 = u32::from_le_bytes(*b"RDSp");
/// Version of this layout.
pub(crate) const LAYOUT_VERSION: u16 = 1;
/// Bytes at the begin of a page that entries never take.
pub(crate) const HEADER_BYTES: usize = 256;
/// Directory entries within the header.
pub(crate) const RESERVED_DIRECTORY: usize = 4;
/// Operation ids a page remembers.
pub(crate) const WINDOW: usize = 4;
/// Bytes of a directory entry.
pub(crate) const DIRECTORY_ENTRY_BYTES: usize = size_of::<DirectoryEntry>();
/// Bytes of an entry before its key, in its home page.
pub(crate) const NATIVE_OVERHEAD: usize = size_of::<EntryHeader>();
/// Bytes of an entry before its key, in another page.
pub(crate) const GUEST_OVERHEAD: usize = size_of::<EntryHeader>() + size_of::<GuestHeader>();
/// Bytes that a guest leaves free in its host, so that the host's directory can grow by four.
pub(crate) const GUEST_RESERVE: usize = 4 * DIRECTORY_ENTRY_BYTES;
/// The CRC covers everything after the magic and itself.
pub(crate) const CRC_START: usize = 8;

/// What a page is for.
pub(crate) mod kind {
    /// Entries.
    pub(crate) const DATA: u8 = 1;
    /// A superblock copy.
    pub(crate) const SUPERBLOCK: u8 = 2;
    /// The counter that client ids come from.
    pub(crate) const CLIENT_COUNTER: u8 = 3;
}

/// Bits of [`PageHeader::flags`].
pub(crate) mod flags {
    /// All replicas include this image; always set with one device. Bit 1 is SPLITTING: entries are
    /// being moved to the buddy page; no image has it until the store can grow.
    pub(crate) const STABLE: u8 = 1;
}

/// Client id and a sequence number of that client: unique in every image ever written. Names
/// images, operations and insertions alike, all from one sequence. All zero is "none".
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Default,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(C)]
pub(crate) struct Stamp {
    client: U64,
    sequence: U64,
}

impl Stamp {
    /// No stamp: what a page has that was never written.
    pub(crate) const NONE: Self = Self {
        client: U64::ZERO,
        sequence: U64::ZERO,
    };

    /// A stamp of client `client`.
    pub(crate) const fn new(client: u64, sequence: u64) -> Self {
        Self {
            client: U64::new(client),
            sequence: U64::new(sequence),
        }
    }

    /// The client that made it.
    pub(crate) fn client(self) -> u64 {
        self.client.get()
    }
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.client, self.sequence)
    }
}

/// A key that hangs on this home page and stands in another page.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Default,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(C)]
pub(crate) struct DirectoryEntry {
    /// 16 bits of the key's hash, so that a miss rarely reads the other page.
    pub(crate) fingerprint: U16,
    /// Zero.
    pub(crate) reserved: U16,
    /// The other page.
    pub(crate) page: U32,
    /// Names the insertion; the entry in the other page carries the same.
    pub(crate) token: Stamp,
}

/// Begin of every page.
#[derive(Clone, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct PageHeader {
    /// [`MAGIC`].
    pub(crate) magic: U32,
    /// CRC32C of the page from [`CRC_START`].
    pub(crate) crc32c: U32,
    /// [`LAYOUT_VERSION`].
    pub(crate) layout_version: U16,
    /// [`kind`].
    pub(crate) kind: u8,
    /// [`flags`].
    pub(crate) flags: u8,
    /// Level of linear hashing at which the page was written; 0 until the store can grow.
    pub(crate) level: u8,
    /// Zero.
    pub(crate) reserved_byte: u8,
    /// Entries in the page, guests included.
    pub(crate) entry_count: U16,
    /// The store.
    pub(crate) store_uuid: [u8; 16],
    /// Format generation.
    pub(crate) generation: U64,
    /// The page's own number; finds misdirected I/O.
    pub(crate) page: U64,
    /// Epoch of the page's extent; 1 with one device.
    pub(crate) epoch: U64,
    /// Rises with every image; entry versions come from it.
    pub(crate) version: U64,
    /// Unique in every image ever written.
    pub(crate) stamp: Stamp,
    /// Bytes that entries take.
    pub(crate) entry_bytes: U16,
    /// Entries of the overflow directory.
    pub(crate) directory_count: U16,
    /// Zero.
    pub(crate) reserved_word: U32,
    /// Operation ids ever entered in `window`.
    pub(crate) operations: U64,
    /// The last operations that took effect in this page, by `operations` modulo the size.
    pub(crate) window: [Stamp; WINDOW],
    /// The first entries of the overflow directory.
    pub(crate) directory: [DirectoryEntry; RESERVED_DIRECTORY],
}

/// Begin of every entry. A guest has a [`GuestHeader`] next; then come key and value.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct EntryHeader {
    /// Length of the key, 1–255.
    pub(crate) key_bytes: u8,
    /// [`EntryState`].
    pub(crate) state: u8,
    /// Length of the value.
    pub(crate) value_bytes: U16,
    /// Low half of the key's hash.
    pub(crate) tag: U32,
    /// The entry's version.
    pub(crate) version: U64,
    /// Id of the operation that wrote it.
    pub(crate) writer: Stamp,
    /// When it ends, in milliseconds since 1970; 0 is never.
    pub(crate) expires_unix_ms: U64,
}

/// What an entry has besides in a page that is not its own.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct GuestHeader {
    /// Names the insertion.
    pub(crate) token: Stamp,
    /// The home page's stamp when this was prepared: no other image can be the commit's base.
    pub(crate) home_stamp: Stamp,
}

/// Where an entry stands in its life. A guest exists only while its home page names its token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum EntryState {
    /// In its home page.
    Native = 0,
    /// A guest, whether its home page names it or not (yet).
    Prepared = 1,
    /// A guest that its home page was seen to name.
    Committed = 2,
    /// A guest that was deleted; its home page may still name it. Final.
    Tombstone = 3,
    /// A guest that may be replaced at home at any time and never changes again. Final.
    Frozen = 4,
}

impl EntryState {
    /// The state a byte stands for.
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Native,
            1 => Self::Prepared,
            2 => Self::Committed,
            3 => Self::Tombstone,
            4 => Self::Frozen,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn header_keeps_its_budget_of_256_bytes() {
        assert_eq!(size_of::<PageHeader>(), HEADER_BYTES);
        assert_eq!(align_of::<PageHeader>(), 1);
    }

    #[test]
    fn every_field_stands_where_layout_1_puts_it() {
        let offsets = [
            ("magic", offset_of!(PageHeader, magic), 0),
            ("crc32c", offset_of!(PageHeader, crc32c), 4),
            ("layout_version", offset_of!(PageHeader, layout_version), 8),
            ("kind", offset_of!(PageHeader, kind), 10),
            ("flags", offset_of!(PageHeader, flags), 11),
            ("level", offset_of!(PageHeader, level), 12),
            ("entry_count", offset_of!(PageHeader, entry_count), 14),
            ("store_uuid", offset_of!(PageHeader, store_uuid), 16),
            ("generation", offset_of!(PageHeader, generation), 32),
            ("page", offset_of!(PageHeader, page), 40),
            ("epoch", offset_of!(PageHeader, epoch), 48),
            ("version", offset_of!(PageHeader, version), 56),
            ("stamp", offset_of!(PageHeader, stamp), 64),
            ("entry_bytes", offset_of!(PageHeader, entry_bytes), 80),
            (
                "directory_count",
                offset_of!(PageHeader, directory_count),
                82,
            ),
            ("operations", offset_of!(PageHeader, operations), 88),
            ("window", offset_of!(PageHeader, window), 96),
            ("directory", offset_of!(PageHeader, directory), 160),
        ];
        for (field, found, expected) in offsets {
            assert_eq!(found, expected, "{field}");
        }
        assert_eq!(DIRECTORY_ENTRY_BYTES, 24);
        assert_eq!(NATIVE_OVERHEAD, 40);
        assert_eq!(GUEST_OVERHEAD, 72);
    }

    #[test]
    fn a_ycsb_record_of_3584_bytes_fits_as_a_guest_of_a_4_kib_page() {
        let key = "user".len() + 20;
        assert!(GUEST_OVERHEAD + key + 3584 + GUEST_RESERVE <= 4096 - HEADER_BYTES);
    }

    #[test]
    fn state_bytes_are_what_layout_1_says() {
        for byte in 0..=255 {
            if let Some(state) = EntryState::from_byte(byte) {
                assert_eq!(state as u8, byte);
            } else {
                assert!(byte > 4);
            }
        }
    }
}
