//! All functions at work while everything that can end a function happens again and again: controller
//! resets in quick succession, shutdowns, function resets (the PF's, too), VFs taken away, bus-master
//! off in the middle of a burst, MSI-X rewritten, queues deleted, storms of Aborts, the link down;
//! on devices and links of random shape.
//!
//! What must hold: no panic (debug assertions watch the model's counts), no rule of the link broken, no
//! DMA of a function that may not send or outside its memory; afterwards every function works.
//!
//! `RDSTORE_FULL=1` runs 20,000 seeds, `RDSTORE_SEED` names the first.

mod shapes;
mod side;

use std::ops::Range;

use nvme_conformance::rig::{Controller, enabled_configuration};
use nvme_conformance::{Rig, side_by_side};
use nvme_model::medium::Medium;
use nvme_model::{Model, ModelOptions};
use nvme_spec::{Fuse, Status, SubmissionEntry, feature, msix, register};
use pcie_host::config::{COMMAND, MSIX_CONTROL, POWER_STATE, bits};
use pcie_host::endpoint::FunctionId;
use pcie_host::{Fault, Host, LinkEvent};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use shapes::{device, link};
use side::{RING_BYTES, Side};

struct Upheaval {
    rig: Rig,
    sides: Vec<Side>,
    random: Pcg64Mcg,
}

impl Upheaval {
    fn new(seed: u64) -> Self {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let (device, geometry, timing) = device(&mut random);
        let medium = Medium::in_memory(device.medium_bytes, device.block_bytes).expect("memory");
        let model = Model::new(ModelOptions {
            virtual_functions: device.virtual_functions,
            io_queues: device.queues_per_function,
            geometry,
            timing,
            ..ModelOptions::new(medium)
        })
        .expect("within its limits");
        let host = Host::new(link(&mut random, seed), Box::new(model)).expect("a host");
        host.enable_virtual_functions(device.virtual_functions)
            .expect("it has them");
        let queues = device.queues_per_function;
        let rig = Rig { host, device };
        let sides = (0..=rig.device.virtual_functions)
            .map(|function| Side::new(&rig, FunctionId(function), queues))
            .collect();
        let mut upheaval = Self { rig, sides, random };
        upheaval.bring_up(upheaval.all());
        upheaval
    }

    /// Some of those whose function is there bring their controllers up; each for itself, so that the
    /// others go on with what they have.
    fn bring_up(&mut self, sides: Range<usize>) {
        for side in &mut self.sides[sides] {
            side.bring_up(&self.rig, 1 << self.random.random_range(3..7));
        }
    }

    fn all(&self) -> Range<usize> {
        0..self.sides.len()
    }

    /// Mostly the first two queues, so that they exist and are full.
    fn queue(&mut self) -> usize {
        let queues = usize::from(self.rig.device.queues_per_function);
        let queue = self.random.random_range(1..=queues);
        if self.random.random_bool(0.8) {
            queue.min(2)
        } else {
            queue
        }
    }

    fn transfers(&mut self, index: usize) {
        let queue = self.queue();
        for _ in 0..self.random.random_range(1..6) {
            let random = &mut self.random;
            let side = &mut self.sides[index];
            let blocks = [1, 1, 2, 4, 8, 32, 64, 256][random.random_range(0..8)];
            let lba = random.random_range(0..64);
            let offset = [0, 4 * random.random_range(0..1024)][random.random_range(0..2)];
            let prp1 = side.data.address + 4096 * random.random_range(0..16) + offset;
            let bytes = u64::from(self.rig.device.block_bytes) * u64::from(blocks);
            let choice = random.random_range(0..6);
            // A list may chain where nothing is written: an entry that ends a list in a chain's place
            // is a page of the list itself.
            let places = if choice < 2 { 250 } else { 512 };
            let prp2 = if offset + bytes <= 8192 {
                side.data.address + (64 << 10)
            } else {
                side.list.address + 8 * random.random_range(0..places)
            };
            let commands = match choice {
                0 | 1 => vec![SubmissionEntry::read(lba, blocks)],
                2 => vec![SubmissionEntry::write(lba, blocks)],
                3 => vec![SubmissionEntry::compare(lba, blocks)],
                4 => vec![SubmissionEntry::flush()],
                _ => vec![
                    SubmissionEntry::compare(lba, blocks).with_fuse(Fuse::First),
                    SubmissionEntry::write(lba, blocks).with_fuse(Fuse::Second),
                ],
            };
            for command in commands {
                let id = random.random_range(0..40);
                side.push(queue, &command.with_prps(prp1, prp2).with_command_id(id));
            }
        }
        self.sides[index].ring(&self.rig.host, queue);
        if self.random.random_bool(0.5) {
            self.sides[index].consume(&self.rig.host, queue, &mut self.random);
        }
    }

