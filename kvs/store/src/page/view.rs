//! Reading a page in place.

use zerocopy::FromBytes;

use crate::error::PageFault;

use super::layout::{
    DIRECTORY_ENTRY_BYTES, DirectoryEntry, EntryHeader, EntryState, GUEST_OVERHEAD, GuestHeader,
    HEADER_BYTES, NATIVE_OVERHEAD, PageHeader, RESERVED_DIRECTORY, Stamp, WINDOW,
};

/// What a page that was never written looks like.
static BLANK: [u8; HEADER_BYTES] = [0; HEADER_BYTES];

/// A page whose header was verified. Nothing in it is trusted to stay within bounds, though: a
/// malformed page shows fewer entries, never somebody else's memory, and never panics.
#[derive(Clone, Copy)]
pub(crate) struct PageView<'a> {
    bytes: &'a [u8],
    header: &'a PageHeader,
    page_bytes: usize,
}

/// An entry in place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    /// First byte within the page.
    pub(crate) offset: usize,
    /// Bytes from there to the next entry.
    pub(crate) bytes: usize,
    pub(crate) state: EntryState,
    pub(crate) tag: u32,
    pub(crate) version: u64,
    pub(crate) writer: Stamp,
    pub(crate) expires_unix_ms: u64,
    /// [`Stamp::NONE`] in a native entry.
    pub(crate) token: Stamp,
    /// [`Stamp::NONE`] in a native entry.
    pub(crate) home_stamp: Stamp,
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
}

impl Entry<'_> {
    /// Whether the entry has ended at `now_unix_ms` (0: no clock, nothing ends).
    pub(crate) fn is_expired(&self, now_unix_ms: u64) -> bool {
        self.expires_unix_ms != 0 && self.expires_unix_ms <= now_unix_ms
    }

    /// First byte of the value within the page.
    pub(crate) fn value_offset(&self) -> usize {
        self.offset + self.bytes - self.value.len()
    }
}

impl<'a> PageView<'a> {
    /// The page in `bytes`, or an empty one if the page was never written.
    pub(crate) fn new(bytes: &'a [u8], blank: bool) -> Self {
        let page_bytes = bytes.len();
        let bytes = if blank { &BLANK[..] } else { bytes };
        let (header, _) = PageHeader::ref_from_prefix(bytes).expect("a page holds a header");
        Self {
            bytes,
            header,
            page_bytes,
        }
    }

