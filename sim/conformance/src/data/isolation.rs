//! A function reaches its own memory only, and only while it may.

use nvme_spec::{Status, SubmissionEntry};
use pcie_host::DmaFaultReason;
use pcie_host::endpoint::FunctionId;

use crate::rig::{Controller, Factory, Rig, set_bus_master};

const SUCCESS: Status = Status::SUCCESS;

/// A Write from memory that is not mapped fails, the medium is as before, and the fault is recorded
/// for that function at that address.
pub fn write_from_unmapped_memory(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId(1));
    let buffer = controller.buffer(128 << 10);
    for blocks in [1, 4, 32] {
        let before = rig.medium(0, blocks);
        let write = controller.write(0, blocks, &buffer);
        buffer.unmap();
        assert_eq!(controller.io(write), Status::DATA_TRANSFER_ERROR);
        assert!(rig.medium(0, blocks) == before);
        let faults = rig.take_dma_faults();
        assert!(!faults.is_empty());
        for fault in faults {
            assert_eq!(fault.function, FunctionId(1));
            assert_eq!(fault.reason, DmaFaultReason::NotMapped);
            let end = buffer.address + buffer.len() as u64;
            assert!((buffer.address..end).contains(&fault.address), "{fault:x?}");
        }
    }
}

/// A Read into memory that is not mapped touches nothing; posted writes have no answer, so the
/// command succeeds.
pub fn read_into_unmapped_memory(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId(1));
    let buffer = controller.buffer(4096);
    buffer.fill(3);
    let before = buffer.read(0, 4096);
    let read = controller.read(0, 1, &buffer);
    buffer.unmap();
    assert_eq!(controller.io(read), SUCCESS);
    assert!(buffer.read(0, 4096) == before);
    let faults = rig.take_dma_faults();
    assert!(!faults.is_empty() && faults.iter().all(|fault| fault.write));
    assert_eq!(controller.io(SubmissionEntry::flush()), SUCCESS);
}

/// A PRP list that is not mapped.
pub fn unmapped_prp_list(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let buffer = controller.buffer(128 << 10);
    let before = rig.medium(0, 32);
    for command in [
        controller.read(0, 32, &buffer),
        controller.write(0, 32, &buffer),
        controller.compare(0, 32, &buffer),
    ] {
        controller
            .prp_lists
            .iter()
            .for_each(crate::rig::Buffer::unmap);
        controller.forget_prp_lists();
        assert_eq!(
            controller.io(command),
            Status::DATA_TRANSFER_ERROR,
            "{command:x?}"
        );
        assert!(!rig.take_dma_faults().is_empty());
    }
    assert!(rig.medium(0, 32) == before);
}

/// One function names another one's addresses: it does not reach them, in either direction.
pub fn other_functions_memory(device: Factory) {
    let rig = Rig::new(device);
    let mut victim = rig.io_controller(FunctionId::PF);
    let mut thief = rig.io_controller(FunctionId(1));
    let secret = victim.buffer(4096);
    secret.fill(42);
    let medium = rig.medium(8, 1);
    let read = SubmissionEntry::read(8, 1).with_prps(secret.address, 0);
    assert_eq!(thief.io(read), SUCCESS);
    let write = SubmissionEntry::write(8, 1).with_prps(secret.address, 0);
    assert_eq!(thief.io(write), Status::DATA_TRANSFER_ERROR);
    assert!(
        secret.read(0, 4096) == crate::rig::pattern(42, 4096),
        "the victim's memory"
    );
    assert!(
        rig.medium(8, 1) == medium,
        "the victim's data reached the medium"
    );
    let faults = rig.take_dma_faults();
    assert!(
        faults.iter().all(|fault| fault.function == FunctionId(1)),
        "{faults:x?}"
    );
    assert!(faults.iter().any(|fault| fault.write) && faults.iter().any(|fault| !fault.write));
    // The same address in both: each has its own page behind it.
    let read = SubmissionEntry::read(8, 1).with_prps(secret.address, 0);
    assert_eq!(victim.io(read), SUCCESS);
    assert!(secret.read(0, 4096) == medium);
}

