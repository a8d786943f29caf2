//! Pairs whose halves are split by something that must not matter.

use nvme_spec::{Status, SubmissionEntry};
use pcie_host::endpoint::FunctionId;

use super::{Block, SUCCESS};
use crate::rig::{Factory, Rig};

/// The halves come with two doorbells, long apart: the pair is one all the same, and meanwhile
/// neither the medium nor any other queue notices.
pub fn across_two_doorbells(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    controller.create_queue_pair(2, 8);
    let mut other = rig.io_controller(FunctionId(1));
    let block = Block::stored(&mut controller, 11);
    let [compare, write] = controller.pair(11, 1, &block.old, &block.new);

    let first = controller.submit(1, &[compare])[0];
    rig.run(50_000);
    assert!(
        controller.take(1, first).is_none(),
        "the first must wait for what follows it"
    );
    // It holds no lock and no turn: the same block, from another queue and another function.
    let scratch = controller.buffer(4096);
    let read = controller.read(11, 1, &scratch);
    assert_eq!(controller.statuses(2, &[read]), [SUCCESS]);
    assert!(scratch.read(0, 4096) == block.old_bytes);
    let same = other.buffer(4096);
    same.write(0, &block.old_bytes);
    let rewrite = other.write(11, 1, &same);
    assert_eq!(other.io(rewrite), SUCCESS);

    let second = controller.submit(1, &[write])[0];
    assert_eq!(controller.wait(1, first).status(), SUCCESS);
    assert_eq!(controller.wait(1, second).status(), SUCCESS);
    block.assert_written(&rig);
}

/// Between the halves' doorbells somebody else changes the block: the pair compares with what is
/// there when it is executed, not when its first arrived.
pub fn compares_when_complete_not_when_begun(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    controller.create_queue_pair(2, 8);
    let block = Block::stored(&mut controller, 11);
    let [compare, write] = controller.pair(11, 1, &block.old, &block.new);
    let first = controller.submit(1, &[compare])[0];
    rig.run(10_000);
    let third = controller.buffer(4096);
    third.fill(99);
    let overwrite = controller.write(11, 1, &third);
    assert_eq!(controller.statuses(2, &[overwrite]), [SUCCESS]);
    let second = controller.submit(1, &[write])[0];
    assert_eq!(controller.wait(1, first).status(), Status::COMPARE_FAILURE);
    assert_eq!(
        controller.wait(1, second).status(),
        Status::ABORTED_FAILED_FUSED
    );
    assert!(rig.medium(11, 1) == third.read(0, 4096));
}

/// The halves fall into two prefetches, whatever the number of entries that one fetch brings: a
/// pair behind 0 to 40 flushes, all with one doorbell.
pub fn across_two_prefetches(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    controller.create_queue_pair(1, 64);
    let block = Block::stored(&mut controller, 12);
    for before in 0..=40 {
        // A fresh queue each time, so that the number of entries before is the slot of the first.
        controller.delete_queue_pair(1);
        controller.create_queue_pair(1, 64);
        let (old, new) = if before % 2 == 0 {
            (&block.old, &block.new)
        } else {
            (&block.new, &block.old)
        };
        let mut commands = vec![SubmissionEntry::flush(); before];
        commands.extend(controller.pair(12, 1, old, new));
        let statuses = controller.statuses(1, &commands);
        assert!(
            statuses.iter().all(|status| *status == SUCCESS),
            "first in slot {before}"
        );
        if before % 2 == 0 {
            block.assert_written(&rig);
        } else {
            block.assert_unchanged(&rig);
        }
    }
}

/// The first stands in the last slot of the ring, the second in slot 0.
pub fn across_the_wrap(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    controller.create_queue_pair(1, 64);
    let block = Block::stored(&mut controller, 13);
    for entries in [3, 4, 8, 17, 32, 33] {
        for one_doorbell in [true, false] {
            controller.delete_queue_pair(1);
            controller.create_queue_pair(1, entries);
            for _ in 0..entries - 1 {
                assert_eq!(controller.io(SubmissionEntry::flush()), SUCCESS);
            }
            assert_eq!(controller.submission[&1].tail, entries - 1);
            for [compare, write] in [
                controller.pair(13, 1, &block.old, &block.new),
                controller.pair(13, 1, &block.new, &block.old),
            ] {
                let first = controller.post(1, compare);
                if !one_doorbell {
                    controller.ring_doorbell(1);
                    rig.run(2_000);
                }
                let second = controller.submit(1, &[write])[0];
                assert_eq!(
                    controller.wait(1, first).status(),
                    SUCCESS,
                    "ring of {entries}"
                );
                assert_eq!(
                    controller.wait(1, second).status(),
                    SUCCESS,
                    "ring of {entries}"
                );
                for _ in 0..entries - 2 {
                    assert_eq!(controller.io(SubmissionEntry::flush()), SUCCESS);
                }
            }
            block.assert_unchanged(&rig);
        }
    }
}

/// A ring of two slots holds one command: the halves can only come one after the other.
pub fn in_a_ring_of_two_slots(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let block = Block::stored(&mut controller, 14);
    controller.create_completion_queue(2, 8, None);
    controller.create_submission_queue(2, 2, 2);
    // With one slot free the second can be stored only when the first has been fetched, which the
    // host learns from no completion: a first of such a ring waits until its queue is deleted.
    let [compare, _] = controller.pair(14, 1, &block.old, &block.new);
    let first = controller.submit(2, &[compare])[0];
    rig.run(20_000);
    assert!(controller.take(2, first).is_none());
    controller.admin_ok(SubmissionEntry::delete_submission_queue(2));
    block.assert_unchanged(&rig);
    let _ = controller.take(2, first);
    controller.forget_submission_queue(2);
}
