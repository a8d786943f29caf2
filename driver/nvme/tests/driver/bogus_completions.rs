use nvme_driver::{Distrust, DriverError, Outcome};
use nvme_instant::{Corruption, Fault, Injection};
use nvme_spec::Status;
use nvme_spec::opcode::{admin, nvm};

use crate::rig::{PAGE, Rig, filled, finish_one, rig, write};

/// A spoiled completion ends no command; the command it was meant for is recovered by a reset,
/// because only that tells what became of it.
fn spoiled(corruption: Corruption) -> (Rig, Vec<Distrust>) {
    spoiled_after(10, corruption)
}

fn spoiled_after(commands: u64, corruption: Corruption) -> (Rig, Vec<Distrust>) {
    let mut rig = rig();
    for lba in 0..commands {
        write(&mut rig.pair, lba, 1).expect("written");
    }
    rig.device
        .inject(Injection::new(Fault::Spoil(corruption)).on_opcode(nvm::READ));
    let buffer = filled(&mut rig.pair, PAGE, 0);
    rig.pair.submit_read(0, 1, buffer, 0).expect("room");
    assert_eq!(
        rig.pair.poll(&mut Vec::new()),
        0,
        "{corruption:?} must not be believed"
    );
    let ended = finish_one(&mut rig.pair);
    assert!(matches!(
        ended.result,
        Err(DriverError::ControllerReset { .. })
    ));
    let reports = rig.pair.take_bogus_completions();
    assert!(reports.iter().all(|report| report.queue_id == 1));
    assert_eq!(rig.pair.bogus_completions(), reports.len() as u64);
    for lba in 0..200 {
        write(&mut rig.pair, lba, 2).expect("it works on");
    }
    (
        rig,
        reports.into_iter().map(|report| report.distrust).collect(),
    )
}

#[test]
fn a_command_identifier_that_is_not_in_flight() {
    for id in [1, 1023, 0xffff] {
        assert_eq!(
            spoiled(Corruption::CommandId(id)).1,
            [Distrust::UnknownCommandId]
        );
    }
}

#[test]
fn another_queue() {
    for id in [0, 2, 0xffff] {
        assert_eq!(spoiled(Corruption::QueueId(id)).1, [Distrust::WrongQueue]);
    }
}

/// Ten commands have been fetched, the eleventh was submitted: a head of 10 or 11 can be, others
/// cannot, be they within the ring or not.
#[test]
fn a_head_that_was_never_submitted() {
    for head in [12, 63, 64, 0xffff, 9] {
        assert_eq!(
            spoiled(Corruption::Head(head)).1,
            [Distrust::HeadOutOfRange],
            "{head}"
        );
    }
}

/// With the last slot just used, one beyond the ring looks like the first slot of the next lap.
#[test]
fn a_head_beyond_the_ring_at_its_wrap() {
    for head in [64, 65, 127, 128] {
        let (_, distrusts) = spoiled_after(63, Corruption::Head(head));
        assert_eq!(distrusts, [Distrust::HeadOutOfRange], "{head}");
    }
}

/// An entry with the phase of the last round does not exist for the host.
#[test]
fn the_wrong_phase() {
    assert_eq!(spoiled(Corruption::Phase).1, []);
}

#[test]
fn a_slot_too_far() {
    assert_eq!(spoiled(Corruption::Slot).1, [Distrust::Misplaced(11)]);
}

#[test]
fn an_answer_that_comes_twice_counts_once() {
    let mut rig = rig();
    for opcode in [nvm::WRITE, nvm::READ] {
        rig.device.inject(
            Injection::new(Fault::AnswerTwice)
                .on_opcode(opcode)
                .on_queue(1),
        );
    }
    let buffer = filled(&mut rig.pair, PAGE, 1);
    rig.pair.submit_write(0, 1, buffer, 1).expect("room");
    let ended = finish_one(&mut rig.pair);
    assert_eq!((ended.tag, ended.result), (1, Ok(Outcome::Done)));
    // The same slot is in use again when the next double comes.
    let buffer = filled(&mut rig.pair, PAGE, 0);
    rig.pair.submit_read(0, 1, buffer, 2).expect("room");
    let ended = finish_one(&mut rig.pair);
    assert_eq!((ended.tag, ended.result), (2, Ok(Outcome::Done)));
    let mut rest = Vec::new();
    assert_eq!(rig.pair.poll(&mut rest), 0);
    let reports = rig.pair.take_bogus_completions();
    assert_eq!(reports.len(), 2);
    assert!(
        reports
            .iter()
            .all(|report| report.distrust == Distrust::UnknownCommandId)
    );
}

