use nvme_driver::{
    CommandKind, Controller, ControllerOptions, DriverError, Outcome, QueueOptions, ResetReason,
    Transport,
};
use nvme_instant::{Fault, Injection, InstantDevice, InstantOptions, Presence, ResetCounts};
use nvme_spec::Status;
use nvme_spec::opcode::{admin, nvm};

use crate::rig::{
    PAGE, Rig, block, compare_and_write, filled, finish, finish_one, read, rig, rig_with, write,
};

const TIMEOUT_NS: u64 = 5_000_000_000;
const ABORT_NS: u64 = 1_000_000_000;

/// One command of each kind, the first of which the controller loses.
fn submit_one_of_each(rig: &mut Rig) {
    let buffer = filled(&mut rig.pair, PAGE, 1);
    rig.pair.submit_write(0, 1, buffer, 0).expect("room");
    let buffer = filled(&mut rig.pair, PAGE, 0);
    rig.pair.submit_read(1, 1, buffer, 1).expect("room");
    let buffer = filled(&mut rig.pair, PAGE, 0);
    rig.pair.submit_compare(2, 1, buffer, 2).expect("room");
    let (old, new) = (
        filled(&mut rig.pair, PAGE, 0),
        filled(&mut rig.pair, PAGE, 4),
    );
    rig.pair
        .submit_compare_and_write(3, 1, old, new, 3)
        .expect("room");
    rig.pair.submit_flush(4).expect("room");
}

fn lose_all(rig: &Rig, fault: Fault) {
    for _ in 0..6 {
        rig.device.inject(Injection::new(fault).on_queue(1));
    }
}

#[test]
fn a_lost_command_is_aborted_and_nothing_else_suffers() {
    let mut rig = rig();
    rig.device
        .inject(Injection::new(Fault::LoseCommand).on_opcode(nvm::READ));
    let buffer = filled(&mut rig.pair, PAGE, 0);
    rig.pair.submit_read(7, 1, buffer, 7).expect("room");
    let buffer = filled(&mut rig.pair, PAGE, 8);
    rig.pair.submit_write(8, 1, buffer, 8).expect("room");
    let ended = finish(&mut rig.pair);
    assert_eq!((ended[0].tag, &ended[0].result), (8, &Ok(Outcome::Done)));
    let error = ended[1].result.clone().expect_err("lost");
    assert_eq!(
        error.to_string(),
        "instant PF: Read of 1 blocks at LBA 7: no answer within 5000000000 ns, aborted (Command \
         Abort Requested (type 0, code 0x07))"
    );
    assert!(ended[1].buffer.is_some());
    assert_eq!(rig.device.now_ns(), TIMEOUT_NS);
    assert_eq!(rig.device.resets(0), ResetCounts::default());
}

/// An aborted Write may have been on its way to the medium. An aborted pair whose Write ended with
/// 09h was not.
#[test]
fn an_aborted_write_is_unknown_and_an_aborted_pair_is_not() {
    let mut rig = rig();
    rig.device
        .inject(Injection::new(Fault::LoseCommand).on_queue(1));
    let error = write(&mut rig.pair, 0, 1).expect_err("lost");
    assert!(matches!(error, DriverError::TimedOut { .. }) && error.outcome_unknown());
    rig.device
        .inject(Injection::new(Fault::LoseCommand).on_opcode(nvm::COMPARE));
    let error = compare_and_write(&mut rig.pair, 0, 0, 1).expect_err("lost");
    assert!(
        matches!(error, DriverError::TimedOut { .. }) && !error.outcome_unknown(),
        "{error}"
    );
    assert_eq!(error.status(), Some(Status::ABORTED_FAILED_FUSED));
}

