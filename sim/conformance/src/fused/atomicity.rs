//! A pair is one: no other operation on its blocks comes in between, from wherever.

use nvme_spec::{Status, SubmissionEntry};
use pcie_host::HostOptions;
use pcie_host::endpoint::FunctionId;

use super::{FAILED_FUSED, SUCCESS};
use crate::rig::{Buffer, Controller, DeviceOptions, Factory, PATIENCE_CYCLES, Rig, pattern};
use crate::scale;

/// A client that raises a counter in a block by Compare-and-Write, over and over.
struct Incrementer {
    controller: Controller,
    queue_id: u16,
    old: Buffer,
    new: Buffer,
    /// The one Read, or the two halves, on their way.
    sent: Vec<u16>,
    done: u64,
    miscompares: u64,
}

impl Incrementer {
    fn send_read(&mut self, lba: u64) {
        let read = self.controller.read(lba, 1, &self.old);
        self.sent = self.controller.submit(self.queue_id, &[read]);
    }

    /// Takes what has come; true when the client did something.
    fn turn(&mut self, lba: u64, goal: u64) -> bool {
        let Some(&last) = self.sent.last() else {
            return false;
        };
        let Some(entry) = self.controller.take(self.queue_id, last) else {
            return false;
        };
        if self.sent.len() == 1 {
            assert_eq!(entry.status(), SUCCESS);
            let value = u64::from_le_bytes(self.old.read(0, 8).try_into().expect("8 bytes"));
            // The whole block is a function of the counter: a torn one is found by the Compare.
            self.new.write(0, &block_of(value + 1, self.new.len()));
            let pair = self.controller.pair(lba, 1, &self.old, &self.new);
            self.sent = self.controller.submit(self.queue_id, &pair);
        } else {
            let compare = self.controller.wait(self.queue_id, self.sent[0]).status();
            match [compare, entry.status()] {
                [SUCCESS, SUCCESS] => self.done += 1,
                [Status::COMPARE_FAILURE, FAILED_FUSED] => self.miscompares += 1,
                other => panic!("a pair ends with {other:?}"),
            }
            self.sent.clear();
            if self.done < goal {
                self.send_read(lba);
            }
        }
        true
    }
}

fn block_of(value: u64, bytes: usize) -> Vec<u8> {
    let mut block = pattern(value, bytes);
    block[..8].copy_from_slice(&value.to_le_bytes());
    block
}

/// Small blocks beside the usual ones: their data come faster than the medium answers, so that pairs
/// meet at the range lock, not at the link.
fn rigs(device: Factory) -> [Rig; 2] {
    [512, 4096].map(|block_bytes| {
        let options = DeviceOptions {
            block_bytes,
            ..DeviceOptions::default()
        };
        Rig::build(device, options, HostOptions::default())
    })
}

/// Every function increments one counter: none of the increments is lost.
pub fn no_increment_is_lost(device: Factory) {
    for rig in rigs(device) {
        increment_together(&rig, scale(60, 2_000));
    }
}

fn increment_together(rig: &Rig, goal: u64) {
    const LBA: u64 = 17;
    let mut clients = Vec::new();
    for function in 0..=rig.device.virtual_functions {
        // Another queue for each function: the lock must hold across both.
        let queue_id = 1 + u16::from(function) % rig.device.queues_per_function;
        let mut controller = rig.controller(FunctionId(function));
        controller.create_queue_pair(queue_id, 8);
        if queue_id != 1 {
            controller.create_queue_pair(1, 8);
        }
        let (old, new) = (controller.buffer(4096), controller.buffer(4096));
        clients.push(Incrementer {
            controller,
            queue_id,
            old,
            new,
            sent: Vec::new(),
            done: 0,
            miscompares: 0,
        });
    }
    let bytes = rig.device.block_bytes as usize;
    clients[0].controller.store(LBA, &block_of(0, bytes));
    clients.iter_mut().for_each(|client| client.send_read(LBA));
    let deadline = rig.host.now() + PATIENCE_CYCLES * goal;
    while clients.iter().any(|client| !client.sent.is_empty()) {
        let mut moved = false;
        for client in &mut clients {
            moved |= client.turn(LBA, goal);
        }
        if !moved {
            assert!(
                rig.host.step() && rig.host.now() < deadline,
                "the clients are stuck"
            );
        }
    }
    let medium = rig.medium(LBA, 1);
    let sum: u64 = clients.iter().map(|client| client.done).sum();
    assert!(
        medium == block_of(sum, bytes),
        "the counter is not the sum of the increments"
    );
    let miscompares: u64 = clients.iter().map(|client| client.miscompares).sum();
    assert!(
        miscompares > 0,
        "the clients never met: the test shows nothing"
    );
}