    fn admin(&mut self, index: usize) {
        for _ in 0..self.random.random_range(1..5) {
            let queue = self.queue();
            let (random, side) = (&mut self.random, &mut self.sides[index]);
            let id = queue as u16;
            let entries = [2, 3, 16, 64, 1024][random.random_range(0..5)];
            let at = (RING_BYTES * queue) as u64;
            let command = match random.random_range(0..8) {
                0 => {
                    let (ring, vector) =
                        (side.completion.address + at, random.random_range(0..=id));
                    SubmissionEntry::create_completion_queue(id, entries, ring, Some(vector))
                }
                1 => {
                    (side.entries[queue], side.tails[queue]) = (entries, 0);
                    let completion = [id, id, id, 1][random.random_range(0..4)];
                    let ring = side.submission.address + at;
                    SubmissionEntry::create_submission_queue(id, entries, ring, completion)
                }
                2 => SubmissionEntry::delete_submission_queue(id),
                3 => SubmissionEntry::delete_completion_queue(id),
                4 => SubmissionEntry::abort(id, random.random_range(0..40)),
                5 => SubmissionEntry::async_event_request(),
                6 => SubmissionEntry::identify(random.random_range(0..4), 1).with_prps(
                    side.data.address + 4 * random.random_range(0..1024),
                    side.data.address + 4096,
                ),
                _ => {
                    let value = random.random_range(0..0x400);
                    SubmissionEntry::set_features(feature::INTERRUPT_COALESCING, value)
                }
            };
            side.push(0, &command.with_command_id(random.random_range(0..100)));
        }
        self.sides[index].ring(&self.rig.host, 0);
        for _ in 0..4 {
            self.sides[index].consume(&self.rig.host, 0, &mut self.random);
        }
    }

    fn abort_storm(&mut self, index: usize) {
        let side = &mut self.sides[index];
        for queue in 1..=self.rig.device.queues_per_function.min(3) {
            for id in 0..10 {
                side.push(0, &SubmissionEntry::abort(queue, id));
            }
        }
        side.ring(&self.rig.host, 0);
    }

    fn rewrite_interrupts(&mut self, index: usize) {
        let (random, side) = (&mut self.random, &self.sides[index]);
        let vector = random.random_range(0..=self.rig.device.queues_per_function);
        let address = side.completion.address + 0x8000 + 4 * random.random_range(0..100);
        let control = u32::from(random.random_bool(0.3));
        let entry = msix::entry_offset(vector);
        let host = &self.rig.host;
        side.write(host, entry + 4, &((address >> 32) as u32).to_le_bytes());
        side.write(host, entry, &(address as u32).to_le_bytes());
        side.write(host, entry + 12, &control.to_le_bytes());
        let control = [
            0,
            bits::MSIX_ENABLE,
            bits::MSIX_ENABLE | bits::MSIX_FUNCTION_MASK,
        ];
        let control = control[random.random_range(0..3)];
        let _ = host.config_write(side.function, MSIX_CONTROL, 2, control);
    }

    /// CC.EN and CC.SHN, faster than anything can end.
    fn toggle(&mut self, index: usize) {
        for _ in 0..self.random.random_range(1..6) {
            let enabled = enabled_configuration().with_enable(self.random.random_bool(0.5));
            let shutdown = [0, 0, 0, 1, 2][self.random.random_range(0..5)] << 14;
            let value = u32::from(enabled) | shutdown;
            self.sides[index].write(&self.rig.host, register::CC, &value.to_le_bytes());
            self.rig.run(self.random.random_range(0..50));
        }
        self.bring_up(index..index + 1);
    }

    fn bus_master(&mut self, index: usize) {
        let (host, function) = (self.rig.host.clone(), self.sides[index].function);
        let command = host.config_read(function, COMMAND, 2).expect("a register");
        let _ = host.config_write(function, COMMAND, 2, command & !bits::BUS_MASTER);
        self.rig.run(self.random.random_range(0..300));
        let _ = host.config_write(function, COMMAND, 2, command);
        if self.random.random_bool(0.5) {
            self.sides[index].write(&host, register::CC, &[0; 4]);
            self.rig.run(20_000);
            self.bring_up(index..index + 1);
        }
    }

