//! Commands that time out and what an Abort makes of them.

use nvme_driver::{Controller, ControllerOptions, DriverError, Outcome, QueueOptions};
use nvme_instant::{Fault, Injection, InstantDevice, InstantOptions, ResetCounts};
use nvme_spec::Status;
use nvme_spec::opcode::{admin, nvm};

use crate::rig::{
    ABORT_NS, PAGE, TIMEOUT_NS, compare_and_write, filled, finish, finish_one, rig, write,
};

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
