//! Making the next image of a page.

use zerocopy::{FromBytes, IntoBytes};

use super::layout::{
    DIRECTORY_ENTRY_BYTES, DirectoryEntry, EntryHeader, EntryState, GUEST_OVERHEAD, GuestHeader,
    HEADER_BYTES, LAYOUT_VERSION, MAGIC, NATIVE_OVERHEAD, PageHeader, Stamp, WINDOW, flags, kind,
};
use super::verify::{PageContext, page_crc};
use super::view::{PageView, directory_offset};

/// An entry to be written.
#[derive(Clone, Copy)]
pub(crate) struct NewEntry<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    pub(crate) tag: u32,
    pub(crate) version: u64,
    pub(crate) writer: Stamp,
    pub(crate) expires_unix_ms: u64,
}

impl NewEntry<'_> {
    /// Bytes it takes in its home page.
    pub(crate) fn native_bytes(&self) -> usize {
        NATIVE_OVERHEAD + self.key.len() + self.value.len()
    }

    /// Bytes it takes in another page.
    pub(crate) fn guest_bytes(&self) -> usize {
        GUEST_OVERHEAD + self.key.len() + self.value.len()
    }
}

/// The next image of a page, being made in a buffer of its own. Freed bytes become zeros, so that
/// an image depends on nothing but its content.
pub(crate) struct PageEdit<'a> {
    pub(super) bytes: &'a mut [u8],
}

impl<'a> PageEdit<'a> {
    /// Begins with a copy of `old` in `new`; an empty page if `blank`.
    pub(crate) fn begin(
        old: &[u8],
        blank: bool,
        new: &'a mut [u8],
        context: &PageContext,
        page: u64,
    ) -> Self {
        if blank {
            new.fill(0);
            let mut edit = Self { bytes: new };
            let header = edit.header();
            header.magic = MAGIC.into();
            header.layout_version = LAYOUT_VERSION.into();
            header.kind = kind::DATA;
            header.store_uuid = context.uuid;
            header.generation = context.generation.into();
            header.page = page.into();
            header.epoch = context.epoch.into();
            edit
        } else {
            new.copy_from_slice(old);
            Self { bytes: new }
        }
    }

    fn header(&mut self) -> &mut PageHeader {
        PageHeader::mut_from_prefix(self.bytes)
            .expect("a page holds a header")
            .0
    }

