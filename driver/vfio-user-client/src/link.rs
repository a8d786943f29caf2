//! One connection: commands out, replies and the server's own commands in.

use std::collections::HashMap;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::io::Errno;
use vfio_user_wire::message::DmaAccess;
use vfio_user_wire::{
    Command, Connection, ErrorReply, Header, Limits, Message, MessageType, payload_with_tail,
};
use zerocopy::IntoBytes;

use crate::mapped_memory::MappedMemory;

/// How long a server may take for a reply. A reset of simulated hardware is the longest of them.
const REPLY_TIMEOUT: Duration = Duration::from_secs(60);
/// Most bytes that the server may read or write with one message.
const MOST_DMA_BYTES: u64 = 1 << 20;

/// A command that did not come to a good end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum LinkError {
    /// The server said no.
    Refused(ErrorReply),
    /// The connection is over.
    Gone(String),
}

/// A reply that was good: its payload, and what came with it.
pub(crate) type Reply = (Vec<u8>, Vec<OwnedFd>);

/// The connection of one function.
pub(crate) struct Link {
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
}

struct Shared {
    stream: UnixStream,
    sender: Mutex<Sender>,
    /// Who waits for which message's reply.
    waiting: Mutex<HashMap<u16, SyncSender<Message>>>,
    memory: Mutex<MappedMemory>,
    /// Set once, when the connection is over; looked at in every wait.
    over: AtomicBool,
    reason: OnceLock<String>,
}

struct Sender {
    connection: Connection,
    next_id: u16,
}

impl Shared {
    fn end(&self, reason: String) {
        // The first reason stands.
        let _ = self.reason.set(reason);
        self.over.store(true, Ordering::Release);
        // Ends the reader, and whoever is in the middle of sending.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        lock(&self.waiting).clear();
    }

    fn gone(&self) -> LinkError {
        LinkError::Gone(self.reason.get().cloned().unwrap_or_default())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    /// Takes a connection over whose negotiation is still to come.
    pub(crate) fn new(stream: UnixStream, limits: Limits) -> std::io::Result<Self> {
        let sending = Connection::new(stream.try_clone()?, limits);
        let mut receiving = Connection::new(stream.try_clone()?, limits);
        let shared = Arc::new(Shared {
            stream,
            sender: Mutex::new(Sender {
                connection: sending,
                next_id: 0,
            }),
            waiting: Mutex::default(),
            memory: Mutex::default(),
            over: AtomicBool::new(false),
            reason: OnceLock::new(),
        });
        let own = Arc::clone(&shared);
        let reader = std::thread::Builder::new()
            .name("vfio-user".to_owned())
            .spawn(move || {
                loop {
                    match receiving.receive() {
                        Ok(message) => own.take(message),
                        Err(error) => {
                            return own.end(format!("its server has gone: {error}"));
                        }
                    }
                }
            })?;
        Ok(Self {
            shared,
            reader: Some(reader),
        })
    }

    /// Why the connection is over, if it is.
    pub(crate) fn over(&self) -> Option<String> {
        self.shared
            .over
            .load(Ordering::Acquire)
            .then(|| self.shared.reason.get().cloned().unwrap_or_default())
    }

    /// The memory that the server may ask for.
    pub(crate) fn memory(&self) -> MutexGuard<'_, MappedMemory> {
        lock(&self.shared.memory)
    }