/// The first half of a pair answers twice before the second half answers once.
#[test]
fn half_a_pair_that_answers_twice_is_still_one_half() {
    let mut rig = rig();
    rig.device.inject(
        Injection::new(Fault::AnswerTwice)
            .on_opcode(nvm::COMPARE)
            .on_queue(1),
    );
    assert_eq!(
        crate::rig::compare_and_write(&mut rig.pair, 0, 0, 1),
        Ok(Outcome::Done)
    );
    let reports = rig.pair.take_bogus_completions();
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].distrust, Distrust::UnknownCommandId);
}

/// A completion that comes after its command was given up for another one in the same slot.
#[test]
fn a_late_answer_does_not_end_the_slots_next_command() {
    let mut rig = rig();
    write(&mut rig.pair, 0, 1).expect("written");
    let first_id = 0;
    rig.device
        .inject(Injection::new(Fault::LoseCommand).on_opcode(nvm::READ));
    let buffer = filled(&mut rig.pair, PAGE, 0);
    rig.pair.submit_read(0, 1, buffer, 5).expect("room");
    rig.pair.ring();
    rig.device.post_completion(0, 1, first_id, Status::SUCCESS);
    assert_eq!(rig.pair.poll(&mut Vec::new()), 0);
    assert_eq!(
        rig.pair.take_bogus_completions()[0].distrust,
        Distrust::UnknownCommandId
    );
    let error = finish_one(&mut rig.pair)
        .result
        .expect_err("lost and aborted");
    assert!(matches!(error, DriverError::TimedOut { .. }));
}

#[test]
fn a_status_nobody_knows_is_an_error_with_its_numbers() {
    let mut rig = rig();
    let odd = Status {
        code_type: 5,
        code: 0xa5,
    };
    rig.device
        .inject(Injection::new(Fault::Status(odd)).on_queue(1));
    let error = write(&mut rig.pair, 0, 1).expect_err("odd");
    assert!(
        error
            .to_string()
            .ends_with("unknown status (type 5, code 0xa5)"),
        "{error}"
    );
}

#[test]
fn bogus_admin_completions_are_reported_and_survived() {
    let rig = rig();
    rig.device.post_completion(0, 0, 0x7777, Status::SUCCESS);
    assert!(rig.controller.counters().is_ok());
    let reports = rig.controller.take_bogus_completions();
    assert_eq!(reports.len(), 1);
    assert_eq!(
        (reports[0].queue_id, reports[0].distrust),
        (0, Distrust::UnknownCommandId)
    );
    // A late answer to the first command that was in slot 4 must not end the one that is there now.
    let late = 4;
    rig.device.post_completion(0, 0, late, Status::SUCCESS);
    assert!(rig.controller.counters().is_ok());
    let reports = rig.controller.take_bogus_completions();
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].entry.command_id(), late);
    for corruption in [
        Corruption::QueueId(3),
        Corruption::Head(31),
        Corruption::CommandId(99),
    ] {
        let spoil = Injection::new(Fault::Spoil(corruption));
        rig.device
            .inject(spoil.on_queue(0).on_opcode(admin::GET_LOG_PAGE));
        let error = rig.controller.counters().expect_err("not believed");
        assert!(matches!(error, DriverError::AdminTimeout { .. }), "{error}");
        assert_eq!(rig.controller.take_bogus_completions().len(), 1);
        assert!(rig.controller.counters().is_ok(), "after the reset");
    }
}