    pub(crate) fn header(&self) -> &'a PageHeader {
        self.header
    }

    pub(crate) fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    pub(crate) fn version(&self) -> u64 {
        self.header.version.get()
    }

    pub(crate) fn stamp(&self) -> Stamp {
        self.header.stamp
    }

    pub(crate) fn operations(&self) -> u64 {
        self.header.operations.get()
    }

    /// Whether the operation `id` is among the last that took effect here.
    pub(crate) fn remembers(&self, id: Stamp) -> bool {
        self.header.window.contains(&id)
    }

    /// Whether `id` would certainly be remembered if it had taken effect after the page had seen
    /// `operations_before` operations.
    pub(crate) fn remembers_all_since(&self, operations_before: u64) -> bool {
        self.operations().saturating_sub(operations_before) <= WINDOW as u64
    }

    /// Bytes that entries and further directory entries can still take.
    pub(crate) fn free_bytes(&self) -> usize {
        let directory = self.directory_len().saturating_sub(RESERVED_DIRECTORY);
        (self.page_bytes - HEADER_BYTES)
            .saturating_sub(usize::from(self.header.entry_bytes.get()))
            .saturating_sub(directory * DIRECTORY_ENTRY_BYTES)
    }

    /// Whether one more directory entry fits.
    pub(crate) fn has_directory_room(&self) -> bool {
        self.directory_len() < RESERVED_DIRECTORY || self.free_bytes() >= DIRECTORY_ENTRY_BYTES
    }

    pub(crate) fn directory_len(&self) -> usize {
        usize::from(self.header.directory_count.get())
    }

    /// Directory entry `index`, if there are as many.
    pub(crate) fn directory_entry(&self, index: usize) -> Option<DirectoryEntry> {
        if index >= self.directory_len() {
            return None;
        }
        if let Some(entry) = self.header.directory.get(index) {
            return Some(*entry);
        }
        let start = directory_offset(self.page_bytes, index)?;
        let bytes = self.bytes.get(start..start + DIRECTORY_ENTRY_BYTES)?;
        DirectoryEntry::read_from_bytes(bytes).ok()
    }

    pub(crate) fn directory(&self) -> impl Iterator<Item = DirectoryEntry> + use<'a> {
        let view = *self;
        (0..view.directory_len()).map_while(move |index| view.directory_entry(index))
    }

    /// Whether the directory names `token`.
    pub(crate) fn names(&self, token: Stamp) -> bool {
        self.directory().any(|entry| entry.token == token)
    }

    pub(crate) fn entry_count(&self) -> usize {
        usize::from(self.header.entry_count.get())
    }

    /// End of the entries within the page.
    pub(super) fn entries_end(&self) -> usize {
        (HEADER_BYTES + usize::from(self.header.entry_bytes.get())).min(self.bytes.len())
    }

    /// The entry at `offset`, if a whole one stands there.
    #[inline]
    pub(crate) fn entry_at(&self, offset: usize) -> Option<Entry<'a>> {
        let bytes = self.bytes.get(offset..self.entries_end())?;
        let (header, _) = EntryHeader::ref_from_prefix(bytes).ok()?;
        let state = EntryState::from_byte(header.state)?;
        let (overhead, token, home_stamp) = if state == EntryState::Native {
            (NATIVE_OVERHEAD, Stamp::NONE, Stamp::NONE)
        } else {
            let (guest, _) = GuestHeader::ref_from_prefix(&bytes[NATIVE_OVERHEAD..]).ok()?;
            (GUEST_OVERHEAD, guest.token, guest.home_stamp)
        };
        let key_end = overhead + usize::from(header.key_bytes);
        let end = key_end + usize::from(header.value_bytes.get());
        Some(Entry {
            offset,
            bytes: end,
            state,
            tag: header.tag.get(),
            version: header.version.get(),
            writer: header.writer,
            expires_unix_ms: header.expires_unix_ms.get(),
            token,
            home_stamp,
            key: bytes.get(overhead..key_end)?,
            value: bytes.get(key_end..end)?,
        })
    }

    /// All entries, guests included.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let view = *self;
        let mut offset = HEADER_BYTES;
        (0..view.entry_count()).map_while(move |_| {
            let entry = view.entry_at(offset)?;
            offset += entry.bytes;
            Some(entry)
        })
    }

    /// The native entry of `key`.
    #[inline]
    pub(crate) fn native(&self, key: &[u8], tag: u32) -> Option<Entry<'a>> {
        self.entries()
            .find(|entry| entry.tag == tag && entry.state == EntryState::Native && entry.key == key)
    }

    /// The guest that carries `token`.
    pub(crate) fn guest(&self, token: Stamp) -> Option<Entry<'a>> {
        self.entries()
            .find(|entry| entry.state != EntryState::Native && entry.token == token)
    }

    /// What is wrong with how entries and directory share the page, if something is. A page with
    /// a right CRC is only ever wrong so when a program that wrote it was.
    pub(crate) fn layout_fault(&self) -> Option<PageFault> {
        let used = usize::from(self.header.entry_bytes.get());
        let rest = self.page_bytes - HEADER_BYTES;
        let most = rest.saturating_sub(used) / DIRECTORY_ENTRY_BYTES + RESERVED_DIRECTORY;
        if used > rest || self.directory_len() > most {
            let found = format!("{} entries", self.directory_len());
            return Some(PageFault::new(
                "directory",
                &format!("at most {most} entries"),
                &found,
            ));
        }
        let (count, bytes) = self.entries().fold((0, 0), |(count, bytes), entry| {
            (count + 1, bytes + entry.bytes)
        });
        if (count, bytes) == (self.entry_count(), used) {
            return None;
        }
        let expected = format!("{} entries in {used} bytes", self.entry_count());
        Some(PageFault::new(
            "content",
            &expected,
            &format!("{count} entries in {bytes} bytes"),
        ))
    }

    /// Bytes of native entries of keys other than `key` that have ended.
    pub(crate) fn expired_bytes(&self, now_unix_ms: u64, key: &[u8]) -> usize {
        if now_unix_ms == 0 {
            return 0;
        }
        self.entries()
            .filter(|entry| {
                entry.state == EntryState::Native
                    && entry.is_expired(now_unix_ms)
                    && entry.key != key
            })
            .map(|entry| entry.bytes)
            .sum()
    }
}

/// Where directory entry `index`, which is not in the header, stands.
pub(crate) fn directory_offset(page_bytes: usize, index: usize) -> Option<usize> {
    page_bytes.checked_sub((index + 1 - RESERVED_DIRECTORY) * DIRECTORY_ENTRY_BYTES)
}
