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
