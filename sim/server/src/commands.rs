//! What a client's commands do.

mod device;
mod memory;
mod registers;

use rustix::io::Errno;
use vfio_user_wire::{Command, Message, MessageType, Version};

use crate::engine::Engine;
use crate::function::Function;
use crate::mapped_file::MappedFiles;
use crate::options::Doorbells;
use crate::session::{Dropped, Session, capabilities};

/// Everything a command can reach.
pub(crate) struct Desk<'a> {
    pub(crate) function: &'a mut Function,
    pub(crate) session: &'a mut Session,
    pub(crate) engine: &'a mut Engine,
    pub(crate) files: &'a mut MappedFiles,
    pub(crate) doorbells: Doorbells,
}

/// Why a command was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The client gets this errno.
    Refused(Errno),
    /// The client is dropped.
    Dropped(Dropped),
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::Refused(errno)
    }
}

impl From<Dropped> for Failure {
    fn from(dropped: Dropped) -> Self {
        Self::Dropped(dropped)
    }
}

impl Desk<'_> {
    /// A message has come.
    pub(crate) fn receive(&mut self, message: Message) -> Result<(), Dropped> {
        match message.header.message_type() {
            MessageType::Reply => self.take_answer(&message),
            MessageType::Unknown => self.session.refuse(&message.header, Errno::INVAL),
            MessageType::Command if self.session.must_defer() => self.session.defer(message),
            MessageType::Command => self.execute(message),
        }
    }

    /// Executes what was deferred, as far as it goes.
    pub(crate) fn execute_deferred(&mut self) -> Result<(), Dropped> {
        while let Some(message) = self.session.next_deferred() {
            self.execute(message)?;
        }
        Ok(())
    }

    fn execute(&mut self, message: Message) -> Result<(), Dropped> {
        // What the client stored into the doorbell page comes before what it sends now.
        self.ring_doorbells();
        let header = message.header;
        match self.dispatch(message) {
            Ok(()) => Ok(()),
            Err(Failure::Refused(errno)) => self.session.refuse(&header, errno),
            Err(Failure::Dropped(dropped)) => Err(dropped),
        }
    }

    fn dispatch(&mut self, message: Message) -> Result<(), Failure> {
        let Some(command) = Command::from_number(message.header.command) else {
            return Err(Errno::INVAL.into());
        };
        if !self.session.greeted && command != Command::Version {
            self.session.refuse(&message.header, Errno::INVAL)?;
            let reason = format!("its first message was {command:?}; VERSION must come first");
            return Err(Dropped(reason).into());
        }
        match command {
            Command::Version => self.agree_on_version(&message),
            Command::DmaMap => self.map_memory(&message),
            Command::DmaUnmap => self.unmap_memory(message),
            Command::DeviceGetInfo => self.tell_device(&message),
            Command::DeviceGetRegionInfo => self.tell_region(&message),
            Command::DeviceGetRegionIoFds => self.tell_region_io_fds(&message),
            Command::DeviceGetIrqInfo => self.tell_interrupts(&message),
            Command::DeviceSetIrqs => self.set_interrupts(message),
            Command::RegionRead => self.read_region(&message),
            Command::RegionWrite => self.write_region(&message),
            Command::DeviceReset => {
                self.reset(message.header, vec![]);
                Ok(())
            }
            // The server's own commands.
            Command::DmaRead | Command::DmaWrite => Err(Errno::INVAL.into()),
            Command::DirtyPages
            | Command::RegionWriteMulti
            | Command::DeviceFeature
            | Command::MigrationDataRead
            | Command::MigrationDataWrite => Err(Errno::NOTSUP.into()),
        }
    }

    fn agree_on_version(&mut self, message: &Message) -> Result<(), Failure> {
        if self.session.greeted {
            return Err(Errno::INVAL.into());
        }
        let agreed = Version::decode(&message.payload)
            .and_then(|proposed| proposed.agree(capabilities(&proposed.capabilities)));
        match agreed {
            Ok(agreed) => {
                self.session.max_transfer_bytes = agreed.capabilities.max_data_xfer_size;
                self.session.greeted = true;
                Ok(self
                    .session
                    .reply(&message.header, &[&agreed.encode()], &[])?)
            }
            Err(error) => {
                self.session.refuse(&message.header, error.errno())?;
                Err(Dropped(error.to_string()).into())
            }
        }
    }

    /// Hands the endpoint the doorbells that were stored into the shared page; true if there were any.
    pub(crate) fn ring_doorbells(&mut self) -> bool {
        ring_doorbells(self.function, self.session, self.engine)
    }
}

/// Hands the endpoint the doorbells that were stored into the shared page; true if there were any.
#[inline]
pub(crate) fn ring_doorbells(function: &Function, session: &Session, engine: &mut Engine) -> bool {
    if !session.doorbells.shared {
        return false;
    }
    let mut any = false;
    session.doorbells.take(|offset, value| {
        any = true;
        engine.write_registers(function.id, offset, &value.to_le_bytes());
    });
    any
}
