//! What is in the way of taking a function, and what helps.

use thiserror::Error;

/// Why a function could not be taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VfioError {
    /// There is no such device.
    #[error("{address}: this machine has no such PCI device; {}", known(.nvme))]
    NoDevice {
        /// What was asked for.
        address: String,
        /// The NVMe controllers there are.
        nvme: Vec<String>,
    },
    /// It is something else.
    #[error("{address}: {reason}")]
    NotNvme {
        /// Which device.
        address: String,
        /// Its class.
        reason: String,
    },
    /// Another driver has the device, or none has.
    #[error(
        "{address}: {}; to hand it to vfio-pci, as root:\n{commands}",
        match .driver {
            Some(driver) => format!("is in the hands of the kernel's driver '{driver}', and whatever is mounted from it would be lost"),
            None => "no driver has it".to_owned(),
        }
    )]
    WrongDriver {
        /// Which device.
        address: String,
        /// Who has it.
        driver: Option<String>,
        /// What to write where.
        commands: String,
    },
    /// The kernel does not protect memory from the device.
    #[error(
        "{address}: is behind no IOMMU, so that the kernel does not let a process use it; switch the \
         IOMMU on in the firmware, and boot with intel_iommu=on (on AMD it is on by itself)"
    )]
    NoIommu {
        /// Which device.
        address: String,
    },
    /// Another device of the same group is in use.
    #[error(
        "{address}: shares IOMMU group {group} with {}, which other drivers have; all of a group go to \
         vfio-pci together (or to no driver)",
        .others.join(", ")
    )]
    SharedGroup {
        /// Which device.
        address: String,
        /// Its group.
        group: String,
        /// The devices in the way, each with its driver.
        others: Vec<String>,
    },
    /// The device file cannot be opened.
    #[error("{address}: {file}: {reason}")]
    DeviceFile {
        /// Which device.
        address: String,
        /// The file.
        file: String,
        /// What the system says and what helps.
        reason: String,
    },
    /// The kernel refuses a step.
    #[error("{address}: {step}: {reason}")]
    Refused {
        /// Which device.
        address: String,
        /// What was tried.
        step: &'static str,
        /// What the kernel says.
        reason: String,
    },
}

fn known(nvme: &[String]) -> String {
    if nvme.is_empty() {
        "it has no NVMe controller at all".to_owned()
    } else {
        format!("its NVMe controllers are {}", nvme.join(", "))
    }
}
