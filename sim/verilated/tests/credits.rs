//! A link partner that gives no credit for reads: what is posted goes all the same (PCIe 2.1 §2.4.1).
//! The host model always has credits, so these are withheld at the pins.

#![cfg(feature = "verilator")]

#[path = "support/handle.rs"]
mod handle;
mod support;

use nvme_spec::Status;
use pcie_host::endpoint::FunctionId;

/// A completion behind a read that waits for credit: a host that gives credits only when it has seen
/// what it waits for would wait for ever.
#[test]
fn completions_pass_reads_without_credit() {
    const COMMANDS: usize = 8;
    let (rig, device) = handle::rig();
    let mut controller = rig.io_controller(FunctionId::PF);
    controller.create_queue_pair(2, 64);
    let buffer = controller.buffer(4096);
    let read = controller.read(0, 1, &buffer);
    controller.submit(1, &[read; COMMANDS]);
    // With the first completion all of their SQEs are in the controller: one host read has them.
    controller
        .wait_for(100_000, |controller| (controller.poll() > 0).then_some(()))
        .expect("the first completion");
    device.borrow().set_read_credits(false);
    let late = controller.submit(2, &[read])[0];
    rig.run(20_000);
    let arrived = controller.take_arrived();
    assert_eq!(arrived.len(), COMMANDS, "completions wait behind a read");
    assert!(arrived.iter().all(|entry| entry.submission_queue_id == 1));
    device.borrow().set_read_credits(true);
    let entry = controller.wait(2, late);
    assert_eq!(entry.status(), Status::SUCCESS);
}

/// Reads that wait go in order when credits are there again, and nothing is lost.
#[test]
fn writes_go_on_when_credits_come_and_go() {
    let (rig, device) = handle::rig();
    let mut controller = rig.io_controller(FunctionId::PF);
    let bytes = 8192;
    let buffer = controller.buffer(bytes);
    for round in 0..40 {
        buffer.fill(round);
        let commands: Vec<_> = (0..8)
            .map(|lba| controller.write(2 * lba, 2, &buffer))
            .collect();
        let ids = controller.submit(1, &commands);
        for credits in [false, true] {
            device.borrow().set_read_credits(credits);
            rig.run(60 + round * 7 % 50);
        }
        for id in ids {
            assert_eq!(controller.wait(1, id).status(), Status::SUCCESS);
        }
        for lba in 0..8 {
            let medium = rig.medium(2 * lba, 2);
            assert!(medium == buffer.read(0, bytes), "{round}: block {lba}");
        }
    }
}
