//! The vfio-user protocol on a Unix socket, for either role.
//!
//! A client (a virtual machine monitor, a user-space driver) reaches a PCIe device that another
//! process serves: registers by messages or through mapped memory, its own memory by file
//! descriptors, interrupts by eventfds. This crate is the wire alone:
//!
//! - [`Header`] and [`Command`]: what begins every message;
//! - [`message`]: the fixed part of each message's payload;
//! - [`region`] and [`irq`]: the parts that have a tail (mappable areas, interrupt data);
//! - [`Version`]: the negotiation, JSON and all;
//! - [`Connection`]: whole messages with their descriptors, blocking or not.
//!
//! Layouts and numbers are those of QEMU's *vfio-user Protocol Specification* 0.1 and of
//! `<linux/vfio.h>`. Integers are in the machine's own byte order, as the specification says.
//!
//! What comes from the peer is not trusted: sizes are bounded before anything is allocated, a message
//! is always taken by its `message_size`, descriptors that no message's reader takes are closed.

mod connection;
mod error;
mod header;
pub mod irq;
pub mod message;
pub mod region;
mod version;

pub use connection::{Connection, Limits, Message};
pub use error::{ErrorReply, WireError};
pub use header::{Command, HEADER_BYTES, Header, MessageType};
pub use message::{payload, payload_with_tail};
pub use version::{Capabilities, MAJOR, MINOR, Version, VersionError};

/// Most bytes of data in one message where the peer names no other number.
pub const DEFAULT_MAX_TRANSFER_BYTES: u64 = 1 << 20;
