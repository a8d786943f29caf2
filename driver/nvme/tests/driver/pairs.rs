use nvme_driver::{DriverError, Outcome, QueueOptions};
use nvme_instant::{Fault, Injection, InstantOptions};
use nvme_spec::Status;
use nvme_spec::opcode::nvm;

use crate::rig::{
    PAGE, block, compare_and_write, filled, finish, finish_one, rig, rig_with, write,
};

#[test]
fn a_pair_writes_only_over_what_it_expects() {
    let mut rig = rig();
    assert_eq!(compare_and_write(&mut rig.pair, 3, 0, 1), Ok(Outcome::Done));
    assert_eq!(
        compare_and_write(&mut rig.pair, 3, 0, 2),
        Ok(Outcome::Miscompare)
    );
    assert_eq!(block(&rig.device, 3), 1);
    assert_eq!(compare_and_write(&mut rig.pair, 3, 1, 2), Ok(Outcome::Done));
    assert_eq!(block(&rig.device, 3), 2);
    let counters = rig.controller.counters().expect("counters");
    assert_eq!((counters.pairs, counters.miscompares), (3, 1));
    assert_eq!((counters.compares, counters.writes), (0, 0));
}

#[test]
fn a_pair_is_two_entries_and_one_doorbell_and_gives_both_buffers_back() {
    let mut rig = rig();
    let before = rig.device.doorbell_writes(0);
    let (old, new) = (
        filled(&mut rig.pair, PAGE, 0),
        filled(&mut rig.pair, PAGE, 5),
    );
    rig.pair
        .submit_compare_and_write(0, 1, old, new, 99)
        .expect("room");
    assert_eq!(rig.pair.in_flight(), 1);
    rig.pair.ring();
    assert_eq!(rig.device.doorbell_writes(0), before + 1);
    let ended = finish_one(&mut rig.pair);
    assert_eq!(ended.tag, 99);
    assert!(ended.buffer.expect("old").iter().all(|&byte| byte == 0));
    assert!(ended.new_buffer.expect("new").iter().all(|&byte| byte == 5));
}

/// The ring wraps between the two entries of a pair: last slot, first slot (NVMe 1.1 §6.4 counts
/// them as adjacent).
#[test]
fn a_pair_across_the_wrap_of_the_ring_is_a_pair() {
    let mut rig = rig_with(
        InstantOptions::default(),
        QueueOptions {
            entries: 5,
            ..QueueOptions::default()
        },
    );
    for round in 0..20u8 {
        assert_eq!(
            compare_and_write(&mut rig.pair, 0, round, round + 1),
            Ok(Outcome::Done)
        );
    }
    assert_eq!(rig.controller.counters().expect("counters").pairs, 20);
}

#[test]
fn several_blocks_up_to_acwu_and_no_more() {
    let mut rig = rig();
    let (old, new) = (
        filled(&mut rig.pair, 4 * PAGE, 0),
        filled(&mut rig.pair, 4 * PAGE, 1),
    );
    rig.pair
        .submit_compare_and_write(8, 4, old, new, 0)
        .expect("room");
    assert_eq!(finish_one(&mut rig.pair).result, Ok(Outcome::Done));
    let (old, new) = (
        filled(&mut rig.pair, 5 * PAGE, 1),
        filled(&mut rig.pair, 5 * PAGE, 2),
    );
    rig.pair
        .submit_compare_and_write(8, 5, old, new, 0)
        .expect("taken");
    let error = finish_one(&mut rig.pair).result.expect_err("too long");
    assert_eq!(
        error.to_string(),
        "instant PF: Compare-and-Write of 5 blocks at LBA 8: a Compare-and-Write has at most 4 \
         blocks here (ACWU)"
    );
    assert_eq!(block(&rig.device, 8), 1);
}

/// A controller that ignores FUSE would compare and then write regardless: never send it a pair.
#[test]
fn a_controller_without_fused_commands_never_sees_a_pair() {
    let device = nvme_instant::InstantDevice::new(InstantOptions::default());
    device.edit_identify(0, |identify| identify.fused_operations = 0);
    let controller = crate::rig::open(&device, 0);
    let mut pair = controller
        .queue_pair(QueueOptions::default())
        .expect("a queue pair");
    let error = compare_and_write(&mut pair, 0, 0, 1).expect_err("unsupported");
    assert!(!error.outcome_unknown());
    assert!(
        error
            .to_string()
            .ends_with("no fused Compare-and-Write (FUSES bit 0)"),
        "{error}"
    );
    assert_eq!(block(&device, 0), 0);
}

