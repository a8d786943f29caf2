//! Blocks all over a namespace that is as large as the controller's memory port.

use nvme_spec::{Status, SubmissionEntry};
use pcie_host::HostOptions;
use pcie_host::endpoint::FunctionId;

use super::locks::stamped;
use crate::rig::{DeviceOptions, Factory, Rig};
use crate::scale;

const SUCCESS: Status = Status::SUCCESS;
/// All of 40 address bits; what is never written takes no memory.
const NAMESPACE_BYTES: u64 = 1 << 40;

/// Blocks whose numbers differ in single bits, at both ends, and anywhere: a bit of an address that gets
/// lost puts two of them in one place. Written, compared and swapped, and read again at the end.
pub fn blocks_all_over_a_large_namespace(device: Factory) {
    for block_bytes in [512_u32, 4096] {
        let options = DeviceOptions {
            block_bytes,
            medium_bytes: NAMESPACE_BYTES,
            ..DeviceOptions::default()
        };
        let rig = Rig::build(device, options, HostOptions::default());
        let mut controller = rig.io_controller(FunctionId(1));
        let blocks = rig.blocks();
        assert_eq!(controller.identify_namespace().size_blocks, blocks);
        let mut places = vec![0, blocks - 1];
        let mut bit = 1;
        while bit < blocks {
            places.extend([bit, blocks - 1 - bit]);
            bit <<= 1;
        }
        for number in 1..scale(64, 1_000) {
            places.push(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % blocks);
        }
        places.sort_unstable();
        places.dedup();
        let size = block_bytes as usize;
        let (old, new) = (controller.buffer(size), controller.buffer(size));
        for &lba in &places {
            old.write(0, &stamped(lba + 1, size));
            let write = controller.write(lba, 1, &old);
            assert_eq!(controller.io(write), SUCCESS, "block {lba:#x}");
        }
        // Every second one is swapped, which needs what was written.
        for &lba in places.iter().step_by(2) {
            old.write(0, &stamped(lba + 1, size));
            new.write(0, &stamped(!lba, size));
            let pair = controller.pair(lba, 1, &old, &new);
            assert_eq!(
                controller.statuses(1, &pair),
                [SUCCESS; 2],
                "block {lba:#x}"
            );
        }
        for (index, &lba) in places.iter().enumerate() {
            let stamp = if index % 2 == 0 { !lba } else { lba + 1 };
            let read = controller.read(lba, 1, &new);
            assert_eq!(controller.io(read), SUCCESS, "block {lba:#x}");
            assert!(new.read(0, size) == stamped(stamp, size), "block {lba:#x}");
            assert!(rig.medium(lba, 1) == stamped(stamp, size), "block {lba:#x}");
        }
        for lba in [blocks, blocks + 1, 1 << 32, 1 << 63, u64::MAX] {
            let command = SubmissionEntry::read(lba, 1).with_prps(new.address, 0);
            assert_eq!(controller.io(command), Status::LBA_OUT_OF_RANGE, "{lba:#x}");
        }
    }
}
