//! Get Log Page (§5.10), the error log, and the counters.

use nvme_spec::log_page::{ErrorLogEntry, FirmwareSlotLog, FunctionCounters, HealthLog, LogPageId};
use nvme_spec::{Status, SubmissionEntry, feature};

use super::{Bench, PAGE, row};
use crate::admin::{AdminAction, CommandError, HostPiece, IoCounters};

fn page(id: LogPageId, bytes: u32) -> SubmissionEntry {
    SubmissionEntry::get_log_page(id, bytes).with_prps(PAGE, 0)
}

fn read_error(command_id: u16) -> CommandError {
    CommandError {
        submission_queue_id: 3,
        command_id,
        status: Status::LBA_OUT_OF_RANGE,
        location: None,
        lba: 77,
        namespace_id: 1,
    }
}

#[test]
fn the_error_log_has_the_newest_error_first() {
    let mut bench = Bench::new();
    bench.state.record_error(read_error(1));
    bench.state.record_error(read_error(2));
    let log: [ErrorLogEntry; 64] = bench.data(page(LogPageId::ERROR_INFORMATION, 4096));
    let newest = ErrorLogEntry {
        error_count: 2,
        submission_queue_id: 3,
        command_id: 2,
        status_field: ErrorLogEntry::status_field_of(Status::LBA_OUT_OF_RANGE),
        parameter_error_location: ErrorLogEntry::NO_LOCATION,
        lba: 77,
        namespace_id: 1,
        ..ErrorLogEntry::UNUSED
    };
    assert_eq!(log[0], newest);
    assert_eq!(
        log[1],
        ErrorLogEntry {
            error_count: 1,
            command_id: 1,
            ..newest
        }
    );
    assert!(log[2..].iter().all(|entry| *entry == ErrorLogEntry::UNUSED));
}

#[test]
fn the_error_log_keeps_the_last_64_in_order_at_every_fill() {
    let mut bench = Bench::new();
    for errors in 1..=200_u16 {
        bench.state.record_error(read_error(errors));
        let log: [ErrorLogEntry; 64] = bench.data(page(LogPageId::ERROR_INFORMATION, 4096));
        for (age, entry) in (0..).zip(&log) {
            let expected = errors.saturating_sub(age);
            assert_eq!(entry.command_id, expected, "{errors} errors, {age} back");
            assert_eq!(entry.error_count, u64::from(expected));
        }
    }
}

#[test]
fn a_reset_empties_the_error_log_and_the_count_goes_on() {
    let mut bench = Bench::new();
    for errors in 0..70 {
        bench.state.record_error(read_error(errors));
    }
    bench.state.reset();
    let log: [ErrorLogEntry; 64] = bench.data(page(LogPageId::ERROR_INFORMATION, 4096));
    assert!(log.iter().all(|entry| *entry == ErrorLogEntry::UNUSED));
    bench.state.record_error(read_error(9));
    let log: [ErrorLogEntry; 64] = bench.data(page(LogPageId::ERROR_INFORMATION, 4096));
    assert_eq!((log[0].error_count, log[1]), (71, ErrorLogEntry::UNUSED));
}

#[test]
fn the_health_log_counts_commands_and_thousands_of_sectors() {
    let mut bench = Bench::of_function(2);
    let mut io = IoCounters::default();
    io.count_read(512_000);
    io.count_compare(4096, true);
    io.count_write(8192);
    io.count_pair(4096, false);
    io.count_pair(4096, true);
    io.media_errors = 3;
    assert_eq!(
        io.row,
        FunctionCounters {
            reads: 1,
            writes: 1,
            compares: 1,
            pairs: 2,
            bytes_read: 512_000,
            bytes_written: 4096 + 8192 + 4 * 4096,
            miscompares: 2,
            lock_waits: 0,
        }
    );
    bench.view.counters = vec![IoCounters::default(), IoCounters::default(), io];
    bench.view.now_cycles = 125_000_000 * 3600 * 5 + 1;
    bench.state.record_error(read_error(1));

    let health: HealthLog = bench.data(page(LogPageId::HEALTH, 512));
    let number = u128::from_le_bytes;
    assert_eq!(
        number(health.host_reads),
        1 + 1 + 2,
        "Read, Compare, two first halves"
    );
    assert_eq!(
        number(health.host_writes),
        1 + 1,
        "Write, one second half that was done"
    );
    assert_eq!(
        number(health.data_units_read),
        2,
        "512,000 B and a little, rounded up"
    );
    assert_eq!(number(health.data_units_written), 1);
    assert_eq!(number(health.media_errors), 3);
    assert_eq!(number(health.error_log_entries), 1);
    assert_eq!(number(health.power_on_hours), 5);
    assert_eq!(number(health.power_cycles), 1);
    assert_eq!(u16::from_le_bytes(health.temperature_kelvin), 313);
    assert_eq!(
        (health.critical_warning, health.available_spare_percent),
        (0, 100)
    );
    assert_eq!(
        (
            health.percentage_used,
            health.available_spare_threshold_percent
        ),
        (0, 0)
    );
}

