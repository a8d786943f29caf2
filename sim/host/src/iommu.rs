//! What each function can reach: bus addresses to host memory, a page at a time.

use crate::arena::PAGE_BYTES;
use crate::error::HostError;
use crate::interrupt;
use crate::memory::Access;
use crate::report::DmaFaultReason;

/// One run of pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Mapping {
    start: u64,
    end: u64,
    /// Where `start` lies in the arena.
    offset: usize,
    access: Access,
    /// A device write here wakes the host's software.
    queue: bool,
}

/// Where an access goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Target {
    /// Offset in the arena.
    pub(crate) offset: usize,
    /// Queue memory.
    pub(crate) queue: bool,
}

/// The map of one function.
#[derive(Default)]
pub(crate) struct Iommu {
    /// In order of `start`, disjoint.
    mappings: Vec<Mapping>,
    /// Index of the last mapping that was hit by a read, and by a write.
    last: [usize; 2],
}

impl Iommu {
    /// Looks an access up; it must lie inside one mapping that permits it.
    #[inline]
    pub(crate) fn translate(
        &mut self,
        address: u64,
        bytes: u32,
        write: bool,
    ) -> Result<Target, DmaFaultReason> {
        let last = &mut self.last[usize::from(write)];
        let hit = match self.mappings.get(*last) {
            Some(mapping) if mapping.start <= address && address < mapping.end => mapping,
            _ => {
                let after = self
                    .mappings
                    .partition_point(|mapping| mapping.start <= address);
                let index = after.checked_sub(1).ok_or(DmaFaultReason::NotMapped)?;
                *last = index;
                &self.mappings[index]
            }
        };
        if address >= hit.end || hit.end - address < u64::from(bytes) {
            return Err(DmaFaultReason::NotMapped);
        }
        let permitted = match hit.access {
            Access::ReadWrite => true,
            Access::Read => !write,
            Access::Write => write,
        };
        if !permitted {
            return Err(DmaFaultReason::NotPermitted);
        }
        Ok(Target {
            offset: hit.offset + (address - hit.start) as usize,
            queue: hit.queue,
        })
    }

    pub(crate) fn map(
        &mut self,
        start: u64,
        bytes: u64,
        offset: usize,
        access: Access,
        queue: bool,
    ) -> Result<(), HostError> {
        let end = check_range(start, bytes)?;
        let refused = |reason| HostError::InvalidMapping {
            bus_address: start,
            bytes,
            reason,
        };
        if start < interrupt::WINDOW_END && end > interrupt::WINDOW_START {
            return Err(refused("the range holds the interrupt window"));
        }
        let index = self
            .mappings
            .partition_point(|mapping| mapping.start < start);
        let overlaps = self
            .mappings
            .get(index)
            .is_some_and(|next| next.start < end)
            || index
                .checked_sub(1)
                .is_some_and(|before| self.mappings[before].end > start);
        if overlaps {
            return Err(refused(
                "part of the range is mapped already; unmap it first",
            ));
        }
        self.mappings.insert(
            index,
            Mapping {
                start,
                end,
                offset,
                access,
                queue,
            },
        );
        Ok(())
    }

    /// Takes a range away; mappings that reach into it are cut.
    pub(crate) fn unmap(&mut self, start: u64, bytes: u64) -> Result<(), HostError> {
        let end = check_range(start, bytes)?;
        let mut kept = Vec::with_capacity(self.mappings.len() + 1);
        for &mapping in &self.mappings {
            if mapping.end <= start || mapping.start >= end {
                kept.push(mapping);
                continue;
            }
            if mapping.start < start {
                kept.push(Mapping {
                    end: start,
                    ..mapping
                });
            }
            if mapping.end > end {
                let offset = mapping.offset + (end - mapping.start) as usize;
                kept.push(Mapping {
                    start: end,
                    offset,
                    ..mapping
                });
            }
        }
        self.mappings = kept;
        Ok(())
    }

