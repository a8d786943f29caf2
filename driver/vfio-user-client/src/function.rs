//! A served function: what `nvme-hosted` needs of it, by messages.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;

use nvme_driver::TransportError;
use nvme_hosted::config_space::{
    COMMAND, COMMAND_BUS_MASTER, COMMAND_MEMORY, REVISION_AND_CLASS, class_code, not_nvme,
};
use nvme_hosted::{
    FunctionAccess, FunctionDescription, HostMemory, HostedOptions, HostedTransport, IovaRange,
    MappedPages, MemoryKind, Registers,
};
use vfio_user_wire::irq::{Action, IrqInfo, IrqSet, MSIX};
use vfio_user_wire::message::{
    DEVICE_PCI, DMA_READABLE, DMA_WRITABLE, DeviceInfo, DmaMap, DmaUnmap, RegionAccess,
};
use vfio_user_wire::region::{BAR0, CONFIG, MMAP, RegionInfo, SparseArea, decode_region_info};
use vfio_user_wire::{Capabilities, Command, Limits, Version, payload};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::connect::connect;
use crate::error::VfioUserError;
use crate::link::{Link, LinkError, Reply};

/// First doorbell (NVMe 1.1 §3.1): from here on, writes by message want no reply.
const DOORBELLS: u64 = 0x1000;
/// Bus addresses of DMA memory. Any would do.
const IOVA: IovaRange = IovaRange {
    first: 4 << 30,
    last: (1 << 39) - 1,
};
/// Room for the capabilities of a region.
const REGION_INFO_BYTES: u32 = 4096;
/// Most vectors that fit one message with their descriptors, if the server takes as many.
const MOST_VECTORS: u64 = 64;

