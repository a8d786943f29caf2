//! A Compare-and-Write whose outcome nobody was told: what can be found out, and what cannot.

mod support;

use rdstore::page_store::PageStore;
use rdstore::testing::{Effect, MemoryDevice, MemoryOptions, MemoryPageStore};
use rdstore::{Client, Error, Operation, Outcome, Ticket};
use support::sample::{client, device, keys_at};

/// Lets everything a client has on its way happen until an operation ends.
fn finish(
    device: &MemoryDevice,
    client: &mut Client<MemoryPageStore>,
) -> (Ticket, Result<Outcome, Error>) {
    let mut outcomes = Vec::new();
    loop {
        client.poll(&mut outcomes);
        if let Some(outcome) = outcomes.pop() {
            return outcome;
        }
        step(device, client, Effect::Done);
    }
}

/// Decides the client's oldest I/O.
fn step(device: &MemoryDevice, client: &mut Client<MemoryPageStore>, effect: Effect) -> bool {
    let handle = client.store().number();
    let own = |p: &rdstore::testing::PendingOperation| p.handle == handle && !p.ghost;
    let at = device
        .pending()
        .iter()
        .position(own)
        .expect("something is on its way");
    let write = device.pending()[at].write;
    device.complete(at, effect);
    write
}

/// An added key whose Compare-and-Write ended so; the page is read next, to find out.
fn add_ends_unknown(
    effect: Effect,
) -> (
    MemoryDevice,
    Client<MemoryPageStore>,
    Client<MemoryPageStore>,
    Vec<Vec<u8>>,
) {
    let device = device(4, MemoryOptions::default());
    let mut adder = client(&device);
    let other = client(&device);
    let keys = keys_at(&adder, 0, 2);
    device.set_options(MemoryOptions {
        manual: true,
        ..MemoryOptions::default()
    });
    let (key, value, expires_unix_ms) = (&keys[0][..], &b"mine"[..], None);
    adder
        .submit(Operation::Add {
            key,
            value,
            expires_unix_ms,
        })
        .unwrap();
    assert!(
        !step(&device, &mut adder, Effect::Done),
        "first the page is read"
    );
    adder.poll(&mut Vec::new());
    assert!(step(&device, &mut adder, effect), "then it is written");
    adder.poll(&mut Vec::new());
    (device, adder, other, keys)
}

/// Other operations take effect in the page: `count` in all, the last of them removes the key.
fn disturb(
    device: &MemoryDevice,
    other: &mut Client<MemoryPageStore>,
    keys: &[Vec<u8>],
    count: u32,
) {
    for n in 1..count {
        let (key, expires_unix_ms) = (&keys[1][..], None);
        other
            .submit(Operation::Put {
                key,
                value: &n.to_le_bytes(),
                expires_unix_ms,
            })
            .unwrap();
        finish(device, other).1.unwrap();
    }
    other.submit(Operation::Delete { key: &keys[0] }).unwrap();
    finish(device, other).1.unwrap();
}

#[test]
fn an_applied_one_is_found_by_its_id_even_when_the_entry_is_gone() {
    for count in 1..=3 {
        let (device, mut adder, mut other, keys) = add_ends_unknown(Effect::UnknownApplied);
        disturb(&device, &mut other, &keys, count);
        let outcome = finish(&device, &mut adder).1;
        assert!(
            matches!(outcome, Ok(Outcome::Stored { .. })),
            "{count}: {outcome:?}"
        );
        assert_eq!(adder.stats().unknown_resolved, 1);
        // It took effect before the deletion, so the key is gone.
        adder.submit(Operation::Get { key: &keys[0] }).unwrap();
        let outcome = finish(&device, &mut adder).1;
        assert!(
            matches!(outcome, Ok(Outcome::Missing { .. })),
            "{count}: {outcome:?}"
        );
    }
}

#[test]
fn what_the_page_has_forgotten_is_said_to_be_unknown_and_not_tried_again() {
    for count in 4..8 {
        let (device, mut adder, mut other, keys) = add_ends_unknown(Effect::UnknownApplied);
        disturb(&device, &mut other, &keys, count);
        let outcome = finish(&device, &mut adder).1;
        assert!(
            matches!(outcome, Err(Error::OutcomeUnknown { .. })),
            "{count}: {outcome:?}"
        );
        other.submit(Operation::Get { key: &keys[0] }).unwrap();
        let outcome = finish(&device, &mut other).1;
        assert!(
            matches!(outcome, Ok(Outcome::Missing { .. })),
            "{count}: {outcome:?}"
        );
    }
}

#[test]
fn a_forgotten_one_is_still_known_by_its_entry() {
    let (device, mut adder, mut other, keys) = add_ends_unknown(Effect::UnknownApplied);
    for n in 0..9_u32 {
        let (key, expires_unix_ms) = (&keys[1][..], None);
        other
            .submit(Operation::Put {
                key,
                value: &n.to_le_bytes(),
                expires_unix_ms,
            })
            .unwrap();
        finish(&device, &mut other).1.unwrap();
    }
    assert!(matches!(
        finish(&device, &mut adder).1,
        Ok(Outcome::Stored { .. })
    ));
}

#[test]
fn a_lost_one_is_fenced_and_tried_again_with_the_same_id() {
    for effect in [Effect::UnknownLost, Effect::UnknownPending] {
        let (device, mut adder, mut other, keys) = add_ends_unknown(effect);
        let Ok(Outcome::Stored { version }) = finish(&device, &mut adder).1 else {
            panic!()
        };
        // The late one arrives now, and finds that its page is gone for good.
        let miscompares = device.counters().miscompares;
        while !device.pending().is_empty() {
            device.complete(0, Effect::Done);
            assert_eq!(device.counters().miscompares, miscompares + 1);
        }
        other.submit(Operation::Get { key: &keys[0] }).unwrap();
        let outcome = finish(&device, &mut other).1.unwrap();
        assert_eq!(outcome.version(), version);
        let reads = adder.stats().reads;
        let writes = adder.stats().compare_and_writes;
        assert_eq!(
            (reads, writes),
            (3, 3),
            "read, lost, read, fence, read, written"
        );
        assert_eq!(adder.store().in_flight(), 0);
    }
}

#[test]
fn one_that_arrives_late_but_in_time_counts_once() {
    let (device, mut adder, _, _) = add_ends_unknown(Effect::UnknownPending);
    let ghost = device
        .pending()
        .iter()
        .position(|pending| pending.ghost)
        .unwrap();
    device.complete(ghost, Effect::Done);
    let Ok(Outcome::Stored { version }) = finish(&device, &mut adder).1 else {
        panic!()
    };
    assert_eq!(version.0, 1);
    assert_eq!(adder.stats().compare_and_writes, 1);
}
