//! The range lock: what other commands, of any queue of any function, can see of a Write or a pair.

use nvme_spec::{Status, SubmissionEntry};
use pcie_host::HostOptions;
use pcie_host::endpoint::{Cycle, FunctionId};

use crate::rig::{Buffer, Controller, DeviceOptions, Factory, PATIENCE_CYCLES, Rig};
use crate::scale;

const SUCCESS: Status = Status::SUCCESS;

/// A block that carries a number in its every 8 bytes.
pub(super) fn stamped(number: u64, bytes: usize) -> Vec<u8> {
    number.to_le_bytes().repeat(bytes / 8)
}

/// The number that a block carries; panics when its bytes disagree.
pub(super) fn stamp_of(block: &[u8]) -> u64 {
    let number = u64::from_le_bytes(block[..8].try_into().expect("8 bytes"));
    let whole = block.chunks(8).all(|word| word == number.to_le_bytes());
    assert!(whole, "a block is torn");
    number
}

pub(super) fn functions(rig: &Rig) -> Vec<Controller> {
    (0..=rig.device.virtual_functions)
        .map(|function| {
            let mut controller = rig.controller(FunctionId(function));
            controller.create_queue_pair(1, 64);
            controller
        })
        .collect()
}

/// Runs all functions' queues at once until `done` says so.
pub(super) fn run_together(
    rig: &Rig,
    controllers: &mut [Controller],
    patience_cycles: Cycle,
    mut turn: impl FnMut(usize, &mut Controller) -> bool,
) {
    let deadline = rig.host.now() + patience_cycles;
    loop {
        let mut busy = false;
        for (number, controller) in controllers.iter_mut().enumerate() {
            busy |= turn(number, controller);
        }
        if !busy {
            return;
        }
        assert!(
            rig.host.step() && rig.host.now() < deadline,
            "the functions are stuck"
        );
    }
}

/// Every function writes and reads one unit of AWUN over and over: every Read finds all of one Write.
pub fn units_are_written_and_read_whole(device: Factory) {
    let rig = Rig::new(device);
    let mut controllers = functions(&rig);
    let unit_blocks = controllers[0].fused_limit_blocks();
    let bytes = (unit_blocks * rig.device.block_bytes) as usize;
    controllers[0].store(8, &stamped(0, bytes));
    let buffers: Vec<[Buffer; 2]> = controllers
        .iter_mut()
        .map(|controller| [controller.buffer(bytes), controller.buffer(bytes)])
        .collect();
    let rounds = scale(150, 5_000);
    let mut state: Vec<(u64, Vec<u16>)> = vec![(0, Vec::new()); controllers.len()];
    run_together(
        &rig,
        &mut controllers,
        PATIENCE_CYCLES * rounds,
        |number, controller| {
            let (round, sent) = &mut state[number];
            let [into, from] = &buffers[number];
            if let [read, write] = sent[..] {
                controller.poll();
                if controller.outstanding() > 0 {
                    return true;
                }
                assert_eq!(controller.wait(1, read).status(), SUCCESS);
                assert_eq!(controller.wait(1, write).status(), SUCCESS);
                stamp_of(&into.read(0, bytes));
                sent.clear();
                *round += 1;
            }
            if *round == rounds {
                return false;
            }
            from.write(0, &stamped((*round << 8) | (number as u64 + 1), bytes));
            let commands = [
                controller.read(8, unit_blocks, into),
                controller.write(8, unit_blocks, from),
            ];
            *sent = controller.submit(1, &commands);
            true
        },
    );
    stamp_of(&rig.medium(8, unit_blocks));
}

