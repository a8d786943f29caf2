//! Host memory that one function can reach.

use pcie_host::endpoint::FunctionId;
use pcie_host::{Host, HostBuffer};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// Bytes that a seed stands for: no two seeds, offsets or blocks look alike.
pub fn pattern(seed: u64, bytes: usize) -> Vec<u8> {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let mut data = vec![0; bytes];
    random.fill(&mut data[..]);
    data
}

/// Host memory at a bus address of one function; unmapped and freed when dropped.
pub struct Buffer {
    pub(super) host: Host,
    pub(super) function: FunctionId,
    pub(super) memory: HostBuffer,
    /// Bus address of the first byte, a multiple of 4 KiB.
    pub address: u64,
}

impl Buffer {
    /// Bytes.
    pub fn len(&self) -> usize {
        self.memory.len()
    }

    /// Never.
    pub fn is_empty(&self) -> bool {
        self.memory.is_empty()
    }

    /// Stores bytes at an offset.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        self.memory.write(offset, bytes);
    }

    /// Fills all of it with a [`pattern`].
    pub fn fill(&self, seed: u64) {
        self.memory.write(0, &pattern(seed, self.len()));
    }

    /// The bytes of a range.
    pub fn read(&self, offset: usize, bytes: usize) -> Vec<u8> {
        let mut data = vec![0; bytes];
        self.memory.read(offset, &mut data);
        data
    }

    /// A little-endian word.
    pub fn read_u32(&self, offset: usize) -> u32 {
        let mut bytes = [0; 4];
        self.memory.read(offset, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    /// Stores little-endian 64-bit words, such as PRP entries.
    pub fn write_u64s(&self, offset: usize, words: &[u64]) {
        for (index, word) in words.iter().enumerate() {
            self.memory.write(offset + 8 * index, &word.to_le_bytes());
        }
    }

    /// Takes the memory away from the function, as a host does that is done with a buffer.
    pub fn unmap(&self) {
        self.host
            .unmap(self.function, self.address, self.len() as u64)
            .expect("the buffer was mapped");
    }
}
