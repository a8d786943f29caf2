//! MSI-X: messages, masks, pending bits, coalescing (PCI 3.0 §6.8, NVMe 1.1 §7.5).

use nvme_spec::{Status, SubmissionEntry, feature, msix};
use pcie_host::endpoint::{Cycle, FunctionId};

use crate::rig::{Controller, Factory, MessageTable, Rig, set_msix};

const SUCCESS: Status = Status::SUCCESS;

/// One queue pair a vector, all unmasked and enabled.
fn setup(rig: &Rig, function: u8) -> (Controller, MessageTable) {
    let vectors = rig
        .host
        .with_endpoint(|endpoint| endpoint.vectors_per_function());
    let mut controller = rig.controller(FunctionId(function));
    let table = MessageTable::program(&mut controller, vectors);
    for queue_id in 1..=rig.device.queues_per_function.min(vectors - 1) {
        controller.create_completion_queue(queue_id, 16, Some(queue_id));
        controller.create_submission_queue(queue_id, 16, queue_id);
    }
    rig.run(5_000);
    for vector in 0..vectors {
        table.take(vector);
    }
    (controller, table)
}

/// Sends a flush and waits until it has been answered and everything has settled.
fn flush(rig: &Rig, controller: &mut Controller, queue_id: u16) {
    let id = controller.submit(queue_id, &[SubmissionEntry::flush()])[0];
    rig.run(3_000);
    assert_eq!(controller.wait(queue_id, id).status(), SUCCESS);
}

fn pending(controller: &mut Controller, vector: u16) -> bool {
    let word = controller.read64(msix::PENDING_OFFSET + 8 * u64::from(vector / 64));
    word >> (vector % 64) & 1 == 1
}

/// Each completion queue interrupts with its own vector, and only that one.
pub fn each_queue_has_its_vector(device: Factory) {
    let rig = Rig::new(device);
    for function in [0, 2] {
        let (mut controller, table) = setup(&rig, function);
        let queues: Vec<u16> = controller.completion.keys().copied().collect();
        for &queue_id in queues.iter().skip(1) {
            flush(&rig, &mut controller, queue_id);
            for &vector in &queues {
                assert_eq!(table.take(vector), vector == queue_id, "queue {queue_id}");
            }
        }
        controller.admin_ok(SubmissionEntry::get_features(feature::ARBITRATION));
        rig.run(3_000);
        assert!(table.take(0), "the admin queue has vector 0");
    }
}

/// The message comes after the completion it tells of.
pub fn message_follows_its_completion(device: Factory) {
    let rig = Rig::new(device);
    let (mut controller, table) = setup(&rig, 0);
    let buffer = controller.buffer(4096);
    for number in 0..40 {
        let command = match number % 3 {
            0 => SubmissionEntry::flush(),
            1 => controller.read(number, 1, &buffer),
            _ => controller.write(number, 1, &buffer),
        };
        controller.submit(1, &[command]);
        while !table.take(1) {
            assert!(rig.host.step(), "no message");
        }
        assert_eq!(
            controller.poll(),
            1,
            "the message came before its completion"
        );
    }
}

/// A masked vector sends nothing and is pending; unmasked it sends once.
pub fn masked_vector(device: Factory) {
    let rig = Rig::new(device);
    let (mut controller, table) = setup(&rig, 1);
    table.set_masked(&mut controller, 1, true);
    rig.run(1_000);
    assert!(!pending(&mut controller, 1));
    flush(&rig, &mut controller, 1);
    flush(&rig, &mut controller, 1);
    assert!(!table.take(1), "masked");
    assert!(pending(&mut controller, 1));
    // Other vectors are not.
    flush(&rig, &mut controller, 2);
    assert!(table.take(2) && !pending(&mut controller, 2));
    table.set_masked(&mut controller, 1, false);
    rig.run(1_000);
    assert!(table.take(1), "unmasked with an interrupt pending");
    assert!(!pending(&mut controller, 1));
    flush(&rig, &mut controller, 1);
    assert!(table.take(1));
}

