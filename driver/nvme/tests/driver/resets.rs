//! Controller and function level resets under running queue pairs.

use nvme_driver::{CommandKind, DriverError, QueueOptions, ResetReason, Transport};
use nvme_instant::{Fault, Injection};
use nvme_spec::opcode::admin;

use crate::rig::{
    ABORT_NS, PAGE, TIMEOUT_NS, block, filled, finish, finish_one, lose_all, read, rig,
    submit_one_of_each, write,
};

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
