//! One connection to a function: the steps of the protocol, in the order in which a client takes them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nvme_hosted::config_space::{
    COMMAND, COMMAND_BUS_MASTER, COMMAND_MEMORY, REVISION_AND_CLASS, class_code, not_nvme,
};
use nvme_hosted::{HostMemory, MappedPages, Registers};
use vfio_user_wire::irq::{Action, IrqInfo, IrqSet, MSIX};
use vfio_user_wire::message::{
    DEVICE_PCI, DMA_READABLE, DMA_WRITABLE, DeviceInfo, DmaMap, DmaUnmap, RegionAccess,
};
use vfio_user_wire::region::{BAR0, CONFIG, MMAP, RegionInfo, SparseArea, decode_region_info};
use vfio_user_wire::{Capabilities, Command, Limits, Version, payload};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::link::{Link, LinkError, Reply};

/// First doorbell (NVMe 1.1 §3.1): from here on, writes by message want no reply.
const DOORBELLS: u64 = 0x1000;
/// Room for the capabilities of a region.
const REGION_INFO_BYTES: u32 = 4096;
/// Most vectors that fit one message with their descriptors, if the server takes as many.
pub(crate) const MOST_VECTORS: u64 = 64;

/// Why a function cannot be used.
#[derive(Debug)]
pub(crate) enum Obstacle {
    /// A step of the protocol has failed: which, and how.
    Protocol(&'static str, String),
    /// What is served is not what this client is for.
    Unsuitable(String),
}

/// A connection that has been negotiated, to an NVMe controller.
pub(crate) struct Connected {
    link: Link,
    /// Descriptors that the server takes with one message.
    message_fds: u64,
}

/// BAR0 as the server describes it.
pub(crate) struct Bar0 {
    pub(crate) bytes: u64,
    /// What of it can be mapped, and where in the file.
    areas: Vec<Area>,
    file: Option<OwnedFd>,
}

struct Area {
    offset: u64,
    bytes: usize,
    file_offset: u64,
}

impl Bar0 {
    /// Maps what can be mapped.
    pub(crate) fn map(&self) -> Result<Registers, String> {
        let Some(file) = &self.file else {
            return Ok(Registers::default());
        };
        let pages = self.areas.iter().map(|area| {
            MappedPages::new(file.as_fd(), area.file_offset, area.offset, area.bytes)
                .map_err(|error| error.to_string())
        });
        Ok(Registers::new(pages.collect::<Result<_, _>>()?))
    }

    /// Maps the same parts as `registers`, in their place; false when the server offers others now.
    pub(crate) fn map_over(&self, registers: &Registers) -> bool {
        let areas = self.areas.iter().map(|area| (area.offset, area.bytes));
        let same = areas.eq(registers.pages().iter().map(MappedPages::place));
        same && self
            .areas
            .iter()
            .zip(registers.pages())
            .all(|(area, pages)| {
                self.file
                    .as_ref()
                    .is_some_and(|file| pages.replace(file.as_fd(), area.file_offset).is_ok())
            })
    }
}

impl Connected {
    /// Takes a connection over: negotiates, and looks at what is served.
    pub(crate) fn new(stream: UnixStream) -> Result<Self, Obstacle> {
        let limits = Limits {
            message_fds: 16,
            ..Limits::default()
        };
        let link = Link::new(stream, limits).map_err(|error| {
            Obstacle::Protocol("starting the connection's thread", error.to_string())
        })?;
        let message_fds = negotiate(&link)
            .map_err(|reason| Obstacle::Protocol("agreeing on a version", reason))?
            .max_msg_fds;
        let connected = Self { link, message_fds };
        connected.check_device()?;
        Ok(connected)
    }

