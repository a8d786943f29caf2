//! Pairs of which a half fails otherwise than by a miscompare.

use nvme_spec::{Fuse, Status, SubmissionEntry};
use pcie_host::ReadFault;
use pcie_host::endpoint::FunctionId;

use super::{Block, FAILED_FUSED, SUCCESS};
use crate::rig::{Buffer, Controller, Factory, PATIENCE_CYCLES, Rig};

fn setup(device: Factory) -> (Rig, Controller, Block) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let block = Block::stored(&mut controller, 21);
    (rig, controller, block)
}

/// The next read of the function in a buffer goes wrong.
fn spoil_read(rig: &Rig, buffer: &Buffer, fault: ReadFault) {
    let end = buffer.address + buffer.len() as u64;
    rig.spoil_read(FunctionId::PF, buffer.address..end, fault);
}

const BROKEN_READS: [ReadFault; 4] = [
    ReadFault::Poisoned,
    ReadFault::UnsupportedRequest,
    ReadFault::CompleterAbort,
    ReadFault::Timeout {
        after_cycles: 5_000,
    },
];

/// The Compare's range is outside the namespace: its status, and 09h for the Write.
pub fn compare_out_of_range(device: Factory) {
    let (rig, mut controller, block) = setup(device);
    for lba in [rig.blocks(), u64::MAX] {
        let pair = controller.pair(lba, 1, &block.old, &block.new);
        assert_eq!(
            controller.statuses(1, &pair),
            [Status::LBA_OUT_OF_RANGE, FAILED_FUSED]
        );
    }
}

/// The Compare names a namespace that does not exist.
pub fn compare_of_an_invalid_namespace(device: Factory) {
    let (rig, mut controller, block) = setup(device);
    let [mut compare, mut write] = controller.pair(21, 1, &block.old, &block.new);
    (compare.namespace_id, write.namespace_id) = (2, 2);
    assert_eq!(
        controller.statuses(1, &[compare, write]),
        [Status::INVALID_NAMESPACE, FAILED_FUSED]
    );
    block.assert_unchanged(&rig);
}

/// The Compare's PRP1 is misaligned.
pub fn compare_with_an_invalid_prp(device: Factory) {
    let (rig, mut controller, block) = setup(device);
    let [compare, write] = controller.pair(21, 1, &block.old, &block.new);
    let compare = compare.with_prps(compare.prp1 + 2, compare.prp2);
    assert_eq!(
        controller.statuses(1, &[compare, write]),
        [Status::INVALID_FIELD, FAILED_FUSED]
    );
    block.assert_unchanged(&rig);
}

/// The Compare's data do not arrive whole.
pub fn compare_data_lost(device: Factory) {
    let (rig, mut controller, block) = setup(device);
    for fault in BROKEN_READS {
        let pair = controller.pair(21, 1, &block.old, &block.new);
        spoil_read(&rig, &block.old, fault);
        assert_eq!(
            controller.statuses(1, &pair),
            [Status::DATA_TRANSFER_ERROR, FAILED_FUSED],
            "{fault:?}"
        );
        block.assert_unchanged(&rig);
    }
}

/// The Compare's buffer is not mapped.
pub fn compare_from_unmapped_memory(device: Factory) {
    let (rig, mut controller, block) = setup(device);
    let pair = controller.pair(21, 1, &block.old, &block.new);
    block.old.unmap();
    assert_eq!(
        controller.statuses(1, &pair),
        [Status::DATA_TRANSFER_ERROR, FAILED_FUSED]
    );
    let faults = rig.take_dma_faults();
    assert!(
        !faults.is_empty() && faults.iter().all(|fault| !fault.write),
        "{faults:?}"
    );
    block.assert_unchanged(&rig);
}

/// The Write fails: the Compare's own status stands, and the medium is as before.
pub fn write_with_an_invalid_prp(device: Factory) {
    let (rig, mut controller, block) = setup(device);
    let [compare, write] = controller.pair(21, 1, &block.old, &block.new);
    let write = write.with_prps(write.prp1 + 2, write.prp2);
    assert_eq!(
        controller.statuses(1, &[compare, write]),
        [SUCCESS, Status::INVALID_FIELD]
    );
    block.assert_unchanged(&rig);
}

/// The Write's data do not arrive whole: nothing of them reaches the medium.
pub fn write_data_lost(device: Factory) {
    let (rig, mut controller, block) = setup(device);
    for fault in BROKEN_READS {
        let pair = controller.pair(21, 1, &block.old, &block.new);
        spoil_read(&rig, &block.new, fault);
        assert_eq!(
            controller.statuses(1, &pair),
            [SUCCESS, Status::DATA_TRANSFER_ERROR],
            "{fault:?}"
        );
        block.assert_unchanged(&rig);
    }
}

/// Both fail: the Compare differs, and the Write's data are lost. The Compare comes first.
pub fn both_halves_fail(device: Factory) {
    let (rig, mut controller, block) = setup(device);
    block.spoil_expectation();
    for fault in BROKEN_READS {
        let pair = controller.pair(21, 1, &block.old, &block.new);
        spoil_read(&rig, &block.new, fault);
        assert_eq!(
            controller.statuses(1, &pair),
            [Status::COMPARE_FAILURE, FAILED_FUSED],
            "{fault:?}"
        );
        block.assert_unchanged(&rig);
    }
}

/// A host may unmap the Write's buffer the moment it sees 09h. Whatever the Compare failed of, and
/// however late the Write's own reads are, no read of that buffer may come after it.
pub fn no_dma_after_the_write_was_answered(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let limit = controller.fused_limit_blocks();
    let delayed = ReadFault::Delayed { by_cycles: 20_000 };
    for (number, spoil) in [
        None,
        Some(ReadFault::Poisoned),
        Some(ReadFault::UnsupportedRequest),
        Some(ReadFault::Timeout { after_cycles: 500 }),
    ]
    .into_iter()
    .enumerate()
    {
        for late in [false, true] {
            let block = Block::stored_blocks(&mut controller, 64 * (number as u64 + 1), limit);
            match spoil {
                None => block.spoil_expectation(),
                Some(fault) => spoil_read(&rig, &block.old, fault),
            }
            if late {
                spoil_read(&rig, &block.new, delayed);
            }
            // A list, too, is memory that the host takes back.
            let lists = controller.prp_lists.len();
            let compare =
                controller.at_offset(SubmissionEntry::compare(block.lba, limit), &block.old, 0);
            let write = controller.write(block.lba, limit, &block.new);
            let ids = controller.submit(
                1,
                &[
                    compare.with_fuse(Fuse::First),
                    write.with_fuse(Fuse::Second),
                ],
            );
            controller
                .wait_for(PATIENCE_CYCLES, |controller| controller.take(1, ids[1]))
                .map(|entry| assert_eq!(entry.status(), FAILED_FUSED))
                .expect("the Write is answered");
            block.new.unmap();
            for list in &controller.prp_lists[lists..] {
                list.unmap();
            }
            rig.run(100_000);
            let faults = rig.take_dma_faults();
            assert!(faults.is_empty(), "{spoil:?}, late {late}: {faults:?}");
            assert!(
                controller.take(1, ids[0]).is_some(),
                "the Compare is answered, too"
            );
            block.assert_unchanged(&rig);
        }
    }
}
