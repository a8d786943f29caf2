//! Deep queues, full queues, wraps, and completion queues that several submission queues share.

use nvme_spec::{Status, SubmissionEntry};
use pcie_host::endpoint::FunctionId;

use crate::rig::{Factory, Rig, pattern};
use crate::scale;

const SUCCESS: Status = Status::SUCCESS;

/// 1,023 commands with one doorbell in a queue of 1,024, round after round: every slot, every wrap,
/// and the data right.
pub fn depth_of_1024_with_wraps(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    controller.create_queue_pair(1, 1024);
    let block_bytes = rig.device.block_bytes as usize;
    let buffer = controller.buffer(1023 * block_bytes);
    for round in 0..scale(3, 12) {
        buffer.fill(round);
        let writes: Vec<SubmissionEntry> = (0..1023)
            .map(|block| {
                let command = SubmissionEntry::write(block, 1);
                controller.at_offset(command, &buffer, block as usize * block_bytes)
            })
            .collect();
        let statuses = controller.statuses(1, &writes);
        assert!(
            statuses.iter().all(|status| *status == SUCCESS),
            "round {round}"
        );
        assert!(
            rig.medium(0, 1023) == pattern(round, buffer.len()),
            "round {round}"
        );
        buffer.write(0, &vec![0; buffer.len()]);
        let reads: Vec<SubmissionEntry> = (0..1023)
            .map(|block| {
                let command = SubmissionEntry::read(block, 1);
                controller.at_offset(command, &buffer, block as usize * block_bytes)
            })
            .collect();
        let statuses = controller.statuses(1, &reads);
        assert!(
            statuses.iter().all(|status| *status == SUCCESS),
            "round {round}"
        );
        assert!(
            buffer.read(0, buffer.len()) == pattern(round, buffer.len()),
            "round {round}"
        );
    }
}

/// A deep submission queue with a completion queue of two slots: the controller waits for the host's
/// head, entry by entry, and loses none.
pub fn completion_queue_of_two_slots(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    controller.create_completion_queue(1, 2, None);
    controller.create_submission_queue(1, 256, 1);
    let buffer = controller.buffer(4096);
    let mut commands = Vec::new();
    for number in 0..60 {
        commands.push(controller.write(number, 1, &buffer));
        commands.extend(controller.pair(number, 1, &buffer, &buffer));
        commands.push(SubmissionEntry::flush());
    }
    let statuses = controller.statuses(1, &commands);
    assert!(statuses.iter().all(|status| *status == SUCCESS));
    // A host that takes its time: the second half must not overwrite the first.
    let pair = controller.pair(0, 1, &buffer, &buffer);
    let ids = controller.submit(1, &pair);
    rig.run(20_000);
    let free = controller.completion[&1].slot(1 - controller.completion[&1].head);
    let taken = controller.completion[&1].slot(controller.completion[&1].head);
    assert_eq!(taken.command_id(), ids[0]);
    assert_ne!(
        free.command_id(),
        ids[1],
        "a queue of two slots takes one entry"
    );
    for id in ids {
        assert_eq!(controller.wait(1, id).status(), SUCCESS);
    }
}

/// All submission queues post to one small completion queue; every entry names its queue.
pub fn submission_queues_share_a_completion_queue(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId(1));
    controller.create_completion_queue(2, 7, None);
    let queues = rig.device.queues_per_function;
    for queue_id in 1..=queues {
        controller.create_submission_queue(queue_id, 32, 2);
    }
    let buffer = controller.buffer(8192);
    for _ in 0..scale(10, 100) {
        let mut sent = Vec::new();
        for queue_id in 1..=queues {
            let mut commands = vec![SubmissionEntry::flush(); 10];
            commands.extend((0..10).map(|number| {
                match number % 2 {
                    0 => SubmissionEntry::read(number, 2)
                        .with_prps(buffer.address, buffer.address + 4096),
                    _ => SubmissionEntry::write(number, 1).with_prps(buffer.address, 0),
                }
            }));
            sent.push((queue_id, controller.submit(queue_id, &commands)));
        }
        for (queue_id, ids) in sent {
            for id in ids {
                assert_eq!(controller.wait(queue_id, id).status(), SUCCESS);
            }
        }
    }
    // One of them goes; the others do not notice.
    controller.admin_ok(SubmissionEntry::delete_submission_queue(1));
    controller.forget_submission_queue(1);
    for queue_id in 2..=queues {
        assert_eq!(
            controller.statuses(queue_id, &[SubmissionEntry::flush()]),
            [SUCCESS]
        );
    }
}

/// Rings of all small sizes, filled to the last slot over and over.
pub fn small_rings(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    for submission in [2, 3, 4, 5, 15, 16, 17, 33] {
        for completion in [2, 3, 16, 18] {
            controller.create_completion_queue(1, completion, None);
            controller.create_submission_queue(1, submission, 1);
            for _ in 0..6 {
                let commands = vec![SubmissionEntry::flush(); submission as usize - 1];
                let statuses = controller.statuses(1, &commands);
                assert!(statuses.iter().all(|status| *status == SUCCESS));
            }
            controller.delete_queue_pair(1);
        }
    }
}

/// The submission head in completions never runs ahead of what was fetched and always comes up to
/// what was answered, so that a host may reuse the slots.
pub fn submission_head_is_reported(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    controller.create_queue_pair(1, 20);
    for _ in 0..40 {
        let ids = controller.submit(1, &[SubmissionEntry::flush(); 13]);
        for id in ids {
            controller.wait(1, id);
        }
        let queue = &controller.submission[&1];
        assert_eq!(
            queue.head, queue.tail,
            "all were fetched before the last was answered"
        );
    }
}

/// A controller told the head of what it had asked for, not of what it had got: a host that reused the
/// slots at once lost commands. Here every slot that is reported free is overwritten at once.
pub fn free_slots_may_be_overwritten(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    controller.create_queue_pair(1, 64);
    let junk = SubmissionEntry::new(0x7f).with_command_id(0xffff);
    let mut ended = 0;
    let total = scale(2_000, 50_000) as usize;
    let mut sent = 0;
    while ended < total {
        let room = controller.submission[&1].free() as usize;
        let now = room.min(total - sent).min(1 + sent % 23);
        controller.submit(1, &vec![SubmissionEntry::flush(); now]);
        sent += now;
        while controller.poll() == 0 {
            assert!(rig.host.step(), "nothing left to happen");
        }
        for entry in controller.take_arrived() {
            assert_eq!(entry.status(), SUCCESS, "an overwritten slot was executed");
            ended += 1;
        }
        let queue = &controller.submission[&1];
        let mut slot = queue.tail;
        for _ in 0..queue.free() {
            queue.store(slot, &junk);
            slot = (slot + 1) % queue.entries;
        }
    }
}
