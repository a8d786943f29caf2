//! What does not make a pair: halves alone, in the wrong order, apart, or that do not fit.

use nvme_spec::{Fuse, Status, SubmissionEntry};
use pcie_host::endpoint::FunctionId;

use super::{Block, MISSING_FUSED, SUCCESS};
use crate::rig::{Controller, Factory, Rig};

const INVALID_FIELD: Status = Status::INVALID_FIELD;

fn setup(device: Factory) -> (Rig, Controller, Block) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let block = Block::stored(&mut controller, 40);
    (rig, controller, block)
}

/// A first followed by a normal command: the first is alone, the normal command goes its way.
pub fn first_without_second(device: Factory) {
    let (rig, mut controller, block) = setup(device);
    let [compare, _] = controller.pair(40, 1, &block.old, &block.new);
    let read = controller.read(41, 1, &block.new);
    assert_eq!(
        controller.statuses(1, &[compare, read]),
        [MISSING_FUSED, SUCCESS]
    );
    block.assert_unchanged(&rig);
}

/// A second without a first.
pub fn second_without_first(device: Factory) {
    let (rig, mut controller, block) = setup(device);
    let [_, write] = controller.pair(40, 1, &block.old, &block.new);
    assert_eq!(controller.statuses(1, &[write]), [MISSING_FUSED]);
    // Also behind a normal command, which is no first.
    let normal = controller.compare(40, 1, &block.old);
    assert_eq!(
        controller.statuses(1, &[normal, write]),
        [SUCCESS, MISSING_FUSED]
    );
    block.assert_unchanged(&rig);
}

/// Two firsts: the first of them is alone, the second one makes a pair with what follows.
pub fn first_after_first_starts_anew(device: Factory) {
    let (rig, mut controller, block) = setup(device);
    let [compare, write] = controller.pair(40, 1, &block.old, &block.new);
    assert_eq!(
        controller.statuses(1, &[compare, compare, write]),
        [MISSING_FUSED, SUCCESS, SUCCESS]
    );
    block.assert_written(&rig);
}

/// Two seconds: the first of them ends the pair, the other is alone.
pub fn second_after_second_is_alone(device: Factory) {
    let (rig, mut controller, block) = setup(device);
    let [compare, write] = controller.pair(40, 1, &block.old, &block.new);
    assert_eq!(
        controller.statuses(1, &[compare, write, write]),
        [SUCCESS, SUCCESS, MISSING_FUSED]
    );
    block.assert_written(&rig);
}

/// A command between the halves parts them.
pub fn halves_apart_are_no_pair(device: Factory) {
    let (rig, mut controller, block) = setup(device);
    let [compare, write] = controller.pair(40, 1, &block.old, &block.new);
    let statuses = controller.statuses(1, &[compare, SubmissionEntry::flush(), write]);
    assert_eq!(statuses, [MISSING_FUSED, SUCCESS, MISSING_FUSED]);
    block.assert_unchanged(&rig);
}

/// Halves in different queues are no pair, however close in time.
pub fn halves_in_different_queues_are_no_pair(device: Factory) {
    let (rig, mut controller, block) = setup(device);
    controller.create_queue_pair(2, 8);
    let [compare, write] = controller.pair(40, 1, &block.old, &block.new);
    let first = controller.submit(1, &[compare])[0];
    let second = controller.submit(2, &[write])[0];
    assert_eq!(controller.wait(2, second).status(), MISSING_FUSED);
    assert!(
        controller.take(1, first).is_none(),
        "the first must go on waiting"
    );
    let normal = controller.submit(1, &[SubmissionEntry::flush()])[0];
    assert_eq!(controller.wait(1, first).status(), MISSING_FUSED);
    assert_eq!(controller.wait(1, normal).status(), SUCCESS);
    block.assert_unchanged(&rig);
}

/// FUSE = 11b is reserved.
pub fn reserved_fuse_value(device: Factory) {
    let (rig, mut controller, block) = setup(device);
    let [compare, write] = controller.pair(40, 1, &block.old, &block.new);
    let reserved = [
        compare.with_fuse(Fuse::Reserved),
        write.with_fuse(Fuse::Reserved),
    ];
    assert_eq!(
        controller.statuses(1, &reserved),
        [INVALID_FIELD, INVALID_FIELD]
    );
    block.assert_unchanged(&rig);
}

