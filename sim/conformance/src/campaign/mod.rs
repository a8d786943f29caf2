//! Random commands, doorbells, PRPs and register writes, by seed.
//!
//! Time goes in epochs of a few hundred actions, after which every function but the witness is
//! reset. In a *clean* epoch only commands are random, and every one of them must be answered exactly
//! once; in a *wild* one doorbells and registers are written at random, too, and then the
//! controller need only survive it, touch no memory that nobody named, and answer after the reset.
//! The witness, a function of its own, does plain work all the time and must notice nothing.
//!
//! `RDSTORE_FULL=1` runs a million actions, `RDSTORE_SEED` names another seed.

mod command;
mod memory;
mod witness;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use nvme_spec::{Status, SubmissionEntry, doorbell, msix, opcode, register};
use pcie_host::endpoint::FunctionId;
use pcie_host::{Fault, ReadFault, ReadSelect};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::rig::{Controller, DeviceOptions, Factory, PATIENCE_CYCLES, Rig};
use crate::scale;
use memory::Memory;
use witness::Witness;

/// Every status that the controller can give: all of them must be reached, and no other.
pub const STATUSES: &[Status] = &[
    Status::SUCCESS,
    Status::INVALID_OPCODE,
    Status::INVALID_FIELD,
    Status::DATA_TRANSFER_ERROR,
    Status::ABORT_REQUESTED,
    Status::ABORTED_FAILED_FUSED,
    Status::ABORTED_MISSING_FUSED,
    Status::INVALID_NAMESPACE,
    Status::COMMAND_SEQUENCE_ERROR,
    Status::LBA_OUT_OF_RANGE,
    Status::COMPLETION_QUEUE_INVALID,
    Status::INVALID_QUEUE_ID,
    Status::MAXIMUM_QUEUE_SIZE_EXCEEDED,
    Status::ASYNC_EVENT_LIMIT_EXCEEDED,
    Status::INVALID_INTERRUPT_VECTOR,
    Status::INVALID_LOG_PAGE,
    Status::INVALID_QUEUE_DELETION,
    Status::FEATURE_NOT_SAVEABLE,
    Status::FEATURE_NOT_NAMESPACE_SPECIFIC,
    Status::COMPARE_FAILURE,
];

const ACTIONS_PER_EPOCH: u64 = 400;
const IO_QUEUES: [u16; 2] = [1, 2];
const WITNESS: FunctionId = FunctionId(2);

/// How often each status was seen.
type Histogram = BTreeMap<Status, u64>;

/// What a run has done and seen.
#[derive(PartialEq, Eq, Debug, Default)]
struct Tally {
    statuses: Histogram,
    actions: u64,
    /// Valid commands with one mutation, among the actions.
    mutated: u64,
}

/// A million random actions (a share of them by default): no panic, no DMA to memory that nobody
/// named, every command answered, every status reached, the controller answers after each reset.
pub fn random_commands(device: Factory) {
    let seed = std::env::var("RDSTORE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(1);
    let tally = run(device, seed, scale(30_000, 1_000_000));
    println!("{}", describe(seed, &tally));
    assert!(
        2 * tally.mutated >= tally.actions,
        "at least half are valid commands with one mutation"
    );
    for status in STATUSES {
        assert!(
            tally.statuses.contains_key(status),
            "seed {seed}: {status} was never reached"
        );
    }
}

/// One seed, two runs: the same statuses as often.
pub fn a_seed_repeats(device: Factory) {
    let first = run(device, 99, scale(3_000, 30_000));
    assert_eq!(first, run(device, 99, scale(3_000, 30_000)));
}

fn describe(seed: u64, tally: &Tally) -> String {
    let Tally {
        statuses,
        actions,
        mutated,
    } = tally;
    let mut text =
        format!("seed {seed}: {actions} actions, {mutated} of them mutations, statuses:\n");
    for (status, count) in statuses {
        let _ = writeln!(text, "{count:>9}  {status}");
    }
    text
}

/// Parts of AQA, ASQ and ACQ written at random would name memory that happens to be the host's.
fn describes_the_admin_queue(offset: u64, width: usize) -> bool {
    offset < register::ACQ + 8 && offset + width as u64 > register::AQA
}

/// Says where a failure happened, so that it can be repeated.
struct Whereabouts {
    seed: u64,
    epoch: u64,
}

impl Drop for Whereabouts {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in epoch {} of RDSTORE_SEED={}", self.epoch, self.seed);
        }
    }
}

fn run(device: Factory, seed: u64, actions: u64) -> Tally {
    let options = DeviceOptions {
        medium_bytes: 4 << 20,
        ..DeviceOptions::default()
    };
    let rig = Rig::build(device, options, pcie_host::HostOptions::default());
    let mut campaign = Campaign {
        witness: Witness::new(&rig, WITNESS),
        functions: [FunctionId::PF, FunctionId(1)].map(|id| Subject::new(&rig, id)),
        random: Pcg64Mcg::seed_from_u64(seed),
        tally: Tally::default(),
        rig,
    };
    let mut whereabouts = Whereabouts { seed, epoch: 0 };
    for epoch in 0..actions.div_ceil(ACTIONS_PER_EPOCH) {
        whereabouts.epoch = epoch;
        campaign.epoch(epoch % 3 == 2);
    }
    campaign.tally
}

/// A function that random things are done to.
struct Subject {
    controller: Controller,
    memory: Memory,
}

impl Subject {
    fn new(rig: &Rig, function: FunctionId) -> Self {
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

struct Campaign {
    // Dropped before the rig, which checks what is left.
    witness: Witness,
    functions: [Subject; 2],
    random: Pcg64Mcg,
    tally: Tally,
    rig: Rig,
}

impl Campaign {
    fn epoch(&mut self, wild: bool) {
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
        self.rig.inject(Fault::Read {
            function,
            select: ReadSelect::Address { start, end },
            fault,
        });
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
