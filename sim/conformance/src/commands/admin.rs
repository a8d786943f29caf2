//! Fields of admin commands that all of them have, and Abort (NVMe 1.1 §5).

use nvme_spec::{Status, SubmissionEntry, feature};
use pcie_host::endpoint::FunctionId;

use crate::rig::{Factory, Rig};

/// Opcodes that are none, or optional and not here (firmware, format, security).
pub fn invalid_opcodes(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    for opcode in [
        0x03, 0x07, 0x0b, 0x0d, 0x10, 0x11, 0x18, 0x7f, 0x80, 0x81, 0x82, 0xc0, 0xff,
    ] {
        let entry = controller.admin(SubmissionEntry::new(opcode));
        assert_eq!(entry.status(), Status::INVALID_OPCODE, "opcode {opcode:#x}");
    }
}

/// PSDT of an admin command must be 00b.
pub fn scatter_gather_lists(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    for pointer_type in 1..4 {
        let mut command = SubmissionEntry::get_features(feature::ARBITRATION);
        command.cdw0 |= pointer_type << 14;
        assert_eq!(controller.admin(command).status(), Status::INVALID_FIELD);
    }
}

/// Misaligned PRPs of the commands that return data.
pub fn misaligned_prps(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    let buffer = controller.buffer(8192);
    let identify = SubmissionEntry::identify(1, 0);
    for prp1 in [1, 2, 3].map(|low| buffer.address + low) {
        let entry = controller.admin(identify.with_prps(prp1, 0));
        assert_eq!(entry.status(), Status::INVALID_FIELD, "PRP1 {prp1:#x}");
    }
    for prp2 in [4, 8, 0x800].map(|low| buffer.address + 4096 + low) {
        let entry = controller.admin(identify.with_prps(buffer.address + 8, prp2));
        assert_eq!(entry.status(), Status::INVALID_FIELD, "PRP2 {prp2:#x}");
    }
    assert!(
        buffer.read(0, 8192).iter().all(|&byte| byte == 0),
        "nothing was transferred"
    );
}

/// Identify into two pages that are apart, at every offset's edge.
pub fn data_cross_pages(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    let whole = controller.identify_bytes(1, 0);
    let (first, second) = (controller.buffer(4096), controller.buffer(4096));
    for offset in [0, 4, 0x200, 0x800, 0xffc] {
        first.fill(1);
        second.fill(2);
        let before = [first.read(0, 4096), second.read(0, 4096)];
        let command = SubmissionEntry::identify(1, 0)
            .with_prps(first.address + offset as u64, second.address);
        controller.admin_ok(command);
        assert!(first.read(offset, 4096 - offset) == whole[..4096 - offset]);
        assert!(second.read(0, offset) == whole[4096 - offset..]);
        assert!(
            first.read(0, offset) == before[0][..offset],
            "bytes before PRP1"
        );
        assert!(
            second.read(offset, 4096 - offset) == before[1][offset..],
            "bytes behind the end"
        );
    }
}

/// Abort of what is not there succeeds, and says that it aborted nothing.
pub fn abort_of_nothing(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    for (queue_id, command_id) in [(0, 0x7777), (1, 0), (1, 0xffff)] {
        let dword0 = controller.admin_ok(SubmissionEntry::abort(queue_id, command_id));
        assert_eq!(dword0 & 1, 1, "queue {queue_id}");
    }
    // A command that has ended is not there any more.
    let ended = controller.submit(1, &[SubmissionEntry::flush()])[0];
    controller.wait(1, ended);
    assert_eq!(controller.admin_ok(SubmissionEntry::abort(1, ended)) & 1, 1);
    // A queue that does not exist is an invalid field, or a command that was not found.
    let entry = controller.admin(SubmissionEntry::abort(3, 1));
    assert!(entry.status() == Status::INVALID_FIELD || entry.dword0 & 1 == 1);
}

/// Aborts at any moment of a Write's life, small and large: answered once, before the Abort is, and
/// either it was aborted and the medium is as before, or it was not and the data are there.
pub fn abort_of_a_write(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let mut aborted = [0, 0];
    for (size, blocks) in [1, 32].into_iter().enumerate() {
        for round in 0..crate::scale(120, 1_000) {
            let buffer = controller.buffer(128 << 10);
            buffer.fill(round);
            let before = rig.medium(300, blocks);
            let write = controller.write(300, blocks, &buffer);
            let id = controller.submit(1, &[write])[0];
            // From before it is fetched until it has ended.
            rig.run(round * 7 * u64::from(blocks.min(8)) % 7_000);
            let not_aborted = controller.admin_ok(SubmissionEntry::abort(1, id)) & 1 == 1;
            if not_aborted {
                assert_eq!(controller.wait(1, id).status(), Status::SUCCESS);
                assert!(
                    rig.medium(300, blocks) == buffer.read(0, before.len()),
                    "round {round}"
                );
            } else {
                aborted[size] += 1;
                let entry = controller
                    .take(1, id)
                    .expect("answered before the Abort is");
                assert_eq!(entry.status(), Status::ABORT_REQUESTED);
                assert!(rig.medium(300, blocks) == before, "round {round}");
                // The host may take its memory back at once.
                buffer.unmap();
                controller
                    .prp_lists
                    .iter()
                    .for_each(crate::rig::Buffer::unmap);
                rig.run(5_000);
            }
            controller.forget_prp_lists();
        }
    }
    // A block is written in no time where there is none.
    let [small, large] = aborted.map(|count| count > 0);
    assert!(
        large && (small || !rig.host.keeps_time()),
        "{aborted:?} aborted: the test shows little"
    );
}

/// Aborts of commands that stand deep in a full queue: each is answered once.
pub fn aborts_in_a_full_queue(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    controller.create_queue_pair(1, 128);
    let buffer = controller.buffer(128 << 10);
    buffer.fill(4);
    let writes: Vec<SubmissionEntry> = (0..100)
        .map(|number| controller.write(number * 32, 32, &buffer))
        .collect();
    let ids = controller.submit(1, &writes);
    let mut aborted = Vec::new();
    for &id in ids.iter().rev().step_by(7) {
        if controller.admin_ok(SubmissionEntry::abort(1, id)) & 1 == 0 {
            aborted.push(id);
        }
    }
    for id in ids {
        let expected = if aborted.contains(&id) {
            Status::ABORT_REQUESTED
        } else {
            Status::SUCCESS
        };
        assert_eq!(controller.wait(1, id).status(), expected);
    }
}