#[test]
fn every_way_a_pair_can_fail_says_whether_it_was_written() {
    let mut rig = rig();
    let cases = [
        // Which half fails, with what, and: is it open whether the page was written?
        (nvm::COMPARE, Status::LBA_OUT_OF_RANGE, false),
        (nvm::COMPARE, Status::UNRECOVERED_READ_ERROR, false),
        (nvm::COMPARE, Status::INTERNAL_ERROR, false),
        (nvm::WRITE, Status::INVALID_FIELD, false),
        (nvm::WRITE, Status::ABORTED_MISSING_FUSED, false),
        (nvm::WRITE, Status::WRITE_FAULT, true),
        (nvm::WRITE, Status::INTERNAL_ERROR, true),
    ];
    for (opcode, status, unknown) in cases {
        rig.device.inject(
            Injection::new(Fault::Status(status))
                .on_opcode(opcode)
                .on_queue(1),
        );
        let error = compare_and_write(&mut rig.pair, 0, 0, 1).expect_err("injected");
        assert!(matches!(error, DriverError::Pair { .. }));
        assert_eq!(
            (error.status(), error.outcome_unknown()),
            (Some(status), unknown),
            "{error}"
        );
        assert_eq!(block(&rig.device, 0), 0);
    }
    rig.device
        .inject(Injection::new(Fault::Miscompare).on_opcode(nvm::COMPARE));
    assert_eq!(
        compare_and_write(&mut rig.pair, 0, 0, 1),
        Ok(Outcome::Miscompare)
    );
}

/// Both completions belong to the pair: while one is missing, the buffers must not come back,
/// because the controller may still be reading the other one.
#[test]
fn one_completion_of_two_does_not_end_a_pair() {
    for opcode in [nvm::COMPARE, nvm::WRITE] {
        let mut rig = rig();
        rig.device.inject(
            Injection::new(Fault::LoseCompletion)
                .on_opcode(opcode)
                .on_queue(1),
        );
        let (old, new) = (
            filled(&mut rig.pair, PAGE, 0),
            filled(&mut rig.pair, PAGE, 1),
        );
        rig.pair
            .submit_compare_and_write(0, 1, old, new, 0)
            .expect("room");
        assert_eq!(rig.pair.poll(&mut Vec::new()), 0);
        assert_eq!(rig.pair.in_flight(), 1);
        let error = finish_one(&mut rig.pair)
            .result
            .expect_err("half of it is lost");
        assert!(matches!(error, DriverError::ControllerReset { .. }));
        assert!(error.outcome_unknown());
        assert_eq!(block(&rig.device, 0), 1, "it had in fact been written");
    }
}

/// The completions of many pairs and commands arrive in any order, Write before Compare included.
#[test]
fn completions_in_any_order_find_their_pairs() {
    for seed in 0..50 {
        let mut rig = rig_with(
            InstantOptions {
                shuffle_seed: Some(seed),
                ..InstantOptions::default()
            },
            QueueOptions::default(),
        );
        for lba in 0..31 {
            let (old, new) = (
                filled(&mut rig.pair, PAGE, 0),
                filled(&mut rig.pair, PAGE, 1),
            );
            rig.pair
                .submit_compare_and_write(lba / 2, 1, old, new, lba)
                .expect("room");
        }
        let mut ended = finish(&mut rig.pair);
        ended.sort_by_key(|ended| ended.tag);
        for (lba, ended) in ended.into_iter().enumerate() {
            assert_eq!(ended.tag, lba as u64, "seed {seed}");
            let expected = if lba % 2 == 0 {
                Outcome::Done
            } else {
                Outcome::Miscompare
            };
            assert_eq!(ended.result, Ok(expected), "seed {seed}");
        }
        assert_eq!(rig.pair.bogus_completions(), 0);
        write(&mut rig.pair, 0, 9).expect("all slots are free again");
    }
}
