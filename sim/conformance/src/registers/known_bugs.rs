//! Bugs that other controllers and drivers shipped, each with its story.

use nvme_spec::{Status, SubmissionEntry, doorbell, register};
use pcie_host::endpoint::FunctionId;

use crate::rig::{Controller, Factory, Rig};

const SUCCESS: Status = Status::SUCCESS;

/// A doorbell write while the controller is disabled brought down another emulator (propolis #308).
/// It is ignored: nothing is fetched, and after enabling everything works from slot 0.
pub fn written_while_disabled(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.disabled_controller(FunctionId(1));
    let ring = |controller: &mut Controller| {
        for queue_id in [0, 1, 2, 4, 500] {
            for value in [1, 5, 0xffff] {
                controller.write32(doorbell::submission_tail_offset(queue_id), value);
                controller.write32(doorbell::completion_head_offset(queue_id), value);
            }
        }
        controller.host.run_until(controller.host.now() + 10_000);
    };
    ring(&mut controller);
    assert!(!controller.status().fatal());
    // With the admin queue's address known, but not enabled, too.
    let (submission, completion) = controller.admin_rings(16, 16);
    controller.write32(register::AQA, 0x000f_000f);
    controller.write64(register::ASQ, submission);
    controller.write64(register::ACQ, completion);
    ring(&mut controller);
    controller.enable(16, 16);
    controller.identify();
    // Nobody was there to be told of it, nor is anybody told later.
    let request = controller.submit(0, &[SubmissionEntry::async_event_request()])[0];
    controller.create_queue_pair(1, 16);
    assert_eq!(controller.io(SubmissionEntry::flush()), SUCCESS);
    assert!(
        controller.take(0, request).is_none(),
        "an event of the disabled controller"
    );
    // And after it was enabled once.
    controller.disable();
    ring(&mut controller);
    controller.enable(16, 16);
    controller.identify();
}

/// Doorbells rung before a reset told another device of entries after it (openvmm #4080): the tail
/// that was known before must be forgotten, though the ring still holds the old entries.
pub fn stale_after_a_reset(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    controller.submit(1, &[SubmissionEntry::flush(); 20]);
    rig.run(3_000);
    controller.take_arrived();
    let submission = controller.submission.remove(&1).expect("it was created");
    let completion = controller.completion.remove(&1).expect("it was created");
    controller.disable();
    controller.enable(32, 32);
    // The same memory, the same numbers.
    controller
        .completion
        .insert(1, Controller::completion_ring_in(completion.memory, 64));
    controller
        .submission
        .insert(1, Controller::submission_ring_in(submission.memory, 64, 1));
    let addresses = [
        controller.completion[&1].memory.address,
        controller.submission[&1].memory.address,
    ];
    controller.admin_ok(SubmissionEntry::create_completion_queue(
        1,
        64,
        addresses[0],
        None,
    ));
    controller.admin_ok(SubmissionEntry::create_submission_queue(
        1,
        64,
        addresses[1],
        1,
    ));
    rig.run(20_000);
    assert_eq!(controller.take_arrived(), [], "an old entry was executed");
    assert_eq!(controller.io(SubmissionEntry::flush()), SUCCESS);
}

/// A doorbell rung in the very moment in which the last completion is posted was lost elsewhere
/// (propolis #1008): one command after the other, each posted as soon as its forerunner is answered,
/// at changing distances; none is ever forgotten.
pub fn rung_while_completing(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    controller.create_queue_pair(2, 4);
    for distance in 0..crate::scale(300, 3_000) {
        let first = controller.submit(1, &[SubmissionEntry::flush()])[0];
        rig.run(distance % 300);
        let second = controller.submit(1, &[SubmissionEntry::flush()])[0];
        let third = controller.submit(2, &[SubmissionEntry::flush()])[0];
        for (queue_id, id) in [(1, first), (1, second), (2, third)] {
            assert_eq!(
                controller.wait(queue_id, id).status(),
                SUCCESS,
                "distance {distance}"
            );
        }
    }
}

/// A pair that is in the ring before its queue exists was executed in reverse elsewhere (SPDK
/// 9815e9df): it is rung for in the same moment in which the queue's creation is answered.
pub fn pair_queued_behind_the_queues_creation(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let bytes = rig.device.block_bytes as usize;
    let (old, new) = (controller.buffer(bytes), controller.buffer(bytes));
    for round in 0..20 {
        old.fill(round);
        new.fill(round + 1);
        controller.store(50, &old.read(0, bytes));
        controller.create_completion_queue(2, 8, None);
        let queue = controller.new_submission_ring(8, 2);
        let create = SubmissionEntry::create_submission_queue(2, 8, queue.memory.address, 2);
        controller.submission.insert(2, queue);
        let pair = controller.pair(50, 1, &old, &new);
        let ids = pair.map(|command| controller.post(2, command));
        controller.admin_ok(create);
        controller.ring_doorbell(2);
        assert_eq!(
            ids.map(|id| controller.wait(2, id).status()),
            [SUCCESS, SUCCESS]
        );
        assert!(rig.medium(50, 1) == new.read(0, bytes));
        controller.delete_queue_pair(2);
    }
}