    /// Sends a command and waits for its reply.
    pub(crate) fn call(
        &self,
        command: Command,
        parts: &[&[u8]],
        fds: &[BorrowedFd<'_>],
    ) -> Result<Reply, LinkError> {
        let (id, reply) = self.send(command, parts, fds)?;
        let message = match reply.recv_timeout(REPLY_TIMEOUT) {
            Ok(message) => message,
            Err(RecvTimeoutError::Disconnected) => return Err(self.shared.gone()),
            Err(RecvTimeoutError::Timeout) => {
                lock(&self.shared.waiting).remove(&id);
                let seconds = REPLY_TIMEOUT.as_secs();
                self.shared.end(format!(
                    "its server has not answered {command:?} within {seconds} s"
                ));
                return Err(self.shared.gone());
            }
        };
        if message.header.is_error() {
            let error = ErrorReply::new(command, message.header.error);
            return Err(LinkError::Refused(error));
        }
        Ok((message.payload, message.fds))
    }

    fn send(
        &self,
        command: Command,
        parts: &[&[u8]],
        fds: &[BorrowedFd<'_>],
    ) -> Result<(u16, Receiver<Message>), LinkError> {
        let (to, reply) = sync_channel(1);
        let mut sender = lock(&self.shared.sender);
        // An identifier comes again after 65,536 commands; nobody waits that long.
        let id = sender.next_id;
        sender.next_id = id.wrapping_add(1);
        lock(&self.shared.waiting).insert(id, to);
        // Looked at behind the insertion: whoever ends the connection clears the table after saying so.
        if self.over().is_some() {
            lock(&self.shared.waiting).remove(&id);
            return Err(self.shared.gone());
        }
        let sent = sender
            .connection
            .send(Header::command(id, command), parts, fds);
        drop(sender);
        self.sent(sent)?;
        Ok((id, reply))
    }

    /// Sends a command that wants no reply.
    pub(crate) fn post(&self, command: Command, parts: &[&[u8]]) -> Result<(), LinkError> {
        let mut sender = lock(&self.shared.sender);
        let id = sender.next_id;
        sender.next_id = id.wrapping_add(1);
        let header = Header::command(id, command).without_reply();
        let sent = sender.connection.send(header, parts, &[]);
        drop(sender);
        self.sent(sent)
    }

    fn sent(&self, sent: Result<(), vfio_user_wire::WireError>) -> Result<(), LinkError> {
        sent.map_err(|error| {
            self.shared.end(format!("its server has gone: {error}"));
            self.shared.gone()
        })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.end("closed".to_owned());
        if let Some(reader) = self.reader.take() {
            // The shutdown has ended it; it cannot panic on what it reads.
            let _ = reader.join();
        }
    }
}

impl Shared {
    /// Takes a message of the server.
    fn take(&self, message: Message) {
        match message.header.message_type() {
            MessageType::Reply => {
                // A reply that nobody waits for is dropped, with its descriptors.
                if let Some(waiting) = lock(&self.waiting).remove(&message.header.message_id) {
                    let _ = waiting.try_send(message);
                }
            }
            MessageType::Command => {
                let answer = self.serve(&message);
                if message.header.no_reply() {
                    return;
                }
                let (header, payload) = match &answer {
                    Ok(payload) => (message.header.reply(), payload.as_slice()),
                    Err(errno) => {
                        let errno = errno.raw_os_error().unsigned_abs();
                        (message.header.error_reply(errno), [].as_slice())
                    }
                };
                if let Err(error) = lock(&self.sender).connection.send(header, &[payload], &[]) {
                    self.end(format!("its server has gone: {error}"));
                }
            }
            MessageType::Unknown => {}
        }
    }

    /// The server's own commands: reads and writes of this process's DMA memory.
    fn serve(&self, message: &Message) -> Result<Vec<u8>, Errno> {
        let command = Command::from_number(message.header.command).ok_or(Errno::INVAL)?;
        let (access, data): (DmaAccess, _) = match command {
            Command::DmaRead | Command::DmaWrite => payload_with_tail(&message.payload)?,
            _ => return Err(Errno::OPNOTSUPP),
        };
        if access.count > MOST_DMA_BYTES {
            return Err(Errno::INVAL);
        }
        let mut payload = access.as_bytes().to_vec();
        if command == Command::DmaRead {
            let bytes = lock(&self.memory).read(access.address, access.count);
            payload.extend(bytes.ok_or(Errno::FAULT)?);
        } else {
            let data = data.get(..access.count as usize).ok_or(Errno::INVAL)?;
            if !lock(&self.memory).write(access.address, data) {
                return Err(Errno::FAULT);
            }
        }
        Ok(payload)
    }
}
