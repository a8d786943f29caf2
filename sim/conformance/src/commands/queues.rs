//! Creation and deletion of I/O queues (NVMe 1.1 §5.3 to §5.6).

use nvme_spec::{Status, SubmissionEntry, feature};
use pcie_host::endpoint::FunctionId;

use crate::rig::{Controller, Factory, Rig};

/// Sends a command; its status.
fn status(controller: &mut Controller, command: SubmissionEntry) -> Status {
    controller.admin(command).status()
}

/// Identifiers: 0, beyond what there is, and in use.
pub fn invalid_identifiers(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let ring = controller.ring(4096);
    let queues = rig.device.queues_per_function;
    for queue_id in [0, queues + 1, 0xff, 0xffff, 1] {
        let create = SubmissionEntry::create_completion_queue(queue_id, 8, ring.address, None);
        assert_eq!(
            status(&mut controller, create),
            Status::INVALID_QUEUE_ID,
            "CQ {queue_id}"
        );
        let create = SubmissionEntry::create_submission_queue(queue_id, 8, ring.address, 1);
        assert_eq!(
            status(&mut controller, create),
            Status::INVALID_QUEUE_ID,
            "SQ {queue_id}"
        );
    }
    for queue_id in [0, 2, queues + 1, 0xffff] {
        let delete = SubmissionEntry::delete_submission_queue(queue_id);
        assert_eq!(
            status(&mut controller, delete),
            Status::INVALID_QUEUE_ID,
            "SQ {queue_id}"
        );
        let delete = SubmissionEntry::delete_completion_queue(queue_id);
        assert_eq!(
            status(&mut controller, delete),
            Status::INVALID_QUEUE_ID,
            "CQ {queue_id}"
        );
    }
    assert_eq!(controller.io(SubmissionEntry::flush()), Status::SUCCESS);
}

/// Sizes: one slot, and more than CAP.MQES.
pub fn invalid_sizes(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let most = controller.maximum_queue_entries();
    assert!(most >= 1024, "CAP.MQES");
    let ring = controller.ring(most as usize * 64);
    let mut sizes = vec![1];
    if most < 65_536 {
        sizes.extend([most + 1, 65_536]);
    }
    for entries in sizes {
        let expected = Status::MAXIMUM_QUEUE_SIZE_EXCEEDED;
        let create = SubmissionEntry::create_completion_queue(2, entries, ring.address, None);
        assert_eq!(status(&mut controller, create), expected, "CQ of {entries}");
        let create = SubmissionEntry::create_submission_queue(2, entries, ring.address, 1);
        assert_eq!(status(&mut controller, create), expected, "SQ of {entries}");
    }
}

/// Rings must be contiguous (CAP.CQR) and begin a page.
pub fn invalid_rings(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    assert!(controller.capabilities().contiguous_queues_required());
    let ring = controller.ring(8192);
    let completion = SubmissionEntry::create_completion_queue(2, 8, ring.address, None);
    let submission = SubmissionEntry::create_submission_queue(2, 8, ring.address, 1);
    for mut command in [completion, submission] {
        for offset in [1, 4, 64, 0x800] {
            let misaligned = command.with_prps(ring.address + offset, 0);
            assert_eq!(
                status(&mut controller, misaligned),
                Status::INVALID_FIELD,
                "{offset:#x}"
            );
        }
        command.cdw11 &= !nvme_spec::command::CREATE_CONTIGUOUS;
        assert_eq!(
            status(&mut controller, command),
            Status::INVALID_FIELD,
            "PC = 0"
        );
    }
}

/// A submission queue's completion queue must exist; the admin one is no candidate.
pub fn invalid_completion_queues(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let ring = controller.ring(4096);
    let queues = rig.device.queues_per_function;
    for (completion_queue_id, expected) in [
        (0, Status::INVALID_QUEUE_ID),
        (2, Status::COMPLETION_QUEUE_INVALID),
        (queues, Status::COMPLETION_QUEUE_INVALID),
        (queues + 1, Status::INVALID_QUEUE_ID),
        (0xffff, Status::INVALID_QUEUE_ID),
    ] {
        let create =
            SubmissionEntry::create_submission_queue(2, 8, ring.address, completion_queue_id);
        assert_eq!(
            status(&mut controller, create),
            expected,
            "CQ {completion_queue_id}"
        );
    }
}

