//! What begins every message.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of a [`Header`].
pub const HEADER_BYTES: usize = 16;

const TYPE_MASK: u32 = 0xf;
const TYPE_COMMAND: u32 = 0;
const TYPE_REPLY: u32 = 1;
const NO_REPLY: u32 = 1 << 4;
const ERROR: u32 = 1 << 5;

/// The commands (specification, "Commands").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u16)]
pub enum Command {
    /// Client: version and capabilities; the first message.
    Version = 1,
    /// Client: memory the device can reach from now on.
    DmaMap = 2,
    /// Client: memory it can reach no longer.
    DmaUnmap = 3,
    /// Client: what device it is.
    DeviceGetInfo = 4,
    /// Client: a region, and what of it can be mapped.
    DeviceGetRegionInfo = 5,
    /// Client: descriptors that stand for writes to a region.
    DeviceGetRegionIoFds = 6,
    /// Client: an interrupt type.
    DeviceGetIrqInfo = 7,
    /// Client: how interrupts are signalled.
    DeviceSetIrqs = 8,
    /// Client: reads a region.
    RegionRead = 9,
    /// Client: writes a region.
    RegionWrite = 10,
    /// Server: reads the client's memory.
    DmaRead = 11,
    /// Server: writes the client's memory.
    DmaWrite = 12,
    /// Client: resets the device.
    DeviceReset = 13,
    /// Client: dirty page tracking, of an earlier version.
    DirtyPages = 14,
    /// Client: several small writes of regions in one message.
    RegionWriteMulti = 15,
    /// Client: migration and other features.
    DeviceFeature = 16,
    /// Client: reads migration data.
    MigrationDataRead = 17,
    /// Client: writes migration data.
    MigrationDataWrite = 18,
}

impl Command {
    /// All commands, in the order of their numbers.
    pub const ALL: [Self; 18] = [
        Self::Version,
        Self::DmaMap,
        Self::DmaUnmap,
        Self::DeviceGetInfo,
        Self::DeviceGetRegionInfo,
        Self::DeviceGetRegionIoFds,
        Self::DeviceGetIrqInfo,
        Self::DeviceSetIrqs,
        Self::RegionRead,
        Self::RegionWrite,
        Self::DmaRead,
        Self::DmaWrite,
        Self::DeviceReset,
        Self::DirtyPages,
        Self::RegionWriteMulti,
        Self::DeviceFeature,
        Self::MigrationDataRead,
        Self::MigrationDataWrite,
    ];

    /// The command of a header; `None` for a number that is none.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }
}

/// The type bits of a header's flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageType {
    /// Asks for something.
    Command,
    /// Answers the command with the same message ID.
    Reply,
    /// Neither: a number without a meaning.
    Unknown,
}

/// The 16 bytes that begin every message (specification, "Header").
#[derive(
    Clone, Copy, PartialEq, Eq, Default, Debug, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Header {
    /// The sender's; echoed in the reply.
    pub message_id: u16,
    /// A [`Command`]; echoed in the reply.
    pub command: u16,
    /// Bytes of the message, this header among them.
    pub message_size: u32,
    /// Type, No_reply, Error.
    pub flags: u32,
    /// Of a reply with Error: the errno, or 0.
    pub error: u32,
}

impl Header {
    /// The header of a command; [`Connection::send`](crate::Connection::send) fills in the size.
    pub const fn command(message_id: u16, command: Command) -> Self {
        Self {
            message_id,
            command: command as u16,
            message_size: 0,
            flags: TYPE_COMMAND,
            error: 0,
        }
    }

    /// The same, and no reply is wanted.
    #[must_use]
    pub const fn without_reply(mut self) -> Self {
        self.flags |= NO_REPLY;
        self
    }

    /// The header of the reply to this command.
    #[must_use]
    pub const fn reply(&self) -> Self {
        Self {
            message_id: self.message_id,
            command: self.command,
            message_size: 0,
            flags: TYPE_REPLY,
            error: 0,
        }
    }

    /// The header of the reply that says this command has failed; it goes without a payload.
    #[must_use]
    pub const fn error_reply(&self, errno: u32) -> Self {
        let mut reply = self.reply();
        reply.flags |= ERROR;
        reply.error = errno;
        reply
    }

    /// Command or reply.
    pub const fn message_type(&self) -> MessageType {
        match self.flags & TYPE_MASK {
            TYPE_COMMAND => MessageType::Command,
            TYPE_REPLY => MessageType::Reply,
            _ => MessageType::Unknown,
        }
    }

    /// The sender of this command wants no reply.
    pub const fn no_reply(&self) -> bool {
        self.flags & NO_REPLY != 0
    }

    /// This reply says that the command has failed.
    pub const fn is_error(&self) -> bool {
        self.flags & ERROR != 0
    }
}
