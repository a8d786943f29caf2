//! Whole messages over a stream socket, with the descriptors that belong to them.

use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use zerocopy::{FromBytes, IntoBytes};

use crate::error::WireError;
use crate::header::{HEADER_BYTES, Header};

/// Descriptors one `recvmsg` has room for; more of them are closed by the kernel, and that is seen.
const RECEIVE_FDS: usize = 64;
/// Bytes asked for at a time.
const READ_BYTES: usize = 16 << 10;

/// What a connection takes, and what it keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of a message with its header.
    pub message_bytes: usize,
    /// Descriptors of a message, at most 64.
    pub message_fds: usize,
    /// Bytes that wait for the peer to read them.
    pub unsent_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: crate::DEFAULT_MAX_TRANSFER_BYTES as usize + 4096,
            message_fds: 32,
            unsent_bytes: 8 << 20,
        }
    }
}

/// A message as it came; descriptors that are not taken out of it are closed with it.
#[derive(Debug)]
pub struct Message {
    /// Its first 16 bytes.
    pub header: Header,
    /// What follows them.
    pub payload: Vec<u8>,
    /// What came with it.
    pub fds: Vec<OwnedFd>,
}

/// A message, or the rest of one, that the socket had no room for.
#[derive(Debug)]
struct Unsent {
    bytes: Vec<u8>,
    sent: usize,
    /// Go with the first byte.
    fds: Vec<OwnedFd>,
}

/// One end of a connection.
///
/// The socket itself stays as it is, blocking or not: [`receive`](Self::receive) and
/// [`send`](Self::send) wait if it blocks, [`try_receive`](Self::try_receive),
/// [`try_send`](Self::try_send) and [`flush`](Self::flush) never do.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    limits: Limits,
    /// Bytes received and not handed out: from `begin` to `end`.
    input: Vec<u8>,
    begin: usize,
    end: usize,
    /// Bytes of the stream before `input[begin]`.
    position: u64,
    /// Descriptors, with the position of the last byte of what they came with.
    fds: VecDeque<(u64, OwnedFd)>,
    output: VecDeque<Unsent>,
    unsent_bytes: usize,
}

impl Connection {
    /// Speaks over `stream`.
    pub const fn new(stream: UnixStream, limits: Limits) -> Self {
        Self {
            stream,
            limits,
            input: vec![],
            begin: 0,
            end: 0,
            position: 0,
            fds: VecDeque::new(),
            output: VecDeque::new(),
            unsent_bytes: 0,
        }
    }

    /// The socket.
    pub const fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// The connection is of no use any more; `EAGAIN` in [`WireError::Socket`] when the socket does
    /// not block, or has a timeout.
    pub fn receive(&mut self) -> Result<Message, WireError> {
        loop {
            if let Some(message) = self.take_message()? {
                return Ok(message);
            }
            self.read(RecvFlags::empty())?;
        }
    }