/// Connects to the function behind `socket`, named `name` in messages.
///
/// # Errors
/// There is no server, or what it serves is no NVMe controller.
pub fn open(
    socket: &Path,
    name: &str,
    options: HostedOptions,
) -> Result<HostedTransport, VfioUserError> {
    let stream = connect(socket)?;
    let failed = |step, reason: String| VfioUserError::Protocol {
        socket: socket.to_owned(),
        step,
        reason,
    };
    let limits = Limits {
        message_fds: 16,
        ..Limits::default()
    };
    let link = Link::new(stream, limits)
        .map_err(|error| failed("starting the connection's thread", error.to_string()))?;
    let mut function = ServedFunction {
        link,
        name: name.to_owned(),
        message_fds: 1,
    };
    let step = |step| move |error: LinkError| failed(step, show(&error));
    function.message_fds = negotiate(&function.link)
        .map_err(|reason| failed("agreeing on a version", reason))?
        .max_msg_fds;
    let ask = DeviceInfo {
        argsz: size_of::<DeviceInfo>() as u32,
        ..DeviceInfo::default()
    };
    let info: DeviceInfo = function
        .ask(Command::DeviceGetInfo, &ask)
        .map_err(step("asking for the device"))?;
    let unsuitable = |reason: String| VfioUserError::Unsuitable {
        socket: socket.to_owned(),
        reason,
    };
    if info.flags & DEVICE_PCI == 0 {
        return Err(unsuitable("what is served is no PCI device".to_owned()));
    }
    let mut revision_and_class = [0; 4];
    function
        .read_region(CONFIG, REVISION_AND_CLASS, &mut revision_and_class)
        .map_err(step("reading configuration space"))?;
    let class = class_code(u32::from_le_bytes(revision_and_class));
    if let Some(reason) = not_nvme(class) {
        return Err(unsuitable(reason));
    }
    let (bar0_bytes, registers) = function
        .map_registers()
        .map_err(|reason| failed("asking for BAR0", reason))?;
    let ask = IrqInfo {
        argsz: size_of::<IrqInfo>() as u32,
        index: MSIX,
        ..IrqInfo::default()
    };
    let vectors = function
        .ask::<_, IrqInfo>(Command::DeviceGetIrqInfo, &ask)
        .map_err(step("asking for interrupts"))?
        .count;
    function.enable().map_err(step("enabling bus mastering"))?;
    let description = FunctionDescription {
        name: name.to_owned(),
        bar0_bytes,
        registers,
        vectors: u64::from(vectors).min(MOST_VECTORS) as u16,
        iova: vec![IOVA],
        memory: MemoryKind::Shared,
    };
    Ok(HostedTransport::new(
        description,
        Arc::new(function),
        options,
    ))
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

fn show(error: &LinkError) -> String {
    match error {
        LinkError::Refused(error) => error.to_string(),
        LinkError::Gone(reason) => reason.clone(),
    }
}

struct ServedFunction {
    link: Link,
    name: String,
    /// Descriptors that the server takes with one message.
    message_fds: u64,
}

impl ServedFunction {
    /// Asks for something of a fixed size.
    fn ask<Q, A>(&self, command: Command, question: &Q) -> Result<A, LinkError>
    where
        Q: IntoBytes + Immutable,
        A: FromBytes + KnownLayout + Immutable,
    {
        let (reply, _) = self.link.call(command, &[question.as_bytes()], &[])?;
        payload(&reply).map_err(|_| too_short(command, &reply))
    }

    fn read_region(&self, region: u32, offset: u64, data: &mut [u8]) -> Result<(), LinkError> {
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

    fn write_region(&self, region: u32, offset: u64, data: &[u8]) -> Result<(), LinkError> {
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
    fn enable(&self) -> Result<(), LinkError> {
        let mut command = [0; 2];
        self.read_region(CONFIG, COMMAND, &mut command)?;
        let command = u16::from_le_bytes(command) | COMMAND_MEMORY | COMMAND_BUS_MASTER;
        self.write_region(CONFIG, COMMAND, &command.to_le_bytes())
    }

    /// The size of BAR0, and what of it the server lets this process map.
    fn map_registers(&self) -> Result<(u64, Registers), String> {
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
        let Some(file) = fds.first().filter(|_| info.flags & MMAP != 0) else {
            return Ok((info.size, Registers::default()));
        };
        if areas.is_empty() {
            areas.push(SparseArea {
                offset: 0,
                size: info.size,
            });
        }
        let pages = areas
            .into_iter()
            .filter(|area| area.size > 0)
            .map(|area| map_area(&info, area, file.as_fd()))
            .collect::<Result<_, _>>()?;
        Ok((info.size, Registers::new(pages)))
    }

    fn error(&self, error: LinkError) -> TransportError {
        let device = self.name.clone();
        match error {
            LinkError::Gone(reason) => TransportError::DeviceGone { device, reason },
            LinkError::Refused(error) => TransportError::Failed {
                device,
                reason: error.to_string(),
            },
        }
    }
}

fn too_short(command: Command, reply: &[u8]) -> LinkError {
    let bytes = reply.len();
    LinkError::Gone(format!(
        "its server has answered {command:?} with {bytes} bytes: too few"
    ))
}

/// Maps a part of BAR0; the file must hold all of it, or a store would kill this process.
fn map_area(
    info: &RegionInfo,
    area: SparseArea,
    file: BorrowedFd<'_>,
) -> Result<MappedPages, String> {
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
    MappedPages::new(file, place, offset, size as usize).map_err(|error| error.to_string())
}

impl FunctionAccess for ServedFunction {
    fn read(&self, offset: u64, data: &mut [u8]) -> Result<(), TransportError> {
        self.read_region(BAR0, offset, data)
            .map_err(|error| self.error(error))
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), TransportError> {
        self.write_region(BAR0, offset, data)
            .map_err(|error| self.error(error))
    }

    fn map(&self, memory: &HostMemory, iova: u64) -> Result<(), String> {
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

    fn unmap(&self, memory: &HostMemory, iova: u64) {
        let unmap = DmaUnmap {
            argsz: size_of::<DmaUnmap>() as u32,
            flags: 0,
            address: iova,
            size: memory.bytes() as u64,
        };
        let _ = self.link.call(Command::DmaUnmap, &[unmap.as_bytes()], &[]);
        self.link.memory().remove(iova);
    }

    fn enable_interrupts(&self, events: &[BorrowedFd<'_>]) -> Result<(), TransportError> {
        let most = self.message_fds.clamp(1, MOST_VECTORS) as usize;
        for (index, part) in events.chunks(most).enumerate() {
            let start = (index * most) as u32;
            let set = IrqSet::eventfds(MSIX, Action::Trigger, start, part.len() as u32);
            self.link
                .call(Command::DeviceSetIrqs, &[set.as_bytes()], part)
                .map_err(|error| self.error(error))?;
        }
        Ok(())
    }

    fn reset(&self) -> Result<(), TransportError> {
        let reset = self.link.call(Command::DeviceReset, &[], &[]);
        reset
            .and_then(|_| self.enable())
            .map_err(|error| self.error(error))
    }

    fn answers(&self) -> bool {
        self.link.over().is_none()
    }

    fn gone(&self) -> Option<String> {
        self.link.over()
    }
}
