//! Why a medium could not be made or opened.

use std::io;
use std::path::PathBuf;

/// Errors of creating or opening an image. Each names the file, what was expected, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum MediumError {
    /// The size asked for is not one an image can have.
    #[error(
        "an image of {bytes} bytes with blocks of {block_bytes} bytes is not possible: blocks have \
         512 or 4096 bytes, and the size is a multiple of that, at least one block"
    )]
    ImpossibleSize {
        /// Bytes asked for.
        bytes: u64,
        /// Bytes of a block.
        block_bytes: u32,
    },
    /// Memory for the image, or its mapping, could not be had.
    #[error("no address space for an image of {bytes} bytes: use a smaller one ({source})")]
    OutOfMemory {
        /// Bytes of the image.
        bytes: u64,
        /// What the system said.
        source: io::Error,
    },
    /// `create_file` on a name that exists.
    #[error("{} exists already: open it, or choose another name", path.display())]
    AlreadyExists {
        /// The file.
        path: PathBuf,
    },
    /// No such file (or, at creation, no such folder).
    #[error("{} does not exist: check the path, or create the image first", path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// A folder, device, pipe or socket.
    #[error("{} is {what}, and an image must be a regular file", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
        /// What it is, with its article.
        what: &'static str,
    },
    /// The user may not read and write it.
    #[error(
        "no permission to {action} {}: an image needs read and write permission for this user",
        path.display()
    )]
    PermissionDenied {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
    },
    /// Somebody else has it open.
    #[error(
        "{} is in use: another process (or another device of this one) has it open and locked; \
         close that one first, or give it a second client there",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// No trailer at its end.
    #[error(
        "{} ({actual_bytes} bytes) is not an image: no trailer at its end, so it is a file of \
         something else, or an image that was cut off; give the path of an image, or create a new one",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its length.
        actual_bytes: u64,
    },
    /// A trailer, but not where the file's length says.
    #[error(
        "{} has {actual_bytes} bytes where its trailer says {expected_bytes}: it was cut off or \
         added to; restore a copy, or create a new one",
        path.display()
    )]
    WrongLength {
        /// The file.
        path: PathBuf,
        /// Length by the trailer.
        expected_bytes: u64,
        /// Its length.
        actual_bytes: u64,
    },
    /// Made by a later version of this project.
    #[error(
        "{} has image layout {found}, and this program knows up to {known}: use a newer program",
        path.display()
    )]
    UnknownLayout {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: u32,
        /// Newest version known here.
        known: u32,
    },
    /// The trailer is there but does not add up.
    #[error(
        "the trailer of {} is damaged ({what}): restore a copy, or create a new one",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not add up.
        what: &'static str,
    },
    /// Another size than the device asks for.
    #[error(
        "{} holds an image of {actual_bytes} bytes, not of {expected_bytes}: leave the size out, or \
         give the one it has",
        path.display()
    )]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// Asked for.
        expected_bytes: u64,
        /// In the file.
        actual_bytes: u64,
    },
    /// Anything else the system said.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}