/// One-block pairs behind eight 128 KiB Writes, all with one doorbell, round after round: a pair is
/// neither reordered nor parted when its queue is loaded (the shape of SPDK's `fused_ordering`).
pub fn pairs_behind_large_writes(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    controller.create_queue_pair(1, 64);
    let large_blocks = (128 << 10) / controller.block_bytes;
    let large = controller.buffer(128 << 10);
    large.fill(1);
    let (old, new) = (controller.buffer(4096), controller.buffer(4096));
    let bytes = controller.block_bytes as usize;
    controller.store(0, &pattern(0, bytes));
    for round in 0..scale(24, 1_024) {
        old.write(0, &pattern(round, bytes));
        new.write(0, &pattern(round + 1, bytes));
        let mut commands = Vec::new();
        for number in 0..8 {
            let lba = u64::from(large_blocks) * (1 + number);
            commands.push(controller.write(lba, large_blocks, &large));
        }
        commands.extend(controller.pair(0, 1, &old, &new));
        let statuses = controller.statuses(1, &commands);
        assert!(
            statuses.iter().all(|status| *status == SUCCESS),
            "round {round}: {statuses:?}"
        );
        controller.forget_prp_lists();
    }
}

/// Many pairs of one queue on one block with one doorbell: exactly one of them finds what it expects.
pub fn one_of_many_wins(device: Factory) {
    for rig in rigs(device) {
        compete(&rig);
    }
}

fn compete(rig: &Rig) {
    let mut controller = rig.controller(FunctionId::PF);
    controller.create_queue_pair(1, 64);
    let bytes = controller.block_bytes as usize;
    let old = controller.buffer(bytes);
    old.fill(1);
    controller.store(33, &old.read(0, bytes));
    let news: Vec<Buffer> = (0..20).map(|_| controller.buffer(bytes)).collect();
    let mut commands: Vec<SubmissionEntry> = Vec::new();
    for (number, new) in news.iter().enumerate() {
        new.fill(100 + number as u64);
        commands.extend(controller.pair(33, 1, &old, new));
    }
    let statuses = controller.statuses(1, &commands);
    let winners: Vec<usize> = (0..news.len())
        .filter(|n| statuses[2 * n] == SUCCESS)
        .collect();
    assert_eq!(winners.len(), 1, "{statuses:?}");
    for (number, pair) in statuses.chunks(2).enumerate() {
        if number != winners[0] {
            assert_eq!(pair, [Status::COMPARE_FAILURE, FAILED_FUSED]);
        }
    }
    assert!(rig.medium(33, 1) == news[winners[0]].read(0, bytes));
}

/// The same from queues of all functions at once, each with its own new content: one winner.
pub fn one_of_many_functions_wins(device: Factory) {
    for rig in rigs(device) {
        let bytes = rig.device.block_bytes as usize;
        for round in 0..scale(20, 400) {
            let mut clients: Vec<_> = (0..=rig.device.virtual_functions)
                .map(|function| rig.io_controller(FunctionId(function)))
                .collect();
            clients[0].store(33, &pattern(1, bytes));
            let mut sent = Vec::new();
            for (function, client) in clients.iter_mut().enumerate() {
                let old = client.buffer(bytes);
                old.fill(1);
                let mut pairs = Vec::new();
                for number in 0..8 {
                    let seed = 1_000 + 8 * function as u64 + number;
                    let new = client.buffer(bytes);
                    new.fill(seed);
                    let pair = client.pair(33, 1, &old, &new);
                    pairs.push((client.submit(1, &pair), seed));
                    client.keep(new);
                    // Apart by a little, so that they meet in every phase.
                    rig.run(round * 3 % 20);
                }
                client.keep(old);
                sent.push(pairs);
            }
            let mut winners = Vec::new();
            for (client, pairs) in clients.iter_mut().zip(&sent) {
                for (ids, seed) in pairs {
                    let statuses = [
                        client.wait(1, ids[0]).status(),
                        client.wait(1, ids[1]).status(),
                    ];
                    if statuses == [SUCCESS, SUCCESS] {
                        winners.push(*seed);
                    } else {
                        assert_eq!(statuses, [Status::COMPARE_FAILURE, FAILED_FUSED]);
                    }
                }
            }
            assert_eq!(winners.len(), 1, "winners {winners:?} in round {round}");
            assert!(rig.medium(33, 1) == pattern(winners[0], bytes));
        }
    }
}
