use nvme_driver::{CommandKind, CompletionMode, DriverError, Outcome, QueueOptions};
use nvme_instant::{Fault, Injection, InstantOptions};
use nvme_spec::opcode::nvm;
use nvme_spec::{Status, feature};

use crate::rig::{PAGE, block, filled, finish, finish_one, read, rig, rig_with, write};

#[test]
fn what_was_written_is_read() {
    let mut rig = rig();
    for lba in [0, 1, 16_383] {
        assert_eq!(
            write(&mut rig.pair, lba, lba as u8 | 0x40),
            Ok(Outcome::Done)
        );
        assert_eq!(block(&rig.device, lba as usize), lba as u8 | 0x40);
        assert_eq!(read(&mut rig.pair, lba), vec![lba as u8 | 0x40; PAGE]);
    }
}

#[test]
fn compare_finds_equal_and_different_data() {
    let mut rig = rig();
    write(&mut rig.pair, 5, 9).expect("written");
    for (fill, outcome) in [(9, Outcome::Done), (8, Outcome::Miscompare)] {
        let buffer = filled(&mut rig.pair, PAGE, fill);
        rig.pair.submit_compare(5, 1, buffer, 42).expect("room");
        let ended = finish_one(&mut rig.pair);
        assert_eq!((ended.tag, ended.command), (42, CommandKind::Compare));
        assert_eq!(ended.result, Ok(outcome));
    }
    assert_eq!(rig.controller.counters().expect("counters").miscompares, 1);
}

#[test]
fn flush_has_no_buffer() {
    let mut rig = rig();
    rig.pair.submit_flush(7).expect("room");
    let ended = finish_one(&mut rig.pair);
    assert_eq!((ended.tag, ended.command), (7, CommandKind::Flush));
    assert!(ended.buffer.is_none() && ended.result == Ok(Outcome::Done));
}

#[test]
fn blocks_of_512_bytes_are_counted_in_blocks() {
    let mut rig = rig_with(
        InstantOptions {
            block_bytes: 512,
            blocks: 64,
            ..InstantOptions::default()
        },
        QueueOptions::default(),
    );
    let buffer = filled(&mut rig.pair, PAGE, 0xab);
    rig.pair.submit_write(3, 2, buffer, 0).expect("room");
    assert_eq!(finish_one(&mut rig.pair).result, Ok(Outcome::Done));
    let mut medium = [0; 6 * 512];
    rig.device.read_medium(0, &mut medium);
    let written: Vec<bool> = medium
        .chunks(512)
        .map(|block| block == [0xab; 512])
        .collect();
    assert_eq!(written, [false, false, false, true, true, false]);
}

#[test]
fn a_status_comes_back_with_device_command_and_range() {
    let mut rig = rig();
    let buffer = filled(&mut rig.pair, 2 * PAGE, 0);
    rig.pair.submit_read(16_383, 2, buffer, 0).expect("room");
    let error = finish_one(&mut rig.pair)
        .result
        .expect_err("beyond the end");
    assert_eq!(error.status(), Some(Status::LBA_OUT_OF_RANGE));
    assert!(!error.outcome_unknown());
    assert_eq!(
        error.to_string(),
        "instant PF: Read of 2 blocks at LBA 16383: LBA Out of Range (type 0, code 0x80)"
    );
}

/// Only statuses that rule out a write before it began may be taken for "nothing changed".
#[test]
fn the_status_decides_whether_the_outcome_of_a_write_is_known() {
    let mut rig = rig();
    for (status, unknown) in [
        (Status::LBA_OUT_OF_RANGE, false),
        (Status::INVALID_FIELD, false),
        (Status::INTERNAL_ERROR, true),
        (Status::WRITE_FAULT, true),
        (Status::ABORTED_QUEUE_DELETION, true),
        (
            Status {
                code_type: 7,
                code: 0xff,
            },
            true,
        ),
    ] {
        rig.device
            .inject(Injection::new(Fault::Status(status)).on_opcode(nvm::WRITE));
        let error = write(&mut rig.pair, 0, 1).expect_err("injected");
        assert_eq!(
            (error.status(), error.outcome_unknown()),
            (Some(status), unknown)
        );
        rig.device
            .inject(Injection::new(Fault::Status(status)).on_opcode(nvm::READ));
        let buffer = filled(&mut rig.pair, PAGE, 0);
        rig.pair.submit_read(0, 1, buffer, 0).expect("room");
        let error = finish_one(&mut rig.pair).result.expect_err("injected");
        assert!(!error.outcome_unknown(), "a Read changes nothing");
    }
}

