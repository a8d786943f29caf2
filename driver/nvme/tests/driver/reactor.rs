use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use nvme_driver::{DriverError, Outcome, QueueOptions, Reactor};
use nvme_instant::{Fault, Injection, InstantDevice, InstantOptions, InstantTransport};
use nvme_spec::opcode::nvm;

use crate::rig::{PAGE, block, open};

fn reactor(options: InstantOptions, entries: u32) -> (Reactor<InstantTransport>, InstantDevice) {
    let device = InstantDevice::new(options);
    let options = QueueOptions {
        entries,
        ..QueueOptions::default()
    };
    let pair = open(&device, 0).queue_pair(options).expect("a queue pair");
    (Reactor::new(pair), device)
}

fn late() -> InstantOptions {
    InstantOptions {
        shuffle_seed: Some(11),
        ..InstantOptions::default()
    }
}

/// Polls all futures until all are over: what an executor does.
async fn all<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let Poll::Ready(value) = pin!(future).poll(context)
            {
                *output = Some(value);
            }
        }
        if outputs.iter().all(Option::is_some) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

fn filled(reactor: &Reactor<InstantTransport>, fill: u8) -> crate::rig::Buffer {
    let mut buffer = reactor.buffer(PAGE).expect("a buffer");
    buffer.fill(fill);
    buffer
}

#[test]
fn every_command_can_be_awaited() {
    let (reactor, device) = reactor(late(), 64);
    reactor.block_on(async {
        let ended = reactor.write(1, 1, filled(&reactor, 7)).await;
        assert_eq!(ended.result, Ok(Outcome::Done));
        let ended = reactor.read(1, 1, filled(&reactor, 0)).await;
        assert_eq!(ended.buffer.expect("buffer")[..], [7; PAGE]);
        let ended = reactor.compare(1, 1, filled(&reactor, 8)).await;
        assert_eq!(ended.result, Ok(Outcome::Miscompare));
        let ended = reactor
            .compare_and_write(1, 1, filled(&reactor, 7), filled(&reactor, 9))
            .await;
        assert_eq!(ended.result, Ok(Outcome::Done));
        assert_eq!(reactor.flush().await.result, Ok(Outcome::Done));
    });
    assert_eq!(block(&device, 1), 9);
    assert_eq!(reactor.in_flight(), 0);
}

/// More requests than the queue has slots: the rest waits for room, in order, and none is lost.
#[test]
fn requests_beyond_the_queue_wait_for_room() {
    let (reactor, device) = reactor(late(), 5);
    let outputs = reactor.block_on(async {
        let writes = (0..200).map(|lba| reactor.write(lba, 1, filled(&reactor, lba as u8)));
        all(writes.collect()).await
    });
    assert_eq!(outputs.len(), 200);
    assert!(
        outputs
            .iter()
            .all(|ended| ended.result == Ok(Outcome::Done))
    );
    assert!((0..200).all(|lba| block(&device, lba) == lba as u8));
}

