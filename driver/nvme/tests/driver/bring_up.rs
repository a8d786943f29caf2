use nvme_driver::{Controller, ControllerOptions, DriverError, QueueOptions};
use nvme_instant::{Fault, Injection, InstantDevice, InstantOptions, Presence};
use nvme_spec::opcode::admin;
use nvme_spec::{Status, feature};

use crate::rig::{open, rig, write};

#[test]
fn info_counts_from_one_and_takes_padding_off() {
    let device = InstantDevice::new(InstantOptions {
        functions: 3,
        blocks: 1000,
        ..InstantOptions::default()
    });
    let controller = open(&device, 2);
    let info = controller.info();
    assert_eq!(info.name, "instant VF1");
    assert_eq!(info.serial_number, "INSTANT0001");
    assert_eq!(info.model_number, "Controller without time");
    assert_eq!(info.controller_id, 2);
    assert!(info.is_virtual_function && info.namespace_shared);
    assert_eq!((info.block_bytes, info.blocks), (4096, 1000));
    assert_eq!(info.capacity_bytes(), 4_096_000);
    assert_eq!(info.maximum_transfer_bytes, 128 << 10);
    assert!(info.supports_compare_and_write && info.supports_compare);
    assert_eq!(
        [
            info.atomic_compare_and_write_blocks,
            info.atomic_write_blocks,
            info.atomic_write_power_fail_blocks
        ],
        [4, 4, 4]
    );
    assert!(!info.write_atomicity_disabled && !info.volatile_write_cache);
    assert_eq!((info.io_queue_pairs, info.maximum_queue_entries), (4, 1024));
    assert_eq!(info.interrupt_vectors, 5);
}

#[test]
fn info_shows_what_a_store_must_refuse() {
    let device = InstantDevice::new(InstantOptions::default());
    device.edit_identify(0, |identify| {
        identify.fused_operations = 0;
        identify.volatile_write_cache = 1;
        identify.atomic_write_unit_power_fail = 0;
    });
    device.set_feature(
        0,
        feature::WRITE_ATOMICITY,
        feature::WRITE_ATOMICITY_DISABLE_NORMAL,
    );
    let controller = open(&device, 0);
    let info = controller.info();
    assert!(!info.supports_compare_and_write && info.volatile_write_cache);
    assert_eq!(info.atomic_write_power_fail_blocks, 1);
    assert!(info.write_atomicity_disabled);
}

#[test]
fn mdts_zero_means_the_drivers_own_limit() {
    let device = InstantDevice::new(InstantOptions {
        maximum_data_transfer: 0,
        ..InstantOptions::default()
    });
    assert_eq!(open(&device, 0).info().maximum_transfer_bytes, 2 << 20);
}

/// A client that died left its queues behind; the next one must start from nothing.
#[test]
fn a_controller_that_was_left_running_is_reset() {
    let device = InstantDevice::new(InstantOptions::default());
    let first = open(&device, 0);
    let pair = first
        .queue_pair(QueueOptions::default())
        .expect("a queue pair");
    std::mem::forget((first, pair));
    assert_eq!(device.submission_queues(0), 1);
    let mut again = open(&device, 0)
        .queue_pair(QueueOptions::default())
        .expect("a queue pair");
    assert_eq!(device.resets(0).controller, 1);
    assert_eq!(again.queue_id(), 1);
    write(&mut again, 0, 1).expect("it works");
}

#[test]
fn a_jammed_controller_gets_a_function_level_reset() {
    let device = InstantDevice::new(InstantOptions::default());
    std::mem::forget(open(&device, 0));
    device.jam(0, false);
    open(&device, 0);
    assert_eq!(device.resets(0).function, 1);
}

#[test]
fn a_controller_that_never_gets_ready_is_named_with_its_timeout() {
    let device = InstantDevice::new(InstantOptions::default());
    device.jam(0, true);
    let error = Controller::open(device.function(0), ControllerOptions::default()).err();
    let message = error.expect("it cannot come up").to_string();
    assert_eq!(message, "instant PF: the function level reset did not end");
}

#[test]
fn a_device_that_is_not_there_is_gone() {
    for presence in [Presence::Vanished, Presence::Removed] {
        let device = InstantDevice::new(InstantOptions::default());
        device.set_presence(0, presence);
        let error = Controller::open(device.function(0), ControllerOptions::default()).err();
        assert!(
            matches!(error, Some(DriverError::DeviceGone { .. })),
            "{error:?}"
        );
    }
}