#[test]
fn the_health_log_warns_while_the_temperature_is_above_the_threshold() {
    let mut bench = Bench::new();
    let mut warning = |threshold| {
        bench.value(SubmissionEntry::set_features(
            feature::TEMPERATURE_THRESHOLD,
            threshold,
        ));
        let health: HealthLog = bench.data(page(LogPageId::HEALTH, 512));
        health.critical_warning
    };
    assert_eq!(warning(312), 0b10);
    assert_eq!(warning(313), 0, "at the threshold is not above it");
    assert_eq!(warning(0), 0b10);
}

#[test]
fn one_firmware_slot_holds_what_runs() {
    let log: FirmwareSlotLog = Bench::new().data(page(LogPageId::FIRMWARE_SLOT, 512));
    assert_eq!(log.active_firmware, 1);
    assert_eq!(&log.revision[0], b"0.1.0   ");
    assert!(log.revision[1..].iter().all(|revision| *revision == [0; 8]));
}

#[test]
fn the_counters_have_the_asking_function_first_and_then_all() {
    for asking in 0..=6_u8 {
        let mut bench = Bench::of_function(asking);
        bench.view.counters = (0..=6).map(|function| row(1000 * function)).collect();
        let rows: [FunctionCounters; 64] = bench.data(page(LogPageId::COUNTERS, 4096));
        assert_eq!(rows[0], row(1000 * u64::from(asking)).row);
        for function in 0..=6 {
            assert_eq!(rows[1 + function], row(1000 * function as u64).row);
        }
        assert!(
            rows[8..]
                .iter()
                .all(|row| *row == FunctionCounters::default())
        );
    }
}

#[test]
fn as_much_is_transferred_as_was_asked_for_up_to_a_page() {
    let mut bench = Bench::new();
    let piece = |address, length_bytes| HostPiece {
        address,
        length_bytes,
    };
    for (asked, transferred) in [(4, 4), (64, 64), (512, 512), (4096, 4096), (16384, 4096)] {
        assert_eq!(
            bench.run(&page(LogPageId::HEALTH, asked)),
            AdminAction::TransferToHost {
                length_bytes: transferred,
                pieces: [piece(PAGE, transferred), HostPiece::default()],
            }
        );
    }
    assert!(
        bench.buffer[512..].iter().all(|byte| *byte == 0),
        "zero behind the page"
    );

    let unaligned = page(LogPageId::HEALTH, 4096).with_prps(PAGE + 0xf00, 0x3000);
    assert_eq!(
        bench.run(&unaligned),
        AdminAction::TransferToHost {
            length_bytes: 4096,
            pieces: [piece(PAGE + 0xf00, 256), piece(0x3000, 3840)],
        }
    );
    // Here PRP2 is a list, which the admin engine does not read.
    let list = page(LogPageId::HEALTH, 8192).with_prps(PAGE + 0xf00, 0x3000);
    bench.rejects(list, Status::INVALID_FIELD, 24);
}

#[test]
fn other_pages_and_namespaces_do_not_exist() {
    let mut bench = Bench::new();
    for id in (0..=255).filter(|id| ![1, 2, 3, 0xc0].contains(id)) {
        bench.rejects(page(LogPageId(id), 512), Status::INVALID_LOG_PAGE, 40);
    }
    for id in [1, 2, 3, 0xc0] {
        let mut sqe = page(LogPageId(id), 512);
        sqe.namespace_id = 0;
        assert!(matches!(
            bench.run(&sqe),
            AdminAction::TransferToHost { .. }
        ));
        sqe.namespace_id = 1;
        bench.rejects(sqe, Status::INVALID_FIELD, 4);
        sqe.namespace_id = 2;
        bench.rejects(sqe, Status::INVALID_NAMESPACE, 4);
    }
}
