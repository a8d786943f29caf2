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

/// Puts small values of one key of the page, so that its window of operations forgets.
fn make_it_forget(device: &MemoryDevice, other: &mut Client<MemoryPageStore>, key: &[u8]) {
    for n in 0..6_u32 {
        let (value, expires_unix_ms) = (&n.to_le_bytes()[..], None);
        other
            .submit(Operation::Put {
                key,
                value,
                expires_unix_ms,
            })
            .unwrap();
        finish(device, other).1.unwrap();
    }
}

/// Lets the client's reads happen, and then its first Compare-and-Write with `effect`.
fn write_ends(device: &MemoryDevice, client: &mut Client<MemoryPageStore>, effect: Effect) {
    loop {
        client.poll(&mut Vec::new());
        let handle = client.store().number();
        let pending = device.pending();
        let own = pending.iter().find(|p| p.handle == handle && !p.ghost);
        if own.expect("something is on its way").write {
            break;
        }
        step(device, client, Effect::Done);
    }
    step(device, client, effect);
    client.poll(&mut Vec::new());
}

/// A put, or a deletion, of a key that is there.
fn change<'a>(key: &'a [u8], value: Option<&'a [u8]>) -> Operation<'a> {
    let expires_unix_ms = None;
    value.map_or(Operation::Delete { key }, |value| Operation::Put {
        key,
        value,
        expires_unix_ms,
    })
}

/// Fills a page alone.
static LARGE: [u8; 3000] = [7; 3000];

/// A store of two pages, with a key that stands in the first, or, if `guest`, in the second; and a
/// key whose puts make the page of the first forget.
fn two_pages(guest: bool) -> (MemoryDevice, Vec<u8>, Vec<u8>) {
    let device = device(2, MemoryOptions::default());
    let mut writer = client(&device);
    let mut keys = keys_at(&writer, 0, 2);
    if guest {
        writer.put(&keys[0], &LARGE).unwrap();
        writer.put(&keys[1], &LARGE).unwrap();
        (device, keys.remove(1), keys_at(&writer, 1, 1).remove(0))
    } else {
        writer.put(&keys[0], b"old").unwrap();
        (device, keys.remove(0), keys.remove(0))
    }
}

#[test]
fn a_lost_and_forgotten_one_is_known_by_the_entry_it_would_have_replaced() {
    for (guest, value) in [
        (false, Some(&b"mine"[..])),
        (false, None),
        (true, Some(&LARGE[..])),
        (true, None),
    ] {
        for others_write_it in [false, true] {
            let (device, key, neighbour) = two_pages(guest);
            let (mut changer, mut other) = (client(&device), client(&device));
            device.set_options(MemoryOptions {
                manual: true,
                ..MemoryOptions::default()
            });
            changer.submit(change(&key, value)).unwrap();
            write_ends(&device, &mut changer, Effect::UnknownLost);
            if others_write_it {
                // Under the version that the lost one would have had.
                let theirs = if guest { &LARGE[..] } else { b"theirs" };
                other.submit(change(&key, Some(theirs))).unwrap();
                finish(&device, &mut other).1.unwrap();
            }
            make_it_forget(&device, &mut other, &neighbour);
            let outcome = finish(&device, &mut changer).1;
            let story = format!("guest {guest}, {value:?}, others {others_write_it}: {outcome:?}");
            match value {
                Some(_) => assert!(matches!(outcome, Ok(Outcome::Stored { .. })), "{story}"),
                None => assert!(matches!(outcome, Ok(Outcome::Deleted { .. })), "{story}"),
            }
            assert_eq!(changer.stats().unknown_resolved, 1, "{story}");
        }
    }
}

#[test]
fn an_entry_that_others_wrote_after_it_proves_nothing() {
    for guest in [false, true] {
        for effect in [Effect::UnknownApplied, Effect::UnknownLost] {
            for deleted_between in [false, true] {
                let (device, key, neighbour) = two_pages(guest);
                let (mut changer, mut other) = (client(&device), client(&device));
                device.set_options(MemoryOptions {
                    manual: true,
                    ..MemoryOptions::default()
                });
                let value = if guest { &LARGE[..] } else { b"any" };
                changer.submit(change(&key, Some(value))).unwrap();
                write_ends(&device, &mut changer, effect);
                for _ in 0..2 {
                    if deleted_between {
                        other.submit(change(&key, None)).unwrap();
                        finish(&device, &mut other).1.unwrap();
                    }
                    other.submit(change(&key, Some(value))).unwrap();
                    finish(&device, &mut other).1.unwrap();
                }
                make_it_forget(&device, &mut other, &neighbour);
                let outcome = finish(&device, &mut changer).1;
                let story = format!("guest {guest}, {effect:?}, {deleted_between}: {outcome:?}");
                assert!(
                    matches!(outcome, Err(Error::OutcomeUnknown { .. })),
                    "{story}"
                );
            }
        }
    }
}

#[test]
fn a_lost_and_forgotten_move_is_known_by_the_token_it_would_have_taken_out() {
    for (effect, known) in [(Effect::UnknownLost, true), (Effect::UnknownApplied, false)] {
        let device = device(2, MemoryOptions::default());
        let (mut mover, mut other) = (client(&device), client(&device));
        let keys = keys_at(&mover, 0, 3);
        other.put(&keys[0], &LARGE).unwrap();
        other.put(&keys[1], &LARGE).unwrap();
        other.delete(&keys[0]).unwrap();
        device.set_options(MemoryOptions {
            manual: true,
            ..MemoryOptions::default()
        });
        // There is room at home now: the guest is frozen, then pulled home.
        mover.submit(change(&keys[1], Some(b"mine"))).unwrap();
        write_ends(&device, &mut mover, Effect::Done);
        write_ends(&device, &mut mover, effect);
        if !known {
            other.submit(change(&keys[1], None)).unwrap();
            finish(&device, &mut other).1.unwrap();
        }
        make_it_forget(&device, &mut other, &keys[2]);
        let outcome = finish(&device, &mut mover).1;
        match outcome {
            Ok(Outcome::Stored { .. }) => assert!(known),
            Err(Error::OutcomeUnknown { .. }) => assert!(!known),
            _ => panic!("{effect:?}: {outcome:?}"),
        }
    }
}
