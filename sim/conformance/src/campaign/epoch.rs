//! An epoch: set up, random actions, what must be answered, reset, what the host has seen.

use nvme_spec::{SubmissionEntry, doorbell, msix, opcode, register};
use pcie_host::ReadFault;
use pcie_host::endpoint::FunctionId;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use super::memory::{self, Memory};
use super::witness::Witness;
use super::{ACTIONS_PER_EPOCH, IO_QUEUES, STATUSES, Tally, WITNESS, command};
use crate::rig::{Controller, PATIENCE_CYCLES, Rig};

/// Parts of AQA, ASQ and ACQ written at random would name memory that happens to be the host's.
fn describes_the_admin_queue(offset: u64, width: usize) -> bool {
    offset < register::ACQ + 8 && offset + width as u64 > register::AQA
}

/// A function that random things are done to.
pub(super) struct Subject {
    controller: Controller,
    memory: Memory,
}

impl Subject {
    pub(super) fn new(rig: &Rig, function: FunctionId) -> Self {
        let mut controller = rig.disabled_controller(function);
        let memory = Memory::new(&mut controller);
        Self { controller, memory }
    }

    /// Enables it with an admin queue and two I/O queue pairs.
    fn bring_up(&mut self, random: &mut Pcg64Mcg) {
        self.controller.forget_queues();
        self.controller
            .enable(random.random_range(8..40), random.random_range(8..40));
        for queue_id in IO_QUEUES {
            self.controller.create_completion_queue(
                queue_id,
                random.random_range(3..40),
                Some(queue_id),
            );
            self.controller
                .create_submission_queue(queue_id, random.random_range(8..40), queue_id);
        }
        self.controller.take_arrived();
    }
}

/// A device and what is done to it.
pub(super) struct Campaign {
    // Dropped before the rig, which checks what is left.
    pub(super) witness: Witness,
    pub(super) functions: [Subject; 2],
    pub(super) random: Pcg64Mcg,
    pub(super) tally: Tally,
    pub(super) rig: Rig,
}

impl Campaign {
    /// `ACTIONS_PER_EPOCH` actions, doorbells and registers among them when it is `wild`.
    pub(super) fn epoch(&mut self, wild: bool) {
        for subject in &mut self.functions {
            subject.bring_up(&mut self.random);
            subject.memory.renew(&mut self.random);
        }
        for _ in 0..ACTIONS_PER_EPOCH {
            let function = self.random.random_range(0..self.functions.len());
            self.tally.actions += 1;
            match self.random.random_range(0..100) {
                0..7 if wild => self.write_doorbell(function),
                7..10 if wild => self.write_register(function),
                10..12 => self.spoil_a_read(function),
                _ => self.send_command(function, wild),
            }
            // Bursts as well as gaps.
            let pause = match self.random.random_range(0..3) {
                0 => 0,
                1 => self.random.random_range(0..30),
                _ => self.random.random_range(0..300),
            };
            self.rig.run(pause);
            self.collect(wild);
        }
        if !wild {
            self.drain();
        }
        self.end_epoch();
    }

    /// A valid command, most often with one mutation, or 64 random bytes.
    fn send_command(&mut self, function: usize, wild: bool) {
        let subject = &mut self.functions[function];
        let queue_id = [0, 1, 1, 1, 2, 2][self.random.random_range(0..6)];
        let Some(queue) = subject.controller.submission.get(&queue_id) else {
            return;
        };
        if queue.free() < 3 {
            // A host that waits for its queue, as all must; also where doorbells went astray.
            self.rig.run(2_000);
            return;
        }
        let blocks = self.rig.blocks();
        let mut commands = if queue_id == 0 {
            let last_id = subject.controller.last_command_id();
            command::admin(&mut self.random, &subject.memory, last_id)
        } else {
            command::io(&mut self.random, &mut subject.memory, blocks)
        };
        match self.random.random_range(0..10) {
            0..3 => {}
            3..9 => {
                self.tally.mutated += 1;
                let which = self.random.random_range(0..commands.len());
                command::mutate(
                    &mut self.random,
                    &subject.memory,
                    queue_id == 0,
                    &mut commands[which],
                );
            }
            _ => {
                commands = vec![command::garbage(
                    &mut self.random,
                    &subject.memory,
                    queue_id == 0,
                )];
            }
        }
        for mut command in commands {
            if queue_id != 0 {
                command::spare_the_witness(&mut command);
            } else if !wild {
                command::spare_the_queues(&mut command);
            }
            subject.controller.post(queue_id, command);
            // Half of a pair may come with a doorbell of its own.
            if self.random.random_bool(0.2) {
                subject.controller.ring_doorbell(queue_id);
            }
        }
        subject.controller.ring_doorbell(queue_id);
    }

    fn write_doorbell(&mut self, function: usize) {
        let queue_id = match self.random.random_range(0..8) {
            0 => self.random.random_range(0..512),
            n => n % 5,
        };
        let value = match self.random.random_range(0..3) {
            0 => self.random.random(),
            _ => self.random.random_range(0..48),
        };
        let offset = if self.random.random_bool(0.5) {
            doorbell::submission_tail_offset(queue_id)
        } else {
            doorbell::completion_head_offset(queue_id)
        };
        self.functions[function].controller.write32(offset, value);
    }