#[test]
fn block_sizes_and_metadata_the_driver_cannot_use_are_refused_by_name() {
    let device = InstantDevice::new(InstantOptions::default());
    device.edit_namespace(|namespace| namespace.lba_format[0].data_size = 16);
    let error = Controller::open(device.function(0), ControllerOptions::default()).err();
    assert_eq!(
        error.expect("64 KiB blocks").to_string(),
        "instant PF: the block size of namespace 1 is 65536; this driver needs 512 to 4,096 bytes"
    );
    device.edit_namespace(|namespace| {
        namespace.lba_format[0].data_size = 12;
        namespace.lba_format[0].metadata_bytes = 8;
    });
    let error = Controller::open(device.function(0), ControllerOptions::default()).err();
    assert_eq!(
        error.expect("metadata").to_string(),
        "instant PF: the metadata size of namespace 1 is 8; this driver needs 0"
    );
}

#[test]
fn options_out_of_range_say_what_is_allowed() {
    let device = InstantDevice::new(InstantOptions {
        queue_entries: 256,
        ..InstantOptions::default()
    });
    let options = ControllerOptions {
        admin_entries: 1,
        ..ControllerOptions::default()
    };
    let error = Controller::open(device.function(0), options)
        .err()
        .expect("too few");
    assert_eq!(
        error.to_string(),
        "instant PF: admin_entries = 1: 2 to 256 are possible"
    );
    let controller = open(&device, 0);
    for entries in [0, 1, 257, 1025] {
        let options = QueueOptions {
            entries,
            ..QueueOptions::default()
        };
        let error = controller.queue_pair(options).err().expect("out of range");
        assert_eq!(
            error.to_string(),
            format!(
                "instant PF: entries = {entries}: a queue of this controller has 2 to 256 entries"
            )
        );
    }
}

#[test]
fn queue_pairs_run_out_and_come_back() {
    let rig = rig();
    let mut pairs: Vec<_> = (0..3)
        .map(|_| {
            rig.controller
                .queue_pair(QueueOptions::default())
                .expect("a queue pair")
        })
        .collect();
    let error = rig
        .controller
        .queue_pair(QueueOptions::default())
        .err()
        .expect("none left");
    assert_eq!(
        error.to_string(),
        "instant PF: all 4 I/O queue pairs of this function are in use"
    );
    pairs.remove(1);
    assert_eq!(rig.device.submission_queues(0), 3);
    let pair = rig
        .controller
        .queue_pair(QueueOptions::default())
        .expect("one is free again");
    assert_eq!(pair.queue_id(), 3);
}

#[test]
fn a_queue_the_controller_refuses_leaves_nothing_behind() {
    let rig = rig();
    let refused = Fault::Status(Status::MAXIMUM_QUEUE_SIZE_EXCEEDED);
    let create = admin::CREATE_SUBMISSION_QUEUE;
    rig.device
        .inject(Injection::new(refused).on_queue(0).on_opcode(create));
    let error = rig
        .controller
        .queue_pair(QueueOptions::default())
        .err()
        .expect("refused");
    assert_eq!(error.status(), Some(Status::MAXIMUM_QUEUE_SIZE_EXCEEDED));
    let pair = rig
        .controller
        .queue_pair(QueueOptions::default())
        .expect("the next one works");
    assert_eq!(pair.queue_id(), 2);
}

#[test]
fn doorbells_follow_the_stride_of_the_controller() {
    let mut rig = crate::rig::rig_with(
        InstantOptions {
            doorbell_stride: 3,
            ..InstantOptions::default()
        },
        QueueOptions::default(),
    );
    write(&mut rig.pair, 7, 0x77).expect("it works");
    assert_eq!(crate::rig::block(&rig.device, 7), 0x77);
}

#[test]
fn the_last_one_out_shuts_the_controller_down() {
    let rig = rig();
    drop(rig.controller);
    assert_eq!(
        rig.device.submission_queues(0),
        1,
        "the queue pair keeps it running"
    );
    drop(rig.pair);
    assert_eq!(rig.device.submission_queues(0), 0);
    assert_eq!(rig.device.resets(0).controller, 1);
}