struct Counting(AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The queue is full of requests of dropped futures, so no completion wakes anybody.
#[test]
fn room_wakes_who_waits_for_it() {
    let (reactor, _device) = reactor(InstantOptions::default(), 3);
    for lba in 0..2 {
        let mut write = reactor.write(lba, 1, filled(&reactor, 1));
        assert!(
            pin!(&mut write)
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
    }
    let count = Arc::new(Counting(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&count));
    let mut waiting = reactor.write(2, 1, filled(&reactor, 1));
    assert!(
        pin!(&mut waiting)
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    assert_eq!(
        (reactor.in_flight(), count.0.load(Ordering::Relaxed)),
        (2, 0)
    );
    assert_eq!(reactor.turn(), 2);
    assert_eq!(count.0.load(Ordering::Relaxed), 1, "there is room now");
    assert_eq!(reactor.block_on(waiting).result, Ok(Outcome::Done));
}

/// Story: a client gives up on a Read and reuses its memory, which the device then writes. Here
/// the buffer of a dropped future stays with the reactor until its command has ended.
#[test]
fn a_dropped_future_leaves_its_buffer_with_the_reactor() {
    let device = InstantDevice::new(late());
    device.write_medium(0, &[0xaa; PAGE]);
    let pair = open(&device, 0)
        .queue_pair(QueueOptions {
            buffer_memory_bytes: PAGE,
            ..QueueOptions::default()
        })
        .expect("a queue pair");
    let reactor = Reactor::new(pair);
    let mut read = reactor.read(0, 1, filled(&reactor, 0));
    assert!(
        pin!(&mut read)
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    reactor.turn();
    drop(read);
    assert_eq!(reactor.in_flight(), 1);
    assert!(
        reactor.buffer(PAGE).is_none(),
        "the only buffer is still with the device"
    );
    reactor.drain();
    let buffer = reactor.buffer(PAGE).expect("it has come back");
    assert_eq!(buffer[..], [0xaa; PAGE], "the device had written it");
}

#[test]
fn a_dropped_compare_and_write_is_finished_unseen() {
    let (reactor, device) = reactor(late(), 64);
    let mut write = reactor.compare_and_write(2, 1, filled(&reactor, 0), filled(&reactor, 3));
    assert!(
        pin!(&mut write)
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    drop(write);
    reactor.drain();
    assert_eq!(block(&device, 2), 3);
}

#[test]
fn futures_dropped_at_any_stage_free_their_slots() {
    let (reactor, _device) = reactor(late(), 4);
    for round in 0..300 {
        let mut requests: Vec<_> = (0..6)
            .map(|lba| reactor.write(lba, 1, filled(&reactor, round as u8)))
            .collect();
        for request in requests.iter_mut().take(round % 7) {
            assert!(
                pin!(request)
                    .poll(&mut Context::from_waker(Waker::noop()))
                    .is_pending()
            );
        }
        for _ in 0..round % 3 {
            reactor.turn();
            reactor.wait(0);
        }
        requests.truncate(round % 5);
    }
    reactor.drain();
    let ended = reactor.block_on(reactor.write(0, 1, filled(&reactor, 1)));
    assert_eq!(ended.result, Ok(Outcome::Done));
}

#[test]
fn a_future_of_a_lost_command_ends_with_the_timeout() {
    let (reactor, device) = reactor(InstantOptions::default(), 64);
    device.inject(Injection::new(Fault::LoseCommand).on_opcode(nvm::READ));
    let ended = reactor.block_on(reactor.read(0, 1, filled(&reactor, 0)));
    assert!(matches!(ended.result, Err(DriverError::TimedOut { .. })));
}

/// A future that waits for something else than the reactor must not hang it.
#[test]
fn block_on_serves_futures_that_do_not_use_the_reactor() {
    let (reactor, device) = reactor(InstantOptions::default(), 64);
    let polls = Cell::new(0);
    reactor.block_on(std::future::poll_fn(|_| {
        polls.set(polls.get() + 1);
        if polls.get() < 5 {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }));
    assert_eq!(polls.get(), 5);
    assert!(device.now_ns() > 0, "it waited in between");
}

#[test]
fn a_queue_pair_with_requests_in_flight_is_drained_first() {
    let device = InstantDevice::new(late());
    let mut pair = open(&device, 0)
        .queue_pair(QueueOptions::default())
        .expect("a queue pair");
    for lba in 0..9 {
        let buffer = crate::rig::filled(&mut pair, PAGE, 4);
        pair.submit_write(lba, 1, buffer, lba).expect("room");
    }
    let reactor = Reactor::new(pair);
    assert_eq!((reactor.in_flight(), block(&device, 8)), (0, 4));
    let ended = reactor.block_on(reactor.read(8, 1, filled(&reactor, 0)));
    assert_eq!(ended.buffer.expect("buffer")[0], 4);
}
