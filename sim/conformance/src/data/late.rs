//! Host reads that never end, of which the hard block says nothing: the endpoint gives them up itself,
//! and what comes after all finds nobody.

use nvme_spec::Status;
use pcie_host::ReadFault;
use pcie_host::endpoint::{Cycle, FunctionId};

use crate::rig::{Factory, Rig, pattern};

const SUCCESS: Status = Status::SUCCESS;
/// The endpoint's 50 ms, and the most it may take: nobody waits for a command longer.
const TIMEOUT_CYCLES: Cycle = 6_250_000;
const PATIENCE_CYCLES: Cycle = 12_500_000;

fn inject(rig: &Rig, function: FunctionId, start: u64, fault: ReadFault) {
    rig.spoil_read(function, start..start + 4, fault);
}

/// Two Writes of a page: of one a read is lost, of the other it comes when the endpoint has given up.
/// Both end with Data Transfer Error and leave the medium as it was, now and when the late data are
/// there: by then another Write has their buffer. A third Write beside them waits for nobody.
pub fn pages_that_do_not_come(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let bytes = rig.device.block_bytes as usize;
    let before = pattern(1, bytes);
    for block in 0..3 {
        controller.store(block, &before);
    }
    let buffer = controller.buffer(3 * bytes);
    buffer.fill(0xdead);
    let page = bytes as u64;
    inject(&rig, FunctionId::PF, buffer.address + 512, ReadFault::Lost);
    let late = ReadFault::Delayed {
        by_cycles: TIMEOUT_CYCLES + 20_000,
    };
    inject(&rig, FunctionId::PF, buffer.address + page + page / 2, late);
    let start = rig.host.now();
    let writes: Vec<_> = (0..3)
        .map(|block| {
            let write = nvme_spec::SubmissionEntry::write(block, 1);
            controller.at_offset(write, &buffer, block as usize * bytes)
        })
        .collect();
    let ids = controller.submit(1, &writes);
    assert_eq!(controller.wait(1, ids[2]).status(), SUCCESS);
    assert!(rig.host.now() - start < 10_000, "it waits for the others");
    for id in &ids[..2] {
        let entry = controller
            .wait_for(PATIENCE_CYCLES, |controller| controller.take(1, *id))
            .expect("the endpoint has a completion timeout of its own");
        assert_eq!(entry.status(), Status::DATA_TRANSFER_ERROR);
    }
    assert!(rig.host.now() - start >= TIMEOUT_CYCLES, "too early");
    let fresh = controller.buffer(bytes);
    for round in 0..40 {
        fresh.write(0, &pattern(100 + round, bytes));
        let write = controller.write(1, 1, &fresh);
        assert_eq!(controller.io(write), SUCCESS);
        assert!(rig.medium(0, 1) == before, "round {round}: the other page");
        assert!(
            rig.medium(1, 1) == pattern(100 + round, bytes),
            "round {round}"
        );
        rig.run(1_000);
    }
}

/// A read that is lost takes all completion space with it, until the endpoint gives it up: then there is room
/// for everybody's reads again, though its tag stays in quarantine. Both twins once held that space for ever,
/// and the whole device stood still behind a single lost read.
pub fn lost_reads_leave_room(device: Factory) {
    let rig = Rig::narrow(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let mut other = rig.io_controller(FunctionId(1));
    let bytes = rig.device.block_bytes as usize;
    let buffers = [&mut controller, &mut other].map(|function| function.buffer(bytes));
    buffers[1].fill(2);
    inject(&rig, FunctionId::PF, buffers[0].address, ReadFault::Lost);
    let write = controller.write(0, 1, &buffers[0]);
    let lost = controller.submit(1, &[write])[0];
    rig.run(2_000);
    let write = other.write(1, 1, &buffers[1]);
    let waiting = other.submit(1, &[write])[0];
    let status = controller.wait(1, lost).status();
    assert_eq!(status, Status::DATA_TRANSFER_ERROR);
    assert_eq!(other.wait(1, waiting).status(), SUCCESS);
    assert!(rig.medium(1, 1) == buffers[1].read(0, bytes));
    let write = controller.write(0, 1, &buffers[0]);
    assert_eq!(controller.io(write), SUCCESS);
}

/// A read of SQEs that never ends: nobody knows what the host wanted, so that controller says Fatal
/// Status and takes nothing more, and a reset makes it whole. The other functions go on.
pub fn entries_that_do_not_come(device: Factory) {
    let rig = Rig::new(device);
    let vf = FunctionId(1);
    let mut other = rig.io_controller(FunctionId::PF);
    let mut controller = rig.io_controller(vf);
    let bytes = rig.device.block_bytes as usize;
    let buffer = controller.buffer(bytes);
    let mirror = other.buffer(bytes);
    let ring = controller.submission[&1].memory.address;
    inject(&rig, vf, ring, ReadFault::Lost);
    let read = controller.read(0, 1, &buffer);
    controller.submit(1, &[read]);
    let deadline = rig.host.now() + PATIENCE_CYCLES;
    while !controller.status().fatal() {
        assert!(rig.host.now() < deadline, "CSTS.CFS stays 0");
        let read = other.read(0, 1, &mirror);
        assert_eq!(other.io(read), SUCCESS);
        rig.run(100_000);
    }
    controller.forget_queues();
    controller.enable(32, 32);
    controller.create_queue_pair(1, 64);
    let read = controller.read(0, 1, &buffer);
    assert_eq!(controller.io(read), SUCCESS);
}
