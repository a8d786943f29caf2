//! The memory that the server may ask for by message: what was mapped, and nothing else.
#![expect(unsafe_code, reason = "copies to and from DMA memory by address")]

use std::collections::BTreeMap;

use nvme_hosted::HostMemory;

/// Mapped ranges by their first bus address. The memory is kept by whoever mapped it until it is
/// unmapped here.
#[derive(Debug, Default)]
pub(crate) struct MappedMemory {
    /// Bus address to address in this process, and bytes.
    ranges: BTreeMap<u64, (usize, u64)>,
}

impl MappedMemory {
    pub(crate) fn add(&mut self, memory: &HostMemory, iova: u64) {
        let at = memory.pointer().expose_provenance();
        self.ranges.insert(iova, (at, memory.bytes() as u64));
    }

    pub(crate) fn remove(&mut self, iova: u64) {
        self.ranges.remove(&iova);
    }

    /// Where `bytes` bytes at a bus address are in this process.
    fn find(&self, address: u64, bytes: u64) -> Option<*mut u8> {
        let (&first, &(at, length)) = self.ranges.range(..=address).next_back()?;
        let inside = address - first;
        if inside > length || bytes > length - inside {
            return None;
        }
        Some(std::ptr::with_exposed_provenance_mut(at + inside as usize))
    }

    /// Copies `bytes` bytes out; `None` when not all of them are mapped.
    pub(crate) fn read(&self, address: u64, bytes: u64) -> Option<Vec<u8>> {
        let from = self.find(address, bytes)?;
        let mut data = vec![0; bytes as usize];
        // SAFETY: `find` has checked the range against memory that is mapped until `remove`; this
        // value's lock is held meanwhile. The driver may be writing it: then the bytes are old or new
        // ones, as with any device.
        unsafe { from.copy_to_nonoverlapping(data.as_mut_ptr(), data.len()) };
        Some(data)
    }

    /// Copies `data` in; false when not all of the place is mapped.
    pub(crate) fn write(&mut self, address: u64, data: &[u8]) -> bool {
        let Some(to) = self.find(address, data.len() as u64) else {
            return false;
        };
        // SAFETY: as for `read`.
        unsafe { to.copy_from_nonoverlapping(data.as_ptr(), data.len()) };
        true
    }
}

#[cfg(test)]
mod tests {
    use nvme_hosted::MemoryKind;

    use super::*;

    #[test]
    fn only_what_is_mapped_is_reached() {
        let memory = HostMemory::new(1, MemoryKind::Shared).expect("memory");
        let bytes = memory.bytes() as u64;
        let mut mapped = MappedMemory::default();
        assert_eq!(mapped.read(0x1_0000_0000, 4), None);
        mapped.add(&memory, 0x1_0000_0000);
        assert!(mapped.write(0x1_0000_0ffe, &[1, 2, 3]));
        assert_eq!(mapped.read(0x1_0000_0ffd, 4), Some(vec![0, 1, 2, 3]));
        for (address, count) in [
            (0xffff_ffff, 2),
            (0x1_0000_0000 + bytes, 1),
            (0x1_0000_0000 + bytes - 1, 2),
            (0x1_0000_0000, bytes + 1),
            (0x1_0000_0000, u64::MAX),
            (u64::MAX, 1),
        ] {
            assert_eq!(mapped.read(address, count), None, "{address:#x} {count:#x}");
        }
        mapped.remove(0x1_0000_0000);
        assert!(!mapped.write(0x1_0000_0000, &[1]));
    }
}
