//! PCIe functions of this machine through the kernel's VFIO: `vfio:0000:01:00.0`.
//!
//! [`open`] looks at what the kernel says of the device (`sysfs`), says what is missing and what to
//! write where if something is, then takes the function by its own device file and iommufd where the
//! kernel has both, else by its group and a container. BAR0 is mapped, DMA memory is mapped in pieces
//! of 2 MiB (huge pages where the machine has some), MSI-X arrives by event descriptors. No more
//! rights are needed than those on the device file, and a limit of locked memory that suffices.

mod error;
mod function;
mod places;
mod sysfs;

use std::path::Path;

use nvme_hosted::{HostedOptions, HostedTransport};

pub use error::VfioError;

/// Takes the function at `address` (`0000:01:00.0`), named `name` in messages.
///
/// # Errors
/// What is in the way, and the commands that take it out of the way.
pub fn open(
    address: &str,
    name: &str,
    options: HostedOptions,
) -> Result<HostedTransport, VfioError> {
    function::open(Path::new("/"), address, name, options)
}
