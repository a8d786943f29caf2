//! Fused Compare-and-Write (NVMe 1.1 §4.7, §6.2): every rule with a test of its own.

pub mod aborted;
pub mod adjacency;
pub mod atomicity;
pub mod failure;
pub mod outcome;
pub mod split;
pub mod waiting;

use nvme_spec::Status;

use crate::rig::{Buffer, Controller, Rig, pattern};

/// One block on the medium, its content in a buffer, and other content to write over it.
struct Block {
    lba: u64,
    old: Buffer,
    new: Buffer,
    old_bytes: Vec<u8>,
    new_bytes: Vec<u8>,
}

impl Block {
    /// Stores content of seed `lba` in one block of the medium.
    fn stored(controller: &mut Controller, lba: u64) -> Self {
        Self::stored_blocks(controller, lba, 1)
    }

    /// The same for several blocks.
    fn stored_blocks(controller: &mut Controller, lba: u64, blocks: u32) -> Self {
        let bytes = (blocks * controller.block_bytes) as usize;
        let (old_bytes, new_bytes) = (pattern(lba, bytes), pattern(!lba, bytes));
        controller.store(lba, &old_bytes);
        let (old, new) = (controller.buffer(bytes), controller.buffer(bytes));
        old.write(0, &old_bytes);
        new.write(0, &new_bytes);
        Self {
            lba,
            old,
            new,
            old_bytes,
            new_bytes,
        }
    }

    fn blocks(&self, rig: &Rig) -> u32 {
        self.old_bytes.len() as u32 / rig.device.block_bytes
    }

    fn assert_unchanged(&self, rig: &Rig) {
        assert!(
            rig.medium(self.lba, self.blocks(rig)) == self.old_bytes,
            "the medium has changed"
        );
    }

    fn assert_written(&self, rig: &Rig) {
        assert!(
            rig.medium(self.lba, self.blocks(rig)) == self.new_bytes,
            "the Write is not there"
        );
    }

    /// Makes the next pair miscompare: one bit of the expected content differs.
    fn spoil_expectation(&self) {
        let last = self.old_bytes.len() - 1;
        self.old.write(last, &[self.old_bytes[last] ^ 0x80]);
    }
}

const SUCCESS: Status = Status::SUCCESS;
const FAILED_FUSED: Status = Status::ABORTED_FAILED_FUSED;
const MISSING_FUSED: Status = Status::ABORTED_MISSING_FUSED;
