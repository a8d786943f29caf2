//! Threads, futures, limits of what is in flight, closing.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::support::sample::{client, device};
use rdstore::page_store::PageStore;
use rdstore::{AsyncClient, Client, Cursor, Error, OpenOptions, Operation, Outcome};

use super::{found, slow};

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
