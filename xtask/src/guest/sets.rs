//! All sets of checks.

use super::device::{Device, Layout};
use super::set::{Limit, Must, Set};

/// QEMU's own device shows that a script is right, and is left out of what is run by default.
const ALL: &[Device] = &[Device::Qemu, Device::Model, Device::Rtl];
const QUICK: &[Device] = &[Device::Qemu, Device::Model];
const SERVED: &[Device] = &[Device::Model];
const NVME_CLI: &str = "usr/sbin/nvme";
const LSPCI: &str = "usr/bin/lspci";
const FIO: &str = "usr/bin/fio";

/// What most sets have in common.
const PLAIN: Set = Set {
    name: "",
    about: "",
    script: "",
    devices: QUICK,
    layout: Layout::One,
    modules: &["nvme"],
    programs: &[],
    our_programs: false,
    musts: &[],
};

pub(crate) const SETS: &[Set] = &[
    Set {
        name: "probe",
        about: "a boot to /dev/nvme0n1, and a write that reads back",
        script: "probe.sh",
        devices: ALL,
        musts: &[
            must("probe", Device::Model, Limit::AtMost(2.0)),
            must("probe", Device::Rtl, Limit::AtMost(60.0)),
        ],
        ..PLAIN
    },
    Set {
        name: "nvme-cli",
        about: "lspci -vv, and nvme-cli's commands",
        script: "nvme-cli.sh",
        devices: ALL,
        programs: &[NVME_CLI, LSPCI],
        ..PLAIN
    },
    Set {
        name: "fio",
        about: "fio with checksums: 4 KiB to 128 KiB, mixed, several jobs, depths 1 to 64",
        script: "fio.sh",
        devices: ALL,
        programs: &[FIO],
        ..PLAIN
    },
    Set {
        name: "file systems",
        about: "ext4 and xfs: made, filled, left, mounted again, checked",
        script: "file-systems.sh",
        modules: &["nvme", "ext4", "xfs", "crc32c_generic", "crc32c_intel"],
        programs: &[
            "usr/sbin/mke2fs",
            "usr/sbin/e2fsck",
            "usr/sbin/mkfs.xfs",
            "usr/sbin/xfs_repair",
        ],
        ..PLAIN
    },
    Set {
        name: "resets",
        about: "controller resets and function-level resets under I/O",
        script: "resets.sh",
        devices: ALL,
        programs: &[FIO],
        ..PLAIN
    },
    Set {
        name: "hot plug",
        about: "a device plugged into a running guest, and pulled out",
        script: "hot-plug.sh",
        layout: Layout::Empty,
        ..PLAIN
    },
    Set {
        name: "server killed",
        about: "the device dies under I/O, and comes back with its data",
        script: "server-killed.sh",
        devices: SERVED,
        layout: Layout::Empty,
        ..PLAIN
    },
    Set {
        name: "sr-iov",
        about: "a VF by the kernel's own SR-IOV, beside its PF",
        script: "sr-iov.sh",
        devices: SERVED,
        layout: Layout::SrIov,
        programs: &[NVME_CLI, LSPCI, "usr/bin/setpci"],
        ..PLAIN
    },
    Set {
        name: "vfio",
        about: "our driver and store on the guest's own vfio-pci, behind an IOMMU",
        script: "vfio.sh",
        devices: SERVED,
        layout: Layout::BehindIommu,
        modules: &["vfio_pci", "vfio_iommu_type1"],
        our_programs: true,
        ..PLAIN
    },
    Set {
        name: "two hosts",
        about: "two guests, each with a VF: a shared namespace, and no update lost",
        script: "two-hosts.sh",
        devices: SERVED,
        layout: Layout::TwoHosts,
        modules: &["nvme", "vfio_pci", "vfio_iommu_type1"],
        our_programs: true,
        ..PLAIN
    },
    Set {
        name: "peer",
        about: "4 KiB random reads: ours ÷ QEMU's own NVMe device, in the same guest",
        script: "against-peer.sh",
        layout: Layout::WithPeer,
        programs: &[FIO],
        musts: &[
            must("ratio-depth-1", Device::Model, Limit::AtLeast(0.8)),
            must("ratio-depth-32", Device::Model, Limit::AtLeast(0.8)),
        ],
        ..PLAIN
    },
];

const fn must(figure: &'static str, device: Device, limit: Limit) -> Must {
    Must {
        figure,
        device,
        limit,
    }
}
