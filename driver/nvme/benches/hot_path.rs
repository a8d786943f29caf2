//! What the driver costs per command, on a device without time: the loop through the driver, less
//! the same commands put into a queue by hand. Run with `cargo bench -p nvme-driver`.

use std::hint::black_box;
use std::time::Instant;

use nvme_driver::{Controller, ControllerOptions, DmaMemory, DmaPurpose, QueueOptions, Transport};
use nvme_instant::{InstantDevice, InstantOptions};
use nvme_spec::{CompletionEntry, SubmissionEntry, doorbell};
use zerocopy::IntoBytes;

const PAGE: usize = 4096;
const COMMANDS: u64 = 2_000_000;
/// One block read over and over, so that the copy costs the same everywhere: from cache.
const LBA: u64 = 3;

fn main() {
    for depth in [1u64, 8, 63] {
        let floor = by_hand(depth);
        let kept = through_driver(depth, false);
        let pooled = through_driver(depth, true);
        println!(
            "depth {depth:2}: by hand {floor:6.1} ns, driver {kept:6.1} ns (+{:.1}), with a buffer \
             from the pool each {pooled:6.1} ns (+{:.1})",
            kept - floor,
            pooled - floor
        );
    }
}

fn device() -> InstantDevice {
    InstantDevice::new(InstantOptions::default())
}

/// Nanoseconds a command, `depth` commands a doorbell.
fn through_driver(depth: u64, pooled: bool) -> f64 {
    let device = device();
    let controller =
        Controller::open(device.function(0), ControllerOptions::default()).expect("bring-up");
    let mut pair = controller
        .queue_pair(QueueOptions::default())
        .expect("a queue pair");
    let mut buffers: Vec<_> = (0..depth).filter_map(|_| pair.buffer(PAGE)).collect();
    let start = Instant::now();
    for round in 0..COMMANDS / depth {
        for tag in 0..depth {
            let buffer = if pooled {
                pair.buffer(PAGE)
            } else {
                buffers.pop()
            };
            let buffer = buffer.expect("one for each command");
            pair.submit_read(LBA, 1, buffer, round + tag).expect("room");
        }
        pair.ring();
        pair.poll_with(|completion| {
            assert!(completion.result.is_ok());
            if !pooled {
                buffers.extend(completion.buffer);
            }
        });
    }
    start.elapsed().as_nanos() as f64 / COMMANDS as f64
}

/// The least that any driver has to do: store the entry, ring, look at the completion, give its
/// slot back once in a while. The queues are the admin queue's memory shape, set up here.
fn by_hand(depth: u64) -> f64 {
    let device = device();
    let controller =
        Controller::open(device.function(0), ControllerOptions::default()).expect("bring-up");
    let mut transport = device.function(0);
    let mut queue = |bytes| {
        transport
            .allocate_dma(bytes, DmaPurpose::Queue)
            .expect("memory")
    };
    let (submission, completion, data) = (queue(PAGE), queue(PAGE), queue(64 * PAGE));
    let create = SubmissionEntry::create_completion_queue(1, 128, completion.bus_address(), None);
    controller.execute(create).expect("created");
    let create = SubmissionEntry::create_submission_queue(1, 64, submission.bus_address(), 1);
    controller.execute(create).expect("created");
    let (mut tail, mut head, mut phase) = (0u32, 0usize, true);
    let start = Instant::now();
    for _ in 0..COMMANDS / depth {
        for slot in 0..depth {
            let entry = SubmissionEntry::read(LBA, 1)
                .with_command_id(slot as u16)
                .with_prps(data.bus_address() + slot * PAGE as u64, 0);
            write_entry(&submission, tail as usize, entry);
            tail = (tail + 1) % 64;
        }
        transport
            .write_u32(doorbell::submission_tail_offset(1), tail)
            .expect("rung");
        for _ in 0..depth {
            let entry = read_entry(&completion, head);
            assert!(entry.phase() == phase && entry.status().is_success());
            black_box(entry);
            head = (head + 1) % 128;
            phase ^= head == 0;
            if head.is_multiple_of(64) {
                let offset = doorbell::completion_head_offset(1);
                transport.write_u32(offset, head as u32).expect("rung");
            }
        }
    }
    start.elapsed().as_nanos() as f64 / COMMANDS as f64
}

#[expect(unsafe_code, reason = "a queue in DMA memory is reached by pointer")]
fn write_entry(queue: &impl DmaMemory, slot: usize, entry: SubmissionEntry) {
    assert!((slot + 1) * size_of::<SubmissionEntry>() <= queue.len());
    // SAFETY: in bounds by the assertion, aligned because the memory is aligned to 4 KiB.
    unsafe {
        queue
            .pointer()
            .cast::<SubmissionEntry>()
            .add(slot)
            .write(entry);
    }
}

#[expect(unsafe_code, reason = "a queue in DMA memory is reached by pointer")]
fn read_entry(queue: &impl DmaMemory, slot: usize) -> CompletionEntry {
    assert!((slot + 1) * size_of::<CompletionEntry>() <= queue.len());
    let mut entry = CompletionEntry::default();
    // SAFETY: in bounds by the assertion; the device has written the entry.
    let bytes =
        unsafe { std::slice::from_raw_parts(queue.pointer().add(slot * 16).cast_const(), 16) };
    entry.as_mut_bytes().copy_from_slice(bytes);
    entry
}
