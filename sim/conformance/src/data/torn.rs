//! Nothing torn: a Write up to AWUN, or a pair, is on the medium whole or not at all.

use nvme_spec::{Status, SubmissionEntry, register};
use pcie_host::endpoint::FunctionId;
use pcie_host::{HostOptions, ReadFault};

use crate::rig::{Buffer, Controller, DeviceOptions, Factory, Rig, pattern};
use crate::scale;

const SUCCESS: Status = Status::SUCCESS;

fn inject_at(rig: &Rig, buffer: &Buffer, offset: u64, fault: ReadFault) {
    let at = buffer.address + offset;
    rig.spoil_read(FunctionId::PF, at..at + 4, fault);
}

/// Blocks of AWUN.
fn atomic_blocks(controller: &mut Controller) -> u32 {
    u32::from(controller.identify().atomic_write_unit_normal) + 1
}

/// One read in the middle of a Write of every size up to AWUN goes wrong, each in its turn and each
/// in every way: Data Transfer Error, and not a byte of the Write is there.
pub fn data_lost_in_the_middle(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let limit = atomic_blocks(&mut controller);
    for blocks in [1, limit / 2, limit] {
        let bytes = (blocks * rig.device.block_bytes) as usize;
        let before = pattern(1, bytes);
        controller.store(0, &before);
        let buffer = controller.buffer(bytes);
        buffer.fill(2);
        for fault in [
            ReadFault::Poisoned,
            ReadFault::UnsupportedRequest,
            ReadFault::CompleterAbort,
            ReadFault::Timeout {
                after_cycles: 3_000,
            },
        ] {
            for piece in 0..bytes as u64 / 512 {
                inject_at(&rig, &buffer, piece * 512, fault);
                let write = controller.write(0, blocks, &buffer);
                assert_eq!(
                    controller.io(write),
                    Status::DATA_TRANSFER_ERROR,
                    "{fault:?}, {piece}"
                );
                assert!(
                    rig.medium(0, blocks) == before,
                    "torn: {fault:?} in piece {piece}"
                );
            }
        }
        let write = controller.write(0, blocks, &buffer);
        assert_eq!(controller.io(write), SUCCESS);
        assert!(rig.medium(0, blocks) == pattern(2, bytes));
    }
}

/// The first read of the largest Write fails: Data Transfer Error, and what is not on its way by then is not
/// asked for. The Verilog once asked for the rest of both segments, and others waited for it.
pub fn nothing_is_fetched_for_what_has_failed(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let atomic = atomic_blocks(&mut controller) * rig.device.block_bytes;
    let bytes = 8 * atomic;
    let buffer = controller.buffer(bytes as usize);
    buffer.fill(2);
    inject_at(&rig, &buffer, 0, ReadFault::UnsupportedRequest);
    let write = controller.write(0, bytes / rig.device.block_bytes, &buffer);
    let before = rig.host.statistics().read_bytes;
    assert_eq!(controller.io(write), Status::DATA_TRANSFER_ERROR);
    let fetched = rig.host.statistics().read_bytes - before;
    assert!(
        fetched < u64::from(2 * atomic),
        "{fetched} bytes were fetched"
    );
}

/// A completion that never comes, of which the hard block says nothing: the endpoint gives up by
/// itself, and late data, were there any, would find no buffer.
pub fn completion_never_comes(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let bytes = 4 * rig.device.block_bytes as usize;
    controller.store(0, &pattern(1, bytes));
    let buffer = controller.buffer(bytes);
    buffer.fill(2);
    inject_at(&rig, &buffer, 4096, ReadFault::Lost);
    let write = controller.write(0, 4, &buffer);
    let id = controller.submit(1, &[write])[0];
    let entry = controller
        .wait_for(40_000_000, |controller| controller.take(1, id))
        .expect("the endpoint has a completion timeout of its own");
    assert_eq!(entry.status(), Status::DATA_TRANSFER_ERROR);
    assert!(rig.medium(0, 4) == pattern(1, bytes));
    // Nothing is stuck for it: more commands than there are tags or buffers.
    for lba in 0..200 {
        let write = controller.write(lba, 1, &buffer);
        assert_eq!(controller.io(write), SUCCESS);
    }
}

