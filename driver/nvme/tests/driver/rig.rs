//! A device, a controller and a queue pair, and running them until a request has ended.

use nvme_driver::{
    Completion, Controller, ControllerOptions, DmaBuffer, DriverError, Outcome, QueueOptions,
    QueuePair,
};
use nvme_instant::{Fault, Injection, InstantDevice, InstantDma, InstantOptions, InstantTransport};

pub(crate) type Pair = QueuePair<InstantTransport>;
pub(crate) type Buffer = DmaBuffer<InstantDma>;
pub(crate) type Ended = Completion<InstantDma>;

pub(crate) const PAGE: usize = 4096;

pub(crate) struct Rig {
    pub(crate) pair: Pair,
    pub(crate) controller: Controller<InstantTransport>,
    pub(crate) device: InstantDevice,
}

pub(crate) fn rig() -> Rig {
    rig_with(InstantOptions::default(), QueueOptions::default())
}

pub(crate) fn rig_with(options: InstantOptions, queue: QueueOptions) -> Rig {
    let device = InstantDevice::new(options);
    let controller = open(&device, 0);
    let pair = controller.queue_pair(queue).expect("a queue pair");
    Rig {
        pair,
        controller,
        device,
    }
}

pub(crate) fn open(device: &InstantDevice, function: u8) -> Controller<InstantTransport> {
    Controller::open(device.function(function), ControllerOptions::default()).expect("bring-up")
}

/// A buffer filled with one byte.
pub(crate) fn filled(pair: &mut Pair, bytes: usize, fill: u8) -> Buffer {
    let mut buffer = pair.buffer(bytes).expect("a buffer");
    buffer.fill(fill);
    buffer
}

/// Polls and waits until everything in flight has ended.
pub(crate) fn finish(pair: &mut Pair) -> Vec<Ended> {
    let mut ended = Vec::new();
    for _ in 0..10_000 {
        if pair.in_flight() == 0 {
            return ended;
        }
        if pair.poll(&mut ended) == 0 {
            pair.wait(u64::MAX);
        }
    }
    panic!("{} requests never ended", pair.in_flight());
}

/// The one request in flight, ended.
pub(crate) fn finish_one(pair: &mut Pair) -> Ended {
    let mut ended = finish(pair);
    assert_eq!(ended.len(), 1, "one request was in flight");
    ended.remove(0)
}

pub(crate) fn write(pair: &mut Pair, lba: u64, fill: u8) -> Result<Outcome, DriverError> {
    let buffer = filled(pair, PAGE, fill);
    pair.submit_write(lba, 1, buffer, 0).expect("room");
    finish_one(pair).result
}

pub(crate) fn read(pair: &mut Pair, lba: u64) -> Vec<u8> {
    let buffer = filled(pair, PAGE, 0xee);
    pair.submit_read(lba, 1, buffer, 0).expect("room");
    let ended = finish_one(pair);
    assert_eq!(ended.result, Ok(Outcome::Done));
    ended.buffer.expect("the buffer comes back").to_vec()
}

pub(crate) fn compare_and_write(
    pair: &mut Pair,
    lba: u64,
    old: u8,
    new: u8,
) -> Result<Outcome, DriverError> {
    let (old, new) = (filled(pair, PAGE, old), filled(pair, PAGE, new));
    pair.submit_compare_and_write(lba, 1, old, new, 0)
        .expect("room");
    finish_one(pair).result
}

/// The byte that fills a block of the medium.
pub(crate) fn block(device: &InstantDevice, lba: usize) -> u8 {
    let mut bytes = [0; PAGE];
    device.read_medium(lba * PAGE, &mut bytes);
    assert!(
        bytes.iter().all(|&byte| byte == bytes[0]),
        "block {lba} is torn"
    );
    bytes[0]
}

/// The default timeout of a command, and of an Abort.
pub(crate) const TIMEOUT_NS: u64 = 5_000_000_000;
pub(crate) const ABORT_NS: u64 = 1_000_000_000;

/// One command of each kind, the first of which the controller loses.
pub(crate) fn submit_one_of_each(rig: &mut Rig) {
    let buffer = filled(&mut rig.pair, PAGE, 1);
    rig.pair.submit_write(0, 1, buffer, 0).expect("room");
    let buffer = filled(&mut rig.pair, PAGE, 0);
    rig.pair.submit_read(1, 1, buffer, 1).expect("room");
    let buffer = filled(&mut rig.pair, PAGE, 0);
    rig.pair.submit_compare(2, 1, buffer, 2).expect("room");
    let (old, new) = (
        filled(&mut rig.pair, PAGE, 0),
        filled(&mut rig.pair, PAGE, 4),
    );
    rig.pair
        .submit_compare_and_write(3, 1, old, new, 3)
        .expect("room");
    rig.pair.submit_flush(4).expect("room");
}

pub(crate) fn lose_all(rig: &Rig, fault: Fault) {
    for _ in 0..6 {
        rig.device.inject(Injection::new(fault).on_queue(1));
    }
}
