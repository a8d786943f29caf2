//! Memory that the client shares by messages only: the endpoint's reads and writes of it, and what
//! must wait until the client has answered.

use std::collections::VecDeque;

use rustix::io::Errno;
use vfio_user_wire::message::DmaAccess;
use vfio_user_wire::{Command, Header, Message, payload_with_tail};
use zerocopy::IntoBytes;

use pcie_host::endpoint::MemoryRead;

use crate::arrivals::TagUse;

/// Commands to the client that may wait for their answers: the endpoint's tags, and one write.
const MOST_WAITING: usize = 128;

/// A message for the client.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) header: Header,
    pub(crate) access: DmaAccess,
    pub(crate) data: Vec<u8>,
}

/// A posted write or a read that comes behind a write the client has not answered: nothing
/// overtakes a posted write.
#[derive(Debug)]
pub(crate) enum Held {
    Write { address: u64, data: Vec<u8> },
    Read { read: MemoryRead, tag_use: TagUse },
}

/// What the client has been asked.
#[derive(Debug)]
enum Asked {
    Read(TagUse),
    Write,
}

#[derive(Debug)]
struct Waiting {
    message_id: u16,
    address: u64,
    bytes: u64,
    asked: Asked,
}

/// How a read of the client's memory has ended.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) tag_use: TagUse,
    pub(crate) address: u64,
    /// `None`: the client has refused it.
    pub(crate) data: Option<&'a [u8]>,
}

/// One function's traffic by messages.
#[derive(Debug, Default)]
pub(crate) struct Remote {
    next_id: u16,
    waiting: Vec<Waiting>,
    pub(crate) outbox: VecDeque<Outgoing>,
    pub(crate) held: VecDeque<Held>,
}

impl Remote {
    /// A write has not been answered: what comes now is held.
    pub(crate) fn holds(&self) -> bool {
        !self.held.is_empty() || self.write_is_waiting()
    }

    fn write_is_waiting(&self) -> bool {
        self.waiting
            .iter()
            .any(|waiting| matches!(waiting.asked, Asked::Write))
    }

    /// What is held can go on.
    pub(crate) fn can_release(&self) -> bool {
        !self.held.is_empty() && !self.write_is_waiting()
    }

    /// Nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.held.is_empty()
    }

    /// Something under way touches the span of addresses.
    pub(crate) fn touches(&self, (first, last): (u64, u64)) -> bool {
        let overlaps =
            |address: u64, bytes: u64| address <= last && address.saturating_add(bytes) > first;
        self.waiting
            .iter()
            .any(|waiting| overlaps(waiting.address, waiting.bytes))
            || self.held.iter().any(|held| match held {
                Held::Write { address, data } => overlaps(*address, data.len() as u64),
                Held::Read { read, .. } => overlaps(read.address, read.length_bytes.into()),
            })
    }

    /// The function is reset, or the client gone: nobody waits for anything any more. Answers that
    /// still come are not known.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
        self.outbox.clear();
        self.held.clear();
    }

    fn ask(&mut self, command: Command, address: u64, bytes: u64, asked: Asked, data: Vec<u8>) {
        self.next_id = self.next_id.wrapping_add(1);
        debug_assert!(self.waiting.len() < MOST_WAITING, "more reads than tags");
        self.waiting.push(Waiting {
            message_id: self.next_id,
            address,
            bytes,
            asked,
        });
        self.outbox.push_back(Outgoing {
            header: Header::command(self.next_id, command),
            access: DmaAccess {
                address,
                count: bytes,
            },
            data,
        });
    }

    /// Asks the client for the data of a read.
    pub(crate) fn read(&mut self, read: &MemoryRead, tag_use: TagUse) {
        let bytes = read.length_bytes.into();
        self.ask(
            Command::DmaRead,
            read.address,
            bytes,
            Asked::Read(tag_use),
            vec![],
        );
    }

    /// Hands the client the data of a write.
    pub(crate) fn write(&mut self, address: u64, data: Vec<u8>) {
        let bytes = data.len() as u64;
        self.ask(Command::DmaWrite, address, bytes, Asked::Write, data);
    }

    /// A reply of the client. A reply nobody waits for is none of ours, and says nothing.
    ///
    /// # Errors
    /// `EINVAL`: it contradicts what was asked.
    pub(crate) fn answer<'a>(&mut self, message: &'a Message) -> Result<Option<Answer<'a>>, Errno> {
        let id = message.header.message_id;
        let Some(index) = self
            .waiting
            .iter()
            .position(|waiting| waiting.message_id == id)
        else {
            return Ok(None);
        };
        let waiting = self.waiting.swap_remove(index);
        let Asked::Read(tag_use) = waiting.asked else {
            return Ok(None);
        };
        let address = waiting.address;
        let mut answer = Answer {
            tag_use,
            address,
            data: None,
        };
        if message.header.is_error() {
            return Ok(Some(answer));
        }
        let (access, data): (DmaAccess, _) = payload_with_tail(&message.payload)?;
        if access.count != waiting.bytes || data.len() as u64 != waiting.bytes {
            return Err(Errno::INVAL);
        }
        answer.data = Some(data);
        Ok(Some(answer))
    }
}

impl Outgoing {
    /// The parts of the payload.
    pub(crate) fn parts(&self) -> [&[u8]; 2] {
        [self.access.as_bytes(), &self.data]
    }
}