/// A Read locks its whole range: one function writes the first of 32 blocks and then the last, version
/// by version. A Read of all 32 that finds the newer version in the last finds it in the first.
pub fn large_reads_see_one_moment(device: Factory) {
    const BLOCKS: u32 = 32;
    const LAST: u64 = 31;
    let rig = Rig::new(device);
    let mut controllers = functions(&rig);
    let block_bytes = rig.device.block_bytes as usize;
    let bytes = BLOCKS as usize * block_bytes;
    controllers[0].store(0, &stamped(0, bytes));
    let from = controllers[0].buffer(block_bytes);
    let intos: Vec<Buffer> = controllers
        .iter_mut()
        .map(|other| other.buffer(bytes))
        .collect();
    let versions = scale(60, 2_000);
    let mut step = 2;
    let mut sent: Vec<Option<u16>> = vec![None; controllers.len()];
    let mut between = 0;
    run_together(
        &rig,
        &mut controllers,
        PATIENCE_CYCLES * versions,
        |number, controller| {
            if let Some(id) = sent[number] {
                let Some(entry) = controller.take(1, id) else {
                    return true;
                };
                assert_eq!(entry.status(), SUCCESS);
                sent[number] = None;
                if number == 0 {
                    step += 1;
                } else {
                    let at = |block: usize| intos[number].read(block * block_bytes, block_bytes);
                    let (first, last) = (stamp_of(&at(0)), stamp_of(&at(LAST as usize)));
                    assert!(
                        first == last || first == last + 1,
                        "first {first}, last {last}"
                    );
                    between += u32::from(first != last);
                }
            }
            if step / 2 > versions {
                return false;
            }
            let command = if number == 0 {
                from.write(0, &stamped(step / 2, block_bytes));
                controller.write(if step % 2 == 0 { 0 } else { LAST }, 1, &from)
            } else {
                controller.forget_prp_lists();
                controller.read(0, BLOCKS, &intos[number])
            };
            sent[number] = Some(controller.submit(1, &[command])[0]);
            true
        },
    );
    assert!(
        between > 0,
        "no Read ever met the writer: the test shows nothing"
    );
}

/// Two functions read one unit of AWUN without a gap while a third writes it: a Read that comes while
/// the Write waits for others must not be let in beside it.
pub fn reads_beside_a_waiting_write(device: Factory) {
    const DEPTH: usize = 12;
    for block_bytes in [512, 4096] {
        let options = DeviceOptions {
            block_bytes,
            ..DeviceOptions::default()
        };
        let rig = Rig::build(device, options, HostOptions::default());
        let mut controllers = functions(&rig);
        let blocks = (16 << 10) / block_bytes;
        controllers[0].store(0, &stamped(0, 16 << 10));
        let buffers: Vec<Vec<Buffer>> = controllers
            .iter_mut()
            .map(|controller| (0..DEPTH).map(|_| controller.buffer(16 << 10)).collect())
            .collect();
        let versions = scale(80, 3_000);
        let mut version = 0;
        let mut sent: Vec<Vec<Option<u16>>> = vec![vec![None; DEPTH]; controllers.len()];
        run_together(
            &rig,
            &mut controllers,
            PATIENCE_CYCLES * versions,
            |number, controller| {
                let depth = if number == 0 { 1 } else { DEPTH };
                for slot in 0..depth {
                    let buffer = &buffers[number][slot];
                    if let Some(id) = sent[number][slot] {
                        let Some(entry) = controller.take(1, id) else {
                            continue;
                        };
                        assert_eq!(entry.status(), SUCCESS);
                        sent[number][slot] = None;
                        if number != 0 {
                            stamp_of(&buffer.read(0, 16 << 10));
                        }
                    }
                    if version == versions {
                        continue;
                    }
                    let command = if number == 0 {
                        version += 1;
                        buffer.write(0, &stamped(version, 16 << 10));
                        controller.write(0, blocks, buffer)
                    } else {
                        controller.read(0, blocks, buffer)
                    };
                    sent[number][slot] = Some(controller.submit(1, &[command])[0]);
                }
                if controller.prp_lists.len() > 1_000 && controller.outstanding() == 0 {
                    controller.forget_prp_lists();
                }
                sent[number].iter().any(Option::is_some)
            },
        );
    }
}

