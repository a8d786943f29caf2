//! Why there is no function to be had.

use std::path::PathBuf;

use thiserror::Error;

/// Why a served function could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VfioUserError {
    /// Nothing is there.
    #[error("{}: there is no socket: {reason}; `rdstore device serve --vfio-user {}` makes one", .path.display(), .path.display())]
    NoSocket {
        /// The directory.
        path: PathBuf,
        /// What was looked for.
        reason: String,
    },
    /// A socket without a server behind it, or one that this user may not use.
    #[error("{}: {reason}", .socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// What the system says and what helps.
        reason: String,
    },
    /// What the server says does not suit.
    #[error("{}: {reason}", .socket.display())]
    Unsuitable {
        /// The socket.
        socket: PathBuf,
        /// What was found and what was expected.
        reason: String,
    },
    /// The negotiation failed.
    #[error("{}: {step}: {reason}", .socket.display())]
    Protocol {
        /// The socket.
        socket: PathBuf,
        /// What was asked for.
        step: &'static str,
        /// How it failed.
        reason: String,
    },
}
