//! The hot path allocates nothing once it is warm. A binary of its own, because the allocator that
//! counts is the process's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use nvme_driver::{Controller, ControllerOptions, Outcome, QueueOptions};
use nvme_instant::{InstantDevice, InstantOptions};

struct Counting;

thread_local! {
    /// Of this thread alone: the test harness allocates on its own.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "an allocator is unsafe by its trait")]
// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_warm_queue_pair_allocates_nothing() {
    let device = InstantDevice::new(InstantOptions::default());
    let controller =
        Controller::open(device.function(0), ControllerOptions::default()).expect("bring-up");
    let mut pair = controller
        .queue_pair(QueueOptions::default())
        .expect("a queue pair");
    let mut ended = Vec::new();
    let mut round = |allocations: &mut u64| {
        let before = ALLOCATIONS.get();
        for lba in 0..10 {
            let buffer = pair.buffer(4096).expect("a buffer");
            pair.submit_read(lba, 1, buffer, 0).expect("room");
            let buffer = pair.buffer(4 * 4096).expect("a buffer");
            pair.submit_write(lba, 4, buffer, 0).expect("room");
            let (old, new) = (pair.buffer(4096), pair.buffer(4096));
            let (old, new) = (old.expect("a buffer"), new.expect("a buffer"));
            pair.submit_compare_and_write(lba, 1, old, new, 0)
                .expect("room");
        }
        pair.ring();
        assert_eq!(pair.poll(&mut ended), 30);
        assert!(
            ended
                .drain(..)
                .all(|ended| ended.result == Ok(Outcome::Done))
        );
        *allocations = ALLOCATIONS.get() - before;
    };
    let (mut cold, mut warm) = (0, 0);
    round(&mut cold);
    assert!(cold > 0, "the counter counts");
    for _ in 0..100 {
        round(&mut warm);
        assert_eq!(warm, 0, "allocations on the hot path");
    }
}