/// The function mask masks all vectors.
pub fn masked_function(device: Factory) {
    let rig = Rig::new(device);
    let (mut controller, table) = setup(&rig, 0);
    set_msix(&rig.host, FunctionId::PF, true, true);
    flush(&rig, &mut controller, 1);
    flush(&rig, &mut controller, 2);
    assert!(!table.take(1) && !table.take(2));
    assert!(pending(&mut controller, 1) && pending(&mut controller, 2));
    set_msix(&rig.host, FunctionId::PF, true, false);
    rig.run(1_000);
    assert!(table.take(1) && table.take(2));
    assert!(!pending(&mut controller, 1) && !pending(&mut controller, 2));
}

/// Without MSI-X Enable nothing is sent.
pub fn disabled(device: Factory) {
    let rig = Rig::new(device);
    let (mut controller, table) = setup(&rig, 0);
    set_msix(&rig.host, FunctionId::PF, false, false);
    flush(&rig, &mut controller, 1);
    assert!(!table.take(1));
    set_msix(&rig.host, FunctionId::PF, true, false);
    rig.run(1_000);
    table.take(1);
    flush(&rig, &mut controller, 1);
    assert!(table.take(1));
}

/// A completion queue that was created without interrupts never interrupts.
pub fn queue_without_interrupts(device: Factory) {
    let rig = Rig::new(device);
    let (mut controller, table) = setup(&rig, 0);
    controller.delete_queue_pair(1);
    controller.create_queue_pair(1, 16);
    rig.run(3_000);
    for vector in 0..=4 {
        table.take(vector);
    }
    flush(&rig, &mut controller, 1);
    for vector in 0..=4 {
        assert!(!table.take(vector), "vector {vector}");
    }
}

/// Two completion queues may share a vector.
pub fn shared_vector(device: Factory) {
    let rig = Rig::new(device);
    let (mut controller, table) = setup(&rig, 0);
    controller.delete_queue_pair(2);
    controller.create_completion_queue(2, 16, Some(1));
    controller.create_submission_queue(2, 16, 2);
    for queue_id in [1, 2, 2, 1] {
        flush(&rig, &mut controller, queue_id);
        assert!(table.take(1), "queue {queue_id}");
    }
}

/// Every completion whose queue the host has emptied leads to another message: none is lost, at
/// whatever distance the commands come.
pub fn no_message_is_lost(device: Factory) {
    let rig = Rig::new(device);
    let (mut controller, table) = setup(&rig, 0);
    for round in 0..crate::scale(200, 2_000) {
        controller.submit(1, &[SubmissionEntry::flush()]);
        rig.run(round % 150);
        controller.submit(1, &[SubmissionEntry::flush()]);
        while controller.outstanding() > 0 {
            // A host that looks only when it is told to.
            while !table.take(1) {
                assert!(
                    rig.host.step(),
                    "round {round}: no message for what is outstanding"
                );
            }
            controller.poll();
        }
        drop(controller.take_arrived());
    }
}

/// The MSI-X table can be read, word by word, as it was written.
pub fn table_is_readable(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.disabled_controller(FunctionId(1));
    let vectors = rig
        .host
        .with_endpoint(|endpoint| endpoint.vectors_per_function());
    for vector in 0..vectors {
        let offset = msix::entry_offset(vector);
        assert_eq!(
            controller.read32(offset + msix::ENTRY_CONTROL_OFFSET) & 1,
            msix::VECTOR_MASKED
        );
        let words = [
            0x1000 * u32::from(vector + 1),
            0x77,
            0x1234_0000 | u32::from(vector),
            1,
        ];
        for (index, word) in words.iter().enumerate() {
            controller.write32(offset + 4 * index as u64, *word);
        }
    }
    for vector in 0..vectors {
        let offset = msix::entry_offset(vector);
        assert_eq!(controller.read32(offset), 0x1000 * u32::from(vector + 1));
        assert_eq!(controller.read32(offset + 4), 0x77);
        assert_eq!(
            controller.read32(offset + 8),
            0x1234_0000 | u32::from(vector)
        );
        assert_eq!(controller.read64(offset + 8) >> 32, 1);
    }
}