/// Vectors beyond the MSI-X table.
pub fn invalid_vectors(device: Factory) {
    let rig = Rig::new(device);
    let vectors = rig
        .host
        .with_endpoint(|endpoint| endpoint.vectors_per_function());
    let mut controller = rig.io_controller(FunctionId::PF);
    let ring = controller.ring(4096);
    for vector in [vectors, 0x7ff, 0xffff] {
        let create = SubmissionEntry::create_completion_queue(2, 8, ring.address, Some(vector));
        assert_eq!(
            status(&mut controller, create),
            Status::INVALID_INTERRUPT_VECTOR
        );
    }
    let create = SubmissionEntry::create_completion_queue(2, 8, ring.address, Some(vectors - 1));
    assert_eq!(status(&mut controller, create), Status::SUCCESS);
}

/// A completion queue cannot go before its submission queues.
pub fn deletion_in_the_wrong_order(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    controller.create_submission_queue(2, 8, 1);
    for still_there in [1, 2] {
        let delete = SubmissionEntry::delete_completion_queue(1);
        assert_eq!(
            status(&mut controller, delete),
            Status::INVALID_QUEUE_DELETION
        );
        controller.admin_ok(SubmissionEntry::delete_submission_queue(still_there));
        controller.forget_submission_queue(still_there);
    }
    controller.admin_ok(SubmissionEntry::delete_completion_queue(1));
    controller.completion.remove(&1);
    // Deleted is deleted.
    let delete = SubmissionEntry::delete_completion_queue(1);
    assert_eq!(status(&mut controller, delete), Status::INVALID_QUEUE_ID);
    controller.create_queue_pair(1, 8);
    assert_eq!(controller.io(SubmissionEntry::flush()), Status::SUCCESS);
}

/// Every queue at once, of different sizes; then all of them again in another order.
pub fn all_queues_at_once(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId(1));
    for round in 0..3 {
        for queue_id in 1..=rig.device.queues_per_function {
            controller.create_queue_pair(queue_id, 2 + u32::from(queue_id) * 5 + round);
        }
        for queue_id in 1..=rig.device.queues_per_function {
            let statuses = controller.statuses(queue_id, &[SubmissionEntry::flush()]);
            assert_eq!(statuses, [Status::SUCCESS]);
        }
        for queue_id in (1..=rig.device.queues_per_function).rev() {
            controller.delete_queue_pair(queue_id);
        }
    }
}

/// Deletion of a loaded queue: the deletion completes, what was answered was answered once, and no
/// DMA of the queue's commands comes after it.
pub fn deletion_under_load(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    for round in 0..24 {
        controller.create_queue_pair(1, 64);
        let buffer = controller.buffer(128 << 10);
        let commands: Vec<SubmissionEntry> = (0..40)
            .map(|number| match number % 3 {
                0 => controller.read(number * 32, 32, &buffer),
                1 => controller.write(number * 32, 32, &buffer),
                _ => controller.write(number, 1, &buffer),
            })
            .collect();
        controller.submit(1, &commands);
        rig.run(round * 211);
        let delete = controller.submit(0, &[SubmissionEntry::delete_submission_queue(1)])[0];
        assert_eq!(controller.wait(0, delete).status(), Status::SUCCESS);
        let mut statuses = controller
            .take_arrived()
            .into_iter()
            .map(|entry| entry.status());
        assert!(
            statuses.all(|status| {
                [Status::SUCCESS, Status::ABORTED_QUEUE_DELETION].contains(&status)
            })
        );
        // All of it is the host's again: rings, lists, buffers.
        controller.submission[&1].memory.unmap();
        buffer.unmap();
        controller
            .prp_lists
            .iter()
            .for_each(crate::rig::Buffer::unmap);
        rig.run(20_000);
        assert_eq!(rig.take_dma_faults(), [], "round {round}");
        controller.forget_submission_queue(1);
        controller.forget_prp_lists();
        controller.admin_ok(SubmissionEntry::delete_completion_queue(1));
        controller.completion.remove(&1);
    }
}

/// Number of Queues: what is granted, and when it may be asked for.
pub fn number_of_queues(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    let granted = u32::from(rig.device.queues_per_function - 1) * 0x0001_0001;
    let set = SubmissionEntry::set_features(feature::NUMBER_OF_QUEUES, 0x0040_0040);
    let get = SubmissionEntry::get_features(feature::NUMBER_OF_QUEUES);
    assert_eq!(controller.admin_ok(set), granted);
    assert_eq!(controller.admin_ok(get), granted);
    for value in [0xffff_ffff, 0x0000_ffff, 0xffff_0000] {
        let set = SubmissionEntry::set_features(feature::NUMBER_OF_QUEUES, value);
        assert_eq!(
            status(&mut controller, set),
            Status::INVALID_FIELD,
            "{value:#x}"
        );
    }
    controller.create_completion_queue(1, 8, None);
    assert_eq!(status(&mut controller, set), Status::COMMAND_SEQUENCE_ERROR);
    assert_eq!(controller.admin_ok(get), granted);
}