    /// Forgets every mapping of a block of the arena that is being freed.
    pub(crate) fn forget(&mut self, offset: usize, len: usize) {
        self.mappings.retain(|mapping| {
            let mapped = (mapping.end - mapping.start) as usize;
            mapping.offset + mapped <= offset || mapping.offset >= offset + len
        });
    }
}

/// The end of a range of whole pages below 2^64 - 4,096.
fn check_range(start: u64, bytes: u64) -> Result<u64, HostError> {
    let page = PAGE_BYTES as u64;
    let refused = |reason| HostError::InvalidMapping {
        bus_address: start,
        bytes,
        reason,
    };
    if !start.is_multiple_of(page) || !bytes.is_multiple_of(page) || bytes == 0 {
        return Err(refused(
            "address and length must be multiples of 4096, the length not 0",
        ));
    }
    start
        .checked_add(bytes)
        .ok_or_else(|| refused("the range ends beyond 2^64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u64 = 0x10_0000;

    fn mapped(pages: u64) -> Iommu {
        let mut iommu = Iommu::default();
        iommu
            .map(BASE, pages * 4096, 0x8000, Access::ReadWrite, false)
            .expect("free");
        iommu
    }

    #[test]
    fn an_access_must_lie_inside_one_mapping() {
        let mut iommu = mapped(2);
        let target = iommu.translate(BASE + 0x1ffc, 4, true).expect("last dword");
        assert_eq!(target.offset, 0x9ffc);
        for (address, bytes) in [
            (BASE - 4, 4),
            (BASE - 4, 8),
            (BASE + 0x1ffc, 8),
            (BASE + 0x2000, 4),
            (0, 4),
        ] {
            assert_eq!(
                iommu.translate(address, bytes, true),
                Err(DmaFaultReason::NotMapped),
                "{address:#x}+{bytes}"
            );
        }
    }

    #[test]
    fn directions_are_separate() {
        let mut iommu = Iommu::default();
        iommu.map(0, 4096, 0, Access::Read, false).expect("free");
        iommu
            .map(4096, 4096, 4096, Access::Write, true)
            .expect("free");
        assert!(iommu.translate(0, 4, false).is_ok());
        assert_eq!(
            iommu.translate(0, 4, true),
            Err(DmaFaultReason::NotPermitted)
        );
        assert_eq!(
            iommu.translate(4096, 4, false),
            Err(DmaFaultReason::NotPermitted)
        );
        assert!(iommu.translate(4096, 4, true).expect("mapped").queue);
    }

    #[test]
    fn unmapping_the_middle_leaves_both_ends() {
        let mut iommu = mapped(3);
        iommu.unmap(BASE + 4096, 4096).expect("pages");
        assert_eq!(
            iommu.translate(BASE, 4096, false).expect("first").offset,
            0x8000
        );
        assert_eq!(
            iommu
                .translate(BASE + 0x2000, 4096, false)
                .expect("last")
                .offset,
            0xa000
        );
        assert_eq!(
            iommu.translate(BASE + 4096, 4, false),
            Err(DmaFaultReason::NotMapped)
        );
        iommu.forget(0xa000, 4096);
        assert_eq!(
            iommu.translate(BASE + 0x2000, 4, false),
            Err(DmaFaultReason::NotMapped)
        );
        assert!(iommu.translate(BASE, 4, false).is_ok());
    }

    #[test]
    fn refuses_what_an_iommu_refuses() {
        let mut iommu = mapped(2);
        let mut refuse = |start, bytes, why: &str| {
            let error = iommu
                .map(start, bytes, 0, Access::Read, false)
                .expect_err(why);
            assert!(error.to_string().contains(why), "{error}");
        };
        refuse(BASE + 4096, 4096, "mapped already");
        refuse(BASE - 4096, 2 * 4096, "mapped already");
        refuse(BASE - 4096, 4 * 4096, "mapped already");
        refuse(1, 4096, "multiples of 4096");
        refuse(0, 0, "multiples of 4096");
        refuse(u64::MAX - 4095, 8192, "2^64");
        refuse(interrupt::WINDOW_START - 4096, 8192, "interrupt window");
    }
}
