use nvme_driver::{Outcome, QueueOptions};
use nvme_instant::{Fault, Injection, InstantOptions};

use crate::rig::{PAGE, Rig, filled, finish, rig_with};

fn rig_of(entries: u32, queue_entries: u32) -> Rig {
    rig_with(
        InstantOptions {
            queue_entries,
            ..InstantOptions::default()
        },
        QueueOptions {
            entries,
            ..QueueOptions::default()
        },
    )
}

#[test]
fn every_depth_fills_and_drains() {
    for (entries, queue_entries) in [(2, 2), (2, 1024), (3, 4), (64, 64), (1024, 1024)] {
        let mut rig = rig_of(entries, queue_entries);
        let depth = u64::from(entries) - 1;
        assert_eq!(u64::from(rig.pair.capacity()), depth);
        for round in 0..3 {
            for tag in 0..depth {
                let buffer = filled(&mut rig.pair, PAGE, tag as u8);
                rig.pair.submit_write(tag, 1, buffer, tag).expect("room");
            }
            let buffer = filled(&mut rig.pair, PAGE, 0x5a);
            let full = rig.pair.submit_write(0, 1, buffer, 0).expect_err("no room");
            assert_eq!(full.buffer.expect("it comes back")[0], 0x5a);
            assert!(rig.pair.submit_flush(0).is_err());
            assert_eq!(rig.pair.in_flight() as u64, depth);
            let ended = finish(&mut rig.pair);
            assert_eq!(
                ended.len() as u64,
                depth,
                "round {round}, {entries} entries"
            );
            assert!(ended.iter().all(|ended| ended.result == Ok(Outcome::Done)));
        }
    }
}

#[test]
fn a_pair_needs_two_slots() {
    let mut rig = rig_of(4, 1024);
    let (old, new) = (
        filled(&mut rig.pair, PAGE, 0),
        filled(&mut rig.pair, PAGE, 1),
    );
    rig.pair
        .submit_compare_and_write(0, 1, old, new, 0)
        .expect("room for two of three");
    let (old, new) = (
        filled(&mut rig.pair, PAGE, 1),
        filled(&mut rig.pair, PAGE, 2),
    );
    let full = rig
        .pair
        .submit_compare_and_write(0, 1, old, new, 1)
        .expect_err("one left");
    assert_eq!(full.buffer.expect("old")[0], 1);
    assert_eq!(full.new_buffer.expect("new")[0], 2);
    rig.pair.submit_flush(2).expect("one slot is left");
    assert_eq!(finish(&mut rig.pair).len(), 2);
}

/// In a queue of two entries there is never room for a pair: the caller gets it back every time.
#[test]
fn a_queue_of_two_takes_no_pair() {
    let mut rig = rig_of(2, 1024);
    let (old, new) = (
        filled(&mut rig.pair, PAGE, 0),
        filled(&mut rig.pair, PAGE, 1),
    );
    assert!(
        rig.pair
            .submit_compare_and_write(0, 1, old, new, 0)
            .is_err()
    );
    assert_eq!(rig.pair.in_flight(), 0);
}

/// Head doorbells are saved up. A controller that has no completion slot left must get some
/// before it needs them, or both sides wait for ever.
#[test]
fn saved_up_head_doorbells_never_starve_the_controller() {
    for queue_entries in [64, 65, 66, 80, 128, 1024] {
        let mut rig = rig_of(64, queue_entries);
        for _ in 0..40 {
            for tag in 0..63 {
                let buffer = filled(&mut rig.pair, PAGE, 1);
                rig.pair.submit_read(tag, 1, buffer, tag).expect("room");
            }
            let mut ended = Vec::new();
            assert_eq!(rig.pair.poll(&mut ended), 63, "{queue_entries} entries");
        }
    }
}

#[test]
fn with_room_in_the_completion_queue_few_head_doorbells_are_written() {
    let mut rig = rig_of(64, 1024);
    let before = rig.device.doorbell_writes(0);
    for _ in 0..640 {
        let buffer = filled(&mut rig.pair, PAGE, 1);
        rig.pair.submit_read(0, 1, buffer, 0).expect("room");
        assert_eq!(finish(&mut rig.pair).len(), 1);
    }
    let heads = rig.device.doorbell_writes(0) - before - 640;
    assert!(
        (9..=11).contains(&heads),
        "{heads} head doorbells for 640 commands"
    );
}

/// What is refused at once is bounded, too: a client that never polls cannot pile it up.
#[test]
fn failed_requests_take_room_until_they_are_polled() {
    let mut rig = rig_of(4, 1024);
    rig.device.inject(Injection::new(Fault::LoseCommand));
    for tag in 0..3 {
        let buffer = filled(&mut rig.pair, PAGE, 0);
        rig.pair
            .submit_write(0, 9, buffer, tag)
            .expect("taken, to fail");
    }
    let buffer = filled(&mut rig.pair, PAGE, 0);
    assert!(rig.pair.submit_write(0, 9, buffer, 3).is_err());
    assert_eq!(finish(&mut rig.pair).len(), 3);
}

/// Story: a client with nothing in flight waited without a deadline on a simulation with nothing
/// to do; the refusal to wait for ever was taken for a broken controller.
#[test]
fn an_idle_wait_without_a_deadline_breaks_nothing() {
    let mut rig = rig_of(4, 1024);
    rig.pair.wait(u64::MAX);
    assert_eq!(rig.pair.wait(u64::MAX), nvme_driver::Wake::Deadline);
    crate::rig::write(&mut rig.pair, 0, 1).expect("it still works");
}

/// A request that has failed already must not wait for a device that has nothing to do.
#[test]
fn a_wait_ends_at_once_when_something_has_failed_already() {
    let mut rig = rig_of(4, 1024);
    rig.pair.wait(0);
    let buffer = filled(&mut rig.pair, PAGE, 0);
    rig.pair
        .submit_write(0, 9, buffer, 0)
        .expect("taken, to fail");
    assert_eq!(rig.pair.wait(1_000_000_000), nvme_driver::Wake::Device);
    assert_eq!(rig.device.now_ns(), 0);
}
