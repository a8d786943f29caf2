//! What the kernel says of a PCI device in its files.

use std::fs;
use std::path::{Path, PathBuf};

use nvme_hosted::IovaRange;
use nvme_hosted::config_space::CLASS_NVME;

/// Where DMA memory goes: beyond what firmware and old devices use, and within the narrowest IOMMU
/// (39 bits).
const IOVA: IovaRange = IovaRange {
    first: 4 << 30,
    last: (1 << 39) - 1,
};

/// One PCI device below `sys/bus/pci/devices`.
#[derive(Clone, Debug)]
pub(crate) struct SysfsDevice {
    root: PathBuf,
    address: String,
}

impl SysfsDevice {
    /// The device at `address`, on the machine whose files are below `root`.
    pub(crate) fn new(root: &Path, address: &str) -> Self {
        Self {
            root: root.to_owned(),
            address: address.to_owned(),
        }
    }

    /// Its folder.
    pub(crate) fn path(&self) -> PathBuf {
        self.devices().join(&self.address)
    }

    fn devices(&self) -> PathBuf {
        self.root.join("sys/bus/pci/devices")
    }

    pub(crate) fn exists(&self) -> bool {
        self.path().exists()
    }

    /// Base class, sub-class and programming interface.
    pub(crate) fn class_code(&self) -> Option<u32> {
        let text = fs::read_to_string(self.path().join("class")).ok()?;
        u32::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
    }

    /// The driver that has the device.
    pub(crate) fn driver(&self) -> Option<String> {
        link_name(&self.path().join("driver"))
    }

    /// Number of its IOMMU group.
    pub(crate) fn group(&self) -> Option<String> {
        link_name(&self.path().join("iommu_group"))
    }

    /// Name of its own device file, such as `vfio0`, where the kernel has such files.
    pub(crate) fn device_file(&self) -> Option<String> {
        let entry = fs::read_dir(self.path().join("vfio-dev"))
            .ok()?
            .next()?
            .ok()?;
        entry.file_name().into_string().ok()
    }

    /// The other devices of its group, bridges left out, each with its driver.
    pub(crate) fn others_in_group(&self) -> Vec<(String, Option<String>)> {
        let Ok(entries) = fs::read_dir(self.path().join("iommu_group/devices")) else {
            return Vec::new();
        };
        let mut others: Vec<_> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|address| *address != self.address)
            .map(|address| Self::new(&self.root, &address))
            .filter(|other| other.class_code().is_none_or(|class| class >> 16 != BRIDGE))
            .map(|other| (other.address.clone(), other.driver()))
            .collect();
        others.sort();
        others
    }

    /// Where DMA memory may be mapped: what the IOMMU reserves for itself is left out.
    pub(crate) fn iova(&self) -> Vec<IovaRange> {
        let reserved = fs::read_to_string(self.path().join("iommu_group/reserved_regions"));
        without(IOVA, &parse_reserved(&reserved.unwrap_or_default()))
    }

    /// The NVMe controllers of the machine.
    pub(crate) fn nvme_controllers(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.devices()) else {
            return Vec::new();
        };
        let mut found: Vec<_> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|address| Self::new(&self.root, address).class_code() == Some(CLASS_NVME))
            .collect();
        found.sort();
        found
    }
}

/// Base class of bridges.
const BRIDGE: u32 = 0x06;

fn link_name(link: &Path) -> Option<String> {
    fs::read_link(link)
        .ok()?
        .file_name()?
        .to_str()
        .map(str::to_owned)
}

/// Lines such as `0x00000000fee00000 0x00000000feefffff msi`; what does not look like that is skipped.
fn parse_reserved(text: &str) -> Vec<IovaRange> {
    let number = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (first, last) = (number(words.next()?)?, number(words.next()?)?);
            (first <= last).then_some(IovaRange { first, last })
        })
        .collect()
}

/// `whole` without `reserved`.
fn without(whole: IovaRange, reserved: &[IovaRange]) -> Vec<IovaRange> {
    let mut left = vec![whole];
    for hole in reserved {
        left = left
            .into_iter()
            .flat_map(|range| {
                let before = (hole.first > range.first).then(|| IovaRange {
                    first: range.first,
                    last: range.last.min(hole.first - 1),
                });
                let after = (hole.last < range.last).then(|| IovaRange {
                    first: range.first.max(hole.last + 1),
                    last: range.last,
                });
                [before, after].into_iter().flatten()
            })
            .collect();
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_iommu_reserves_is_left_out() {
        let text = "0x00000000fee00000 0x00000000feefffff msi\n\
                    0x0000000200000000 0x00000002000fffff direct\n\
                    0x0000007000000000 0xffffffffffffffff reserved\nnonsense\n";
        let ranges = without(IOVA, &parse_reserved(text));
        let range = |first, last| IovaRange { first, last };
        assert_eq!(
            ranges,
            [
                range(4 << 30, 0x1_ffff_ffff),
                range(0x2_0010_0000, 0x6f_ffff_ffff)
            ]
        );
        assert_eq!(without(IOVA, &[]), [IOVA]);
        assert_eq!(without(IOVA, &[range(0, u64::MAX)]), []);
    }
}