/// Doorbells and queues of one number belong to each function by itself.
pub fn queues_of_one_number(device: Factory) {
    let rig = Rig::new(device);
    let mut controllers: Vec<Controller> = (0..=rig.device.virtual_functions)
        .map(|f| rig.io_controller(FunctionId(f)))
        .collect();
    // The same identifier in the same queue number of every function, at the same time.
    for controller in &mut controllers {
        for command_id in [1, 2, 3] {
            controller.post_as(1, SubmissionEntry::flush(), command_id);
        }
    }
    controllers[1].ring_doorbell(1);
    rig.run(20_000);
    for (function, controller) in controllers.iter_mut().enumerate() {
        let answered = (1..=3).filter_map(|id| controller.take(1, id)).count();
        assert_eq!(
            answered,
            if function == 1 { 3 } else { 0 },
            "function {function}"
        );
    }
    for controller in &mut controllers {
        controller.ring_doorbell(1);
    }
    rig.run(20_000);
    for (function, controller) in controllers.iter_mut().enumerate() {
        let answered = (1..=3).filter_map(|id| controller.take(1, id)).count();
        assert_eq!(
            answered,
            if function == 1 { 0 } else { 3 },
            "function {function}"
        );
    }
}

/// Bus-master off in the middle of the load: the device sends nothing of that function any more, and
/// the others go on; after a reset and bus-master on it works again.
pub fn bus_master_off(device: Factory) {
    let rig = Rig::new(device);
    let mut other = rig.io_controller(FunctionId(2));
    for round in 0..crate::scale(12, 120) {
        let mut controller = rig.io_controller(FunctionId(1));
        let buffer = controller.buffer(128 << 10);
        let commands: Vec<SubmissionEntry> = (0..30)
            .map(|number| match number % 2 {
                0 => controller.read(number * 32, 32, &buffer),
                _ => controller.write(number * 32, 32, &buffer),
            })
            .collect();
        controller.submit(1, &commands);
        rig.run(round * 307);
        set_bus_master(&rig.host, FunctionId(1), false);
        // What has begun may end; the host counts only what was begun after it.
        rig.run(1_000);
        let before = buffer.read(0, 128 << 10);
        let theirs = other.buffer(128 << 10);
        for number in 0..4 {
            let write = other.write(number * 32, 32, &theirs);
            assert_eq!(other.io(write), SUCCESS, "round {round}");
        }
        rig.run(20_000);
        assert_eq!(rig.take_dma_faults(), [], "sent without bus-master enable");
        assert!(buffer.read(0, 128 << 10) == before);
        rig.host
            .reset_function(FunctionId(1))
            .expect("the reset ends");
        set_bus_master(&rig.host, FunctionId(1), true);
        controller.forget_queues();
        controller.enable(16, 16);
        controller.create_queue_pair(1, 16);
        assert_eq!(
            controller.io(SubmissionEntry::flush()),
            SUCCESS,
            "round {round}"
        );
    }
}

/// A submission ring that is not mapped: that function may be lost until its reset, nobody else is.
pub fn unmapped_submission_ring(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId(1));
    let mut other = rig.io_controller(FunctionId(2));
    controller.submission[&1].memory.unmap();
    controller.submit(1, &[SubmissionEntry::flush(); 3]);
    rig.run(50_000);
    let faults = rig.take_dma_faults();
    assert!(!faults.is_empty() && faults.iter().all(|fault| fault.function == FunctionId(1)));
    assert!(controller.status().fatal(), "what was asked for is unknown");
    assert!(!other.status().fatal());
    assert_eq!(other.io(SubmissionEntry::flush()), SUCCESS);
    controller.write32(nvme_spec::register::CC, 0);
    controller.wait_ready(false);
    controller.forget_queues();
    controller.enable(16, 16);
    controller.create_queue_pair(1, 16);
    assert_eq!(controller.io(SubmissionEntry::flush()), SUCCESS);
    assert!(!controller.status().fatal());
}

/// A completion ring that is not mapped: completions are lost, nothing else is.
pub fn unmapped_completion_ring(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId(1));
    controller.create_queue_pair(2, 16);
    controller.completion[&2].memory.unmap();
    let buffer = controller.buffer(4096);
    buffer.fill(5);
    let write = controller.write(77, 1, &buffer);
    controller.submit(2, &[write]);
    rig.run(50_000);
    assert!(rig.medium(77, 1) == buffer.read(0, 4096));
    let faults = rig.take_dma_faults();
    assert!(
        faults
            .iter()
            .all(|fault| fault.write && fault.length_bytes == 16),
        "{faults:x?}"
    );
    assert_eq!(faults.len(), 1);
    assert_eq!(controller.io(SubmissionEntry::flush()), SUCCESS);
}
