//! Everything that can go wrong, said with what was expected and what to do.

use std::fmt;

use thiserror::Error;

use crate::page_store::PageStoreError;

/// An error of the store.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A key of zero or more than 255 bytes.
    #[error("a key has 1 to 255 bytes, this one has {bytes}")]
    KeyLength {
        /// Its length.
        bytes: usize,
    },
    /// A value that does not fit in a page together with its key.
    #[error(
        "the value has {bytes} bytes; with this key a page of this store takes at most {max_bytes}. \
         Store a smaller value, or format with larger pages"
    )]
    ValueTooLarge {
        /// Its length.
        bytes: usize,
        /// What would fit.
        max_bytes: usize,
    },
    /// No page that may take the entry has room; nothing was changed.
    #[error(
        "the store is full: neither home page {page} nor {probes} other pages have room. Delete \
         something, or format a larger device"
    )]
    Full {
        /// The key's home page.
        page: u64,
        /// Other pages that were looked at.
        probes: u32,
    },
    /// A page that is not what the store wrote there.
    #[error("{device}: page {page} is damaged: {fault}. Run fsck; restore from a copy")]
    DamagedPage {
        /// The device.
        device: String,
        /// The page's number.
        page: u64,
        /// What was found, and what should be there.
        fault: Box<PageFault>,
    },
    /// The pages contradict each other.
    #[error("{device}: pages {page} and {other_page} contradict each other: {what}. Run fsck")]
    Inconsistent {
        /// The device.
        device: String,
        /// The home page.
        page: u64,
        /// The page it names.
        other_page: u64,
        /// What is wrong.
        what: String,
    },
    /// An update that may or may not be in place, and the store cannot tell any more.
    #[error(
        "{device}: it is not known whether the operation took effect ({reason}). Read the key to see"
    )]
    OutcomeUnknown {
        /// The device.
        device: String,
        /// What happened, and why it cannot be told.
        reason: String,
    },
    /// Others changed the page at every attempt.
    #[error("gave up after {attempts} lost races for page {page}; nothing was changed. Try again")]
    Contention {
        /// Attempts made.
        attempts: u32,
        /// The home page.
        page: u64,
    },
    /// The device failed a command.
    #[error("{device}: page {page}: {source}")]
    Device {
        /// The device.
        device: String,
        /// The page that was read or written.
        page: u64,
        /// What the device or its driver said.
        source: PageStoreError,
    },
    /// As many operations in flight as were asked for at opening, or no buffer is free.
    #[error("{in_flight} operations are in flight already: poll, then submit again")]
    Busy {
        /// Operations in flight.
        in_flight: usize,
    },
    /// An update through a client that was opened to read only.
    #[error("the store was opened to read only")]
    ReadOnly,
    /// The device holds no store.
    #[error("{device}: there is no store here ({found}). Make one with `format`")]
    NotFormatted {
        /// The device.
        device: String,
        /// What was found in its place.
        found: String,
    },
    /// There is a store, and `force` was not given.
    #[error("{device}: there is a store here already ({uuid}); `force` would erase it")]
    StoreExists {
        /// The device.
        device: String,
        /// The store's UUID.
        uuid: String,
    },
    /// There is something else, and `force` was not given.
    #[error(
        "{device}: page {page} holds data that is not of a store (begins {begins}); `force` would erase it"
    )]
    ForeignData {
        /// The device.
        device: String,
        /// The first such page.
        page: u64,
        /// Its first bytes in hexadecimal.
        begins: String,
    },
    /// No superblock copy can be read.
    #[error("{device}: both superblock copies are damaged: {first}; {second}")]
    DamagedSuperblock {
        /// The device.
        device: String,
        /// What is wrong with the first copy.
        first: Box<PageFault>,
        /// What is wrong with the second.
        second: Box<PageFault>,
    },
    /// The store uses something this version does not know.
    #[error(
        "{device}: the store uses features this version does not know ({kind} bits {unknown:#x}). \
         Use a newer version{hint}"
    )]
    UnknownFeatures {
        /// The device.
        device: String,
        /// `incompat` or `ro-compat`.
        kind: &'static str,
        /// The unknown bits.
        unknown: u64,
        /// What else helps.
        hint: &'static str,
    },
    /// The store was formatted anew while this client had it open.
    #[error(
        "{device}: page {page} is of format generation {found}, this client opened generation \
         {expected}: the store was formatted anew. Open it again"
    )]
    FormattedAnew {
        /// The device.
        device: String,
        /// The page that showed it.
        page: u64,
        /// Generation at opening.
        expected: u64,
        /// Generation now.
        found: u64,
    },
    /// The device lacks what the store's safety rests on.
    #[error("{device}: cannot hold a store: {field} is {value}, needed is {needed}")]
    UnfitDevice {
        /// The device.
        device: String,
        /// The field, as the standard calls it.
        field: &'static str,
        /// Its value.
        value: String,
        /// What is needed.
        needed: String,
    },
    /// The device has too few pages.
    #[error(
        "{device}: has {bytes} bytes, that is {pages} pages of {page_bytes}; a store needs at least \
         {needed_pages}. Use a larger device"
    )]
    DeviceTooSmall {
        /// The device.
        device: String,
        /// Its size.
        bytes: u64,
        /// Pages that gives.
        pages: u64,
        /// Size of a page.
        page_bytes: u32,
        /// Pages needed.
        needed_pages: u64,
    },
    /// An option that cannot be met.
    #[error("{option} is {value}; {needed}")]
    Option {
        /// Which one.
        option: &'static str,
        /// What was given.
        value: String,
        /// What may be given.
        needed: &'static str,
    },
}

/// What is wrong with a page: a field, what should stand there, what does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PageFault {
    /// The field.
    pub field: &'static str,
    /// What should stand there.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

impl PageFault {
    pub(crate) fn new(
        field: &'static str,
        expected: &impl ToString,
        found: &impl ToString,
    ) -> Self {
        Self {
            field,
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}

impl fmt::Display for PageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is {}, expected {}",
            self.field, self.found, self.expected
        )
    }
}
