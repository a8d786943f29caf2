//! A first with nothing behind it yet, and what may happen to it; pairs under Abort.

use nvme_spec::{Status, SubmissionEntry};
use pcie_host::ReadFault;
use pcie_host::endpoint::FunctionId;

use super::{Block, FAILED_FUSED, MISSING_FUSED, SUCCESS};
use crate::rig::{Controller, Factory, Rig};

fn with_waiting_first(device: Factory) -> (Rig, Controller, Block, u16) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let block = Block::stored(&mut controller, 31);
    let [compare, _] = controller.pair(31, 1, &block.old, &block.new);
    let first = controller.submit(1, &[compare])[0];
    rig.run(5_000);
    assert!(controller.take(1, first).is_none());
    (rig, controller, block, first)
}

fn assert_pair_works(rig: &Rig, controller: &mut Controller, block: &Block) {
    let pair = controller.pair(block.lba, 1, &block.old, &block.new);
    assert_eq!(controller.statuses(1, &pair), [SUCCESS, SUCCESS]);
    block.assert_written(rig);
}

/// Deleting the queue ends a waiting first without a completion; the queue can be made again.
pub fn queue_deleted(device: Factory) {
    let (rig, mut controller, block, first) = with_waiting_first(device);
    controller.admin_ok(SubmissionEntry::delete_submission_queue(1));
    rig.run(5_000);
    assert!(
        controller.take(1, first).is_none(),
        "a deleted queue's first has no completion"
    );
    controller.forget_submission_queue(1);
    controller.admin_ok(SubmissionEntry::delete_completion_queue(1));
    controller.completion.remove(&1);
    block.assert_unchanged(&rig);
    controller.create_queue_pair(1, 16);
    // A second as the very first command must find no first left over.
    let [_, write] = controller.pair(31, 1, &block.old, &block.new);
    assert_eq!(controller.statuses(1, &[write]), [MISSING_FUSED]);
    assert_pair_works(&rig, &mut controller, &block);
}

/// A controller reset ends a waiting first.
pub fn controller_reset(device: Factory) {
    let (rig, mut controller, block, _) = with_waiting_first(device);
    controller.disable();
    rig.run(5_000);
    block.assert_unchanged(&rig);
    controller.enable(32, 32);
    controller.create_queue_pair(1, 16);
    let [_, write] = controller.pair(31, 1, &block.old, &block.new);
    assert_eq!(controller.statuses(1, &[write]), [MISSING_FUSED]);
    assert_pair_works(&rig, &mut controller, &block);
}

/// So does a function level reset.
pub fn function_level_reset(device: Factory) {
    let (rig, mut controller, block, _) = with_waiting_first(device);
    rig.host
        .reset_function(FunctionId::PF)
        .expect("the reset ends");
    controller.forget_queues();
    controller.enable(32, 32);
    controller.create_queue_pair(1, 16);
    let [_, write] = controller.pair(31, 1, &block.old, &block.new);
    assert_eq!(controller.statuses(1, &[write]), [MISSING_FUSED]);
    assert_pair_works(&rig, &mut controller, &block);
}

/// Abort of a waiting first: aborted it has its own completion and can make no pair any more; not
/// aborted it makes the pair when its second comes. It is answered exactly once either way.
pub fn abort_of_a_waiting_first(device: Factory) {
    let (rig, mut controller, block, first) = with_waiting_first(device);
    let not_aborted = controller.admin_ok(SubmissionEntry::abort(1, first)) & 1 == 1;
    let [_, write] = controller.pair(31, 1, &block.old, &block.new);
    let second = controller.submit(1, &[write])[0];
    let statuses = [
        controller.wait(1, first).status(),
        controller.wait(1, second).status(),
    ];
    if not_aborted {
        assert_eq!(statuses, [SUCCESS, SUCCESS]);
        block.assert_written(&rig);
    } else {
        assert_eq!(statuses, [Status::ABORT_REQUESTED, MISSING_FUSED]);
        block.assert_unchanged(&rig);
    }
}

/// Abort of either half of a pair whose data are on their way: all or nothing.
pub fn abort_of_one_half(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let mut wait_cycles = 0;
    for half in [0, 1] {
        // From before the commands are fetched to after they have ended.
        for round in 0..24 {
            let block = Block::stored(&mut controller, 100 + round);
            let late = ReadFault::Delayed { by_cycles: 600 };
            let old = block.old.address;
            rig.spoil_read(FunctionId::PF, old..old + 4096, late);
            let pair = controller.pair(block.lba, 1, &block.old, &block.new);
            let ids = controller.submit(1, &pair);
            wait_cycles = (wait_cycles + 67) % 1_400;
            rig.run(wait_cycles);
            let not_aborted = controller.admin_ok(SubmissionEntry::abort(1, ids[half])) & 1 == 1;
            let statuses = [
                controller.wait(1, ids[0]).status(),
                controller.wait(1, ids[1]).status(),
            ];
            if statuses == [SUCCESS, SUCCESS] {
                assert!(
                    not_aborted,
                    "both succeeded, but the Abort says it aborted one"
                );
                block.assert_written(&rig);
            } else {
                assert!(!not_aborted, "the Abort says it did nothing: {statuses:?}");
                assert_eq!(
                    statuses[half],
                    Status::ABORT_REQUESTED,
                    "the half that was named"
                );
                let other = statuses[1 - half];
                let allowed = if half == 0 {
                    [FAILED_FUSED, MISSING_FUSED]
                } else {
                    [SUCCESS, MISSING_FUSED]
                };
                assert!(allowed.contains(&other), "the other half ends with {other}");
                block.assert_unchanged(&rig);
            }
        }
    }
}

/// Many queues each with a waiting first: none is in the way of any other's commands.
pub fn waiting_firsts_hold_nothing(device: Factory) {
    let rig = Rig::new(device);
    let mut controllers: Vec<Controller> = (0..=rig.device.virtual_functions)
        .map(|f| rig.controller(FunctionId(f)))
        .collect();
    let mut firsts = Vec::new();
    for (number, controller) in controllers.iter_mut().enumerate() {
        for queue_id in 1..=rig.device.queues_per_function {
            controller.create_queue_pair(queue_id, 64);
        }
        let block = Block::stored(controller, 200 + number as u64);
        for queue_id in 1..=rig.device.queues_per_function {
            let [compare, _] = controller.pair(block.lba, 1, &block.old, &block.new);
            firsts.push((number, queue_id, controller.submit(queue_id, &[compare])[0]));
        }
    }
    rig.run(5_000);
    // Everything goes on beside them: one queue of each function is made free with a flush.
    for (number, controller) in controllers.iter_mut().enumerate() {
        let (_, queue_id, first) = firsts[number * usize::from(rig.device.queues_per_function)];
        let flush = controller.submit(queue_id, &[SubmissionEntry::flush()])[0];
        assert_eq!(controller.wait(queue_id, first).status(), MISSING_FUSED);
        assert_eq!(controller.wait(queue_id, flush).status(), SUCCESS);
        for lba in 0..64 {
            let buffer = controller.buffer(4096);
            let command = controller.write(lba, 1, &buffer);
            assert_eq!(controller.io(command), SUCCESS);
        }
    }
    for (number, queue_id, first) in firsts {
        assert!(controllers[number].take(queue_id, first).is_none());
    }
}
