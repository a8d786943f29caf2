//! Every controller that this build holds, whatever its parameters: all functions and queues work, and
//! the sizes that Identify names are those that are kept to. `cargo xtask parameters` builds the corners.

#![cfg(feature = "verilator")]

use std::cell::Cell;

use nvme_conformance::rig::{Controller, pattern};
use nvme_conformance::{DeviceOptions, Rig};
use nvme_model::medium::Medium;
use nvme_rtl::{RtlDevice, RtlOptions, Shape};
use nvme_spec::{Status, SubmissionEntry};
use pcie_host::HostOptions;
use pcie_host::endpoint::{Endpoint, FunctionId};

const SUCCESS: Status = Status::SUCCESS;
/// MDTS of every controller.
const LARGEST_BYTES: usize = 128 << 10;

thread_local! {
    /// What the next device is: a factory is a function, and takes what both twins know.
    static SHAPE: Cell<Option<Shape>> = const { Cell::new(None) };
}

fn device(options: &DeviceOptions) -> Box<dyn Endpoint> {
    let shape = SHAPE.get().expect("a shape");
    let medium = Medium::in_memory(options.medium_bytes, options.block_bytes).expect("memory");
    let options = RtlOptions {
        virtual_functions: shape.virtual_functions,
        io_queues: shape.io_queues,
        atomic_unit_bytes: shape.atomic_unit_bytes,
        tags: shape.tags,
        ..RtlOptions::new(medium)
    };
    Box::new(RtlDevice::new(options).expect("a device"))
}

fn rig(shape: Shape) -> Rig {
    println!("{shape:?}");
    SHAPE.set(Some(shape));
    let options = DeviceOptions {
        virtual_functions: shape.virtual_functions,
        queues_per_function: shape.io_queues,
        block_bytes: shape.block_bytes,
        ..DeviceOptions::default()
    };
    Rig::build(device, options, HostOptions::default())
}

/// A function with all of its queues.
fn controller(rig: &Rig, function: u8) -> Controller {
    let mut controller = rig.controller(FunctionId(function));
    for queue_id in 1..=rig.device.queues_per_function {
        controller.create_queue_pair(queue_id, 16);
    }
    controller
}

/// Identify says what the parameters say.
#[test]
fn sizes_are_told() {
    for shape in Shape::all() {
        let rig = rig(shape);
        let unit_blocks = shape.atomic_unit_bytes / shape.block_bytes;
        for function in 0..=shape.virtual_functions {
            let mut controller = rig.controller(FunctionId(function));
            let identify = controller.identify();
            let units = [
                identify.atomic_write_unit_normal,
                identify.atomic_write_unit_power_fail,
                identify.atomic_compare_and_write_unit,
            ];
            assert_eq!(units.map(u32::from), [unit_blocks - 1; 3]);
            assert_eq!(
                controller.identify_namespace().block_bytes(),
                u64::from(shape.block_bytes)
            );
        }
    }
}

/// Every queue of every function, all at the same time: its blocks are its own, and come back.
#[test]
fn all_queues_of_all_functions() {
    for shape in Shape::all() {
        let rig = rig(shape);
        let blocks = 8192 / shape.block_bytes;
        let mut controllers: Vec<Controller> = (0..=shape.virtual_functions)
            .map(|function| controller(&rig, function))
            .collect();
        let mut sent = Vec::new();
        for (function, controller) in controllers.iter_mut().enumerate() {
            for queue_id in 1..=shape.io_queues {
                for number in 0..4 {
                    let place = (function as u64 * 16 + u64::from(queue_id) - 1) * 4 + number;
                    let buffer = controller.buffer(8192);
                    buffer.fill(place);
                    let lba = place * u64::from(blocks);
                    let write = controller.write(lba, blocks, &buffer);
                    let id = controller.submit(queue_id, &[write])[0];
                    sent.push((function, queue_id, id, place, lba, buffer));
                }
            }
        }
        for (function, queue_id, id, place, lba, buffer) in &sent {
            let controller = &mut controllers[*function];
            assert_eq!(controller.wait(*queue_id, *id).status(), SUCCESS);
            assert!(rig.medium(*lba, blocks) == pattern(*place, 8192));
            buffer.fill(0);
            let read = controller.read(*lba, blocks, buffer);
            assert_eq!(controller.statuses(*queue_id, &[read]), [SUCCESS]);
            assert!(buffer.read(0, 8192) == pattern(*place, 8192));
        }
    }
}

/// A pair may be as large as the unit, and no larger; a failing one changes nothing.
#[test]
fn pairs_up_to_the_unit() {
    for shape in Shape::all() {
        let rig = rig(shape);
        let last = shape.virtual_functions;
        let mut controller = controller(&rig, last);
        let unit = shape.atomic_unit_bytes as usize;
        let blocks = shape.atomic_unit_bytes / shape.block_bytes;
        let (old, new) = (controller.buffer(2 * unit), controller.buffer(2 * unit));
        new.fill(7);
        let expected = new.read(0, unit);
        let pair = controller.pair(3, blocks, &old, &new);
        assert_eq!(controller.statuses(1, &pair), [SUCCESS; 2]);
        assert!(rig.medium(3, blocks) == expected);
        let failed = [Status::COMPARE_FAILURE, Status::ABORTED_FAILED_FUSED];
        let pair = controller.pair(3, blocks, &old, &old);
        assert_eq!(controller.statuses(1, &pair), failed);
        assert!(rig.medium(3, blocks) == expected);
        let pair = controller.pair(3, blocks + 1, &new, &old);
        let statuses = controller.statuses(1, &pair);
        assert!(statuses.iter().all(|status| !status.is_success()));
        assert!(rig.medium(3, blocks) == expected);
    }
}

/// The largest commands of every function at once, more reads than there are tags; then a reset of the
/// last function, and it works again.
#[test]
fn largest_commands_and_a_reset() {
    for shape in Shape::all() {
        let rig = rig(shape);
        let blocks = LARGEST_BYTES as u32 / shape.block_bytes;
        let mut controllers: Vec<Controller> = (0..=shape.virtual_functions)
            .map(|function| controller(&rig, function))
            .collect();
        let mut sent = Vec::new();
        for (function, controller) in controllers.iter_mut().enumerate() {
            let lba = function as u64 * u64::from(blocks);
            let buffer = controller.buffer(LARGEST_BYTES);
            buffer.fill(lba + 1);
            let write = controller.write(lba, blocks, &buffer);
            let id = controller.submit(shape.io_queues, &[write])[0];
            sent.push((lba, id, buffer));
        }
        for (controller, (lba, id, buffer)) in controllers.iter_mut().zip(&sent) {
            assert_eq!(controller.wait(shape.io_queues, *id).status(), SUCCESS);
            assert!(rig.medium(*lba, blocks) == buffer.read(0, LARGEST_BYTES));
        }
        drop(controllers.pop());
        rig.host
            .reset_function(FunctionId(shape.virtual_functions))
            .expect("the reset ends");
        let mut last = controller(&rig, shape.virtual_functions);
        assert_eq!(
            last.statuses(shape.io_queues, &[SubmissionEntry::flush()]),
            [SUCCESS]
        );
    }
}