/// Data that come very late, after the command's queue has been deleted and others have begun: they
/// land in nobody's buffer.
pub fn late_data_reach_nobody(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    controller.create_queue_pair(2, 64);
    let bytes = rig.device.block_bytes as usize;
    for round in 0..scale(16, 160) {
        controller.create_queue_pair(1, 64);
        let late = controller.buffer(16 * bytes);
        late.fill(0xdead);
        for block in 0..16 {
            let by_cycles = 3_000 + 200 * ((round + block) % 16);
            inject_at(
                &rig,
                &late,
                block * bytes as u64,
                ReadFault::Delayed { by_cycles },
            );
        }
        let writes: Vec<SubmissionEntry> = (0..16)
            .map(|block| {
                let command = SubmissionEntry::write(block, 1);
                controller.at_offset(command, &late, block as usize * bytes)
            })
            .collect();
        controller.submit(1, &writes);
        rig.run(300 + round * 37 % 600);
        controller.admin_ok(SubmissionEntry::delete_submission_queue(1));
        controller.forget_submission_queue(1);
        controller.admin_ok(SubmissionEntry::delete_completion_queue(1));
        controller.completion.remove(&1);
        // Now others use every buffer there is, while the late data are on their way.
        let fresh = controller.buffer(32 * bytes);
        fresh.fill(round);
        let writes: Vec<SubmissionEntry> = (0..32)
            .map(|block| {
                let command = SubmissionEntry::write(100 + block, 1);
                controller.at_offset(command, &fresh, block as usize * bytes)
            })
            .collect();
        let statuses = controller.statuses(2, &writes);
        assert!(statuses.iter().all(|status| *status == SUCCESS));
        assert!(
            rig.medium(100, 32) == pattern(round, 32 * bytes),
            "round {round}"
        );
        rig.run(10_000);
        assert!(
            rig.medium(100, 32) == pattern(round, 32 * bytes),
            "round {round}, later"
        );
    }
}

/// A Write above AWUN may be cut, but only between units of AWUN, and it goes from its start to its end:
/// when the loss of a unit was found out late, those behind it were on the medium once.
pub fn large_writes_are_cut_between_units(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let unit = (atomic_blocks(&mut controller) * rig.device.block_bytes) as usize;
    let blocks = (128 << 10) / rig.device.block_bytes;
    let buffer = controller.buffer(128 << 10);
    for round in 0..scale(40, 400) {
        let before = pattern(3, 128 << 10);
        controller.store(0, &before);
        buffer.fill(round + 10);
        let after = buffer.read(0, 128 << 10);
        let at = (round * 37 % 256) * 512;
        let late = ReadFault::Timeout {
            after_cycles: 20_000,
        };
        let fault = [ReadFault::Poisoned, late][round as usize % 2];
        inject_at(&rig, &buffer, at, fault);
        let write = controller.write(0, blocks, &buffer);
        assert_eq!(
            controller.io(write),
            Status::DATA_TRANSFER_ERROR,
            "at {at:#x}"
        );
        let medium = rig.medium(0, blocks);
        for (number, unit_now) in medium.chunks(unit).enumerate() {
            let range = number * unit..(number + 1) * unit;
            let whole = unit_now == &before[range.clone()] || unit_now == &after[range.clone()];
            assert!(whole, "unit {number} is torn, poisoned at {at:#x}");
            if range.end > at as usize {
                assert!(
                    unit_now == &before[range],
                    "unit {number} reached the medium, {fault:?} at {at:#x}"
                );
            }
        }
        controller.forget_prp_lists();
    }
}

