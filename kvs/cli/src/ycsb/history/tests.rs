//! Histories with one thing wrong in each.

use super::*;

fn stamp(record: u64, client: u16, sequence: u64) -> Stamp {
    Stamp {
        record,
        writer: Writer::new(client, sequence),
        counter: 0,
    }
}

fn write(history: &mut History, record: u64, version: u64, client: u16, sequence: u64) {
    let begun = history.begin(record);
    let writer = Writer::new(client, sequence);
    history.write_ended(begun, version, writer, CounterChange::Reset);
}

fn counts(history: &History) -> (u64, u64) {
    (history.lost_updates(), history.stale_reads())
}

#[test]
fn a_correct_run_has_nothing_to_report() {
    let mut history = History::default();
    write(&mut history, 0, 1, 0, 1);
    let early = history.begin(0);
    let late_write = history.begin(0);
    write(&mut history, 0, 2, 1, 1);
    history.write_ended(late_write, 3, Writer::new(2, 1), CounterChange::Reset);
    // The early read ran beside both writes and may see any of the three.
    history.read_ended(early, Some((1, stamp(0, 0, 1))));
    let read = history.begin(0);
    history.read_ended(read, Some((3, stamp(0, 2, 1))));
    history.check_final(0, Some((3, stamp(0, 2, 1))));
    assert_eq!(counts(&history), (0, 0), "{:?}", history.details());
}

#[test]
fn a_read_of_an_older_version_is_stale() {
    let mut history = History::default();
    write(&mut history, 5, 1, 0, 1);
    write(&mut history, 5, 2, 0, 2);
    let read = history.begin(5);
    history.read_ended(read, Some((1, stamp(5, 0, 1))));
    assert_eq!(counts(&history), (0, 1));
}

#[test]
fn a_read_after_a_newer_read_is_stale() {
    let mut history = History::default();
    write(&mut history, 5, 1, 0, 1);
    let unacknowledged = history.begin(5);
    let read = history.begin(5);
    history.read_ended(read, Some((2, stamp(5, 1, 1))));
    let read = history.begin(5);
    history.read_ended(read, Some((1, stamp(5, 0, 1))));
    history.write_ended(unacknowledged, 2, Writer::new(1, 1), CounterChange::Reset);
    assert_eq!(counts(&history), (0, 1));
}

#[test]
fn two_writes_with_one_version_lost_an_update() {
    let mut history = History::default();
    write(&mut history, 0, 1, 0, 1);
    let first = history.begin(0);
    let second = history.begin(0);
    history.write_ended(first, 2, Writer::new(1, 1), CounterChange::Reset);
    history.write_ended(second, 2, Writer::new(2, 1), CounterChange::Reset);
    assert_eq!(counts(&history), (1, 0));
}

#[test]
fn two_writes_with_one_version_are_seen_behind_a_newer_one() {
    let mut history = History::default();
    write(&mut history, 0, 1, 0, 1);
    let first = history.begin(0);
    let second = history.begin(0);
    let third = history.begin(0);
    history.write_ended(first, 2, Writer::new(1, 1), CounterChange::Reset);
    history.write_ended(third, 3, Writer::new(3, 1), CounterChange::Reset);
    history.write_ended(second, 2, Writer::new(2, 1), CounterChange::Reset);
    assert_eq!(counts(&history), (1, 0));
}

#[test]
fn a_write_below_an_acknowledged_version_is_lost() {
    let mut history = History::default();
    write(&mut history, 0, 7, 0, 1);
    write(&mut history, 0, 6, 0, 2);
    assert_eq!(counts(&history), (1, 0));
}

#[test]
fn a_missing_or_foreign_record_is_lost() {
    let mut history = History::default();
    write(&mut history, 0, 1, 0, 1);
    let read = history.begin(0);
    history.read_ended(read, None);
    let read = history.begin(0);
    history.read_ended(read, Some((1, stamp(9, 0, 1))));
    assert_eq!(counts(&history), (2, 0));
}

#[test]
fn the_counter_counts_every_read_modify_write() {
    let mut history = History::default();
    write(&mut history, 0, 1, 0, 1);
    for version in 2..=4 {
        let begun = history.begin(0);
        let writer = Writer::new(0, version);
        history.write_ended(begun, version, writer, CounterChange::Raise);
    }
    let mut found = stamp(0, 0, 4);
    found.counter = 3;
    history.check_final(0, Some((4, found)));
    assert_eq!(counts(&history), (0, 0));
    found.counter = 2;
    history.check_final(0, Some((4, found)));
    assert_eq!(counts(&history), (1, 0));
}

#[test]
fn an_old_final_version_or_an_unknown_one_is_reported() {
    let mut history = History::default();
    write(&mut history, 0, 1, 0, 1);
    write(&mut history, 0, 2, 0, 2);
    history.check_final(0, Some((1, stamp(0, 0, 1))));
    assert_eq!(counts(&history), (0, 1));
    history.check_final(0, Some((3, stamp(0, 0, 3))));
    assert_eq!(counts(&history), (1, 1));
}

#[test]
fn a_scan_checks_what_was_not_written_meanwhile() {
    let mut history = History::default();
    write(&mut history, 0, 1, 0, 1);
    write(&mut history, 0, 2, 0, 2);
    write(&mut history, 1, 1, 0, 3);
    let scan = history.begin(0);
    write(&mut history, 1, 2, 0, 4);
    history.scanned(scan, 1, stamp(0, 0, 1));
    history.scanned(scan, 1, stamp(1, 0, 3));
    history.scan_ended(scan);
    assert_eq!(counts(&history), (0, 1));
}

#[test]
fn memory_is_24_bytes_a_record() {
    let mut history = History::default();
    history.reserve(1_000_000);
    for turn in 1..100u64 {
        for record in 0..1000 {
            write(&mut history, record, turn, 0, turn);
        }
    }
    assert!(
        history.memory_bytes() <= 24_100_000,
        "{}",
        history.memory_bytes()
    );
}
