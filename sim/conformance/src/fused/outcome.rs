//! What a pair that is formed right ends with.

use nvme_spec::{Fuse, Status, SubmissionEntry};
use pcie_host::endpoint::FunctionId;

use super::{Block, FAILED_FUSED, SUCCESS};
use crate::rig::{Factory, Rig, pattern};

/// A pair whose Compare matches writes, and each half has a completion of its own.
pub fn matching_pair_writes(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let block = Block::stored(&mut controller, 7);
    let pair = controller.pair(7, 1, &block.old, &block.new);
    assert_eq!(controller.statuses(1, &pair), [SUCCESS, SUCCESS]);
    block.assert_written(&rig);
}

/// The two completions come in the order of the commands.
pub fn compare_completes_before_write(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let block = Block::stored(&mut controller, 7);
    for (old, new) in [(&block.old, &block.new), (&block.old, &block.new)] {
        // The second round miscompares: the order is the same.
        let pair = controller.pair(7, 1, old, new);
        let ids = controller.submit(1, &pair);
        let mut order = Vec::new();
        controller.wait_for(crate::rig::PATIENCE_CYCLES, |controller| {
            order.extend(
                controller
                    .take_arrived()
                    .iter()
                    .map(|entry| entry.command_id()),
            );
            (order.len() == 2).then_some(())
        });
        assert_eq!(order, ids);
    }
}

/// A pair whose Compare differs answers 85h and 09h and leaves the medium as it is.
pub fn miscompare_leaves_the_medium(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let block = Block::stored(&mut controller, 9);
    block.spoil_expectation();
    let pair = controller.pair(9, 1, &block.old, &block.new);
    assert_eq!(
        controller.statuses(1, &pair),
        [Status::COMPARE_FAILURE, FAILED_FUSED]
    );
    block.assert_unchanged(&rig);
}

/// A difference in any one bit is found: first, last and some in between.
pub fn every_byte_is_compared(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let block = Block::stored(&mut controller, 3);
    let bytes = block.old_bytes.len();
    for at in [
        0,
        3,
        4,
        31,
        32,
        255,
        256,
        511,
        512,
        2047,
        bytes - 33,
        bytes - 1,
    ] {
        block.old.write(at, &[block.old_bytes[at] ^ 1]);
        let pair = controller.pair(3, 1, &block.old, &block.new);
        assert_eq!(
            controller.statuses(1, &pair),
            [Status::COMPARE_FAILURE, FAILED_FUSED],
            "byte {at}"
        );
        block.old.write(at, &[block.old_bytes[at]]);
    }
    block.assert_unchanged(&rig);
    // A difference in one page of several is not forgotten for the equal ones behind it.
    let limit = controller.fused_limit_blocks();
    let block = Block::stored_blocks(&mut controller, 64, limit);
    for at in (0..block.old_bytes.len()).step_by(512) {
        block.old.write(at, &[block.old_bytes[at] ^ 1]);
        let pair = controller.pair(64, limit, &block.old, &block.new);
        assert_eq!(
            controller.statuses(1, &pair),
            [Status::COMPARE_FAILURE, FAILED_FUSED],
            "byte {at} of {limit} blocks"
        );
        block.old.write(at, &[block.old_bytes[at]]);
    }
    block.assert_unchanged(&rig);
}

/// Every size up to ACWU, and with both buffers at an offset.
pub fn every_size_up_to_the_limit(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let limit = controller.fused_limit_blocks();
    for blocks in 1..=limit {
        let lba = u64::from(blocks) * 64;
        let bytes = (blocks * controller.block_bytes) as usize;
        let old_bytes = pattern(lba, bytes);
        controller.store(lba, &old_bytes);
        let (old, new) = (
            controller.buffer(bytes + 4096),
            controller.buffer(bytes + 4096),
        );
        for (round, offset) in [0, 4, 0x800, 0xffc].into_iter().enumerate() {
            // Each round compares with what the round before wrote.
            let expected = if round == 0 {
                old_bytes.clone()
            } else {
                pattern(lba + round as u64 - 1, bytes)
            };
            let written = pattern(lba + round as u64, bytes);
            old.write(offset, &expected);
            new.write(0xffc - offset, &written);
            let compare = controller.at_offset(SubmissionEntry::compare(lba, blocks), &old, offset);
            let write =
                controller.at_offset(SubmissionEntry::write(lba, blocks), &new, 0xffc - offset);
            let pair = [
                compare.with_fuse(Fuse::First),
                write.with_fuse(Fuse::Second),
            ];
            assert_eq!(
                controller.statuses(1, &pair),
                [SUCCESS, SUCCESS],
                "{blocks} at {offset:#x}"
            );
            assert!(rig.medium(lba, blocks) == written);
        }
    }
}

/// Compare and Write may share one buffer: the pair writes what is there already.
pub fn halves_may_share_a_buffer(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let block = Block::stored(&mut controller, 5);
    let pair = controller.pair(5, 1, &block.old, &block.old);
    assert_eq!(controller.statuses(1, &pair), [SUCCESS, SUCCESS]);
    block.assert_unchanged(&rig);
}

/// The first and the last blocks of the namespace.
pub fn edges_of_the_namespace(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let limit = controller.fused_limit_blocks();
    for lba in [0, rig.blocks() - u64::from(limit)] {
        let block = Block::stored_blocks(&mut controller, lba, limit);
        let pair = controller.pair(lba, limit, &block.old, &block.new);
        assert_eq!(controller.statuses(1, &pair), [SUCCESS, SUCCESS]);
        block.assert_written(&rig);
    }
}

/// The counters of log page C0h count a pair once, and a miscompare.
pub fn counters_count_a_pair_once(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let block = Block::stored(&mut controller, 5);
    let before = controller.counters();
    let pair = controller.pair(5, 1, &block.old, &block.new);
    // The second one finds the new content, so it miscompares.
    controller.statuses(1, &pair);
    controller.statuses(1, &pair);
    let after = controller.counters();
    assert_eq!(after.pairs - before.pairs, 2);
    assert_eq!(after.miscompares - before.miscompares, 1);
    assert_eq!(
        (after.writes, after.compares),
        (before.writes, before.compares)
    );
    assert_eq!(
        after.bytes_written - before.bytes_written,
        4 * u64::from(rig.device.block_bytes)
    );
}

/// FUA on the Write of a pair is accepted.
pub fn force_unit_access_is_accepted(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let block = Block::stored(&mut controller, 5);
    let [compare, mut write] = controller.pair(5, 1, &block.old, &block.new);
    write.cdw12 |= nvme_spec::command::CDW12_FORCE_UNIT_ACCESS;
    assert_eq!(
        controller.statuses(1, &[compare, write]),
        [SUCCESS, SUCCESS]
    );
    block.assert_written(&rig);
}
