//! One client at one function, from its connection to its end.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use vfio_user_wire::{Capabilities, Connection, Header, Limits, Message, WireError};

use crate::doorbells::DoorbellPage;

/// Most bytes of data in one message.
pub(crate) const MAX_TRANSFER_BYTES: u64 = 1 << 20;
/// Descriptors taken with one message: the eventfds of all vectors.
pub(crate) const MAX_MESSAGE_FDS: u64 = 64;
/// Descriptors offered to everybody.
const MIN_OFFERED_FDS: u64 = 8;
/// Commands that may wait behind one that takes its time.
const MOST_DEFERRED: usize = 4096;
/// Bytes that they may have.
const MOST_DEFERRED_BYTES: usize = 8 << 20;

/// What this server says of itself to a client that says `theirs`. A capability means the sender's
/// own side only; still QEMU takes no larger numbers than it knows.
pub(crate) fn capabilities(theirs: &Capabilities) -> Capabilities {
    Capabilities {
        max_msg_fds: theirs.max_msg_fds.clamp(MIN_OFFERED_FDS, MAX_MESSAGE_FDS),
        max_data_xfer_size: theirs.max_data_xfer_size.min(MAX_TRANSFER_BYTES),
        max_dma_maps: crate::dma::MOST_RANGES as u64,
        pgsizes: crate::dma::PAGE_BYTES,
        write_multiple: false,
    }
}

/// A command that cannot be answered at once; those behind it wait.
#[derive(Debug)]
pub(crate) enum Pending {
    /// Registers are read, piece by piece.
    Registers(RegisterRead),
    /// `DMA_UNMAP` of this span waits for what is under way to it.
    Unmap(Message, (u64, u64)),
    /// The function is reset, because of this command, whose reply has this payload.
    Reset(Header, Vec<u8>),
}

/// A `REGION_READ` of BAR0.
#[derive(Debug)]
pub(crate) struct RegisterRead {
    pub(crate) command: Header,
    /// Of the whole read.
    pub(crate) offset: u64,
    pub(crate) data: Vec<u8>,
    /// Bytes that are there.
    pub(crate) done: usize,
    /// The endpoint has been asked with this tag.
    pub(crate) tag: Option<u16>,
}

/// Why a client is dropped.
#[derive(Debug)]
pub(crate) struct Dropped(pub(crate) String);

impl From<WireError> for Dropped {
    fn from(error: WireError) -> Self {
        Self(error.to_string())
    }
}

/// The client.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) connection: Connection,
    pub(crate) doorbells: DoorbellPage,
    /// `VERSION` has been agreed on.
    pub(crate) greeted: bool,
    /// Most bytes of data the client takes in a message.
    pub(crate) max_transfer_bytes: u64,
    pub(crate) pending: Option<Pending>,
    deferred: VecDeque<Message>,
    deferred_bytes: usize,
}

impl Session {
    pub(crate) fn new(stream: UnixStream, doorbells: DoorbellPage) -> Self {
        let limits = Limits {
            message_fds: MAX_MESSAGE_FDS as usize,
            ..Limits::default()
        };
        Self {
            connection: Connection::new(stream, limits),
            doorbells,
            greeted: false,
            max_transfer_bytes: MAX_TRANSFER_BYTES,
            pending: None,
            deferred: VecDeque::new(),
            deferred_bytes: 0,
        }
    }

    /// The next deferred command, unless one is under way.
    pub(crate) fn next_deferred(&mut self) -> Option<Message> {
        if self.pending.is_some() {
            return None;
        }
        let message = self.deferred.pop_front()?;
        self.deferred_bytes -= message.payload.len();
        Some(message)
    }

    /// Must a command wait?
    pub(crate) fn must_defer(&self) -> bool {
        self.pending.is_some() || !self.deferred.is_empty()
    }

    /// Keeps a command for later.
    pub(crate) fn defer(&mut self, message: Message) -> Result<(), Dropped> {
        self.deferred_bytes += message.payload.len();
        self.deferred.push_back(message);
        if self.deferred.len() > MOST_DEFERRED || self.deferred_bytes > MOST_DEFERRED_BYTES {
            return Err(Dropped(format!(
                "{} commands are waiting for an answer; the limit is {MOST_DEFERRED}, or \
                 {MOST_DEFERRED_BYTES} bytes",
                self.deferred.len()
            )));
        }
        Ok(())
    }

    /// Answers a command, if it wants an answer.
    pub(crate) fn reply(
        &mut self,
        command: &Header,
        parts: &[&[u8]],
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), Dropped> {
        if command.no_reply() {
            return Ok(());
        }
        Ok(self.connection.try_send(command.reply(), parts, fds)?)
    }

    /// Says that a command has failed, if it wants an answer.
    pub(crate) fn refuse(&mut self, command: &Header, errno: Errno) -> Result<(), Dropped> {
        if command.no_reply() {
            return Ok(());
        }
        let header = command.error_reply(errno.raw_os_error() as u32);
        Ok(self.connection.try_send(header, &[], &[])?)
    }
}
