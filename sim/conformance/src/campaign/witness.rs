//! A function that works plainly while others go wild.

use nvme_spec::{Status, SubmissionEntry};
use pcie_host::endpoint::{Cycle, FunctionId};

use crate::rig::{Buffer, Controller, PATIENCE_CYCLES, Rig, pattern};

/// First block of the witness, behind those of the campaign.
pub(super) const FIRST_BLOCK: u64 = 128;
/// Blocks of the witness.
pub(super) const BLOCKS: u64 = 64;

/// Writes a block, reads it back, compares-and-writes it, over and over.
pub(super) struct Witness {
    controller: Controller,
    from: Buffer,
    into: Buffer,
    sent: Vec<u16>,
    sent_at: Cycle,
    round: u64,
}

impl Witness {
    pub(super) fn new(rig: &Rig, function: FunctionId) -> Self {
        let mut controller = rig.io_controller(function);
        let (from, into) = (controller.buffer(4096), controller.buffer(4096));
        Self {
            controller,
            from,
            into,
            sent: Vec::new(),
            sent_at: 0,
            round: 0,
        }
    }

    /// Takes what has come, checks it, sends the next.
    pub(super) fn turn(&mut self, rig: &Rig) {
        if let Some(&last) = self.sent.last() {
            let Some(entry) = self.controller.take(1, last) else {
                let waited = rig.host.now() - self.sent_at;
                assert!(
                    waited < PATIENCE_CYCLES,
                    "the witness waits for {waited} cycles"
                );
                return;
            };
            assert_eq!(
                entry.status(),
                Status::SUCCESS,
                "the witness noticed something"
            );
            for id in self.sent.drain(..).rev().skip(1) {
                assert_eq!(self.controller.wait(1, id).status(), Status::SUCCESS);
            }
            assert!(
                self.into.read(0, 4096) == pattern(self.round, 4096),
                "the witness reads others' data"
            );
            self.round += 1;
        }
        self.sent_at = rig.host.now();
        let lba = FIRST_BLOCK + self.round % BLOCKS;
        self.from.fill(self.round);
        let write = self.controller.write(lba, 1, &self.from);
        let pair = self.controller.pair(lba, 1, &self.from, &self.from);
        let read = self.controller.read(lba, 1, &self.into);
        // Each after the other: a queue's commands have no order of their own.
        let commands: [&[SubmissionEntry]; 3] = [&[write], &pair, &[read]];
        for group in &commands[..2] {
            let statuses = self.controller.statuses(1, group);
            assert!(
                statuses.iter().all(|status| *status == Status::SUCCESS),
                "{statuses:?}"
            );
        }
        self.sent = self.controller.submit(1, commands[2]);
    }
}
