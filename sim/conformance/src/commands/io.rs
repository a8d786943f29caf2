//! Fields of Read, Write, Compare and Flush (NVMe 1.1 §6).

use nvme_spec::{ALL_NAMESPACES, Status, SubmissionEntry};
use pcie_host::endpoint::FunctionId;

use crate::rig::{Controller, DeviceOptions, Factory, Rig, pattern};

const SUCCESS: Status = Status::SUCCESS;

fn commands(controller: &mut Controller) -> [SubmissionEntry; 3] {
    let buffer = controller.buffer(4096);
    let commands = [
        controller.read(5, 1, &buffer),
        controller.write(5, 1, &buffer),
        controller.compare(5, 1, &buffer),
    ];
    controller.keep(buffer);
    commands
}

/// What was written is read, compared, and on the medium; by every function.
pub fn data_go_both_ways(device: Factory) {
    let rig = Rig::new(device);
    for function in 0..=rig.device.virtual_functions {
        let mut controller = rig.io_controller(FunctionId(function));
        let lba = 10 + u64::from(function);
        let bytes = pattern(lba, rig.device.block_bytes as usize);
        controller.store(lba, &bytes);
        assert!(rig.medium(lba, 1) == bytes);
        let buffer = controller.buffer(4096);
        let read = controller.read(lba, 1, &buffer);
        assert_eq!(controller.io(read), SUCCESS);
        assert!(buffer.read(0, bytes.len()) == bytes);
        let compare = controller.compare(lba, 1, &buffer);
        assert_eq!(controller.io(compare), SUCCESS);
        buffer.write(17, &[bytes[17] ^ 4]);
        assert_eq!(controller.io(compare), Status::COMPARE_FAILURE);
    }
    // All functions share one namespace.
    let mut pf = rig.io_controller(FunctionId::PF);
    let buffer = pf.buffer(4096);
    let read = pf.read(11, 1, &buffer);
    assert_eq!(pf.io(read), SUCCESS);
    assert!(buffer.read(0, 4096) == pattern(11, 4096));
}

/// A Compare of the largest transfer finds a difference anywhere in it.
pub fn large_compares_look_at_every_page(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let bytes = pattern(8, 128 << 10);
    let blocks = bytes.len() as u32 / rig.device.block_bytes;
    controller.store(0, &bytes);
    let buffer = controller.buffer(bytes.len());
    buffer.write(0, &bytes);
    let compare = controller.compare(0, blocks, &buffer);
    assert_eq!(controller.io(compare), SUCCESS);
    for at in (1_000..bytes.len()).step_by(4_096) {
        buffer.write(at, &[!bytes[at]]);
        assert_eq!(controller.io(compare), Status::COMPARE_FAILURE, "byte {at}");
        buffer.write(at, &[bytes[at]]);
    }
}

/// The same with 512-byte blocks.
pub fn small_blocks(device: Factory) {
    let options = DeviceOptions {
        block_bytes: 512,
        ..DeviceOptions::default()
    };
    let rig = Rig::build(device, options, pcie_host::HostOptions::default());
    let mut controller = rig.io_controller(FunctionId::PF);
    assert_eq!(controller.identify_namespace().block_bytes(), 512);
    let bytes = pattern(1, 512 * 11);
    controller.store(3, &bytes);
    assert!(rig.medium(3, 11) == bytes);
    // Neighbours are untouched, and single blocks within are found.
    controller.store(5, &pattern(2, 512));
    assert!(rig.medium(3, 2) == bytes[..1024] && rig.medium(6, 8) == bytes[1536..]);
    let (old, new) = (controller.buffer(4096), controller.buffer(4096));
    old.write(0, &pattern(2, 512));
    new.write(0, &pattern(3, 512));
    let pair = controller.pair(5, 1, &old, &new);
    assert_eq!(controller.statuses(1, &pair), [SUCCESS, SUCCESS]);
    assert!(rig.medium(5, 1) == pattern(3, 512) && rig.medium(6, 1) == bytes[1536..2048]);
}

/// An opcode that is none.
pub fn invalid_opcodes(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    // Write Uncorrectable, Write Zeroes, Dataset Management and reservations are optional; not here.
    for opcode in [
        0x03, 0x04, 0x06, 0x08, 0x09, 0x0d, 0x0e, 0x11, 0x15, 0x7f, 0x80, 0xc0, 0xff,
    ] {
        let mut command = SubmissionEntry::flush();
        command.cdw0 = opcode;
        let entry = controller.complete(1, &[command]).remove(0);
        assert_eq!(entry.status(), Status::INVALID_OPCODE, "opcode {opcode:#x}");
        assert!(entry.do_not_retry(), "opcode {opcode:#x} would fail again");
    }
}

/// A namespace that does not exist.
pub fn invalid_namespaces(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    for namespace_id in [0, 2, 0x8000_0001, ALL_NAMESPACES - 1, ALL_NAMESPACES] {
        for mut command in commands(&mut controller) {
            command.namespace_id = namespace_id;
            let status = controller.io(command);
            assert_eq!(
                status,
                Status::INVALID_NAMESPACE,
                "{namespace_id:#x}: {command:x?}"
            );
        }
    }
}

