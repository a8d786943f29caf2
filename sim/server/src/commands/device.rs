//! What the device is, its interrupts, its reset.

use nvme_spec::msix::BAR0_BYTES;
use nvme_spec::register::DOORBELLS;
use rustix::io::Errno;
use std::os::fd::AsFd;
use vfio_user_wire::irq::{self, Action, Data, IrqInfo, IrqSet};
use vfio_user_wire::message::{DEVICE_PCI, DEVICE_RESET, DeviceInfo, RegionIoFds};
use vfio_user_wire::region::{self, RegionInfo, SparseArea, encode_region_info};
use vfio_user_wire::{Command, Header, Message, payload};
use zerocopy::IntoBytes;

use super::{Desk, Failure};
use crate::config::CONFIG_BYTES;
use crate::doorbells::PAGE_BYTES;
use crate::options::Doorbells;
use crate::session::{Dropped, Pending};

impl Desk<'_> {
    pub(super) fn tell_device(&mut self, message: &Message) -> Result<(), Failure> {
        let request: DeviceInfo = payload(&message.payload)?;
        check_room::<DeviceInfo>(request.argsz)?;
        let info = DeviceInfo {
            argsz: size_of::<DeviceInfo>() as u32,
            flags: DEVICE_RESET | DEVICE_PCI,
            num_regions: region::COUNT,
            num_irqs: irq::COUNT,
        };
        Ok(self
            .session
            .reply(&message.header, &[info.as_bytes()], &[])?)
    }

    pub(super) fn tell_region(&mut self, message: &Message) -> Result<(), Failure> {
        let request: RegionInfo = payload(&message.payload)?;
        check_room::<RegionInfo>(request.argsz)?;
        let mut info = RegionInfo {
            index: request.index,
            ..RegionInfo::default()
        };
        let mut areas: &[SparseArea] = &[];
        match request.index {
            region::BAR0 => {
                info.size = BAR0_BYTES;
                info.flags = region::READ | region::WRITE;
                if self.doorbells == Doorbells::Mapped {
                    info.flags |= region::MMAP;
                    areas = &[SparseArea {
                        offset: DOORBELLS,
                        size: PAGE_BYTES,
                    }];
                }
            }
            region::CONFIG => {
                info.size = CONFIG_BYTES;
                info.flags = region::READ | region::WRITE;
            }
            // The others are there, and empty.
            index if index < region::COUNT => {}
            _ => return Err(Errno::INVAL.into()),
        }
        let reply = encode_region_info(info, areas, request.argsz);
        // A client without room for the areas asks again; the descriptor comes with the whole answer.
        let whole = !areas.is_empty() && reply.len() > size_of::<RegionInfo>();
        if !whole {
            return Ok(self.session.reply(&message.header, &[&reply], &[])?);
        }
        self.session.doorbells.shared = true;
        let fd = self
            .session
            .doorbells
            .fd()
            .try_clone_to_owned()
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::MFILE))?;
        Ok(self
            .session
            .reply(&message.header, &[&reply], &[fd.as_fd()])?)
    }

    pub(super) fn tell_region_io_fds(&mut self, message: &Message) -> Result<(), Failure> {
        let request: RegionIoFds = payload(&message.payload)?;
        check_room::<RegionIoFds>(request.argsz)?;
        if request.index >= region::COUNT || request.flags != 0 {
            return Err(Errno::INVAL.into());
        }
        // None: an ioeventfd says that something was written, and a doorbell says what.
        let reply = RegionIoFds {
            argsz: size_of::<RegionIoFds>() as u32,
            index: request.index,
            ..RegionIoFds::default()
        };
        Ok(self
            .session
            .reply(&message.header, &[reply.as_bytes()], &[])?)
    }

    pub(super) fn tell_interrupts(&mut self, message: &Message) -> Result<(), Failure> {
        let request: IrqInfo = payload(&message.payload)?;
        check_room::<IrqInfo>(request.argsz)?;
        if request.index >= irq::COUNT {
            return Err(Errno::INVAL.into());
        }
        let (flags, count) = if request.index == irq::MSIX {
            let side = &self.engine.host.functions[self.function.id.index()];
            (irq::INFO_EVENTFD, side.interrupts.count())
        } else {
            (0, 0)
        };
        let info = IrqInfo {
            argsz: size_of::<IrqInfo>() as u32,
            flags,
            index: request.index,
            count,
        };
        Ok(self
            .session
            .reply(&message.header, &[info.as_bytes()], &[])?)
    }

    pub(super) fn set_interrupts(&mut self, message: Message) -> Result<(), Failure> {
        let (set, action, data) = IrqSet::decode(&message.payload)?;
        match set.index {
            irq::MSIX => {
                let side = &mut self.engine.host.functions[self.function.id.index()];
                side.interrupts
                    .set(set.start, set.count, action, data, message.fds)?;
                self.function.apply(self.engine);
            }
            // Types without vectors can be switched off.
            index
                if index < irq::COUNT
                    && (set.start, set.count, action, data)
                        == (0, 0, Action::Trigger, Data::None) => {}
            _ => return Err(Errno::INVAL.into()),
        }
        Ok(self.session.reply(&message.header, &[], &[])?)
    }

    /// Resets the function; the reply comes when it is done.
    pub(super) fn reset(&mut self, command: Header, reply: Vec<u8>) {
        self.function.start_reset(self.engine);
        self.session.pending = Some(Pending::Reset(command, reply));
    }

    /// The reset is done.
    pub(crate) fn finish_reset(&mut self) -> Result<(), Dropped> {
        match self.session.pending.take() {
            Some(Pending::Reset(command, reply)) => {
                if command.command == Command::DeviceReset as u16 {
                    self.function.config.reveal();
                }
                self.session.reply(&command, &[&reply], &[])?;
                self.execute_deferred()
            }
            other => {
                self.session.pending = other;
                Ok(())
            }
        }
    }
}

/// A reply's fixed part has to fit into what the client has room for.
fn check_room<T>(argsz: u32) -> Result<(), Errno> {
    if (argsz as usize) < size_of::<T>() {
        return Err(Errno::INVAL);
    }
    Ok(())
}
