//! Read-modify-write, read-only clients, lost devices, entries that end, errors.

use super::support::sample::{FIRST_PAGE, client, device, keys_at, value};
use rdstore::testing::MemoryOptions;
use rdstore::{Client, Cursor, Error, FsckOptions, OpenOptions, Operation, Outcome, Version, fsck};

use super::{found, slow};

#[test]
fn read_modify_write_loses_nothing_and_may_decline() {
    let device = device(16, MemoryOptions::default());
    let mut client = client(&device);
    let add = |old: Option<&[u8]>| Some(vec![old.map_or(0, |old| old[0]) + 1]);
    for _ in 0..5 {
        assert!(matches!(
            client.read_modify_write(b"n", add).unwrap(),
            Outcome::Stored { .. }
        ));
    }
    assert_eq!(found(client.get(b"n").unwrap()), [5]);
    let declined = client.read_modify_write(b"n", |_| None).unwrap();
    assert_eq!(found(declined), [5]);
    let declined = client.read_modify_write(b"absent", |_| None).unwrap();
    assert!(matches!(declined, Outcome::Missing { .. }));
}

#[test]
fn a_read_only_client_changes_nothing_and_helps_nobody() {
    let device = device(4, MemoryOptions::default());
    let mut writer = client(&device);
    let keys = keys_at(&writer, 0, 2);
    writer.put(&keys[0], &value(1, 3000)).unwrap();
    writer.put(&keys[1], &value(2, 3000)).unwrap();
    let before = device.bytes(0, (FIRST_PAGE + 4) * 4096);
    let options = OpenOptions {
        read_only: true,
        ..OpenOptions::default()
    };
    let mut reader = Client::open(device.handle(), options).unwrap();
    for key in &keys {
        assert_eq!(found(reader.get(key).unwrap()).len(), 3000);
    }
    reader.scan(Cursor::START, 10).unwrap();
    let refused = [
        reader.put(b"k", b"v"),
        reader.add(b"k", b"v"),
        reader.delete(b"k"),
        reader.compare_and_swap(b"k", Version(1), b"v"),
    ];
    for result in refused {
        assert_eq!(result.unwrap_err(), Error::ReadOnly);
    }
    assert_eq!(reader.stats().compare_and_writes, 0);
    assert_eq!(device.bytes(0, (FIRST_PAGE + 4) * 4096), before);
}

#[test]
fn a_lost_device_fails_reads_and_leaves_updates_unknown() {
    let device = device(4, slow());
    let mut client = client(&device);
    client.put(b"k", b"v").unwrap();
    let expires_unix_ms = None;
    let get = client.submit(Operation::Get { key: b"k" }).unwrap();
    // Its read ends, its Compare-and-Write is on its way.
    let put = client
        .submit(Operation::Put {
            key: b"k",
            value: b"w",
            expires_unix_ms,
        })
        .unwrap();
    let mut outcomes = Vec::new();
    while client.stats().compare_and_writes < 2 {
        client.poll(&mut outcomes);
        client.wait(u64::MAX);
    }
    device.lose();
    while client.in_flight() > 0 {
        client.poll(&mut outcomes);
    }
    for (ticket, result) in outcomes {
        if ticket == put {
            assert!(
                matches!(result, Err(Error::OutcomeUnknown { .. })),
                "{result:?}"
            );
        } else {
            assert_eq!(ticket, get);
            assert!(
                matches!(result, Ok(_) | Err(Error::Device { .. })),
                "{result:?}"
            );
        }
    }
    assert!(matches!(client.get(b"k"), Err(Error::Device { .. })));
    assert!(matches!(client.put(b"k", b"x"), Err(Error::Device { .. })));
    drop(client);
    device.find_again();
    assert!(
        fsck(&mut device.handle(), &FsckOptions::default())
            .unwrap()
            .is_clean()
    );
}

#[test]
fn entries_end_when_their_time_has_come() {
    let device = device(4, MemoryOptions::default());
    let open = |unix_ms| {
        let options = OpenOptions {
            unix_ms,
            ..OpenOptions::default()
        };
        Client::open(device.handle(), options).unwrap()
    };
    let mut client = open(1_000);
    let put = |expires_unix_ms| Operation::Put {
        key: b"k",
        value: b"v",
        expires_unix_ms,
    };
    let stored = client.execute(put(Some(1_010))).unwrap().version();
    assert_eq!(found(client.get(b"k").unwrap()), b"v");
    device.pass(11_000_000);
    let Outcome::Missing { version } = client.get(b"k").unwrap() else {
        panic!("still there")
    };
    assert!(version >= stored);
    assert!(matches!(
        client.compare_and_swap(b"k", stored, b"w").unwrap(),
        Outcome::Missing { .. }
    ));
    assert_eq!(client.scan(Cursor::START, 10).unwrap().entries, []);
    // Without a clock, nothing ends.
    assert_eq!(found(open(0).get(b"k").unwrap()), b"v");
    let added = client.add(b"k", b"w").unwrap();
    assert!(
        matches!(added, Outcome::Stored { version } if version > stored),
        "{added:?}"
    );
    // An entry that ended makes room: three fill the page, and there is no other room.
    let keys = keys_at(&client, 0, 6);
    for key in &keys[..3] {
        let (value, expires_unix_ms) = (&[1; 1000][..], Some(1_050));
        client
            .execute(Operation::Put {
                key,
                value,
                expires_unix_ms,
            })
            .unwrap();
    }
    device.pass(50_000_000);
    let before = client.stats();
    for key in &keys[3..] {
        client.put(key, &[1; 1000]).unwrap();
    }
    let after = client.stats();
    assert_eq!(after.reads - before.reads, 3, "no other page was needed");
    assert_eq!(after.compare_and_writes - before.compare_and_writes, 3);
    assert!(
        fsck(&mut device.handle(), &FsckOptions::default())
            .unwrap()
            .is_clean()
    );
}

#[test]
fn errors_say_what_and_what_to_do() {
    let errors = [
        (Error::KeyLength { bytes: 300 }, ["300", "255"]),
        (
            Error::ValueTooLarge {
                bytes: 9000,
                max_bytes: 3648,
            },
            ["3648", "larger pages"],
        ),
        (
            Error::Full {
                page: 17,
                probes: 64,
            },
            ["64", "Delete"],
        ),
        (Error::Busy { in_flight: 64 }, ["64", "poll"]),
        (
            Error::Contention {
                attempts: 9,
                page: 17,
            },
            ["9", "Try again"],
        ),
    ];
    for (error, parts) in errors {
        let text = error.to_string();
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
}
