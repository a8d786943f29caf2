//! A function in the kernel's hands: what `nvme-hosted` needs of it, by `vfio-ioctls`.
#![expect(unsafe_code, reason = "device files are lent and driven by descriptor")]

use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use iommufd_ioctls::IommuFd;
use nvme_driver::TransportError;
use nvme_hosted::config_space::{COMMAND, COMMAND_BUS_MASTER, COMMAND_MEMORY};
use nvme_hosted::{
    FunctionAccess, FunctionDescription, HostMemory, HostedOptions, HostedTransport, MappedPages,
    MemoryKind, Registers,
};
use rustix::ioctl::{NoArg, ioctl, opcode};
use rustix::process::{Resource, getrlimit};
use vfio_bindings::bindings::vfio::{
    VFIO_PCI_BAR0_REGION_INDEX, VFIO_PCI_CONFIG_REGION_INDEX, VFIO_PCI_MSIX_IRQ_INDEX,
    VFIO_REGION_INFO_FLAG_MMAP,
};
use vfio_ioctls::{VfioContainer, VfioDevice, VfioIommufd, VfioOps, VfioRegionInfoCap};
use vmm_sys_util::eventfd::EventFd;

use crate::error::VfioError;
use crate::places::{Way, find_way};

/// `VFIO_DEVICE_RESET` of `<linux/vfio.h>`: `_IO(';', 100 + 11)`.
const DEVICE_RESET: rustix::ioctl::Opcode = opcode::none(b';', 111);
/// Vendor ID in configuration space: all ones where no function answers.
const VENDOR_ID: u64 = 0;

/// Takes the function at `address` of the machine whose files are below `root`.
pub(crate) fn open(
    root: &Path,
    address: &str,
    name: &str,
    options: HostedOptions,
) -> Result<HostedTransport, VfioError> {
    let (sysfs, way) = find_way(root, address)?;
    let refused = |step, reason: String| VfioError::Refused {
        address: address.to_owned(),
        step,
        reason,
    };
    let space: Arc<dyn VfioOps> = match way {
        Way::DeviceFile => {
            let iommufd =
                IommuFd::new().map_err(|error| refused("opening /dev/iommu", error.to_string()))?;
            let space = VfioIommufd::new(Arc::new(iommufd), None, None)
                .map_err(|error| refused("making an address space", error.to_string()))?;
            Arc::new(space)
        }
        Way::Group => Arc::new(
            VfioContainer::new(None)
                .map_err(|error| refused("opening a container", error.to_string()))?,
        ),
    };
    let device = VfioDevice::new(&sysfs.path(), Arc::clone(&space), way == Way::DeviceFile)
        .map_err(|error| {
            let busy = error.to_string().contains("busy");
            let help = if busy {
                "; another process uses the device"
            } else {
                ""
            };
            refused("taking the device", format!("{error}{help}"))
        })?;
    let function = KernelFunction {
        bar0_offset: device.get_region_offset(VFIO_PCI_BAR0_REGION_INDEX),
        config_offset: device.get_region_offset(VFIO_PCI_CONFIG_REGION_INDEX),
        name: name.to_owned(),
        sysfs_path: sysfs.path(),
        device: ManuallyDrop::new(device),
        space,
    };
    let failed = |step| move |error: TransportError| refused(step, error.to_string());
    function
        .enable()
        .map_err(failed("enabling bus mastering"))?;
    let device = &function.device;
    let vectors = device
        .get_irq_info(VFIO_PCI_MSIX_IRQ_INDEX)
        .map_or(0, |irq| irq.count);
    let description = FunctionDescription {
        name: name.to_owned(),
        bar0_bytes: device.get_region_size(VFIO_PCI_BAR0_REGION_INDEX),
        registers: map_registers(device)
            .map_err(|error| refused("mapping BAR0", error.to_string()))?,
        vectors: u16::try_from(vectors).unwrap_or(u16::MAX),
        iova: sysfs.iova(),
        memory: MemoryKind::Private,
    };
    Ok(HostedTransport::new(
        description,
        Arc::new(function),
        options,
    ))
}

/// Maps what of BAR0 the kernel lets: all of it, or all but the page of the MSI-X table.
fn map_registers(device: &VfioDevice) -> std::io::Result<Registers> {
    const BAR0: u32 = VFIO_PCI_BAR0_REGION_INDEX;
    if device.get_region_flags(BAR0) & VFIO_REGION_INFO_FLAG_MMAP == 0 {
        return Ok(Registers::default());
    }
    let mut areas = Vec::new();
    for capability in device.get_region_caps(BAR0) {
        if let VfioRegionInfoCap::SparseMmap(sparse) = capability {
            areas.extend(sparse.areas.iter().map(|area| (area.offset, area.size)));
        }
    }
    if areas.is_empty() {
        areas.push((0, device.get_region_size(BAR0)));
    }
    let pages = areas
        .into_iter()
        .filter(|&(_, bytes)| bytes > 0)
        .map(|(offset, bytes)| {
            MappedPages::new(
                file_of(device),
                device.get_region_offset(BAR0) + offset,
                offset,
                bytes as usize,
            )
        });
    pages.collect::<Result<_, _>>().map(Registers::new)
}

