//! Doorbells: values, queues that do not exist, and controllers that are not enabled
//! (NVMe 1.1 §3.1.11, §3.1.12, §5.2).

use nvme_spec::async_event::AsyncEvent;
use nvme_spec::log_page::{ErrorLogEntry, LogPageId};
use nvme_spec::register::{self, Configuration};
use nvme_spec::{Status, SubmissionEntry, doorbell};
use pcie_host::endpoint::FunctionId;
use zerocopy::FromBytes;

use crate::rig::{Controller, Factory, Rig};

const SUCCESS: Status = Status::SUCCESS;

/// Writes a doorbell that is wrong and expects this event, an entry in the error log, and no harm.
fn expect_event(controller: &mut Controller, offset: u64, value: u32, event: AsyncEvent) {
    let request = controller.submit(0, &[SubmissionEntry::async_event_request()])[0];
    controller.host.run_until(controller.host.now() + 5_000);
    assert!(controller.take(0, request).is_none(), "no event yet");
    controller.write32(offset, value);
    let entry = controller.wait(0, request);
    assert_eq!(entry.status(), SUCCESS);
    assert_eq!(entry.dword0, event.to_dword0(), "{value:#x} at {offset:#x}");
    let log = controller.log_page(LogPageId::ERROR_INFORMATION, 64);
    let entry = ErrorLogEntry::read_from_bytes(&log).expect("64 bytes");
    assert_eq!(entry.submission_queue_id, ErrorLogEntry::NO_COMMAND);
    assert_eq!(entry.command_id, ErrorLogEntry::NO_COMMAND);
    // It has changed nothing else.
    assert_eq!(controller.io(SubmissionEntry::flush()), SUCCESS);
}

/// Doorbells of queues that were not created, or cannot be.
pub fn queues_that_do_not_exist(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId(1));
    let event = AsyncEvent::INVALID_DOORBELL_REGISTER;
    let last = rig.device.queues_per_function;
    for queue_id in [2, last, last + 1, 63, 511] {
        for value in [0, 1, 0xffff] {
            expect_event(
                &mut controller,
                doorbell::submission_tail_offset(queue_id),
                value,
                event,
            );
            expect_event(
                &mut controller,
                doorbell::completion_head_offset(queue_id),
                value,
                event,
            );
        }
    }
}

/// A deleted queue's doorbells are those of no queue.
pub fn deleted_queues(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId(1));
    controller.create_queue_pair(2, 16);
    controller.statuses(2, &[SubmissionEntry::flush()]);
    controller.delete_queue_pair(2);
    let event = AsyncEvent::INVALID_DOORBELL_REGISTER;
    expect_event(
        &mut controller,
        doorbell::submission_tail_offset(2),
        2,
        event,
    );
    expect_event(
        &mut controller,
        doorbell::completion_head_offset(2),
        1,
        event,
    );
}

/// Values beyond the ring.
pub fn values_out_of_range(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    controller.create_queue_pair(2, 16);
    let event = AsyncEvent::INVALID_DOORBELL_VALUE;
    for (queue_id, entries) in [(0, 32), (1, 64), (2, 16)] {
        for value in [entries, entries + 1, 0x8000, 0xffff] {
            expect_event(
                &mut controller,
                doorbell::submission_tail_offset(queue_id),
                value,
                event,
            );
            expect_event(
                &mut controller,
                doorbell::completion_head_offset(queue_id),
                value,
                event,
            );
        }
    }
    assert_eq!(
        controller.statuses(2, &[SubmissionEntry::flush(); 15]),
        [SUCCESS; 15]
    );
}

/// A head beyond the ring, while enough entries wait behind the wrap that it could be taken for
/// consuming some of them.
pub fn head_beyond_the_ring_while_entries_wait(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    controller.create_queue_pair(2, 16);
    for _ in 0..14 {
        assert_eq!(
            controller.statuses(2, &[SubmissionEntry::flush()]),
            [SUCCESS]
        );
    }
    // Entries in slots 14, 15, 0 to 7 are not taken.
    controller.completion.get_mut(&2).expect("just made").stuck = true;
    let ids = controller.submit(2, &[SubmissionEntry::flush(); 10]);
    ids.into_iter()
        .for_each(|id| assert_eq!(controller.wait(2, id).status(), SUCCESS));
    let event = AsyncEvent::INVALID_DOORBELL_VALUE;
    for value in [16, 17, 20] {
        expect_event(
            &mut controller,
            doorbell::completion_head_offset(2),
            value,
            event,
        );
    }
    // The ring is where it was: five more fit, no sixth.
    controller.submit(2, &[SubmissionEntry::flush(); 8]);
    rig.run(20_000);
    controller.poll();
    assert_eq!(controller.take_arrived().len(), 5);
}

/// A completion queue head that passes entries which were never posted: whatever the controller
/// makes of it, it neither stops nor posts over entries that the host has not taken.
pub fn head_beyond_what_was_posted(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId(1));
    let mut other = rig.io_controller(FunctionId(2));
    controller.create_queue_pair(2, 16);
    for head in [1, 8, 15] {
        controller.write32(doorbell::completion_head_offset(2), head);
        rig.run(1_000);
        assert_eq!(controller.io(SubmissionEntry::flush()), SUCCESS);
        assert_eq!(other.io(SubmissionEntry::flush()), SUCCESS);
    }
    controller.disable();
    controller.enable(16, 16);
    controller.create_queue_pair(1, 16);
    assert_eq!(controller.io(SubmissionEntry::flush()), SUCCESS);
}

/// Ringing with the value that stands there already starts nothing twice.
pub fn same_value_again(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    for _ in 0..100 {
        let id = controller.submit(1, &[SubmissionEntry::flush()])[0];
        controller.ring_doorbell(1);
        controller.ring_doorbell(1);
        assert_eq!(controller.wait(1, id).status(), SUCCESS);
        controller.ring_doorbell(1);
    }
    rig.run(10_000);
    assert_eq!(controller.take_arrived(), [], "answers to nobody");
}

/// Writes of other widths than four bytes, and misaligned: no function is harmed by them.
pub fn writes_of_any_shape(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId(1));
    let mut other = rig.io_controller(FunctionId(2));
    for offset in 0x1000..0x1028 {
        for width in [1, 2, 3, 5, 8, 16] {
            controller.raw_write(offset, &[0xee; 16][..width]);
        }
    }
    rig.run(20_000);
    assert_eq!(other.io(SubmissionEntry::flush()), SUCCESS);
    rig.host
        .reset_function(FunctionId(1))
        .expect("the reset ends");
    controller.forget_queues();
    controller.enable(16, 16);
    controller.create_queue_pair(1, 16);
    assert_eq!(controller.io(SubmissionEntry::flush()), SUCCESS);
}

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

/// Garbage in CC while doorbells are rung: the function may be lost until a reset, others are not.
pub fn configuration_changed_while_enabled(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId(1));
    let mut other = rig.io_controller(FunctionId(2));
    for value in [0x0046_0081, 0x00ff_fff1, 0x0000_0001, 0xffff_ffff] {
        controller.write32(register::CC, value);
        controller.write32(doorbell::submission_tail_offset(1), 3);
        rig.run(5_000);
        assert_eq!(other.io(SubmissionEntry::flush()), SUCCESS);
    }
    controller.write32(register::CC, Configuration::new().into());
    controller.wait_ready(false);
    controller.forget_queues();
    controller.enable(16, 16);
    controller.create_queue_pair(1, 16);
    assert_eq!(controller.io(SubmissionEntry::flush()), SUCCESS);
}
