//! A checker that never complains proves nothing: each lie, and what it is called.

use super::{Ledger, State};
use crate::witness::{Action, Answer, Begun, Witness};

fn begin(ledger: &mut Ledger, operation: u64, action: Action) {
    ledger.begun(Begun {
        operation,
        key: 0,
        action,
        value_bytes: 100,
    });
}

fn done(ledger: &mut Ledger, operation: u64, action: Action, answer: Answer) {
    begin(ledger, operation, action);
    ledger.ended(operation, answer);
}

fn found(version: u64, writer: u64) -> Answer {
    Answer::Found {
        version,
        writer,
        value_bytes: 100,
    }
}

fn there(version: u64, writer: u64) -> State {
    State {
        version,
        writer: Some(writer),
    }
}

fn absent(version: u64) -> State {
    State {
        version,
        writer: None,
    }
}

#[track_caller]
fn assert_complains(ledger: &mut Ledger, about: &str) {
    let violations = ledger.take_violations();
    assert_eq!(violations.len(), 1, "{violations:?}");
    assert!(violations[0].contains(about), "{violations:?}");
}

#[test]
fn an_honest_history_is_accepted() {
    let mut ledger = Ledger::default();
    done(&mut ledger, 1, Action::Get, Answer::Missing(0));
    done(&mut ledger, 2, Action::Put, Answer::Stored(1));
    done(&mut ledger, 3, Action::Get, found(1, 2));
    done(&mut ledger, 4, Action::Add, Answer::Refused(1));
    done(
        &mut ledger,
        5,
        Action::Swap { expected: 1 },
        Answer::Stored(2),
    );
    done(&mut ledger, 6, Action::Delete, Answer::Deleted(3));
    done(&mut ledger, 7, Action::Get, Answer::Missing(8));
    done(&mut ledger, 8, Action::Add, Answer::Stored(9));
    done(&mut ledger, 9, Action::Put, Answer::NothingChanged);
    done(&mut ledger, 10, Action::Put, Answer::Unknown);
    begin(&mut ledger, 11, Action::Delete);
    ledger.restart(1, |_| there(10, 10));
    assert_eq!(ledger.take_violations(), Vec::<String>::new());
    assert_eq!(ledger.totals().took_effect, 1);
    done(&mut ledger, 12, Action::Get, found(10, 10));
    begin(&mut ledger, 13, Action::Delete);
    ledger.restart(1, |_| absent(11));
    assert_eq!(ledger.take_violations(), Vec::<String>::new());
}

#[test]
fn lost_updates_are_noticed() {
    let mut ledger = Ledger::default();
    done(&mut ledger, 1, Action::Put, Answer::Stored(1));
    done(&mut ledger, 2, Action::Put, Answer::Stored(2));
    ledger.restart(1, |_| there(1, 1));
    assert_complains(&mut ledger, "lost update");

    done(&mut ledger, 3, Action::Put, Answer::Stored(3));
    ledger.restart(1, |_| absent(4));
    assert_complains(&mut ledger, "nobody deletes it");

    done(&mut ledger, 4, Action::Put, Answer::Stored(5));
    done(&mut ledger, 5, Action::Delete, Answer::Deleted(6));
    ledger.restart(1, |_| there(7, 4));
    assert_complains(&mut ledger, "another version");
}

#[test]
fn what_had_changed_nothing_must_not_turn_up() {
    let mut ledger = Ledger::default();
    done(&mut ledger, 1, Action::Put, Answer::NothingChanged);
    ledger.restart(1, |_| there(1, 1));
    assert_complains(&mut ledger, "had changed nothing");
}

#[test]
fn stale_and_foreign_reads_are_noticed() {
    let mut ledger = Ledger::default();
    done(&mut ledger, 1, Action::Put, Answer::Stored(1));
    done(&mut ledger, 2, Action::Put, Answer::Stored(2));
    done(&mut ledger, 3, Action::Get, found(1, 1));
    assert_complains(&mut ledger, "stale read");
    done(&mut ledger, 4, Action::Get, found(3, 99));
    assert_complains(&mut ledger, "not of this key");
    done(&mut ledger, 5, Action::Get, found(2, 1));
    assert_complains(&mut ledger, "belongs to");
    done(&mut ledger, 6, Action::Get, Answer::Missing(2));
    ledger.audit();
    assert_complains(&mut ledger, "nobody deleted it");
}

#[test]
fn a_swap_that_loses_an_update_is_noticed() {
    let mut ledger = Ledger::default();
    done(&mut ledger, 1, Action::Put, Answer::Stored(1));
    begin(&mut ledger, 2, Action::Swap { expected: 1 });
    done(&mut ledger, 3, Action::Put, Answer::Stored(2));
    ledger.ended(2, Answer::Stored(3));
    ledger.audit();
    assert_complains(&mut ledger, "lost version 2");
}

#[test]
fn adds_and_deletes_must_have_found_what_they_say() {
    let mut ledger = Ledger::default();
    done(&mut ledger, 1, Action::Delete, Answer::Deleted(1));
    ledger.audit();
    assert_complains(&mut ledger, "was not there");
    let mut ledger = Ledger::default();
    done(&mut ledger, 1, Action::Put, Answer::Stored(1));
    done(&mut ledger, 2, Action::Add, Answer::Stored(2));
    ledger.audit();
    assert_complains(&mut ledger, "that was there");
}

#[test]
fn answers_come_once_and_versions_belong_to_one() {
    let mut ledger = Ledger::default();
    done(&mut ledger, 1, Action::Put, Answer::Stored(1));
    ledger.ended(1, Answer::Stored(1));
    assert_complains(&mut ledger, "answered twice");
    begin(&mut ledger, 2, Action::Put);
    begin(&mut ledger, 3, Action::Put);
    ledger.ended(2, Answer::Stored(2));
    ledger.ended(3, Answer::Stored(2));
    assert_complains(&mut ledger, "two changes");
    done(&mut ledger, 4, Action::Get, Answer::Broken);
    assert_complains(&mut ledger, "Broken");
}

#[test]
fn a_client_id_given_twice_is_noticed() {
    let mut ledger = Ledger::default();
    ledger.opened(3);
    ledger.opened(4);
    assert_eq!(ledger.take_violations(), Vec::<String>::new());
    ledger.opened(4);
    assert_complains(&mut ledger, "never used again");
}
