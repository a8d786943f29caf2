//! Shapes of data in host memory.

use pcie_host::ReadFault;
use rand::RngExt;

use super::Generator;
use crate::script::{Data, Spoil};

impl Generator {
    /// Bytes of a command: every size from a block to the limit, small ones more often.
    pub(super) fn bytes(&mut self, most: u32) -> u32 {
        let block = self.setup.block_bytes;
        let most = most.min(self.limits.most_bytes).max(block);
        let largest = match self.random.random_range(0..20) {
            0..8 => 4096,
            8..13 => 8192,
            13..17 => 16_384,
            17..19 => 65_536,
            _ => 131_072,
        };
        let largest = largest.min(most).max(block) / block;
        let blocks = match self.random.random_range(0..3) {
            0 => self.random.random_range(1..=largest),
            _ => largest,
        };
        blocks * block
    }

    /// Data of a shape of its own.
    pub(super) fn data(&mut self, bytes: u32, tags: Vec<u64>) -> Data {
        self.bytes_left = self.bytes_left.saturating_sub(u64::from(bytes));
        let offset = match self.random.random_range(0..8) {
            0..4 => 0,
            4 => 4092,
            5 => 512 * self.random.random_range(0..8),
            _ => 4 * self.random.random_range(0..1024),
        };
        let list_offset = match self.random.random_range(0..4) {
            0 => 0,
            1 => 8 * self.random.random_range(0..512),
            // Near the end of its page: chained, where there is more to name.
            _ => 4096 - 8 * self.random.random_range(1..34),
        };
        Data {
            bytes,
            offset,
            scatter: if self.chance(50) {
                self.random.random()
            } else {
                0
            },
            list_offset,
            tags,
            flipped_byte: None,
            spoil: None,
        }
    }

    /// Something is wrong with data that the device reads.
    pub(super) fn spoil(&mut self, data: &Data) -> Spoil {
        let byte = self.random.random_range(0..data.bytes) & !3;
        let has_list = data.pages() > 2;
        match self.random.random_range(0..10) {
            0 => Spoil::Unmapped { byte },
            1 if has_list => Spoil::UnmappedList,
            2 if has_list => Spoil::Misaligned {
                byte: self
                    .random
                    .random_range(4096 - data.offset.min(4095)..data.bytes),
            },
            3 if has_list => {
                let fault = self.read_fault();
                Spoil::ReadOfList { fault }
            }
            _ => {
                let fault = self.read_fault();
                Spoil::Read { byte, fault }
            }
        }
    }

    /// Something is wrong with data that the device writes: only its list is read.
    pub(super) fn spoil_of_read(&mut self, data: &Data) -> Option<Spoil> {
        if data.pages() <= 2 {
            return None;
        }
        Some(match self.random.random_range(0..3) {
            0 => Spoil::UnmappedList,
            1 => Spoil::Misaligned {
                byte: self
                    .random
                    .random_range(4096 - data.offset.min(4095)..data.bytes),
            },
            _ => {
                let fault = self.read_fault();
                Spoil::ReadOfList { fault }
            }
        })
    }

    fn read_fault(&mut self) -> ReadFault {
        // Where cycles are compared, nothing waits for a single read for ages.
        let most = if self.setup.stalls.is_some() {
            20_000
        } else {
            2_000
        };
        let cycles = self.random.random_range(100..most);
        let kind = self.random.random_range(0..6);
        if std::mem::take(&mut self.loses_a_read) {
            return ReadFault::Lost;
        }
        match kind {
            0 => ReadFault::UnsupportedRequest,
            1 => ReadFault::CompleterAbort,
            2 => ReadFault::Timeout {
                after_cycles: cycles,
            },
            3 => ReadFault::Delayed { by_cycles: cycles },
            _ => ReadFault::Poisoned,
        }
    }
}