#[test]
fn more_lost_commands_than_the_controller_takes_aborts_are_aborted_in_turn() {
    let mut rig = rig();
    for _ in 0..40 {
        rig.device
            .inject(Injection::new(Fault::LoseCommand).on_queue(1));
    }
    for tag in 0..40 {
        let buffer = filled(&mut rig.pair, PAGE, 0);
        rig.pair.submit_read(0, 1, buffer, tag).expect("room");
    }
    let ended = finish(&mut rig.pair);
    assert_eq!(ended.len(), 40);
    assert!(
        ended
            .iter()
            .all(|ended| matches!(ended.result, Err(DriverError::TimedOut { .. })))
    );
    assert_eq!(rig.device.resets(0), ResetCounts::default());
}

#[test]
fn a_lost_completion_costs_a_reset_and_the_queue_pair_works_on() {
    for lap in [0, 130] {
        lost_completion_in_the_middle_of_lap(lap);
    }
}

/// The rings have gone round so far that their pointers and the phase tag are not as at the start.
fn lost_completion_in_the_middle_of_lap(commands: u64) {
    let mut rig = rig();
    for lba in 0..commands {
        write(&mut rig.pair, lba, 9).expect("before the fault");
    }
    lose_all(&rig, Fault::LoseCompletion);
    submit_one_of_each(&mut rig);
    let mut ended = finish(&mut rig.pair);
    ended.sort_by_key(|ended| ended.tag);
    assert_eq!(ended.len(), 5);
    for ended in &ended {
        let error = ended.result.clone().expect_err("lost");
        let DriverError::ControllerReset { reason, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(reason, ResetReason::CommandTimeout);
        let changes = matches!(
            ended.command,
            CommandKind::Write | CommandKind::CompareAndWrite
        );
        assert_eq!(error.outcome_unknown(), changes, "{error}");
        assert_eq!(
            error.to_string().contains("the outcome is unknown"),
            changes
        );
        assert_eq!(ended.buffer.is_some(), ended.command != CommandKind::Flush);
    }
    assert_eq!(rig.device.now_ns(), TIMEOUT_NS + ABORT_NS);
    assert_eq!(rig.device.resets(0).controller, 1);
    assert_eq!(block(&rig.device, 0), 1, "the Write had been executed");
    for lba in 0..200 {
        write(&mut rig.pair, lba, 5).expect("the queue pair works on");
    }
    assert_eq!(read(&mut rig.pair, 199), vec![5; PAGE]);
    assert_eq!(rig.pair.bogus_completions(), 0);
}

#[test]
fn an_abort_without_an_answer_costs_a_reset() {
    let mut rig = rig();
    rig.device.ignore_aborts(0, true);
    rig.device
        .inject(Injection::new(Fault::LoseCommand).on_opcode(nvm::READ));
    let buffer = filled(&mut rig.pair, PAGE, 0);
    rig.pair.submit_read(0, 1, buffer, 0).expect("room");
    let error = finish_one(&mut rig.pair).result.expect_err("lost");
    assert!(matches!(error, DriverError::ControllerReset { .. }));
    assert_eq!(rig.device.resets(0).controller, 1);
    write(&mut rig.pair, 0, 1).expect("it works on");
}

/// The Abort Command Limit (ACL) of this controller is 4. A reset makes room again.
#[test]
fn no_more_aborts_than_the_limit_are_outstanding() {
    let mut rig = rig();
    rig.device.ignore_aborts(0, true);
    for tag in 0..10 {
        rig.device
            .inject(Injection::new(Fault::LoseCommand).on_queue(1));
        let buffer = filled(&mut rig.pair, PAGE, 0);
        rig.pair.submit_read(0, 1, buffer, tag).expect("room");
    }
    assert_eq!(finish(&mut rig.pair).len(), 10);
    assert_eq!(rig.device.ignored_aborts(0), 4);
    assert_eq!(rig.device.resets(0).controller, 1);
    rig.device.ignore_aborts(0, false);
    rig.device
        .inject(Injection::new(Fault::LoseCommand).on_queue(1));
    let buffer = filled(&mut rig.pair, PAGE, 0);
    rig.pair.submit_read(0, 1, buffer, 0).expect("room");
    let error = finish_one(&mut rig.pair).result.expect_err("lost");
    assert!(
        matches!(error, DriverError::TimedOut { .. }),
        "aborted, no reset: {error}"
    );
}

/// The command ends by itself after its Abort was sent, but the Abort is never answered: the admin
/// queue is broken, which only a reset mends.
#[test]
fn an_abort_without_an_answer_costs_a_reset_even_when_its_command_has_ended() {
    let mut rig = rig();
    rig.device.ignore_aborts(0, true);
    rig.device
        .inject(Injection::new(Fault::LoseCommand).on_opcode(nvm::READ));
    let buffer = filled(&mut rig.pair, PAGE, 0);
    rig.pair.submit_read(0, 1, buffer, 0).expect("room");
    let mut ended = Vec::new();
    while rig.device.now_ns() < TIMEOUT_NS {
        rig.pair.wait(u64::MAX);
    }
    assert_eq!(rig.pair.poll(&mut ended), 0, "the Abort is sent now");
    rig.device.post_completion(0, 1, 0, Status::SUCCESS);
    assert_eq!(rig.pair.poll(&mut ended), 1);
    assert_eq!(ended[0].result, Ok(Outcome::Done));
    while rig.device.now_ns() < TIMEOUT_NS + ABORT_NS {
        rig.pair.wait(u64::MAX);
        assert_eq!(rig.pair.poll(&mut ended), 0);
    }
    rig.pair.poll(&mut ended);
    assert_eq!(rig.device.resets(0).controller, 1);
    write(&mut rig.pair, 0, 1).expect("it works on");
    assert_eq!(rig.device.resets(0).controller, 1, "once is enough");
    assert_eq!(ended.len(), 1);
}

#[test]
fn a_reset_that_does_not_work_is_followed_by_a_function_level_reset() {
    let mut rig = rig();
    rig.device.jam(0, false);
    rig.device
        .inject(Injection::new(Fault::LoseCompletion).on_queue(1));
    let error = write(&mut rig.pair, 0, 1).expect_err("lost");
    assert!(matches!(error, DriverError::ControllerReset { .. }) && error.outcome_unknown());
    assert_eq!(rig.device.resets(0).function, 1);
    write(&mut rig.pair, 0, 2).expect("it works on");
}

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
fn a_fatal_status_is_noticed_and_reset() {
    let mut rig = rig();
    rig.device.inject(Injection::new(Fault::Fatal).on_queue(1));
    let error = write(&mut rig.pair, 0, 1).expect_err("stopped");
    let DriverError::ControllerReset { reason, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(reason, ResetReason::FatalStatus);
    assert_eq!(
        rig.device.now_ns(),
        TIMEOUT_NS,
        "no Abort is sent to a stopped controller"
    );
    write(&mut rig.pair, 0, 2).expect("it works on");
}

/// Another process, or the hypervisor, resets the function under a running queue pair.
#[test]
fn a_function_that_somebody_else_has_reset_is_brought_up_again() {
    let mut rig = rig();
    rig.device
        .inject(Injection::new(Fault::LoseCommand).on_queue(1));
    let buffer = filled(&mut rig.pair, PAGE, 1);
    rig.pair.submit_write(0, 1, buffer, 0).expect("room");
    rig.pair.ring();
    rig.device.function(0).reset_function().expect("reset");
    let error = finish_one(&mut rig.pair)
        .result
        .expect_err("reset under it");
    assert!(
        error
            .to_string()
            .contains("the controller was found disabled"),
        "{error}"
    );
    assert_eq!(rig.device.now_ns(), TIMEOUT_NS);
    write(&mut rig.pair, 0, 2).expect("it works on");
}

#[test]
fn an_admin_command_without_an_answer_costs_a_reset() {
    let mut rig = rig();
    let lost = Injection::new(Fault::LoseCommand)
        .on_queue(0)
        .on_opcode(admin::GET_LOG_PAGE);
    rig.device.inject(lost);
    let buffer = filled(&mut rig.pair, PAGE, 0);
    rig.device
        .inject(Injection::new(Fault::LoseCommand).on_queue(1));
    rig.pair.submit_read(0, 1, buffer, 0).expect("room");
    rig.pair.ring();
    let error = rig.controller.counters().expect_err("no answer");
    assert_eq!(
        error.to_string(),
        "instant PF: Get Log Page: no answer within 5000000000 ns; the controller was reset"
    );
    let error = finish_one(&mut rig.pair)
        .result
        .expect_err("reset under it");
    assert!(matches!(
        error,
        DriverError::ControllerReset {
            reason: ResetReason::AdminTimeout,
            ..
        }
    ));
    assert!(rig.controller.counters().is_ok());
}

#[test]
fn a_reset_reaches_every_queue_pair_of_the_function() {
    let mut rig = rig();
    let mut other = rig
        .controller
        .queue_pair(QueueOptions::default())
        .expect("a queue pair");
    rig.device
        .inject(Injection::new(Fault::LoseCompletion).on_queue(2));
    let buffer = filled(&mut other, PAGE, 6);
    other.submit_write(6, 1, buffer, 6).expect("room");
    other.ring();
    rig.device
        .inject(Injection::new(Fault::LoseCompletion).on_queue(1));
    write(&mut rig.pair, 0, 1).expect_err("lost");
    let ended = finish_one(&mut other);
    assert!(matches!(
        ended.result,
        Err(DriverError::ControllerReset { .. })
    ));
    assert_eq!(rig.device.resets(0).controller, 1, "one reset serves both");
    write(&mut other, 6, 7).expect("works");
    write(&mut rig.pair, 6, 8).expect("works");
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

#[test]
fn a_reset_by_request_fails_what_is_in_flight_with_that_reason() {
    let mut rig = rig();
    rig.device
        .inject(Injection::new(Fault::LoseCommand).on_queue(1));
    let buffer = filled(&mut rig.pair, PAGE, 1);
    rig.pair.submit_write(0, 1, buffer, 0).expect("room");
    rig.pair.ring();
    rig.controller.reset().expect("reset");
    let error = finish_one(&mut rig.pair).result.expect_err("reset");
    assert_eq!(
        error.to_string(),
        "instant PF: Write of 1 blocks at LBA 0: the controller was reset (the reset was asked \
         for); the outcome is unknown"
    );
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

/// The Abort of a dropped queue pair is answered late: its admin slot must become free again, or
/// the admin queue runs dry.
#[test]
fn late_answers_to_forgotten_aborts_free_their_slots() {
    let device = InstantDevice::new(InstantOptions::default());
    let options = ControllerOptions {
        admin_entries: 8,
        ..ControllerOptions::default()
    };
    let controller = Controller::open(device.function(0), options).expect("bring-up");
    device.ignore_aborts(0, true);
    for round in 0..20 {
        let mut pair = controller
            .queue_pair(QueueOptions::default())
            .expect("a queue pair");
        device.inject(Injection::new(Fault::LoseCommand).on_queue(1));
        let buffer = filled(&mut pair, PAGE, 0);
        pair.submit_read(0, 1, buffer, 0).expect("room");
        let deadline_ns = device.now_ns() + TIMEOUT_NS;
        while device.now_ns() < deadline_ns {
            pair.wait(u64::MAX);
        }
        pair.poll(&mut Vec::new());
        assert_eq!(device.ignored_aborts(0), round + 1);
        let entries = (0..8).filter_map(|slot| device.submission_entry(0, 0, slot));
        let aborts: Vec<_> = entries
            .filter(|entry| entry.opcode() == admin::ABORT)
            .collect();
        drop(pair);
        for abort in aborts {
            device.post_completion(0, 0, abort.command_id(), Status::SUCCESS);
        }
        controller.counters().expect("the admin queue works");
    }
    assert_eq!(device.resets(0), ResetCounts::default());
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
