//! The devices a guest can have, and where they are plugged in.

use std::path::Path;

/// The device a guest has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Device {
    /// QEMU's own: what the harness and the scripts themselves are tried on.
    Qemu,
    /// The cycle model, served.
    Model,
    /// The Verilog, served.
    Rtl,
}

impl Device {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Qemu => "qemu",
            Self::Model => "model",
            Self::Rtl => "rtl",
        }
    }

    /// What `rdstore device serve` is to serve, its medium in `file`; `None` for QEMU's own.
    pub(crate) fn uri(self, file: &Path, bytes: u64) -> Option<String> {
        (self != Self::Qemu).then(|| {
            let mib = bytes >> 20;
            format!("{}:{}?size={mib}MiB", self.name(), file.display())
        })
    }

    /// MiB that a check with a lot of I/O writes, and how many times longer than said it may take.
    pub(crate) fn mib_and_patience(self) -> (u32, u32) {
        match self {
            Self::Qemu | Self::Model => (32, 1),
            Self::Rtl => (4, 10),
        }
    }
}

/// Where devices are plugged in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layout {
    /// One function in the first slot.
    One,
    /// One function behind an IOMMU.
    BehindIommu,
    /// An empty slot, and a device to plug in.
    Empty,
    /// One function, and QEMU's own NVMe device in the next slot.
    WithPeer,
    /// The PF with its SR-IOV capability, and beside it the function that becomes its VF.
    SrIov,
    /// Two guests, each with a VF of one device behind an IOMMU.
    TwoHosts,
}

impl Layout {
    /// Functions that are served.
    pub(crate) fn functions(self) -> u8 {
        match self {
            Self::TwoHosts => 3,
            Self::SrIov => 2,
            _ => 1,
        }
    }

    /// More words for the server.
    pub(crate) fn server_options(self) -> &'static [&'static str] {
        match self {
            Self::SrIov => &["--sriov"],
            // Threads are more than cores: a server that spins takes time from the guest. To an emulated processor
            // an interrupt costs more than the read.
            Self::WithPeer => &["--spin-us", "0", "--interrupt-gap-us", "400"],
            _ => &[],
        }
    }

    pub(crate) fn guests(self) -> usize {
        match self {
            Self::TwoHosts => 2,
            _ => 1,
        }
    }

    /// Has the guest an IOMMU?
    pub(crate) fn iommu(self) -> bool {
        matches!(self, Self::BehindIommu | Self::TwoHosts)
    }
}