/// Something ends the function in the middle of its Writes and pairs, at any cycle of their life: each
/// unit is old or new, and stays what it is.
fn ended_in_the_middle(device: Factory, mut end: impl FnMut(&Rig, &mut Controller)) {
    const UNITS: u64 = 6;
    let rig = Rig::new(device);
    let limit = atomic_blocks(&mut rig.controller(FunctionId::PF));
    let bytes = (limit * rig.device.block_bytes) as usize;
    let mut torn_by = [0u32; 2];
    for round in 0..scale(60, 1_000) {
        let mut controller = rig.io_controller(FunctionId::PF);
        let mut buffers = Vec::new();
        let mut commands = Vec::new();
        for unit in 0..UNITS {
            let lba = unit * u64::from(limit);
            let [old, new] = [controller.buffer(bytes), controller.buffer(bytes)];
            controller.store(lba, &pattern(unit, bytes));
            old.fill(unit);
            new.fill(1_000 + unit);
            if unit % 2 == 0 {
                commands.push(controller.write(lba, limit, &new));
            } else {
                commands.extend(controller.pair(lba, limit, &old, &new));
            }
            buffers.push((old, new));
        }
        controller.submit(1, &commands);
        rig.run(round * 131 % 8_000);
        end(&rig, &mut controller);
        let medium = rig.medium(0, limit * UNITS as u32);
        for (unit, now) in medium.chunks(bytes).enumerate() {
            let is_new = now == pattern(1_000 + unit as u64, bytes);
            assert!(
                is_new || now == pattern(unit as u64, bytes),
                "unit {unit} is torn, {round}"
            );
            torn_by[usize::from(is_new)] += 1;
        }
        controller.forget_queues();
        controller.forget_prp_lists();
        drop(buffers);
        rig.run(20_000);
        assert!(
            rig.medium(0, limit * UNITS as u32) == medium,
            "the medium changes after the end"
        );
        assert_eq!(rig.take_dma_faults(), [], "DMA after the end");
    }
    assert!(
        torn_by.iter().all(|&count| count > 0),
        "never in the middle: {torn_by:?}"
    );
}

/// Function level reset.
pub fn function_reset_in_the_middle(device: Factory) {
    ended_in_the_middle(device, |rig, controller| {
        rig.host
            .reset_function(FunctionId::PF)
            .expect("the reset ends");
        controller.forget_queues();
    });
}

/// CC.EN = 0.
pub fn controller_reset_in_the_middle(device: Factory) {
    ended_in_the_middle(device, |_, controller| {
        controller.write32(register::CC, 0);
        controller.wait_ready(false);
    });
}

/// The link goes down and comes up.
pub fn link_down_in_the_middle(device: Factory) {
    ended_in_the_middle(device, |rig, _| {
        rig.lose_link(1..2_000);
        rig.run(5_000);
    });
}

/// A function is reset while one of its reads will never be answered and others are late, and the hard
/// block ends none of them: the reset is done within its 100 ms, nobody else waits for it, and what comes
/// late reaches no buffer of the commands that follow.
pub fn function_reset_with_reads_that_do_not_end(device: Factory) {
    let options = HostOptions {
        reset_ends_reads: false,
        ..HostOptions::default()
    };
    let rig = Rig::build(device, DeviceOptions::default(), options);
    let vf = FunctionId(1);
    let mut other = rig.io_controller(FunctionId::PF);
    let mut controller = rig.io_controller(vf);
    let bytes = 4 * rig.device.block_bytes as usize;
    controller.store(0, &pattern(1, bytes));
    let buffer = controller.buffer(bytes);
    buffer.fill(0xdead);
    // Later than the 50 ms after which the endpoint gives up.
    let late = ReadFault::Delayed {
        by_cycles: 6_260_000,
    };
    for (offset, fault) in [(4096, ReadFault::Lost), (8192, late)] {
        let start = buffer.address + offset;
        rig.spoil_read(vf, start..start + 4, fault);
    }
    let write = controller.write(0, 4, &buffer);
    controller.submit(1, &[write]);
    rig.run(500);
    let start = rig.host.now();
    let mirror = other.buffer(bytes);
    let read = other.read(0, 4, &mirror);
    rig.host.reset_function(vf).expect("done within 100 ms");
    let reset_cycles = rig.host.now() - start;
    assert!(reset_cycles < 12_500_000);
    assert!(
        reset_cycles > 5_000_000,
        "done while reads of the function were under way"
    );
    assert_eq!(other.io(read), SUCCESS, "the PF goes on");
    assert!(
        mirror.read(0, bytes) == pattern(1, bytes),
        "of a Write that was reset"
    );
    controller.forget_queues();
    controller.enable(32, 32);
    controller.create_queue_pair(1, 64);
    let fresh = controller.buffer(bytes);
    for round in 0..40 {
        fresh.write(0, &pattern(100 + round, bytes));
        let write = controller.write(0, 4, &fresh);
        assert_eq!(controller.io(write), SUCCESS);
        assert!(
            rig.medium(0, 4) == pattern(100 + round, bytes),
            "late data in write {round}"
        );
        rig.run(2_000);
    }
}