/// A function level reset masks the vectors and forgets what was pending.
pub fn reset_masks_again(device: Factory) {
    let rig = Rig::new(device);
    let (mut controller, table) = setup(&rig, 1);
    table.set_masked(&mut controller, 1, true);
    flush(&rig, &mut controller, 1);
    rig.host
        .reset_function(FunctionId(1))
        .expect("the reset ends");
    controller.forget_queues();
    assert!(!pending(&mut controller, 1));
    let control = controller.read32(msix::entry_offset(1) + msix::ENTRY_CONTROL_OFFSET);
    assert_eq!(control & 1, msix::VECTOR_MASKED);
    rig.run(5_000);
    assert!(!table.take(1));
}

/// Runs `count` flushes of queue 1 at once and counts messages, and the cycles until the last one.
fn messages(
    rig: &Rig,
    controller: &mut Controller,
    table: &MessageTable,
    count: usize,
) -> (u32, Cycle) {
    controller.submit(1, &vec![SubmissionEntry::flush(); count]);
    let start = rig.host.now();
    let (mut seen, mut last) = (0, 0);
    while rig.host.now() < start + 600_000 {
        if table.take(1) {
            seen += 1;
            last = rig.host.now() - start;
        }
        if !rig.host.step() {
            break;
        }
    }
    assert_eq!(controller.poll(), count);
    drop(controller.take_arrived());
    (seen, last)
}

/// Coalescing: a message for a number of completions, or after a time; never none; not for vectors
/// that are excluded, and not for the admin queue.
pub fn coalescing(device: Factory) {
    let rig = Rig::new(device);
    let (mut controller, table) = setup(&rig, 0);
    let (each, _) = messages(&rig, &mut controller, &table, 8);
    assert!(
        each > 2,
        "without coalescing there are {each} messages for 8 completions"
    );
    // Four completions a message, or 200 µs (25,000 cycles).
    let set = feature::InterruptCoalescing::new()
        .with_threshold(3)
        .with_time_100_us(2);
    controller.admin_ok(SubmissionEntry::set_features(
        feature::INTERRUPT_COALESCING,
        set.into(),
    ));
    let (eight, soon) = messages(&rig, &mut controller, &table, 8);
    assert_eq!(eight, 2, "8 completions, 4 a message");
    assert!(
        soon < 10_000,
        "{soon} cycles: the threshold does not wait for the time"
    );
    let (one, late) = messages(&rig, &mut controller, &table, 1);
    assert_eq!(one, 1, "the last completions come with the time");
    assert!(
        (12_500..=40_000).contains(&late),
        "after {late} cycles; 25,000 is what was set"
    );
    // The admin queue is excluded.
    rig.run(1_000);
    table.take(0);
    controller.admin_ok(SubmissionEntry::get_features(feature::ARBITRATION));
    rig.run(1_000);
    assert!(table.take(0), "admin completions do not wait");
    let disable = feature::VECTOR_COALESCING_DISABLE | 1;
    controller.admin_ok(SubmissionEntry::set_features(
        feature::INTERRUPT_VECTOR_CONFIGURATION,
        disable,
    ));
    let (_, soon) = messages(&rig, &mut controller, &table, 1);
    assert!(soon < 5_000, "vector 1 does not coalesce any more");
}

/// MSI-X is switched off while completions are being coalesced: the message whose time comes then was
/// once sent all the same. Nothing is sent, and after MSI-X is on again all is as usual.
pub fn disabled_while_coalescing(device: Factory) {
    let rig = Rig::new(device);
    let (mut controller, table) = setup(&rig, 0);
    let set = feature::InterruptCoalescing::new()
        .with_threshold(3)
        .with_time_100_us(2);
    controller.admin_ok(SubmissionEntry::set_features(
        feature::INTERRUPT_COALESCING,
        set.into(),
    ));
    flush(&rig, &mut controller, 1);
    assert!(
        !table.take(1),
        "one of four completions, long before its time"
    );
    set_msix(&rig.host, FunctionId::PF, false, false);
    rig.run(60_000);
    assert!(!table.take(1), "a message although MSI-X is off");
    set_msix(&rig.host, FunctionId::PF, true, false);
    rig.run(60_000);
    table.take(1);
    let (one, late) = messages(&rig, &mut controller, &table, 1);
    assert_eq!(one, 1, "after {late} cycles");
}
