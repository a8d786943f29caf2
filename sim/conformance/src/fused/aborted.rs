//! Aborts of one half of a pair (NVMe 1.1 §5.1): best effort, but what is said is what happened.

use nvme_spec::{Status, SubmissionEntry};
use pcie_host::endpoint::FunctionId;

use super::{Block, FAILED_FUSED, MISSING_FUSED, SUCCESS};
use crate::rig::{Factory, Rig};

const ABORTED: Status = Status::ABORT_REQUESTED;

/// Pairs all along a full queue, of some the Compare aborted, of others the Write: each half is answered
/// once; nothing is written by a pair that lost a half, and a Compare whose Write was aborted is done.
pub fn halves_in_a_full_queue(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId(1));
    controller.create_queue_pair(1, 128);
    let blocks: Vec<Block> = (0..60)
        .map(|lba| Block::stored(&mut controller, lba))
        .collect();
    let commands: Vec<SubmissionEntry> = blocks
        .iter()
        .flat_map(|block| controller.pair(block.lba, 1, &block.old, &block.new))
        .collect();
    let ids = controller.submit(1, &commands);
    let mut aborted = vec![[false; 2]; blocks.len()];
    let mut counts = [0, 0];
    // Sixteen pairs are under way by now, and eight stand prefetched behind them: their last first.
    rig.run(1_500);
    let targets: Vec<(usize, usize)> = (14..24).rev().map(|pair| (pair, pair % 2)).collect();
    let aborts: Vec<SubmissionEntry> = targets
        .iter()
        .map(|&(pair, half)| SubmissionEntry::abort(1, ids[2 * pair + half]))
        .collect();
    for (entry, &(pair, half)) in controller.complete(0, &aborts).iter().zip(&targets) {
        assert_eq!(entry.status(), SUCCESS);
        if entry.dword0 & 1 == 0 {
            aborted[pair][half] = true;
            counts[half] += 1;
        }
    }
    for (pair, block) in blocks.iter().enumerate() {
        let [compare, write] = [0, 1].map(|half| controller.wait(1, ids[2 * pair + half]).status());
        match aborted[pair] {
            [true, _] => {
                assert_eq!(compare, ABORTED, "pair {pair}");
                // Of a Compare that had not begun nothing is known any more.
                assert!(matches!(write, FAILED_FUSED | MISSING_FUSED), "{write}");
                block.assert_unchanged(&rig);
            }
            [_, true] => {
                assert_eq!([compare, write], [SUCCESS, ABORTED], "pair {pair}");
                block.assert_unchanged(&rig);
            }
            _ => {
                assert_eq!([compare, write], [SUCCESS, SUCCESS], "pair {pair}");
                block.assert_written(&rig);
            }
        }
    }
    assert!(
        counts.iter().all(|&count| count > 0) || !rig.host.keeps_time(),
        "{counts:?} aborted"
    );
    assert_eq!(controller.io(SubmissionEntry::flush()), SUCCESS);
}
