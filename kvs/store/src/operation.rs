//! What a client can ask for, and what it gets back.

use std::fmt;

/// Names a submitted operation until its outcome is handed out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub(crate) u64);

impl Ticket {
    /// A number that no other operation of this client has or will have.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// The version of an entry: rises with every change of its key, across deletion too.
///
/// Versions of different keys are not comparable. Zero means "never written".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Version(pub u64);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One operation. Keys are 1–255 arbitrary bytes. The client copies what it needs at submission.
///
/// `expires_unix_ms` is the time, in milliseconds since 1970, from which the entry counts as
/// absent; `None` is never. Time is what [`OpenOptions::unix_ms`](crate::OpenOptions::unix_ms)
/// says plus what the device's clock has moved since.
#[derive(Clone, Copy, Debug)]
pub enum Operation<'a> {
    /// Look a key up: [`Outcome::Found`] or [`Outcome::Missing`].
    Get {
        /// The key.
        key: &'a [u8],
    },
    /// Write a value, whether the key is there or not: [`Outcome::Stored`].
    Put {
        /// The key.
        key: &'a [u8],
        /// The value.
        value: &'a [u8],
        /// When the entry ends, if it does.
        expires_unix_ms: Option<u64>,
    },
    /// Remove a key: [`Outcome::Deleted`] or [`Outcome::Missing`].
    Delete {
        /// The key.
        key: &'a [u8],
    },
    /// Write a value if the key is absent: [`Outcome::Stored`] or [`Outcome::Exists`].
    Add {
        /// The key.
        key: &'a [u8],
        /// The value.
        value: &'a [u8],
        /// When the entry ends, if it does.
        expires_unix_ms: Option<u64>,
    },
    /// Write a value if the entry's version is still `expected`: [`Outcome::Stored`],
    /// [`Outcome::Mismatch`] or [`Outcome::Missing`].
    CompareAndSwap {
        /// The key.
        key: &'a [u8],
        /// The version a look-up gave.
        expected: Version,
        /// The value.
        value: &'a [u8],
        /// When the entry ends, if it does.
        expires_unix_ms: Option<u64>,
    },
    /// Entries in the order of their home pages, which is no order of the keys:
    /// [`Outcome::Scanned`]. Following `next` from [`Cursor::START`] to its end gives each key
    /// that was present throughout exactly once.
    Scan {
        /// Where to go on.
        cursor: Cursor,
        /// At most this many entries (at least 1), except that entries whose hashes are equal
        /// stay together.
        limit: usize,
    },
}

/// A place in a scan.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Cursor {
    /// Home page to go on in.
    pub page: u64,
    /// Within that page, entries whose hash is at least this are still to come.
    pub hash: u64,
}

impl Cursor {
    /// The begin of the store.
    pub const START: Self = Self { page: 0, hash: 0 };
}

/// How an operation ended. `V` is how a value is held: a `Vec`, or a slice of the page in place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome<V = Vec<u8>> {
    /// The key is there.
    Found {
        /// Its version.
        version: Version,
        /// Its value.
        value: V,
        /// When it ends, if it does (milliseconds since 1970).
        expires_unix_ms: Option<u64>,
    },
    /// The key is not there.
    Missing {
        /// Its home page's version: any later insertion of the key has a higher one.
        version: Version,
    },
    /// The value is in place.
    Stored {
        /// The entry's new version.
        version: Version,
    },
    /// The key was there and is gone.
    Deleted {
        /// The version of the deletion.
        version: Version,
    },
    /// An [`Operation::Add`] found the key; nothing was changed.
    Exists {
        /// The version of the entry that is there.
        version: Version,
    },
    /// An [`Operation::CompareAndSwap`] found another version; nothing was changed.
    Mismatch {
        /// The version of the entry that is there.
        version: Version,
    },
    /// A part of a scan.
    Scanned(ScanPage),
}

impl<V> Outcome<V> {
    /// The version the operation brought; zero for a scan.
    pub fn version(&self) -> Version {
        match self {
            Self::Found { version, .. }
            | Self::Missing { version }
            | Self::Stored { version }
            | Self::Deleted { version }
            | Self::Exists { version }
            | Self::Mismatch { version } => *version,
            Self::Scanned(_) => Version(0),
        }
    }
}

impl<V: AsRef<[u8]>> Outcome<V> {
    /// The same outcome with the value lent. (A scan's entries are copied.)
    pub fn as_slice(&self) -> Outcome<&[u8]> {
        match self {
            Self::Found {
                version,
                value,
                expires_unix_ms,
            } => Outcome::Found {
                version: *version,
                value: value.as_ref(),
                expires_unix_ms: *expires_unix_ms,
            },
            Self::Missing { version } => Outcome::Missing { version: *version },
            Self::Stored { version } => Outcome::Stored { version: *version },
            Self::Deleted { version } => Outcome::Deleted { version: *version },
            Self::Exists { version } => Outcome::Exists { version: *version },
            Self::Mismatch { version } => Outcome::Mismatch { version: *version },
            Self::Scanned(page) => Outcome::Scanned(page.clone()),
        }
    }

    /// The same outcome with a value of its own.
    pub fn into_owned(self) -> Outcome {
        match self {
            Self::Found {
                version,
                value,
                expires_unix_ms,
            } => Outcome::Found {
                version,
                value: value.as_ref().to_vec(),
                expires_unix_ms,
            },
            Self::Missing { version } => Outcome::Missing { version },
            Self::Stored { version } => Outcome::Stored { version },
            Self::Deleted { version } => Outcome::Deleted { version },
            Self::Exists { version } => Outcome::Exists { version },
            Self::Mismatch { version } => Outcome::Mismatch { version },
            Self::Scanned(page) => Outcome::Scanned(page),
        }
    }
}

/// Entries of a scan and where to go on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ScanPage {
    /// Entries that were there when their home page was read.
    pub entries: Vec<ScanEntry>,
    /// Where to go on; `None` at the end of the store.
    pub next: Option<Cursor>,
}

/// An entry met by a scan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScanEntry {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
    /// The entry's version.
    pub version: Version,
    /// When it ends, if it does (milliseconds since 1970).
    pub expires_unix_ms: Option<u64>,
}
