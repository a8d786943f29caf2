//! Devices, controllers and queue pairs that go away.

use nvme_driver::{CommandKind, DriverError, QueueOptions};
use nvme_instant::{Fault, Injection, InstantOptions, Presence, ResetCounts};

use crate::rig::{finish, finish_one, lose_all, rig, rig_with, submit_one_of_each, write};

#[test]
fn a_controller_that_cannot_be_stopped_is_given_up_and_keeps_its_buffers() {
    let mut rig = rig();
    lose_all(&rig, Fault::LoseCompletion);
    submit_one_of_each(&mut rig);
    rig.pair.ring();
    rig.device.jam(0, true);
    let ended = finish(&mut rig.pair);
    assert_eq!(ended.len(), 5);
    for ended in &ended {
        let error = ended.result.clone().expect_err("given up");
        assert!(
            matches!(error, DriverError::ControllerFailed { .. }),
            "{error}"
        );
        assert!(error.is_fatal() && error.outcome_unknown());
    }
    let buffer = ended
        .into_iter()
        .find_map(|ended| ended.buffer)
        .expect("a buffer comes back");
    assert!(
        buffer.iter().all(|&byte| byte == 0),
        "not the one the device may still write"
    );
    rig.pair.submit_flush(9).expect("taken, to fail");
    assert!(
        finish_one(&mut rig.pair)
            .result
            .expect_err("given up")
            .is_fatal()
    );
    assert!(rig.controller.counters().expect_err("given up").is_fatal());
}

#[test]
fn a_device_that_is_gone_fails_everything_and_keeps_no_buffer() {
    for presence in [Presence::Vanished, Presence::Removed] {
        let mut rig = rig();
        lose_all(&rig, Fault::LoseCommand);
        submit_one_of_each(&mut rig);
        rig.pair.ring();
        rig.device.set_presence(0, presence);
        let ended = finish(&mut rig.pair);
        assert_eq!(ended.len(), 5);
        for ended in ended {
            assert_eq!(ended.outcome_unknown(), ended.command.changes_medium());
            assert_eq!(ended.buffer.is_some(), ended.command != CommandKind::Flush);
            let error = ended.result.expect_err("gone");
            assert!(matches!(error, DriverError::DeviceGone { .. }), "{error}");
        }
        for _ in 0..3 {
            let error = write(&mut rig.pair, 0, 1).expect_err("still gone");
            assert!(matches!(error, DriverError::DeviceGone { .. }));
        }
        let error = rig
            .controller
            .queue_pair(QueueOptions::default())
            .err()
            .expect("gone");
        assert!(matches!(error, DriverError::DeviceGone { .. }));
    }
}

#[test]
fn a_device_that_goes_with_the_command_is_noticed() {
    let mut rig = rig();
    rig.device
        .inject(Injection::new(Fault::Vanish).on_queue(1).after(1));
    write(&mut rig.pair, 0, 1).expect("the first one passes");
    let error = write(&mut rig.pair, 0, 2).expect_err("gone");
    assert!(matches!(error, DriverError::DeviceGone { .. }) && error.outcome_unknown());
    assert_eq!(
        error.to_string(),
        "instant PF: the device is gone (it was taken away)"
    );
}

/// Somebody swaps the device while it is being reset: its data is not ours.
#[test]
fn another_device_in_its_place_is_refused() {
    let mut rig = rig();
    rig.device
        .edit_identify(0, |identify| identify.serial_number[10] = b'2');
    let error = rig.controller.reset().expect_err("another serial number");
    assert!(
        error
            .to_string()
            .contains("another device answers in its place"),
        "{error}"
    );
    assert!(write(&mut rig.pair, 0, 1).expect_err("given up").is_fatal());
}

/// Dropping a queue pair in mid-air deletes its queues: nothing is written into freed memory, and
/// its identifier serves the next one.
#[test]
fn a_queue_pair_can_be_dropped_with_commands_in_flight() {
    let mut rig = rig_with(
        InstantOptions {
            shuffle_seed: Some(1),
            ..InstantOptions::default()
        },
        QueueOptions::default(),
    );
    submit_one_of_each(&mut rig);
    rig.pair.ring();
    rig.pair = rig
        .controller
        .queue_pair(QueueOptions::default())
        .expect("a second one");
    assert_eq!(rig.device.submission_queues(0), 1);
    assert_eq!(rig.device.resets(0), ResetCounts::default());
    write(&mut rig.pair, 0, 3).expect("it works");
}

#[test]
fn a_function_that_fails_does_not_touch_the_others() {
    let mut rig = rig_with(
        InstantOptions {
            functions: 2,
            ..InstantOptions::default()
        },
        QueueOptions::default(),
    );
    let other = crate::rig::open(&rig.device, 1);
    let mut pair = other
        .queue_pair(QueueOptions::default())
        .expect("a queue pair");
    rig.device.set_presence(0, Presence::Removed);
    write(&mut rig.pair, 0, 1).expect_err("gone");
    write(&mut pair, 0, 2).expect("not this one");
    assert_eq!(rig.device.resets(1), ResetCounts::default());
}
