//! The library as its callers see it: futures, limits, closing, read-only clients, lost devices,
//! entries that end.

mod support;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use rdstore::page_store::PageStore;
use rdstore::testing::MemoryOptions;
use rdstore::{
    AsyncClient, Client, Cursor, Error, FsckOptions, OpenOptions, Operation, Outcome, Version, fsck,
};
use support::sample::{FIRST_PAGE, client, device, keys_at, value};

fn slow() -> MemoryOptions {
    MemoryOptions {
        delay_ns: (1_000, 9_000),
        ..MemoryOptions::default()
    }
}

fn found(outcome: Outcome) -> Vec<u8> {
    match outcome {
        Outcome::Found { value, .. } => value,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_can_be_sent_to_another_thread() {
    fn assert_send<T: Send>() {}
    /// A page store that can be sent; only its type matters.
    struct Pages;
    impl PageStore for Pages {
        type Buffer = Vec<u8>;
        fn geometry(&self) -> rdstore::page_store::DeviceGeometry {
            unreachable!()
        }
        fn name(&self) -> &str {
            unreachable!()
        }
        fn buffer(&mut self, _: usize) -> Option<Vec<u8>> {
            unreachable!()
        }
        fn submit_read(
            &mut self,
            _: u64,
            _: Vec<u8>,
            _: u64,
        ) -> Result<(), rdstore::page_store::QueueFull<Vec<u8>>> {
            unreachable!()
        }
        fn submit_compare_and_write(
            &mut self,
            _: u64,
            _: Vec<u8>,
            _: Vec<u8>,
            _: u64,
        ) -> Result<(), rdstore::page_store::QueueFull<Vec<u8>>> {
            unreachable!()
        }
        fn poll(&mut self, _: &mut Vec<rdstore::page_store::PageCompletion<Vec<u8>>>) -> usize {
            unreachable!()
        }
        fn wait(&mut self, _: u64) {}
        fn now_ns(&self) -> u64 {
            0
        }
        fn in_flight(&self) -> usize {
            0
        }
    }
    assert_send::<Client<Pages>>();
    assert_send::<AsyncClient<Pages>>();
}

#[test]
fn futures_run_side_by_side_without_an_executor() {
    let device = device(16, slow());
    let client = AsyncClient::new(client(&device));
    let before = device.handle().now_ns();
    client.block_on(async {
        let keys: Vec<Vec<u8>> = (0..50_u8).map(|n| vec![n]).collect();
        let mut puts: Vec<_> = keys
            .iter()
            .map(|key| Box::pin(client.put(key, key)))
            .collect();
        let mut ended = vec![false; puts.len()];
        std::future::poll_fn(|context| {
            for (put, ended) in puts.iter_mut().zip(&mut ended) {
                if !*ended && let Poll::Ready(outcome) = put.as_mut().poll(context) {
                    assert!(matches!(outcome, Ok(Outcome::Stored { .. })), "{outcome:?}");
                    *ended = true;
                }
            }
            if ended.iter().all(|ended| *ended) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        for key in &keys {
            assert_eq!(found(client.get(key).await.unwrap()), *key);
        }
        let first = client.get(&keys[0]).await.unwrap().version();
        let swapped = client
            .compare_and_swap(&keys[0], first, b"x")
            .await
            .unwrap();
        assert!(matches!(swapped, Outcome::Stored { .. }));
        assert!(matches!(
            client.add(&keys[0], b"y").await.unwrap(),
            Outcome::Exists { .. }
        ));
        assert!(matches!(
            client.delete(&keys[0]).await.unwrap(),
            Outcome::Deleted { .. }
        ));
        let page = client.scan(Cursor::START, 100).await.unwrap();
        assert_eq!(page.entries.len(), 49);
    });
    // One after another, 50 updates alone would take 100 I/Os of 5 µs on average.
    assert!(
        device.handle().now_ns() - before < 900_000,
        "they did not run side by side"
    );
    client.into_inner().close().unwrap();
}

#[test]
fn a_dropped_future_ends_unseen_and_keeps_its_buffers_until_then() {
    let device = device(16, slow());
    let client = AsyncClient::new(client(&device));
    {
        let mut put = pin!(client.put(b"k", b"v"));
        let mut context = Context::from_waker(Waker::noop());
        assert!(put.as_mut().poll(&mut context).is_pending());
    }
    let mut client = client.into_inner();
    assert_eq!(client.in_flight(), 1, "dropping does not cancel");
    assert_eq!(found(wait_for(&mut client, b"k")), b"v");
    assert_eq!(client.in_flight(), 0);
    client.close().unwrap();
}

/// Reads until the key is there.
fn wait_for<P: PageStore>(client: &mut Client<P>, key: &[u8]) -> Outcome {
    loop {
        let outcome = client.get(key).unwrap();
        if matches!(outcome, Outcome::Found { .. }) {
            return outcome;
        }
    }
}

#[test]
fn closing_waits_for_what_is_in_flight() {
    let device = device(16, slow());
    let mut first = client(&device);
    for key in 0..20_u8 {
        let key = &[key][..];
        let (value, expires_unix_ms) = (key, None);
        first
            .submit(Operation::Put {
                key,
                value,
                expires_unix_ms,
            })
            .unwrap();
    }
    let handle = first.close().unwrap();
    assert_eq!(handle.in_flight(), 0);
    let mut second = client(&device);
    for key in 0..20_u8 {
        assert_eq!(found(second.get(&[key]).unwrap()), [key]);
    }
}

#[test]
fn more_operations_than_asked_for_are_refused_and_a_full_queue_only_delays() {
    let device = device(16, slow());
    let mut store = device.handle();
    store.set_queue_depth(3);
    let options = OpenOptions {
        in_flight: 10,
        ..OpenOptions::default()
    };
    let mut client = Client::open(store, options).unwrap();
    let expires_unix_ms = None;
    for key in 0..10_u8 {
        let key = &[key][..];
        client
            .submit(Operation::Put {
                key,
                value: key,
                expires_unix_ms,
            })
            .unwrap();
    }
    let error = client.submit(Operation::Get { key: b"k" }).unwrap_err();
    assert_eq!(error, Error::Busy { in_flight: 10 });
    let mut ended = 0;
    while ended < 10 {
        ended += client.poll_with(|_, result| assert!(result.is_ok(), "{result:?}"));
        client.wait(u64::MAX);
    }
    let keys: Vec<Vec<u8>> = (0..40_u8).map(|key| vec![key % 12]).collect();
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let outcomes = client.multi_get(&keys).unwrap();
    for (key, outcome) in keys.iter().zip(outcomes) {
        assert_eq!(matches!(outcome, Outcome::Found { .. }), key[0] < 10);
    }
    assert_eq!(
        client.multi_get(&[b"", b"k"]).unwrap_err(),
        Error::KeyLength { bytes: 0 }
    );
    assert_eq!(client.in_flight(), 0);
}

#[test]
fn outcomes_of_others_are_kept_while_one_waits() {
    let device = device(16, slow());
    let mut client = client(&device);
    client.put(b"a", b"1").unwrap();
    let ticket = client.submit(Operation::Get { key: b"a" }).unwrap();
    client.put(b"b", b"2").unwrap();
    let mut outcomes = Vec::new();
    while outcomes.is_empty() {
        client.poll(&mut outcomes);
        client.wait(u64::MAX);
    }
    assert_eq!(outcomes.len(), 1);
    let (of, outcome) = outcomes.remove(0);
    assert_eq!((of, found(outcome.unwrap())), (ticket, b"1".to_vec()));
}

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