    fn check_device(&self) -> Result<(), Obstacle> {
        let step = |step| move |error: LinkError| Obstacle::Protocol(step, show(&error));
        let ask = DeviceInfo {
            argsz: size_of::<DeviceInfo>() as u32,
            ..DeviceInfo::default()
        };
        let info: DeviceInfo = self
            .ask(Command::DeviceGetInfo, &ask)
            .map_err(step("asking for the device"))?;
        if info.flags & DEVICE_PCI == 0 {
            let reason = "what is served is no PCI device".to_owned();
            return Err(Obstacle::Unsuitable(reason));
        }
        let mut revision_and_class = [0; 4];
        self.read_region(CONFIG, REVISION_AND_CLASS, &mut revision_and_class)
            .map_err(step("reading configuration space"))?;
        let class = class_code(u32::from_le_bytes(revision_and_class));
        not_nvme(class).map_or(Ok(()), |reason| Err(Obstacle::Unsuitable(reason)))
    }

    /// The connection itself.
    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    /// Asks for something of a fixed size.
    fn ask<Q, A>(&self, command: Command, question: &Q) -> Result<A, LinkError>
    where
        Q: IntoBytes + Immutable,
        A: FromBytes + KnownLayout + Immutable,
    {
        let (reply, _) = self.link.call(command, &[question.as_bytes()], &[])?;
        payload(&reply).map_err(|_| too_short(command, &reply))
    }

    pub(crate) fn read_region(
        &self,
        region: u32,
        offset: u64,
        data: &mut [u8],
    ) -> Result<(), LinkError> {
        let access = RegionAccess {
            offset,
            region,
            count: data.len() as u32,
        };
        let (reply, _) = self
            .link
            .call(Command::RegionRead, &[access.as_bytes()], &[])?;
        let read = reply.get(size_of::<RegionAccess>()..).unwrap_or_default();
        if read.len() < data.len() {
            return Err(too_short(Command::RegionRead, &reply));
        }
        data.copy_from_slice(&read[..data.len()]);
        Ok(())
    }

    pub(crate) fn write_region(
        &self,
        region: u32,
        offset: u64,
        data: &[u8],
    ) -> Result<(), LinkError> {
        let access = RegionAccess {
            offset,
            region,
            count: data.len() as u32,
        };
        let parts = [access.as_bytes(), data];
        if region == BAR0 && offset >= DOORBELLS {
            return self.link.post(Command::RegionWrite, &parts);
        }
        self.link.call(Command::RegionWrite, &parts, &[]).map(drop)
    }

    /// Lets the function answer memory accesses and send requests.
    pub(crate) fn enable(&self) -> Result<(), LinkError> {
        let mut command = [0; 2];
        self.read_region(CONFIG, COMMAND, &mut command)?;
        let command = u16::from_le_bytes(command) | COMMAND_MEMORY | COMMAND_BUS_MASTER;
        self.write_region(CONFIG, COMMAND, &command.to_le_bytes())
    }

    /// How many MSI-X vectors there are.
    pub(crate) fn vectors(&self) -> Result<u32, Obstacle> {
        let ask = IrqInfo {
            argsz: size_of::<IrqInfo>() as u32,
            index: MSIX,
            ..IrqInfo::default()
        };
        self.ask::<_, IrqInfo>(Command::DeviceGetIrqInfo, &ask)
            .map(|info| info.count)
            .map_err(|error| Obstacle::Protocol("asking for interrupts", show(&error)))
    }

    /// The size of BAR0, and what of it the server lets this process map.
    pub(crate) fn bar0(&self) -> Result<Bar0, String> {
        let ask = RegionInfo {
            argsz: REGION_INFO_BYTES,
            index: BAR0,
            ..RegionInfo::default()
        };
        let reply = self
            .link
            .call(Command::DeviceGetRegionInfo, &[ask.as_bytes()], &[]);
        let (reply, fds): Reply = reply.map_err(|error| show(&error))?;
        let (info, mut areas) = decode_region_info(&reply).map_err(|error| error.to_string())?;
        let bytes = info.size;
        let Some(file) = fds.into_iter().next().filter(|_| info.flags & MMAP != 0) else {
            let (areas, file) = (vec![], None);
            return Ok(Bar0 { bytes, areas, file });
        };
        if areas.is_empty() {
            areas.push(SparseArea {
                offset: 0,
                size: bytes,
            });
        }
        let areas = areas
            .into_iter()
            .filter(|area| area.size > 0)
            .map(|area| place_of(&info, area, file.as_fd()))
            .collect::<Result<_, _>>()?;
        let file = Some(file);
        Ok(Bar0 { bytes, areas, file })
    }

