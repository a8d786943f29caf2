//! Time in which nothing happens is not evaluated, and what comes after it is as if it had been.

#![cfg(feature = "verilator")]

#[path = "support/handle.rs"]
mod handle;
mod support;

use nvme_spec::Status;
use pcie_host::endpoint::FunctionId;

/// Cycles after its last TLP in which a quiet controller is still evaluated.
const SETTLE_CYCLES: u64 = 200;

#[test]
fn quiet_cycles_are_skipped() {
    let (rig, device) = handle::rig();
    let mut controller = rig.io_controller(FunctionId::PF);
    let buffer = controller.buffer(4096);
    let read = controller.read(0, 1, &buffer);
    assert_eq!(controller.io(read), Status::SUCCESS);
    // Its completion queue's doorbell is still on its way.
    rig.run(2_000);
    let before = device.borrow().evaluated_cycles();
    rig.run(10_000_000);
    assert_eq!(device.borrow().evaluated_cycles(), before);
    // A command costs its own time and a little more.
    assert_eq!(controller.io(read), Status::SUCCESS);
    rig.run(2_000);
    let evaluated = device.borrow().evaluated_cycles() - before;
    assert!(evaluated > 200, "nothing was evaluated for a Read");
    assert!(evaluated < 1_000 + SETTLE_CYCLES, "{evaluated} cycles");
}

#[test]
fn latencies_do_not_depend_on_the_time_before() {
    let (rig, device) = handle::rig();
    let mut controller = rig.io_controller(FunctionId::PF);
    let buffer = controller.buffer(4096);
    for write in [false, true] {
        let command = if write {
            controller.write(0, 1, &buffer)
        } else {
            controller.read(0, 1, &buffer)
        };
        device.borrow().trace_commands(true);
        // Around the cycle in which it begins to count as idle, and far from it.
        let gaps = (0..400).chain([1_000, 4_096, 5_000, 1_000_000, 50_000_000]);
        for gap in gaps.clone() {
            assert_eq!(controller.io(command), Status::SUCCESS);
            rig.run(gap);
        }
        let traces = device.borrow().take_command_trace();
        assert_eq!(traces.len(), gaps.count());
        let latency = traces[0].completion_at - traces[0].doorbell_at;
        for (number, trace) in traces.iter().enumerate() {
            assert_eq!(
                trace.completion_at - trace.doorbell_at,
                latency,
                "command {number}, write: {write}"
            );
        }
    }
}