fn file_of(device: &VfioDevice) -> BorrowedFd<'_> {
    // SAFETY: the device keeps its file open as long as it is borrowed.
    unsafe { BorrowedFd::borrow_raw(device.as_raw_fd()) }
}

struct KernelFunction {
    name: String,
    sysfs_path: PathBuf,
    bar0_offset: u64,
    config_offset: u64,
    device: ManuallyDrop<VfioDevice>,
    space: Arc<dyn VfioOps>,
}

impl Drop for KernelFunction {
    fn drop(&mut self) {
        // To close a device that was unplugged, `vfio-ioctls` would look for its files and panic: the
        // descriptor is left to the end of the process then.
        if self.sysfs_path.exists() {
            // SAFETY: this is the last use of the field.
            unsafe { ManuallyDrop::drop(&mut self.device) };
        }
    }
}

impl KernelFunction {
    fn failed(&self, what: &str, error: impl std::fmt::Display) -> TransportError {
        TransportError::Failed {
            device: self.name.clone(),
            reason: format!("{what}: {error}"),
        }
    }

    /// Reads exactly `data.len()` bytes of the device's file.
    fn read_at(&self, place: u64, data: &mut [u8]) -> Result<(), TransportError> {
        match rustix::io::pread(file_of(&self.device), &mut *data, place) {
            Ok(bytes) if bytes == data.len() => Ok(()),
            Ok(bytes) => Err(self.failed("reading the device", format!("{bytes} bytes came"))),
            Err(error) => Err(self.failed("reading the device", error)),
        }
    }

    fn write_at(&self, place: u64, data: &[u8]) -> Result<(), TransportError> {
        match rustix::io::pwrite(file_of(&self.device), data, place) {
            Ok(bytes) if bytes == data.len() => Ok(()),
            Ok(bytes) => Err(self.failed("writing the device", format!("{bytes} bytes went"))),
            Err(error) => Err(self.failed("writing the device", error)),
        }
    }

    /// Lets the function answer memory accesses and send requests.
    fn enable(&self) -> Result<(), TransportError> {
        let mut command = [0; 2];
        self.read_at(self.config_offset + COMMAND, &mut command)?;
        let command = u16::from_le_bytes(command) | COMMAND_MEMORY | COMMAND_BUS_MASTER;
        self.write_at(self.config_offset + COMMAND, &command.to_le_bytes())
    }
}

impl FunctionAccess for KernelFunction {
    fn read(&self, offset: u64, data: &mut [u8]) -> Result<(), TransportError> {
        self.read_at(self.bar0_offset + offset, data)
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), TransportError> {
        self.write_at(self.bar0_offset + offset, data)
    }

    fn map(&self, memory: &HostMemory, iova: u64) -> Result<(), String> {
        // SAFETY: the pool unmaps the memory before it is given back; the driver reads and writes what
        // the device may be using through raw pointers only.
        let mapped = unsafe {
            self.space
                .vfio_dma_map(iova, memory.bytes(), memory.pointer())
        };
        mapped.map_err(|error| {
            let limit = match getrlimit(Resource::Memlock).current {
                Some(bytes) => format!("{} KiB", bytes >> 10),
                None => "unlimited".to_owned(),
            };
            format!(
                "the kernel does not map it for the device ({error}); a process may lock {limit} of \
                 memory: raise `ulimit -l`, or memlock in /etc/security/limits.conf"
            )
        })
    }

    fn unmap(&self, memory: &HostMemory, iova: u64) {
        let _ = self.space.vfio_dma_unmap(iova, memory.bytes());
    }

    fn enable_interrupts(&self, events: &[BorrowedFd<'_>]) -> Result<(), TransportError> {
        let copies = events
            .iter()
            .map(|event| {
                let copy = rustix::io::dup(event)
                    .map_err(|error| self.failed("copying an event descriptor", error))?;
                // SAFETY: the copy is an event descriptor that nobody else has.
                Ok(unsafe { EventFd::from_raw_fd(copy.into_raw_fd()) })
            })
            .collect::<Result<Vec<_>, TransportError>>()?;
        self.device
            .enable_msix(copies.iter().collect())
            .map_err(|error| self.failed("arming MSI-X", error))
    }

    fn reset(&self) -> Result<(), TransportError> {
        // SAFETY: the request takes no argument, and the file is a VFIO device.
        unsafe { ioctl(file_of(&self.device), NoArg::<DEVICE_RESET>::new()) }
            .map_err(|error| self.failed("VFIO_DEVICE_RESET (is there no FLR?)", error))?;
        self.enable()
    }

    fn answers(&self) -> bool {
        let mut vendor = [0; 2];
        self.read_at(self.config_offset + VENDOR_ID, &mut vendor)
            .is_ok()
            && vendor != [0xff; 2]
    }

    fn gone(&self) -> Option<String> {
        // A process is not told; a register that reads as all ones is what shows.
        None
    }
}