    /// The image as it stands.
    pub(crate) fn view(&self) -> PageView<'_> {
        PageView::new(self.bytes, false)
    }

    /// Takes the entry at `offset` out.
    fn remove_at(&mut self, offset: usize, bytes: usize) {
        let end = HEADER_BYTES + usize::from(self.header().entry_bytes.get());
        self.bytes.copy_within(offset + bytes..end, offset);
        self.bytes[end - bytes..end].fill(0);
        self.count_out(bytes);
    }

    /// There is an entry of `bytes` bytes less.
    pub(super) fn count_out(&mut self, bytes: usize) {
        let header = self.header();
        header.entry_bytes -= u16::try_from(bytes).expect("an entry is smaller than a page");
        header.entry_count -= 1;
    }

    /// Takes the native entry of `key` out, if there is one.
    pub(crate) fn remove_native(&mut self, key: &[u8], tag: u32) {
        if let Some((offset, bytes)) = self.view().native(key, tag).map(|e| (e.offset, e.bytes)) {
            self.remove_at(offset, bytes);
        }
    }

    /// Takes the guest that carries `token` out; says whether there was one.
    pub(crate) fn remove_guest(&mut self, token: Stamp) -> bool {
        let place = self
            .view()
            .guest(token)
            .map(|entry| (entry.offset, entry.bytes));
        if let Some((offset, bytes)) = place {
            self.remove_at(offset, bytes);
        }
        place.is_some()
    }

    /// Takes native entries out that have ended.
    pub(crate) fn remove_expired(&mut self, now_unix_ms: u64) {
        loop {
            let ended = self
                .view()
                .entries()
                .find(|e| e.state == EntryState::Native && e.is_expired(now_unix_ms))
                .map(|e| (e.offset, e.bytes));
            let Some((offset, bytes)) = ended else { break };
            self.remove_at(offset, bytes);
        }
    }

    /// Adds an entry to its home page. The caller has made sure of the room.
    pub(crate) fn add_native(&mut self, entry: NewEntry<'_>) {
        self.add(entry, EntryState::Native, None);
    }

    /// Adds an entry to a page that is not its own. The caller has made sure of the room.
    pub(crate) fn add_guest(
        &mut self,
        entry: NewEntry<'_>,
        state: EntryState,
        token: Stamp,
        home_stamp: Stamp,
    ) {
        self.add(entry, state, Some(GuestHeader { token, home_stamp }));
    }

    /// Adds an entry behind all others; gives back where it ends.
    pub(super) fn add(
        &mut self,
        entry: NewEntry<'_>,
        state: EntryState,
        guest: Option<GuestHeader>,
    ) -> usize {
        let bytes = if guest.is_some() {
            entry.guest_bytes()
        } else {
            entry.native_bytes()
        };
        assert!(
            self.view().free_bytes() >= bytes,
            "room was made sure of before"
        );
        let start = HEADER_BYTES + usize::from(self.header().entry_bytes.get());
        let header = EntryHeader {
            key_bytes: u8::try_from(entry.key.len()).expect("keys are checked at submission"),
            state: state as u8,
            value_bytes: u16::try_from(entry.value.len())
                .expect("it fits in a page")
                .into(),
            tag: entry.tag.into(),
            version: entry.version.into(),
            writer: entry.writer,
            expires_unix_ms: entry.expires_unix_ms.into(),
        };
        let mut at = start;
        let guest_bytes = guest.as_ref().map_or(&[][..], IntoBytes::as_bytes);
        for part in [header.as_bytes(), guest_bytes, entry.key, entry.value] {
            self.bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        let header = self.header();
        header.entry_bytes += u16::try_from(bytes).expect("it fits in a page");
        header.entry_count += 1;
        at
    }

    /// Changes the state byte of the guest that carries `token`; says whether it is there.
    pub(crate) fn set_guest_state(&mut self, token: Stamp, state: EntryState) -> bool {
        let Some(offset) = self.view().guest(token).map(|entry| entry.offset) else {
            return false;
        };
        let (header, _) =
            EntryHeader::mut_from_prefix(&mut self.bytes[offset..]).expect("an entry is there");
        header.state = state as u8;
        true
    }

    fn put_directory(&mut self, index: usize, entry: DirectoryEntry) {
        if let Some(place) = self.header().directory.get_mut(index) {
            *place = entry;
        } else {
            let start = directory_offset(self.bytes.len(), index).expect("the directory has room");
            self.bytes[start..start + DIRECTORY_ENTRY_BYTES].copy_from_slice(entry.as_bytes());
        }
    }

    /// Names a guest in another page. The caller has made sure of the room.
    pub(crate) fn add_directory(&mut self, fingerprint: u16, page: u64, token: Stamp) {
        assert!(
            self.view().has_directory_room(),
            "room was made sure of before"
        );
        let index = self.view().directory_len();
        let page = u32::try_from(page)
            .expect("page numbers are bounded at format")
            .into();
        let entry = DirectoryEntry {
            fingerprint: fingerprint.into(),
            page,
            token,
            ..Default::default()
        };
        self.header().directory_count += 1;
        self.put_directory(index, entry);
    }

    /// Names `token` no more; says whether it was named.
    pub(crate) fn remove_directory(&mut self, token: Stamp) -> bool {
        let Some(index) = self
            .view()
            .directory()
            .position(|entry| entry.token == token)
        else {
            return false;
        };
        let last = self.view().directory_len() - 1;
        let moved = self
            .view()
            .directory_entry(last)
            .expect("the last one is there");
        self.put_directory(index, moved);
        self.put_directory(last, DirectoryEntry::default());
        self.header().directory_count -= 1;
        true
    }

    /// Completes the image: `version` at least one above the old one and at least `version_floor`,
    /// the stamp, the operation that takes effect with it, the CRC.
    pub(crate) fn finish(mut self, stamp: Stamp, version_floor: u64, operation: Option<Stamp>) {
        let header = self.header();
        header.version = (header.version.get() + 1).max(version_floor).into();
        header.stamp = stamp;
        header.flags = flags::STABLE;
        if let Some(id) = operation {
            let place = header.operations.get() % WINDOW as u64;
            header.window[usize::try_from(place).expect("small")] = id;
            header.operations += 1;
        }
        let crc = page_crc(self.bytes);
        self.header().crc32c = crc.into();
    }
}
