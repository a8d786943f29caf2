//! What can go wrong with a connection, and with a command on it.

use rustix::io::Errno;
use thiserror::Error;

use crate::Command;

/// A connection that is of no use any more.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WireError {
    /// The peer has closed the connection between two messages.
    #[error("the peer has closed the connection")]
    Closed,
    /// The peer has closed it within a message.
    #[error("the peer has closed the connection after {bytes} bytes of a message")]
    ClosedInside {
        /// Bytes of the message that had come.
        bytes: usize,
    },
    /// A size that no message can have: where the next one begins is not known.
    #[error("a message says it has {bytes} bytes; it must be {least} to {most}")]
    Size {
        /// What the header says.
        bytes: u32,
        /// Bytes of a header.
        least: usize,
        /// The connection's limit.
        most: usize,
    },
    /// More descriptors than were agreed on.
    #[error("a message came with more than {most} descriptors")]
    TooManyDescriptors {
        /// The connection's limit.
        most: usize,
    },
    /// The peer takes nothing of what is sent to it.
    #[error("the peer has left {bytes} bytes unread; the limit is {most}")]
    PeerStalled {
        /// Bytes that wait.
        bytes: usize,
        /// The connection's limit.
        most: usize,
    },
    /// The socket itself.
    #[error("{operation} on the socket failed ({errno})")]
    Socket {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        errno: Errno,
    },
}

impl WireError {
    /// The nearest errno, for those who hand it on.
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Closed | Self::ClosedInside { .. } => Errno::CONNRESET,
            Self::Size { .. } | Self::TooManyDescriptors { .. } => Errno::PROTO,
            Self::PeerStalled { .. } => Errno::NOBUFS,
            Self::Socket { errno, .. } => *errno,
        }
    }
}

/// A command that the peer has refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("{command:?} failed ({errno})")]
pub struct ErrorReply {
    /// What was asked for.
    pub command: Command,
    /// The peer's reason; `EIO` where it named none.
    pub errno: Errno,
}

impl ErrorReply {
    /// From a reply's error field.
    pub fn new(command: Command, error: u32) -> Self {
        let errno = match i32::try_from(error) {
            Ok(number @ 1..=4095) => Errno::from_raw_os_error(number),
            _ => Errno::IO,
        };
        Self { command, errno }
    }
}