    fn link_down(&mut self) {
        self.rig.lose_link(3..500);
        self.rig.run(1_000);
        let host = &self.rig.host;
        let _ = host.enable_virtual_functions(self.rig.device.virtual_functions);
        self.bring_up(self.all());
    }

    fn step(&mut self) {
        let host = self.rig.host.clone();
        let index = self.random.random_range(0..self.sides.len());
        let function = self.sides[index].function;
        match self.random.random_range(0..100) {
            0..56 => self.transfers(index),
            56..71 => self.admin(index),
            71..75 => {
                let queue = self.queue();
                self.sides[index].consume(&host, queue, &mut self.random);
            }
            75..78 => {
                let offset = register::DOORBELLS + 4 * self.random.random_range(0..0x400);
                let value: u32 = self.random.random_range(0..2_000);
                self.sides[index].write(&host, offset, &value.to_le_bytes());
            }
            78..81 => self.rewrite_interrupts(index),
            81..86 => self.toggle(index),
            86..89 => {
                let _ = host.reset_function(function);
                let all = function == FunctionId::PF;
                self.bring_up(if all { self.all() } else { index..index + 1 });
            }
            89..92 => self.bus_master(index),
            92..94 => {
                let most = self.rig.device.virtual_functions;
                let _ = host.enable_virtual_functions(self.random.random_range(0..=most));
                self.bring_up(self.all());
            }
            94 => self.link_down(),
            95 => {
                let cycle = host.now() + self.random.random_range(0..500);
                let event = LinkEvent::FunctionReset(function);
                host.inject(Fault::At { cycle, event });
            }
            96 | 97 => {
                // D3hot and back.
                let _ = host.config_write(function, POWER_STATE, 2, 3);
                self.rig.run(100);
                let _ = host.config_write(function, POWER_STATE, 2, 0);
            }
            98 => {
                let most = self.rig.device.virtual_functions;
                let _ = host.enable_virtual_functions(most);
                self.bring_up(self.all());
            }
            _ => self.abort_storm(index),
        }
        self.rig
            .run([0, 1, 7, 50, 400, 3_000][self.random.random_range(0..6)]);
    }

    /// Everything from the start: each function must work.
    fn settle(self) {
        let Self { rig, sides, .. } = self;
        let host = &rig.host;
        rig.run(20_000);
        host.enable_virtual_functions(0).expect("the PF is there");
        host.reset_function(FunctionId::PF).expect("the reset ends");
        host.enable_virtual_functions(rig.device.virtual_functions)
            .expect("it has them");
        drop(sides);
        // Reads that were lost with their function have been given up by now.
        rig.run(13_000_000);
        for function in (0..=rig.device.virtual_functions).map(FunctionId) {
            let mut controller: Controller = rig.io_controller(function);
            let buffer = controller.buffer(16 << 10);
            let write = controller.write(0, 2, &buffer);
            assert_eq!(controller.io(write), Status::SUCCESS, "{function}");
            let read = controller.read(0, 2, &buffer);
            assert_eq!(controller.io(read), Status::SUCCESS, "{function}");
            let pair = controller.pair(0, 1, &buffer, &buffer);
            assert_eq!(controller.statuses(1, &pair), [Status::SUCCESS; 2]);
        }
    }
}

#[test]
fn nothing_that_ends_a_function_harms_the_device() {
    let first: u64 =
        std::env::var("RDSTORE_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    let seeds = first..first + nvme_conformance::scale(60, 20_000);
    let upheaval = |seed| {
        let mut upheaval = Upheaval::new(seed);
        for step in 0..600 {
            upheaval.step();
            let violations = upheaval.rig.host.take_violations();
            assert_eq!(violations, [], "step {step}");
            let mut faults = upheaval.rig.take_dma_faults();
            // A reset between the writes of a table entry leaves half an address: the host's mistake.
            faults.retain(|fault| {
                !(fault.write && fault.length_bytes == 4 && fault.address >> 32 == 0)
            });
            assert_eq!(faults, [], "step {step}");
        }
        let statistics = upheaval.rig.host.statistics();
        assert!(
            statistics.reads > 100 && statistics.writes > 20,
            "it was idle: {statistics:?}"
        );
        upheaval.settle();
    };
    side_by_side::run(seeds, upheaval, |_, ()| ());
}