    /// Lets the device reach `memory` at `iova`.
    pub(crate) fn map(&self, memory: &HostMemory, iova: u64) -> Result<(), String> {
        let map = DmaMap {
            argsz: size_of::<DmaMap>() as u32,
            flags: DMA_READABLE | DMA_WRITABLE,
            offset: 0,
            address: iova,
            size: memory.bytes() as u64,
        };
        let file = memory.file().ok_or("memory that is not shared")?;
        // Before the server may ask for it.
        self.link.memory().add(memory, iova);
        let mapped = self.link.call(Command::DmaMap, &[map.as_bytes()], &[file]);
        mapped.map(drop).map_err(|error| {
            self.link.memory().remove(iova);
            show(&error)
        })
    }

    /// Ends that.
    pub(crate) fn unmap(&self, memory: &HostMemory, iova: u64) {
        let unmap = DmaUnmap {
            argsz: size_of::<DmaUnmap>() as u32,
            flags: 0,
            address: iova,
            size: memory.bytes() as u64,
        };
        let _ = self.link.call(Command::DmaUnmap, &[unmap.as_bytes()], &[]);
        self.link.memory().remove(iova);
    }

    /// Has MSI-X vector n signal `events[n]`.
    pub(crate) fn enable_interrupts(&self, events: &[BorrowedFd<'_>]) -> Result<(), LinkError> {
        let most = self.message_fds.clamp(1, MOST_VECTORS) as usize;
        for (index, part) in events.chunks(most).enumerate() {
            let start = (index * most) as u32;
            let set = IrqSet::eventfds(MSIX, Action::Trigger, start, part.len() as u32);
            self.link
                .call(Command::DeviceSetIrqs, &[set.as_bytes()], part)?;
        }
        Ok(())
    }
}

/// Says hello, and takes what the server has.
fn negotiate(link: &Link) -> Result<Capabilities, String> {
    let own = Version::new(Capabilities {
        max_msg_fds: 16,
        ..Capabilities::default()
    });
    let reply = link.call(Command::Version, &[&own.encode()], &[]);
    let (reply, _) = reply.map_err(|error| match error {
        LinkError::Gone(reason) => {
            format!("{reason}; a function takes one client at a time: has another one got it?")
        }
        LinkError::Refused(error) => error.to_string(),
    })?;
    let theirs = Version::decode(&reply).map_err(|error| error.to_string())?;
    if theirs.major != own.major {
        return Err(format!(
            "the server speaks version {}.{}, this client {}.{}",
            theirs.major, theirs.minor, own.major, own.minor
        ));
    }
    Ok(theirs.capabilities)
}

pub(crate) fn show(error: &LinkError) -> String {
    match error {
        LinkError::Refused(error) => error.to_string(),
        LinkError::Gone(reason) => reason.clone(),
    }
}

fn too_short(command: Command, reply: &[u8]) -> LinkError {
    let bytes = reply.len();
    LinkError::Gone(format!(
        "its server has answered {command:?} with {bytes} bytes: too few"
    ))
}

/// Where a part of BAR0 is; the file must hold all of it, or a store would kill this process.
fn place_of(info: &RegionInfo, area: SparseArea, file: BorrowedFd<'_>) -> Result<Area, String> {
    let SparseArea { offset, size } = area;
    let place = info
        .offset
        .checked_add(offset)
        .ok_or("an area beyond 2^64")?;
    let inside = offset.checked_add(size).is_some_and(|end| end <= info.size);
    let length = rustix::fs::fstat(file)
        .map_err(|error| error.to_string())?
        .st_size;
    if !inside
        || place
            .checked_add(size)
            .is_none_or(|end| end > length as u64)
    {
        return Err(format!(
            "the server offers {size:#x} bytes at {offset:#x} of a BAR0 of {:#x} bytes, in a file of \
             {length:#x}: they are not there",
            info.size
        ));
    }
    Ok(Area {
        offset,
        bytes: size as usize,
        file_offset: place,
    })
}
