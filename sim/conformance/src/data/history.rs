//! Random histories of all functions on few blocks, checked block by block.

use std::collections::BTreeMap;

use nvme_spec::Status;
use pcie_host::endpoint::Cycle;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::locks::{functions, run_together, stamp_of, stamped};
use crate::rig::{Buffer, Factory, PATIENCE_CYCLES, Rig};
use crate::scale;

const SUCCESS: Status = Status::SUCCESS;

/// When a command was sent and answered, and what it wrote or found in a block.
#[derive(Clone, Copy, Debug)]
struct Operation {
    sent: Cycle,
    answered: Cycle,
    stamp: u64,
}

/// Random Reads, Writes and pairs of all functions on few blocks: every block behaves like one
/// register. A Read finds a value that was written before the Read ended, and that no other Write
/// had replaced wholly before the Read began.
pub fn blocks_are_registers(device: Factory) {
    const BLOCKS: u64 = 6;
    let rig = Rig::new(device);
    let mut controllers = functions(&rig);
    let block_bytes = rig.device.block_bytes as usize;
    controllers[0].store(0, &vec![0; BLOCKS as usize * block_bytes]);
    let mut random = Pcg64Mcg::seed_from_u64(7);
    let slots_each = 6;
    let count = scale(1_200, 60_000);
    let mut writes: BTreeMap<u64, Vec<Operation>> = BTreeMap::new();
    let mut reads: BTreeMap<u64, Vec<Operation>> = BTreeMap::new();
    for block in 0..BLOCKS {
        writes.insert(
            block,
            vec![Operation {
                sent: 0,
                answered: 0,
                stamp: 0,
            }],
        );
    }
    struct Slot {
        buffer: Buffer,
        ids: Vec<u16>,
        block: u64,
        blocks: u64,
        sent: Cycle,
        write_stamp: Option<u64>,
    }
    let mut slots: Vec<Vec<Slot>> = controllers
        .iter_mut()
        .map(|controller| {
            (0..slots_each)
                .map(|_| Slot {
                    buffer: controller.buffer(BLOCKS as usize * block_bytes),
                    ids: Vec::new(),
                    block: 0,
                    blocks: 0,
                    sent: 0,
                    write_stamp: None,
                })
                .collect()
        })
        .collect();
    let mut started = 0;
    run_together(
        &rig,
        &mut controllers,
        PATIENCE_CYCLES * 100,
        |number, controller| {
            let mut busy = false;
            for slot in &mut slots[number] {
                if let Some(&id) = slot.ids.first() {
                    let Some(entry) = controller.take(1, id) else {
                        busy = true;
                        continue;
                    };
                    slot.ids.clear();
                    assert_eq!(entry.status(), SUCCESS);
                    let operation = |stamp| Operation {
                        sent: slot.sent,
                        answered: rig.host.now(),
                        stamp,
                    };
                    for index in 0..slot.blocks {
                        let block = slot.block + index;
                        match slot.write_stamp {
                            Some(stamp) => writes.entry(block).or_default().push(operation(stamp)),
                            None => {
                                let at = index as usize * block_bytes;
                                let stamp = stamp_of(&slot.buffer.read(at, block_bytes));
                                reads.entry(block).or_default().push(operation(stamp));
                            }
                        }
                    }
                }
                if started < count {
                    started += 1;
                    slot.block = random.random_range(0..BLOCKS);
                    slot.blocks = random.random_range(1..=BLOCKS - slot.block);
                    slot.sent = rig.host.now();
                    let command = if random.random_bool(0.5) {
                        // Up to AWUN a Write is one; longer ones are cut, which a register may not be.
                        slot.blocks = slot.blocks.min(4);
                        slot.write_stamp = Some(started);
                        slot.buffer
                            .write(0, &stamped(started, slot.blocks as usize * block_bytes));
                        controller.write(slot.block, slot.blocks as u32, &slot.buffer)
                    } else {
                        slot.write_stamp = None;
                        controller.read(slot.block, slot.blocks as u32, &slot.buffer)
                    };
                    slot.ids = controller.submit(1, &[command]);
                    busy = true;
                }
            }
            busy
        },
    );
    for (block, reads) in &reads {
        let writes = &writes[block];
        for read in reads {
            let Some(source) = writes.iter().find(|write| write.stamp == read.stamp) else {
                panic!("block {block} holds {} that nobody wrote there", read.stamp)
            };
            assert!(
                source.sent <= read.answered,
                "block {block}: read before it was written"
            );
            let replaced = writes.iter().any(|other| {
                other.stamp != source.stamp
                    && source.answered < other.sent
                    && other.answered < read.sent
            });
            assert!(!replaced, "block {block}: {read:?} is stale");
        }
    }
    assert!(reads.values().map(Vec::len).sum::<usize>() > 100);
}