    /// The next message, if it is there as a whole.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub fn try_receive(&mut self) -> Result<Option<Message>, WireError> {
        loop {
            if let Some(message) = self.take_message()? {
                return Ok(Some(message));
            }
            match self.read(RecvFlags::DONTWAIT) {
                Ok(()) => {}
                Err(WireError::Socket {
                    errno: Errno::AGAIN,
                    ..
                }) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes a message out of what has been received.
    fn take_message(&mut self) -> Result<Option<Message>, WireError> {
        let received = &self.input[self.begin..self.end];
        let Ok((header, _)) = Header::read_from_prefix(received) else {
            return Ok(None);
        };
        let bytes = header.message_size as usize;
        if !(HEADER_BYTES..=self.limits.message_bytes).contains(&bytes) {
            return Err(WireError::Size {
                bytes: header.message_size,
                least: HEADER_BYTES,
                most: self.limits.message_bytes,
            });
        }
        let Some(whole) = received.get(..bytes) else {
            return Ok(None);
        };
        let payload = whole[HEADER_BYTES..].to_vec();
        self.begin += bytes;
        self.position += bytes as u64;
        let mut fds = vec![];
        while self
            .fds
            .front()
            .is_some_and(|&(position, _)| position < self.position)
        {
            fds.extend(self.fds.pop_front().map(|(_, fd)| fd));
        }
        if fds.len() > self.limits.message_fds {
            return Err(self.too_many_descriptors());
        }
        Ok(Some(Message {
            header,
            payload,
            fds,
        }))
    }

    const fn too_many_descriptors(&self) -> WireError {
        WireError::TooManyDescriptors {
            most: self.limits.message_fds,
        }
    }

    /// Receives some bytes. The kernel ends a read behind the piece that carried descriptors, so they
    /// belong to the message that holds the last byte of what was read.
    fn read(&mut self, flags: RecvFlags) -> Result<(), WireError> {
        self.input.copy_within(self.begin..self.end, 0);
        let had = self.end - self.begin;
        (self.begin, self.end) = (0, had);
        if self.input.len() < had + READ_BYTES {
            self.input.resize(had + READ_BYTES, 0);
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(RECEIVE_FDS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let result = loop {
            let mut buffers = [IoSliceMut::new(&mut self.input[had..])];
            match recvmsg(
                &self.stream,
                &mut buffers,
                &mut ancillary,
                flags | RecvFlags::CMSG_CLOEXEC,
            ) {
                Err(Errno::INTR) => {}
                result => break result,
            }
        };
        let read = result.as_ref().map_or(0, |received| received.bytes);
        self.end += read;
        let received = result.map_err(|errno| WireError::Socket {
            operation: "recvmsg",
            errno,
        })?;
        let last = (self.position + self.end as u64).saturating_sub(1);
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                self.fds.extend(fds.map(|fd| (last, fd)));
            }
        }
        if received.flags.contains(ReturnFlags::CTRUNC)
            || self.fds.len() > self.limits.message_fds.max(RECEIVE_FDS)
        {
            return Err(self.too_many_descriptors());
        }
        match (read, had) {
            (0, 0) => Err(WireError::Closed),
            (0, bytes) => Err(WireError::ClosedInside { bytes }),
            _ => Ok(()),
        }
    }

    /// Sends a message and waits until the socket has taken it. The header's size is filled in;
    /// `parts` follow it, one after the other.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub fn send(
        &mut self,
        header: Header,
        parts: &[&[u8]],
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), WireError> {
        while let Some(unsent) = self.output.front_mut() {
            let borrowed: Vec<_> = unsent.fds.iter().map(AsFd::as_fd).collect();
            let rest = [IoSlice::new(&unsent.bytes[unsent.sent..])];
            let sent = write(&self.stream, &rest, &borrowed, SendFlags::empty())?;
            self.account(sent);
        }
        let message = assemble(header, parts);
        let (mut sent, mut fds) = (0, fds);
        while sent < message.len() {
            let rest = [IoSlice::new(&message[sent..])];
            sent += write(&self.stream, &rest, fds, SendFlags::empty())?;
            fds = &[];
        }
        Ok(())
    }

    /// Sends a message as far as the socket takes it; the rest goes with [`flush`](Self::flush). The
    /// descriptors are duplicated where they have to wait.
    ///
    /// # Errors
    /// The connection is of no use any more, or the peer has left too much unread.
    pub fn try_send(
        &mut self,
        header: Header,
        parts: &[&[u8]],
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), WireError> {
        let bytes = assemble(header, parts);
        let mut unsent = Unsent {
            bytes,
            sent: 0,
            fds: vec![],
        };
        if self.output.is_empty() {
            let whole = [IoSlice::new(&unsent.bytes)];
            match write(&self.stream, &whole, fds, SendFlags::DONTWAIT) {
                Ok(sent) if sent == unsent.bytes.len() => return Ok(()),
                Ok(sent) => unsent.sent = sent,
                Err(WireError::Socket {
                    errno: Errno::AGAIN,
                    ..
                }) => {}
                Err(error) => return Err(error),
            }
        }
        if unsent.sent == 0 {
            unsent.fds = fds
                .iter()
                .map(|fd| fd.try_clone_to_owned())
                .collect::<Result<_, _>>()
                .map_err(|error| WireError::Socket {
                    operation: "duplicating a descriptor",
                    errno: Errno::from_io_error(&error).unwrap_or(Errno::MFILE),
                })?;
        }
        self.unsent_bytes += unsent.bytes.len() - unsent.sent;
        self.output.push_back(unsent);
        if self.unsent_bytes > self.limits.unsent_bytes {
            return Err(WireError::PeerStalled {
                bytes: self.unsent_bytes,
                most: self.limits.unsent_bytes,
            });
        }
        Ok(())
    }

    /// Sends what waits, as far as the socket takes it; true when nothing waits any more.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub fn flush(&mut self) -> Result<bool, WireError> {
        while let Some(unsent) = self.output.front() {
            let borrowed: Vec<_> = unsent.fds.iter().map(AsFd::as_fd).collect();
            let rest = [IoSlice::new(&unsent.bytes[unsent.sent..])];
            match write(&self.stream, &rest, &borrowed, SendFlags::DONTWAIT) {
                Ok(sent) => self.account(sent),
                Err(WireError::Socket {
                    errno: Errno::AGAIN,
                    ..
                }) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Something waits for [`flush`](Self::flush).
    pub fn has_unsent(&self) -> bool {
        !self.output.is_empty()
    }

    /// The socket has taken so many bytes of the first message that waits, and its descriptors.
    fn account(&mut self, sent: usize) {
        self.unsent_bytes -= sent;
        if let Some(unsent) = self.output.front_mut() {
            unsent.sent += sent;
            unsent.fds.clear();
            if unsent.sent == unsent.bytes.len() {
                self.output.pop_front();
            }
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn assemble(mut header: Header, parts: &[&[u8]]) -> Vec<u8> {
    let bytes = HEADER_BYTES + parts.iter().map(|part| part.len()).sum::<usize>();
    header.message_size = bytes as u32;
    let mut message = Vec::with_capacity(bytes);
    message.extend_from_slice(header.as_bytes());
    for part in parts {
        message.extend_from_slice(part);
    }
    message
}

fn write(
    stream: &UnixStream,
    bytes: &[IoSlice<'_>],
    fds: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> Result<usize, WireError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(RECEIVE_FDS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(WireError::TooManyDescriptors { most: RECEIVE_FDS });
    }
    loop {
        match sendmsg(stream, bytes, &mut ancillary, flags | SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            Err(Errno::PIPE | Errno::CONNRESET) => return Err(WireError::Closed),
            Err(errno) => {
                return Err(WireError::Socket {
                    operation: "sendmsg",
                    errno,
                });
            }
            Ok(sent) => return Ok(sent),
        }
    }
}