/// A pair on four blocks and Writes of one of them conflict, though their ranges begin apart: the pair
/// never puts back what was there before a Write that had ended.
pub fn overlapping_ranges_conflict(device: Factory) {
    const INNER: u64 = 2;
    for block_bytes in [512, 4096] {
        let options = DeviceOptions {
            block_bytes,
            ..DeviceOptions::default()
        };
        let rig = Rig::build(device, options, HostOptions::default());
        let mut pairs = rig.io_controller(FunctionId::PF);
        let mut writes = rig.io_controller(FunctionId(1));
        let size = block_bytes as usize;
        let whole = 4 * size;
        pairs.store(0, &stamped(0, whole));
        let (old, new) = (pairs.buffer(whole), pairs.buffer(whole));
        let mine = writes.buffer(size);
        let mut held = 0;
        for round in 1..=scale(400, 10_000) {
            // What the pair compares with is what the Write before has left.
            let content = [stamped(0, 2 * size), stamped(held, size), stamped(0, size)].concat();
            old.write(0, &content);
            new.write(0, &content);
            let pair = pairs.pair(0, 4, &old, &new);
            let pair = pairs.submit(1, &pair);
            rig.run(round * 5 % 900);
            mine.write(0, &stamped(round, size));
            let write = writes.write(INNER, 1, &mine);
            assert_eq!(writes.io(write), SUCCESS);
            let statuses = [
                pairs.wait(1, pair[0]).status(),
                pairs.wait(1, pair[1]).status(),
            ];
            assert!(
                statuses == [SUCCESS, SUCCESS]
                    || statuses == [Status::COMPARE_FAILURE, Status::ABORTED_FAILED_FUSED],
                "{statuses:?}"
            );
            held = stamp_of(&rig.medium(INNER, 1));
            assert_eq!(held, round, "the Write is lost: the pair wrote over it");
        }
    }
}

/// A Write gets through although two functions keep Reads of its block going without a gap.
pub fn writers_do_not_starve(device: Factory) {
    let rig = Rig::new(device);
    let mut controllers = functions(&rig);
    let buffers: Vec<Buffer> = controllers
        .iter_mut()
        .map(|controller| controller.buffer(128 << 10))
        .collect();
    let reads: Vec<SubmissionEntry> = controllers
        .iter_mut()
        .zip(&buffers)
        .map(|(controller, buffer)| controller.read(0, 32, buffer))
        .collect();
    for _ in 0..10 {
        for (controller, read) in controllers.iter_mut().zip(&reads).skip(1) {
            while controller.outstanding() < 16 {
                controller.submit(1, &[*read]);
            }
        }
        rig.run(2_000);
        controllers[1..]
            .iter_mut()
            .for_each(|controller| drop(controller.take_arrived()));
    }
    let write = controllers[0].write(16, 1, &buffers[0]);
    let id = controllers[0].submit(1, &[write])[0];
    let start = rig.host.now();
    while controllers[0].take(1, id).is_none() {
        for (controller, read) in controllers.iter_mut().zip(&reads).skip(1) {
            drop(controller.take_arrived());
            while controller.outstanding() < 16 {
                controller.submit(1, &[*read]);
            }
        }
        assert!(rig.host.step());
        // A Read of 128 KiB takes some 4,600 cycles; a few of them may be in front, not all that come.
        assert!(rig.host.now() - start < 100_000, "the Write starves");
    }
}

/// Compare alone is a Read: it never sees half a Write.
pub fn compares_see_whole_writes(device: Factory) {
    let rig = Rig::new(device);
    let mut controllers = functions(&rig);
    let bytes = 4 * rig.device.block_bytes as usize;
    controllers[0].store(0, &stamped(0, bytes));
    let (zero, one) = (controllers[0].buffer(bytes), controllers[0].buffer(bytes));
    one.write(0, &stamped(1, bytes));
    let expected = controllers[1].buffer(bytes);
    expected.write(0, &stamped(1, bytes));
    let mut other = controllers.pop().expect("three functions");
    let mirror = other.buffer(bytes);
    for round in 0..scale(100, 2_000) {
        let source = if round % 2 == 0 { &one } else { &zero };
        let write = controllers[0].write(0, 4, source);
        let write = controllers[0].submit(1, &[write])[0];
        rig.run(round * 13 % 700);
        let compare = controllers[1].compare(0, 4, &expected);
        let compare = controllers[1].submit(1, &[compare])[0];
        let read = other.read(0, 4, &mirror);
        assert_eq!(other.io(read), SUCCESS);
        stamp_of(&mirror.read(0, bytes));
        let status = controllers[1].wait(1, compare).status();
        assert!(
            [SUCCESS, Status::COMPARE_FAILURE].contains(&status),
            "{status}"
        );
        assert_eq!(controllers[0].wait(1, write).status(), SUCCESS);
        let settled = controllers[1].compare(0, 4, &expected);
        let wanted = if round % 2 == 0 {
            SUCCESS
        } else {
            Status::COMPARE_FAILURE
        };
        assert_eq!(controllers[1].io(settled), wanted);
    }
}
