//! The ring behind the Error Information log page (§5.10.1.1).

use nvme_spec::Status;
use nvme_spec::log_page::{ErrorLocation, ErrorLogEntry};

/// Entries of the log (ELPE + 1): as many as the 4 KiB buffer of the admin engine takes.
pub const ERROR_LOG_ENTRIES: usize = 64;

/// An error as it goes into the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandError {
    /// Queue of the command, or [`ErrorLogEntry::NO_COMMAND`].
    pub submission_queue_id: u16,
    /// Identifier of the command, or [`ErrorLogEntry::NO_COMMAND`].
    pub command_id: u16,
    /// What the command was completed with.
    pub status: Status,
    /// The mistake's place in the command, where there is one.
    pub location: Option<ErrorLocation>,
    /// First block concerned, or 0.
    pub lba: u64,
    /// Namespace of the command, or 0.
    pub namespace_id: u32,
}

impl CommandError {
    /// An error that belongs to no command.
    pub const fn without_command() -> Self {
        Self {
            submission_queue_id: ErrorLogEntry::NO_COMMAND,
            command_id: ErrorLogEntry::NO_COMMAND,
            status: Status::SUCCESS,
            location: None,
            lba: 0,
            namespace_id: 0,
        }
    }
}

/// The last [`ERROR_LOG_ENTRIES`] errors of one function.
#[derive(Clone, Debug)]
pub(super) struct ErrorLog {
    /// Error n (counted from 1) stands at (n − 1) modulo the length.
    ring: Box<[ErrorLogEntry; ERROR_LOG_ENTRIES]>,
    /// Errors since power-on.
    error_count: u64,
}

impl Default for ErrorLog {
    fn default() -> Self {
        Self {
            ring: Box::new([ErrorLogEntry::UNUSED; ERROR_LOG_ENTRIES]),
            error_count: 0,
        }
    }
}

impl ErrorLog {
    pub(super) fn record(&mut self, error: CommandError) {
        let place = (self.error_count % ERROR_LOG_ENTRIES as u64) as usize;
        self.error_count += 1;
        self.ring[place] = ErrorLogEntry {
            error_count: self.error_count,
            submission_queue_id: error.submission_queue_id,
            command_id: error.command_id,
            status_field: ErrorLogEntry::status_field_of(error.status),
            parameter_error_location: error
                .location
                .map_or(ErrorLogEntry::NO_LOCATION, ErrorLocation::into_bits),
            lba: error.lba,
            namespace_id: error.namespace_id,
            ..ErrorLogEntry::UNUSED
        };
    }

    /// Forgets the entries; the count goes on.
    pub(super) fn clear(&mut self) {
        self.ring.fill(ErrorLogEntry::UNUSED);
    }

    /// Errors since power-on.
    pub(super) const fn error_count(&self) -> u64 {
        self.error_count
    }

    /// Newest first; unused entries last.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &ErrorLogEntry> {
        let next = (self.error_count % ERROR_LOG_ENTRIES as u64) as usize;
        let (newer, older) = self.ring.split_at(next);
        newer.iter().rev().chain(older.iter().rev())
    }
}