    fn write_register(&mut self, function: usize) {
        let wild = memory::wild_word(&mut self.random);
        let controller = &mut self.functions[function].controller;
        match self.random.random_range(0..8) {
            0 => controller.write64(register::ASQ, wild),
            1 => controller.write64(register::ACQ, wild),
            // No more than the rings' pages hold: beyond them the host has named nothing.
            2 => controller.write32(register::AQA, self.random.random::<u32>() & 0x003f_003f),
            3 => controller.write32(register::CC, self.random.random()),
            4 => controller.write32(register::CC, crate::rig::enabled_configuration().into()),
            5 => {
                let offset = msix::TABLE_OFFSET + 4 * self.random.random_range(0..64);
                controller.write32(offset, wild as u32);
            }
            6 => {
                let offset = self.random.random_range(0..msix::TABLE_OFFSET - 16);
                let width = self.random.random_range(1..=16);
                if !describes_the_admin_queue(offset, width) {
                    controller.raw_write(offset, &vec![wild as u8; width]);
                }
            }
            _ => {
                let offset = 4 * self.random.random_range(0..0x20);
                if !describes_the_admin_queue(offset, 4) {
                    controller.write32(offset, wild as u32);
                }
            }
        }
    }

    fn spoil_a_read(&mut self, function: usize) {
        let after_cycles = self.random.random_range(100..2_000);
        let fault = match self.random.random_range(0..5) {
            0 => ReadFault::Poisoned,
            1 => ReadFault::UnsupportedRequest,
            2 => ReadFault::CompleterAbort,
            3 => ReadFault::Timeout { after_cycles },
            _ => ReadFault::Delayed {
                by_cycles: after_cycles,
            },
        };
        // Data and lists only: what is wrong with a ring ends the function, not a command.
        let (start, end) = self.functions[function].memory.read_by_commands();
        let function = self.functions[function].controller.function;
        self.rig.spoil_read(function, start..end, fault);
    }

    /// Takes what has been answered.
    fn collect(&mut self, wild: bool) {
        self.witness.turn(&self.rig);
        for subject in &mut self.functions {
            if !wild {
                for entry in subject.controller.take_arrived() {
                    *self.tally.statuses.entry(entry.status()).or_default() += 1;
                }
                continue;
            }
            // Where doorbells are random anything may be answered: only count it.
            let mut heads = Vec::new();
            for (&queue_id, queue) in &mut subject.controller.completion {
                let mut taken = 0;
                while let Some(entry) = queue.take() {
                    *self.tally.statuses.entry(entry.status()).or_default() += 1;
                    let submission = subject
                        .controller
                        .submission
                        .get_mut(&entry.submission_queue_id);
                    if let Some(submission) = submission {
                        submission.head = u32::from(entry.submission_head) % submission.entries;
                    }
                    taken += 1;
                    assert!(
                        taken <= queue.entries,
                        "a ring is full of new entries forever"
                    );
                }
                if taken > 0 {
                    heads.push((queue_id, queue.head));
                }
            }
            for (queue_id, head) in heads {
                subject
                    .controller
                    .write32(doorbell::completion_head_offset(queue_id), head);
            }
        }
    }

    /// Every command of a clean epoch is answered, but Asynchronous Event Requests.
    fn drain(&mut self) {
        for function in 0..self.functions.len() {
            let controller = &mut self.functions[function].controller;
            for queue_id in IO_QUEUES {
                // Ends a first that waits for its second.
                controller
                    .wait_for(PATIENCE_CYCLES, |controller| {
                        controller.poll();
                        (controller.submission[&queue_id].free() > 0).then_some(())
                    })
                    .expect("a queue moves on");
                controller.submit(queue_id, &[SubmissionEntry::flush()]);
            }
            let idle = controller.wait_for(PATIENCE_CYCLES, |controller| {
                controller.poll();
                (controller.outstanding_but(opcode::admin::ASYNC_EVENT_REQUEST) == 0).then_some(())
            });
            assert!(
                idle.is_some(),
                "{}: {} commands have no answer",
                controller.function,
                controller.outstanding_but(opcode::admin::ASYNC_EVENT_REQUEST)
            );
        }
        self.collect(false);
    }

    /// Resets the functions, one way or the other, and looks at what the host has seen.
    fn end_epoch(&mut self) {
        for subject in &mut self.functions {
            let controller = &mut subject.controller;
            // A reset of the PF takes the VFs along, the witness among them.
            let may_reset = controller.function != FunctionId::PF;
            if may_reset && self.random.random_bool(0.5) {
                self.rig
                    .host
                    .reset_function(controller.function)
                    .expect("the reset ends");
            } else {
                controller.write32(register::CC, 0);
                controller.wait_ready(false);
            }
            controller.forget_queues();
            controller.enable(8, 8);
            controller.identify();
            subject.memory.assert_guards();
        }
        self.witness.turn(&self.rig);
        for fault in self.rig.take_dma_faults() {
            assert!(
                memory::is_wild(fault.address),
                "DMA to what nobody named: {fault:x?}"
            );
            assert_ne!(fault.function, WITNESS);
        }
        let violations = self.rig.host.take_violations();
        assert!(violations.is_empty(), "{violations:?}");
        for status in self.tally.statuses.keys() {
            assert!(
                STATUSES.contains(status),
                "{status} is none of this controller's"
            );
        }
    }
}
