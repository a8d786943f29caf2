//! What is told to whoever checks: an operation begins, an operation ends.

use rdstore::page_store::PageStoreError;
use rdstore::{Error, Outcome};

use crate::record::writer_of;

/// What an operation wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// A look-up.
    Get,
    /// A write.
    Put,
    /// A removal.
    Delete,
    /// A write if the key is absent.
    Add,
    /// A write if the entry's version is still this one.
    Swap {
        /// That version.
        expected: u64,
    },
}

impl Action {
    /// Does it write a value when it succeeds?
    pub const fn stores(self) -> bool {
        matches!(self, Self::Put | Self::Add | Self::Swap { .. })
    }
}

/// An operation that begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Begun {
    /// Its number, unique in the life of the image.
    pub operation: u64,
    /// The key's number.
    pub key: u32,
    /// What it wants.
    pub action: Action,
    /// Length of the value it writes, if it writes one.
    pub value_bytes: u32,
}

/// How an operation ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The key is there.
    Found {
        /// Its version.
        version: u64,
        /// The operation that wrote the value.
        writer: u64,
        /// The value's length.
        value_bytes: u32,
    },
    /// The key is not there, at this version.
    Missing(u64),
    /// Written.
    Stored(u64),
    /// Removed.
    Deleted(u64),
    /// Nothing was done: the entry that is there has this version.
    Refused(u64),
    /// An error after which nothing has changed.
    NothingChanged,
    /// The store cannot tell.
    Unknown,
    /// What must never come: a damaged page, a contradiction, a value that nobody wrote.
    Broken,
}

impl Answer {
    /// What an outcome of the store says.
    pub fn of(result: &Result<Outcome<&[u8]>, Error>) -> Self {
        match result {
            Ok(Outcome::Found { version, value, .. }) => match writer_of(value) {
                Some(writer) => Self::Found {
                    version: version.0,
                    writer,
                    value_bytes: value.len() as u32,
                },
                None => Self::Broken,
            },
            Ok(Outcome::Missing { version }) => Self::Missing(version.0),
            Ok(Outcome::Stored { version }) => Self::Stored(version.0),
            Ok(Outcome::Deleted { version }) => Self::Deleted(version.0),
            Ok(Outcome::Exists { version } | Outcome::Mismatch { version }) => {
                Self::Refused(version.0)
            }
            Ok(Outcome::Scanned(_)) => Self::Broken,
            Err(Error::OutcomeUnknown { .. }) => Self::Unknown,
            Err(
                Error::Device { .. }
                | Error::Full { .. }
                | Error::Contention { .. }
                | Error::Busy { .. },
            ) => Self::NothingChanged,
            Err(_) => Self::Broken,
        }
    }
}

/// Will nothing work on this handle any more?
pub fn is_device_gone(error: &Error) -> bool {
    matches!(
        error,
        Error::Device {
            source: PageStoreError::DeviceGone { .. },
            ..
        }
    )
}

/// Sees everything that clients do, in the order in which it happens.
pub trait Witness {
    /// An operation is about to be submitted.
    fn begun(&mut self, begun: Begun);
    /// An operation has ended.
    fn ended(&mut self, operation: u64, answer: Answer);
    /// A client has got its id.
    fn opened(&mut self, client_id: u64);
}