#[test]
fn requests_that_cannot_be_sent_come_back_failed_and_reach_no_device() {
    let mut rig = rig();
    let before = rig.device.doorbell_writes(0);
    let small = filled(&mut rig.pair, PAGE, 1);
    rig.pair.submit_write(0, 2, small, 1).expect("taken");
    let none = filled(&mut rig.pair, PAGE, 1);
    rig.pair.submit_write(0, 0, none, 2).expect("taken");
    let huge = filled(&mut rig.pair, PAGE, 1);
    rig.pair.submit_read(0, u32::MAX, huge, 3).expect("taken");
    let ended = finish(&mut rig.pair);
    assert_eq!(
        ended.iter().map(|ended| ended.tag).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    for ended in ended {
        let error = ended.result.expect_err("not sendable");
        assert!(matches!(error, DriverError::InvalidRequest { .. }));
        assert!(!error.outcome_unknown());
        assert!(
            error
                .to_string()
                .ends_with("the buffer holds 1 to 1 blocks of 4096 bytes"),
            "{error}"
        );
        assert!(ended.buffer.is_some());
    }
    assert_eq!(rig.device.doorbell_writes(0), before);
}

#[test]
fn posting_and_ringing_are_two_steps() {
    let mut rig = rig();
    let before = rig.device.doorbell_writes(0);
    for lba in 0..8 {
        let buffer = filled(&mut rig.pair, PAGE, 3);
        rig.pair.submit_write(lba, 1, buffer, lba).expect("room");
    }
    assert_eq!(rig.device.doorbell_writes(0), before, "posted only");
    rig.pair.ring();
    rig.pair.ring();
    assert_eq!(
        rig.device.doorbell_writes(0),
        before + 1,
        "one doorbell for all"
    );
    assert_eq!(rig.controller.counters().expect("counters").writes, 8);
    assert_eq!(finish(&mut rig.pair).len(), 8);
}

#[test]
fn interrupts_arrive_when_armed_and_only_then() {
    let mut polled = rig();
    write(&mut polled.pair, 0, 1).expect("written");
    assert_eq!(polled.pair.take_interrupt(), Ok(false));
    let options = QueueOptions {
        completion: CompletionMode::Msix,
        ..QueueOptions::default()
    };
    let mut armed = polled.controller.queue_pair(options).expect("a queue pair");
    assert_eq!(armed.take_interrupt(), Ok(false));
    write(&mut armed, 0, 2).expect("written");
    assert_eq!(armed.take_interrupt(), Ok(true));
    assert_eq!(armed.take_interrupt(), Ok(false));
    // A function level reset clears the MSI-X table, a controller reset does not.
    for function_reset in [false, true] {
        if function_reset {
            polled.device.jam(0, false);
        }
        polled.controller.reset().expect("reset");
        assert_eq!(armed.poll(&mut Vec::new()), 0);
        write(&mut armed, 0, 3).expect("written after the reset");
        assert_eq!(
            armed.take_interrupt(),
            Ok(true),
            "armed again after the reset"
        );
    }
}

#[test]
fn features_and_counters_are_reached_through_the_controller() {
    let mut rig = rig();
    rig.controller
        .set_features(feature::WRITE_ATOMICITY, 1)
        .expect("set");
    assert_eq!(rig.controller.get_features(feature::WRITE_ATOMICITY), Ok(1));
    write(&mut rig.pair, 0, 1).expect("written");
    read(&mut rig.pair, 0);
    crate::rig::compare_and_write(&mut rig.pair, 0, 1, 2).expect("swapped");
    let counters = rig.controller.counters().expect("counters");
    assert_eq!((counters.writes, counters.reads, counters.pairs), (1, 1, 1));
    assert_eq!(counters.bytes_read, 4096);
    let all = rig
        .controller
        .counters_of_all_functions()
        .expect("counters");
    assert_eq!(all[0], counters);
    assert_eq!(all[1], Default::default());
    let error = rig
        .controller
        .get_log_page(nvme_spec::log_page::LogPageId(0x77), 64);
    assert_eq!(
        error.expect_err("no such page").to_string(),
        "instant PF: Get Log Page: Invalid Log Page (type 1, code 0x09)"
    );
}

#[test]
fn buffers_are_bounded_and_come_back() {
    let mut rig = rig_with(
        InstantOptions::default(),
        QueueOptions {
            buffer_memory_bytes: 10 * PAGE,
            ..QueueOptions::default()
        },
    );
    assert!(rig.pair.buffer(0).is_none());
    assert!(rig.pair.buffer((128 << 10) + 1).is_none(), "more than MDTS");
    let mut buffers: Vec<_> = (0..10).map(|_| filled(&mut rig.pair, PAGE, 0)).collect();
    assert!(rig.pair.buffer(1).is_none(), "the budget is used up");
    buffers.truncate(4);
    assert_eq!(rig.pair.buffer(100).expect("one came back").len(), 100);
}

/// With a volatile cache, a Write that has ended must be durable; a Compare writes nothing.
#[test]
fn writes_bypass_a_volatile_cache_where_there_is_one() {
    for (cache, force, expected) in [
        (1, true, [false, true, true, false]),
        (1, false, [false; 4]),
        (0, true, [false; 4]),
    ] {
        let device = nvme_instant::InstantDevice::new(InstantOptions::default());
        device.edit_identify(0, |identify| identify.volatile_write_cache = cache);
        let options = QueueOptions {
            force_unit_access: force,
            ..QueueOptions::default()
        };
        let controller = crate::rig::open(&device, 0);
        let mut pair = controller.queue_pair(options).expect("a queue pair");
        crate::rig::compare_and_write(&mut pair, 0, 0, 1).expect("swapped");
        write(&mut pair, 0, 2).expect("written");
        read(&mut pair, 0);
        let forced = [0, 1, 2, 3].map(|slot| {
            let entry = device.submission_entry(0, 1, slot).expect("an entry");
            entry.cdw12 & nvme_spec::command::CDW12_FORCE_UNIT_ACCESS != 0
        });
        assert_eq!(forced, expected);
    }
}
