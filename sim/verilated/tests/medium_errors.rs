//! A memory that fails: what a command is told, what the medium holds, and what the health log counts.
//! The model's medium never fails, so these are tests of the Verilog alone.

#![cfg(feature = "verilator")]

#[path = "support/handle.rs"]
mod handle;
mod support;

use nvme_conformance::Rig;
use nvme_conformance::rig::{Controller, pattern};
use nvme_rtl::RtlDevice;
use nvme_spec::Status;
use nvme_spec::log_page::{HealthLog, LogPageId};
use pcie_host::Shared;
use pcie_host::endpoint::FunctionId;
use zerocopy::FromBytes;

const SUCCESS: Status = Status::SUCCESS;
const BLOCKS: u64 = 16;
const BAD: u64 = 6;

/// Block `BAD` fails, in the middle of others that are written before.
fn bad_block() -> (Rig, Shared<RtlDevice>, Controller, Vec<u8>) {
    let (rig, device) = handle::rig();
    let mut controller = rig.io_controller(FunctionId(1));
    let size = rig.device.block_bytes as usize;
    let old = pattern(1, BLOCKS as usize * size);
    for (lba, block) in (0..).zip(old.chunks(size)) {
        controller.store(lba, block);
    }
    let start = BAD * size as u64;
    // A beat in its middle is enough.
    device.borrow().set_bad_medium(start + 1024..start + 1025);
    (rig, device, controller, old)
}

fn media_errors(controller: &mut Controller) -> u128 {
    let page = controller.log_page(LogPageId::HEALTH, 512);
    let page = HealthLog::read_from_bytes(&page).expect("512 bytes");
    u128::from_le_bytes(page.media_errors)
}

/// Reads, Compares and pairs that touch the block say so; those beside it do not notice.
#[test]
fn what_cannot_be_read_is_said() {
    let (rig, device, mut controller, old) = bad_block();
    let size = rig.device.block_bytes as usize;
    let buffer = controller.buffer(old.len());
    for first in 0..BLOCKS {
        for count in [1, 2, 4, 8] {
            if first + count > BLOCKS {
                continue;
            }
            let expected = if (first..first + count).contains(&BAD) {
                Status::UNRECOVERED_READ_ERROR
            } else {
                SUCCESS
            };
            buffer.fill(9);
            let read = controller.read(first, count as u32, &buffer);
            assert_eq!(controller.io(read), expected, "Read {first}, {count}");
            let range = first as usize * size..(first + count) as usize * size;
            if expected == SUCCESS {
                assert!(buffer.read(0, count as usize * size) == old[range.clone()]);
            }
            // A Compare may see a difference first; with equal data there is none.
            buffer.write(0, &old[range]);
            let compare = controller.compare(first, count as u32, &buffer);
            assert_eq!(controller.io(compare), expected, "Compare {first}, {count}");
        }
    }
    let (same, new) = (controller.buffer(size), controller.buffer(size));
    same.write(0, &old[BAD as usize * size..][..size]);
    new.fill(3);
    let pair = controller.pair(BAD, 1, &same, &new);
    assert_eq!(
        controller.statuses(1, &pair),
        [Status::UNRECOVERED_READ_ERROR, Status::ABORTED_FAILED_FUSED]
    );
    assert!(rig.medium(0, BLOCKS as u32) == old, "nothing was written");
    device.borrow().set_bad_medium(0..0);
    let pair = controller.pair(BAD, 1, &same, &new);
    assert_eq!(controller.statuses(1, &pair), [SUCCESS; 2]);
}

/// Writes say so, too, whole units stay as they were, and every failure is counted once.
#[test]
fn what_cannot_be_written_is_said_and_counted() {
    let (rig, device, mut controller, old) = bad_block();
    let size = rig.device.block_bytes as usize;
    let before = media_errors(&mut controller);
    let buffer = controller.buffer(old.len());
    for round in 0..8 {
        buffer.fill(100 + round);
        // A page, and all of an atomic unit.
        for (first, count) in [(BAD, 1), (BAD - 2, 4)] {
            let write = controller.write(first, count, &buffer);
            assert_eq!(controller.io(write), Status::WRITE_FAULT);
            assert!(
                rig.medium(first, count) == old[first as usize * size..][..count as usize * size]
            );
        }
        let beside = controller.write(BAD + 8, 1, &buffer);
        assert_eq!(controller.io(beside), SUCCESS);
        assert!(rig.medium(BAD + 8, 1) == buffer.read(0, size));
    }
    assert_eq!(media_errors(&mut controller) - before, 16);
    device.borrow().set_bad_medium(0..0);
    let write = controller.write(BAD - 2, 4, &buffer);
    assert_eq!(controller.io(write), SUCCESS);
    assert!(rig.medium(BAD - 2, 4) == buffer.read(0, 4 * size));
    assert_eq!(media_errors(&mut controller) - before, 16, "none more");
}