/// A first that is no Compare: Compare-and-Write is the only fused operation.
pub fn first_must_be_a_compare(device: Factory) {
    let (rig, mut controller, block) = setup(device);
    let [_, write] = controller.pair(40, 1, &block.old, &block.new);
    let read = controller.read(40, 1, &block.new).with_fuse(Fuse::First);
    let flush = SubmissionEntry::flush().with_fuse(Fuse::First);
    let first_write = write.with_fuse(Fuse::First);
    for first in [read, flush, first_write] {
        let statuses = controller.statuses(1, &[first, SubmissionEntry::flush()]);
        assert_eq!(statuses, [INVALID_FIELD, SUCCESS]);
    }
    block.assert_unchanged(&rig);
}

/// A second that is no Write is invalid, and no pair is executed.
pub fn second_must_be_a_write(device: Factory) {
    let (rig, mut controller, block) = setup(device);
    let [compare, _] = controller.pair(40, 1, &block.old, &block.new);
    let read = controller.read(40, 1, &block.new).with_fuse(Fuse::Second);
    let flush = SubmissionEntry::flush().with_fuse(Fuse::Second);
    for second in [read, flush, compare.with_fuse(Fuse::Second)] {
        let statuses = controller.statuses(1, &[compare, second]);
        // The first is left without a Write, or fails with its partner: the standard says neither.
        assert!(
            [MISSING_FUSED, INVALID_FIELD].contains(&statuses[0]),
            "the first ends with {}",
            statuses[0]
        );
        assert_eq!(statuses[1], INVALID_FIELD);
    }
    block.assert_unchanged(&rig);
}

/// Fused admin commands do not exist.
pub fn fused_admin_command(device: Factory) {
    let (_rig, mut controller, _) = setup(device);
    for fuse in [Fuse::First, Fuse::Second, Fuse::Reserved] {
        let features = SubmissionEntry::get_features(nvme_spec::feature::ARBITRATION);
        let entry = controller.admin(features.with_fuse(fuse));
        assert_eq!(entry.status(), INVALID_FIELD, "{fuse:?}");
    }
}

/// The halves must name the same first block (strict reading of 1.1: both are invalid).
pub fn first_blocks_differ(device: Factory) {
    let (rig, mut controller, block) = setup(device);
    let [compare, _] = controller.pair(40, 1, &block.old, &block.new);
    let write = controller.write(41, 1, &block.new).with_fuse(Fuse::Second);
    let before = rig.medium(40, 2);
    assert_eq!(
        controller.statuses(1, &[compare, write]),
        [INVALID_FIELD, INVALID_FIELD]
    );
    assert!(rig.medium(40, 2) == before);
}

/// The halves must name as many blocks.
pub fn block_counts_differ(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let block = Block::stored_blocks(&mut controller, 40, 2);
    let [compare, _] = controller.pair(40, 1, &block.old, &block.new);
    let write = controller.write(40, 2, &block.new).with_fuse(Fuse::Second);
    assert_eq!(
        controller.statuses(1, &[compare, write]),
        [INVALID_FIELD, INVALID_FIELD]
    );
    block.assert_unchanged(&rig);
}

/// More blocks than ACWU cannot be compared and written as one (Invalid Field in 1.1).
pub fn more_than_the_atomic_unit(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let blocks = controller.fused_limit_blocks() + 1;
    let block = Block::stored_blocks(&mut controller, 40, blocks);
    let pair = controller.pair(40, blocks, &block.old, &block.new);
    assert_eq!(
        controller.statuses(1, &pair),
        [INVALID_FIELD, INVALID_FIELD]
    );
    block.assert_unchanged(&rig);
    // The queue has not been upset.
    let small = controller.pair(40, 1, &block.old, &block.new);
    assert_eq!(controller.statuses(1, &small), [SUCCESS, SUCCESS]);
}

/// After each of these mistakes the next pair of the queue works.
pub fn mistakes_leave_no_state_behind(device: Factory) {
    let (rig, mut controller, block) = setup(device);
    let [compare, write] = controller.pair(40, 1, &block.old, &block.new);
    let back = controller.pair(40, 1, &block.new, &block.old);
    let flush = SubmissionEntry::flush();
    let mistakes: [&[SubmissionEntry]; 6] = [
        &[write],
        &[compare, flush],
        &[compare, flush, write],
        &[write, compare, flush],
        &[compare.with_fuse(Fuse::Reserved), write],
        &[flush.with_fuse(Fuse::First), write],
    ];
    for (number, mistake) in mistakes.into_iter().enumerate() {
        let mut commands = mistake.to_vec();
        commands.extend([compare, write]);
        let statuses = controller.statuses(1, &commands);
        assert_eq!(
            statuses[mistake.len()..],
            [SUCCESS, SUCCESS],
            "behind mistake {number}"
        );
        block.assert_written(&rig);
        assert_eq!(controller.statuses(1, &back), [SUCCESS, SUCCESS]);
        block.assert_unchanged(&rig);
    }
}