/// Flush goes to the namespace or to all; not to one that does not exist.
pub fn flush_namespaces(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let mut flush = SubmissionEntry::flush();
    assert_eq!(controller.io(flush), SUCCESS);
    flush.namespace_id = ALL_NAMESPACES;
    assert_eq!(controller.io(flush), SUCCESS);
    for namespace_id in [0, 2] {
        flush.namespace_id = namespace_id;
        assert_eq!(controller.io(flush), Status::INVALID_NAMESPACE);
    }
}

/// Ranges that leave the namespace, by one block or by wrapping around 64 bits.
pub fn ranges_outside_the_namespace(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let end = rig.blocks();
    let buffer = controller.buffer(128 << 10);
    let before = rig.medium(end - 2, 2);
    for (lba, blocks) in [
        (end, 1),
        (end - 1, 2),
        (end - 31, 32),
        (end + 1, 1),
        (1 << 32, 1),
        (1 << 52, 1),
        (1 << 63, 1),
        (u64::MAX, 1),
        (u64::MAX, 2),
        (u64::MAX - 30, 32),
    ] {
        let reads = controller.read(lba, blocks, &buffer);
        let writes = controller.write(lba, blocks, &buffer);
        let compares = controller.compare(lba, blocks, &buffer);
        for command in [reads, writes, compares] {
            assert_eq!(
                controller.io(command),
                Status::LBA_OUT_OF_RANGE,
                "{lba:#x} + {blocks}"
            );
        }
    }
    assert!(rig.medium(end - 2, 2) == before);
    // Up to the last block all is well.
    let last = controller.read(end - 32, 32, &buffer);
    assert_eq!(controller.io(last), SUCCESS);
}

/// A failed command's completion carries its block in the error log.
pub fn errors_are_logged(device: Factory) {
    use nvme_spec::log_page::{ErrorLogEntry, LogPageId};
    use zerocopy::FromBytes;
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let buffer = controller.buffer(4096);
    let read = controller.read(rig.blocks() + 3, 1, &buffer);
    let id = controller.submit(1, &[read])[0];
    assert_eq!(controller.wait(1, id).status(), Status::LBA_OUT_OF_RANGE);
    let log = controller.log_page(LogPageId::ERROR_INFORMATION, 64);
    let entry = ErrorLogEntry::read_from_bytes(&log).expect("64 bytes");
    assert_eq!(entry.status(), Status::LBA_OUT_OF_RANGE);
    assert_eq!((entry.submission_queue_id, entry.command_id), (1, id));
    assert_eq!((entry.lba, entry.namespace_id), (rig.blocks() + 3, 1));
    assert!(entry.error_count > 0);
}

/// More than MDTS.
pub fn transfers_above_the_limit(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let limit_blocks = controller.transfer_limit_bytes() / rig.device.block_bytes;
    assert!(
        limit_blocks * rig.device.block_bytes >= 128 << 10,
        "MDTS is at least 128 KiB"
    );
    let buffer = controller.buffer(((limit_blocks + 1) * rig.device.block_bytes) as usize);
    let before = rig.medium(0, limit_blocks);
    for blocks in [limit_blocks + 1, 2 * limit_blocks, 65_536] {
        for command in [
            SubmissionEntry::read(0, blocks),
            SubmissionEntry::write(0, blocks),
            SubmissionEntry::compare(0, blocks),
        ] {
            let command = command.with_prps(buffer.address, buffer.address + 4096);
            assert_eq!(
                controller.io(command),
                Status::INVALID_FIELD,
                "{blocks} blocks"
            );
        }
    }
    assert!(rig.medium(0, limit_blocks) == before);
    let most = controller.write(0, limit_blocks, &buffer);
    assert_eq!(controller.io(most), SUCCESS);
}

/// SGLs are not supported: PSDT other than 00b is an invalid field.
pub fn scatter_gather_lists(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    for pointer_type in 1..4 {
        for mut command in commands(&mut controller) {
            command.cdw0 |= pointer_type << 14;
            assert_eq!(
                controller.io(command),
                Status::INVALID_FIELD,
                "PSDT {pointer_type}"
            );
        }
    }
}

/// Hints and FUA change nothing; reserved dwords are not looked at.
pub fn hints_are_accepted(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    for mut command in commands(&mut controller) {
        command.cdw12 |= nvme_spec::command::CDW12_FORCE_UNIT_ACCESS | 1 << 31;
        command.cdw13 = 0xff;
        assert_eq!(controller.io(command), SUCCESS, "{command:x?}");
    }
}

/// A command's identifier may be anything, also one that another queue uses at the same time.
pub fn identifiers_are_echoed(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    controller.create_queue_pair(2, 16);
    for command_id in [0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff] {
        for queue_id in [1, 2] {
            controller.post_as(queue_id, SubmissionEntry::flush(), command_id);
            controller.ring_doorbell(queue_id);
        }
        for queue_id in [1, 2] {
            assert_eq!(controller.wait(queue_id, command_id).status(), SUCCESS);
        }
    }
}
