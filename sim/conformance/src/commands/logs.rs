//! Get Log Page (NVMe 1.1 §5.10).

use nvme_spec::log_page::{ErrorLogEntry, FirmwareSlotLog, FunctionCounters, HealthLog, LogPageId};
use nvme_spec::{Status, SubmissionEntry};
use pcie_host::endpoint::FunctionId;
use zerocopy::FromBytes;

use crate::rig::{Factory, Rig};

/// Pages that are none.
pub fn unknown_pages(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    let buffer = controller.buffer(4096);
    for id in [0x00, 0x04, 0x05, 0x7f, 0x80, 0xc1, 0xff] {
        let command =
            SubmissionEntry::get_log_page(LogPageId(id), 512).with_prps(buffer.address, 0);
        assert_eq!(
            controller.admin(command).status(),
            Status::INVALID_LOG_PAGE,
            "page {id:#x}"
        );
    }
}

/// As many bytes are written as were asked for, and none more.
pub fn no_more_than_was_asked_for(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    let buffer = controller.buffer(4096);
    for bytes in [4, 8, 60, 64, 68, 512, 4092] {
        buffer.fill(7);
        let before = buffer.read(0, 4096);
        let command = SubmissionEntry::get_log_page(LogPageId::HEALTH, bytes);
        controller.admin_ok(command.with_prps(buffer.address, 0));
        let after = buffer.read(0, 4096);
        assert!(
            after[bytes as usize..] == before[bytes as usize..],
            "{bytes} bytes"
        );
        assert!(after[..4] != before[..4]);
    }
}

/// Pages are the controller's (LPA), so no namespace has any, and PRPs that are none are refused: the page
/// is not sent.
pub fn refusals(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId(1));
    let buffer = controller.buffer(8192);
    let (first, second) = (buffer.address, buffer.address + 4096);
    for (namespace_id, prp1, prp2, expected) in [
        (1, first, 0, Status::INVALID_FIELD),
        (2, first, 0, Status::INVALID_NAMESPACE),
        (0, first + 2, 0, Status::INVALID_FIELD),
        (0, first + 0xf00, second + 4, Status::INVALID_FIELD),
    ] {
        let mut command = SubmissionEntry::get_log_page(LogPageId::HEALTH, 512);
        command.namespace_id = namespace_id;
        let entry = controller.admin(command.with_prps(prp1, prp2));
        assert_eq!(
            entry.status(),
            expected,
            "namespace {namespace_id}, {prp1:#x}"
        );
    }
    assert!(buffer.read(0, 8192).iter().all(|&byte| byte == 0));
}

/// The newest error comes first, and the count goes on.
pub fn error_log_order(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    let mut ids = Vec::new();
    for opcode in [0x7f, 0x7e, 0x7d] {
        let id = controller.submit(0, &[SubmissionEntry::new(opcode)])[0];
        assert_eq!(controller.wait(0, id).status(), Status::INVALID_OPCODE);
        ids.push(id);
    }
    let log = controller.log_page(LogPageId::ERROR_INFORMATION, 192);
    let entries: Vec<ErrorLogEntry> = log
        .chunks(64)
        .map(|entry| ErrorLogEntry::read_from_bytes(entry).expect("64 bytes"))
        .collect();
    for (entry, id) in entries.iter().zip(ids.iter().rev()) {
        assert_eq!((entry.submission_queue_id, entry.command_id), (0, *id));
        assert_eq!(entry.status(), Status::INVALID_OPCODE);
    }
    assert_eq!(entries[0].error_count, entries[2].error_count + 2);
}

/// The health log counts commands and data.
pub fn health_counts(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let health = |controller: &mut crate::rig::Controller| {
        let page = controller.log_page(LogPageId::HEALTH, 512);
        let page = HealthLog::read_from_bytes(&page).expect("512 bytes");
        (
            u128::from_le_bytes(page.host_reads),
            u128::from_le_bytes(page.host_writes),
        )
    };
    let before = health(&mut controller);
    let buffer = controller.buffer(4096);
    for _ in 0..5 {
        let write = controller.write(1, 1, &buffer);
        let read = controller.read(1, 1, &buffer);
        controller.statuses(1, &[write, read, read]);
    }
    let after = health(&mut controller);
    assert_eq!((after.0 - before.0, after.1 - before.1), (10, 5));
}

/// The firmware slot log names the firmware that Identify names.
pub fn firmware_slot(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    let page = controller.log_page(LogPageId::FIRMWARE_SLOT, 512);
    let page = FirmwareSlotLog::read_from_bytes(&page).expect("512 bytes");
    assert_eq!(page.active_firmware & 7, 1);
    assert_eq!(page.revision[0], controller.identify().firmware_revision);
}

/// The counters' page shows the asking function first, then all of them.
pub fn counters_of_all_functions(device: Factory) {
    let rig = Rig::new(device);
    let functions = usize::from(rig.device.virtual_functions) + 1;
    let bytes = rig.device.block_bytes as usize;
    for function in 0..functions {
        let mut controller = rig.io_controller(FunctionId(function as u8));
        let buffer = controller.buffer(bytes);
        for _ in 0..=function {
            let read = controller.read(0, 1, &buffer);
            assert_eq!(controller.io(read), Status::SUCCESS);
        }
    }
    let mut controller = rig.controller(FunctionId(1));
    let page = controller.log_page(LogPageId::COUNTERS, 64 * (functions as u32 + 1));
    let rows: Vec<FunctionCounters> = page
        .chunks(64)
        .map(|row| FunctionCounters::read_from_bytes(row).expect("64 bytes"))
        .collect();
    assert_eq!(rows[0], rows[2], "VF0 asks, and is the second function");
    for (function, row) in rows[1..].iter().enumerate() {
        assert_eq!(row.reads, function as u64 + 1);
        assert_eq!(row.bytes_read, row.reads * bytes as u64);
    }
}
