//! What is checked: sets of checks, each one boot of a guest (or of two), each on one or more devices.

use std::path::Path;

/// The device a guest has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Device {
    /// QEMU's own: what the harness and the scripts themselves are tried on.
    Qemu,
    /// The cycle model, served.
    #[expect(dead_code, reason = "waits for `rdstore device serve`")]
    Model,
    /// The Verilog, served.
    #[expect(dead_code, reason = "waits for `rdstore device serve`")]
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

    /// MiB that a test with a lot of I/O writes, and how many times longer than said it may take.
    pub(crate) fn mib_and_patience(self) -> (u32, u32) {
        match self {
            Self::Qemu | Self::Model => (32, 1),
            Self::Rtl => (1, 20),
        }
    }
}

/// Where devices are plugged in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layout {
    /// One function in the first slot.
    One,
    /// An empty slot, and a device to plug in.
    Empty,
    /// One function, and QEMU's own NVMe device in the next slot.
    WithPeer,
    /// Two guests, each with a VF.
    TwoHosts,
}

impl Layout {
    /// Functions that are served.
    pub(crate) fn functions(self) -> u8 {
        match self {
            Self::One | Self::Empty | Self::WithPeer => 1,
            Self::TwoHosts => 3,
        }
    }

    pub(crate) fn guests(self) -> usize {
        if self == Self::TwoHosts { 2 } else { 1 }
    }
}

/// What a figure of a set must be.
pub(crate) struct Must {
    /// As the script names it.
    pub(crate) figure: &'static str,
    pub(crate) devices: &'static [Device],
    pub(crate) limit: Limit,
}

#[derive(Clone, Copy)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Limit {
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }

    pub(crate) fn text(self, unit: &str) -> String {
        match self {
            Self::AtMost(limit) => format!("≤ {limit} {unit}"),
            Self::AtLeast(limit) => format!("≥ {limit} {unit}"),
        }
    }
}

/// Checks that one script runs.
pub(crate) struct Set {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Of `xtask/guest`.
    pub(crate) script: &'static str,
    pub(crate) devices: &'static [Device],
    pub(crate) layout: Layout,
    pub(crate) modules: &'static [&'static str],
    pub(crate) programs: &'static [&'static str],
    pub(crate) musts: &'static [Must],
}

const EVERYWHERE: &[Device] = &[Device::Qemu];
const NVME_CLI: &str = "usr/sbin/nvme";
const LSPCI: &str = "usr/bin/lspci";
const FIO: &str = "usr/bin/fio";

pub(crate) const SETS: &[Set] = &[
    Set {
        name: "probe",
        about: "a boot to /dev/nvme0n1, and a write that reads back",
        script: "probe.sh",
        devices: EVERYWHERE,
        layout: Layout::One,
        modules: &["nvme"],
        programs: &[],
        musts: &[Must {
            figure: "probe",
            devices: EVERYWHERE,
            limit: Limit::AtMost(2.0),
        }],
    },
    Set {
        name: "nvme-cli",
        about: "lspci -vv, and nvme-cli's commands",
        script: "nvme-cli.sh",
        devices: EVERYWHERE,
        layout: Layout::One,
        modules: &["nvme"],
        programs: &[NVME_CLI, LSPCI],
        musts: &[],
    },
    Set {
        name: "fio",
        about: "fio with checksums: 4 KiB to 128 KiB, mixed, several jobs, depths 1 to 64",
        script: "fio.sh",
        devices: EVERYWHERE,
        layout: Layout::One,
        modules: &["nvme"],
        programs: &[FIO],
        musts: &[],
    },
    Set {
        name: "file systems",
        about: "ext4 and xfs: made, filled, left, mounted again, checked",
        script: "file-systems.sh",
        devices: EVERYWHERE,
        layout: Layout::One,
        modules: &["nvme", "ext4", "xfs", "crc32c_generic", "crc32c_intel"],
        programs: &[
            "usr/sbin/mke2fs",
            "usr/sbin/e2fsck",
            "usr/sbin/mkfs.xfs",
            "usr/sbin/xfs_repair",
        ],
        musts: &[],
    },
    Set {
        name: "resets",
        about: "controller resets and function-level resets under I/O",
        script: "resets.sh",
        devices: EVERYWHERE,
        layout: Layout::One,
        modules: &["nvme"],
        programs: &[FIO],
        musts: &[],
    },
    Set {
        name: "hot plug",
        about: "a device plugged into a running guest, and pulled out",
        script: "hot-plug.sh",
        devices: EVERYWHERE,
        layout: Layout::Empty,
        modules: &["nvme"],
        programs: &[],
        musts: &[],
    },
    Set {
        name: "peer",
        about: "4 KiB random reads: ours ÷ QEMU's own NVMe device, in the same guest",
        script: "against-peer.sh",
        devices: EVERYWHERE,
        layout: Layout::WithPeer,
        modules: &["nvme"],
        programs: &[FIO],
        musts: &[
            Must {
                figure: "ratio-depth-1",
                devices: EVERYWHERE,
                limit: Limit::AtLeast(0.8),
            },
            Must {
                figure: "ratio-depth-32",
                devices: EVERYWHERE,
                limit: Limit::AtLeast(0.8),
            },
        ],
    },
];
