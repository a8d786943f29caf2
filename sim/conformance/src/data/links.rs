//! The same data over every kind of link: payload and request sizes, completion splits, little
//! completion space, completions handed over one by one, and errors by chance.

use nvme_spec::{Fuse, Status, SubmissionEntry};
use pcie_host::endpoint::FunctionId;
use pcie_host::{Delivery, FaultRates, HostOptions, ReadFault};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::rig::{Buffer, Controller, DeviceOptions, Factory, Rig, pattern};
use crate::scale;

const SUCCESS: Status = Status::SUCCESS;
const BLOCKS: u64 = 256;

/// What the medium must hold, and random commands that check it.
struct Shadow {
    random: Pcg64Mcg,
    blocks: Vec<Vec<u8>>,
    old: Buffer,
    new: Buffer,
    next_seed: u64,
    /// Data Transfer Errors are to be expected.
    faulty: bool,
    errors: u32,
}

impl Shadow {
    fn new(controller: &mut Controller, seed: u64, faulty: bool) -> Self {
        let block_bytes = controller.block_bytes as usize;
        Self {
            random: Pcg64Mcg::seed_from_u64(seed),
            blocks: vec![vec![0; block_bytes]; BLOCKS as usize],
            old: controller.buffer((128 << 10) + 4096),
            new: controller.buffer((128 << 10) + 4096),
            next_seed: seed << 32,
            faulty,
            errors: 0,
        }
    }

    fn expected(&self, lba: u64, blocks: u32) -> Vec<u8> {
        self.blocks[lba as usize..][..blocks as usize].concat()
    }

    /// One random command and its check.
    fn step(&mut self, rig: &Rig, controller: &mut Controller) {
        let block_bytes = controller.block_bytes as usize;
        let most = (128 << 10) / controller.block_bytes;
        let blocks = [1, 1, 2, 4, most / 2, most][self.random.random_range(0..6)];
        let lba = self.random.random_range(0..=BLOCKS - u64::from(blocks));
        let bytes = blocks as usize * block_bytes;
        let offset = 4 * self.random.random_range(0..1024);
        let expected = self.expected(lba, blocks);
        match self.random.random_range(0..3) {
            0 => {
                let read = SubmissionEntry::read(lba, blocks);
                let read = controller.at_offset(read, &self.new, offset);
                if self.expect_success(controller, read) {
                    assert!(
                        self.new.read(offset, bytes) == expected,
                        "Read of {blocks} at {lba}"
                    );
                }
            }
            1 => {
                let data = self.fresh(bytes);
                self.new.write(offset, &data);
                let write = SubmissionEntry::write(lba, blocks);
                let write = controller.at_offset(write, &self.new, offset);
                if self.expect_success(controller, write) {
                    self.store(lba, &data);
                } else {
                    self.look(rig, lba, blocks, &data);
                }
            }
            _ => {
                let blocks = blocks.min(controller_limit(block_bytes));
                let bytes = blocks as usize * block_bytes;
                let data = self.fresh(bytes);
                self.old.write(offset, &expected[..bytes]);
                self.new.write(0xffc - offset, &data);
                let compare = SubmissionEntry::compare(lba, blocks);
                let compare = controller.at_offset(compare, &self.old, offset);
                let write = SubmissionEntry::write(lba, blocks);
                let write = controller.at_offset(write, &self.new, 0xffc - offset);
                let pair = [
                    compare.with_fuse(Fuse::First),
                    write.with_fuse(Fuse::Second),
                ];
                match controller.statuses(1, &pair)[..] {
                    [SUCCESS, SUCCESS] => self.store(lba, &data),
                    [Status::DATA_TRANSFER_ERROR, Status::ABORTED_FAILED_FUSED]
                    | [SUCCESS, Status::DATA_TRANSFER_ERROR]
                        if self.faulty =>
                    {
                        self.errors += 1;
                    }
                    ref other => panic!("a pair of {blocks} at {lba} ends with {other:?}"),
                }
                assert!(
                    rig.medium(lba, blocks) == self.expected(lba, blocks),
                    "pair at {lba}"
                );
            }
        }
        controller.forget_prp_lists();
    }

    fn fresh(&mut self, bytes: usize) -> Vec<u8> {
        self.next_seed += 1;
        pattern(self.next_seed, bytes)
    }

    fn store(&mut self, lba: u64, data: &[u8]) {
        let block_bytes = self.blocks[0].len();
        for (index, block) in data.chunks(block_bytes).enumerate() {
            self.blocks[lba as usize + index].copy_from_slice(block);
        }
    }

    /// After a failed Write each block is old or new; which it is becomes what is expected.
    fn look(&mut self, rig: &Rig, lba: u64, blocks: u32, data: &[u8]) {
        let medium = rig.medium(lba, blocks);
        let block_bytes = self.blocks[0].len();
        for (index, now) in medium.chunks(block_bytes).enumerate() {
            let is_new = now == &data[index * block_bytes..][..block_bytes];
            assert!(
                is_new || now == self.blocks[lba as usize + index],
                "block {index} is torn"
            );
        }
        self.store(lba, &medium);
    }

    fn expect_success(&mut self, controller: &mut Controller, command: SubmissionEntry) -> bool {
        match controller.io(command) {
            SUCCESS => true,
            Status::DATA_TRANSFER_ERROR if self.faulty => {
                self.errors += 1;
                false
            }
            other => panic!("{command:x?} ends with {other}"),
        }
    }
}

/// Blocks of 16 KiB, which every device of this kind takes as one.
const fn controller_limit(block_bytes: usize) -> u32 {
    (16 << 10) / block_bytes as u32
}

fn check(factory: Factory, device: DeviceOptions, host: HostOptions) {
    let rig = Rig::build(factory, device, host);
    let mut controller = rig.io_controller(FunctionId(1));
    let mut shadow = Shadow::new(&mut controller, rig.host.options().seed, false);
    for _ in 0..scale(60, 1_500) {
        shadow.step(&rig, &mut controller);
    }
}

/// Maximum Payload Size, Maximum Read Request Size and completion split in all combinations, with
/// completions whole and one by one.
pub fn every_link(device: Factory) {
    for max_payload_bytes in [128, 256, 512] {
        for max_read_request_bytes in [128, 512, 4096] {
            for completion_split_bytes in [64, 256, 4096] {
                for delivery in [Delivery::WholeReads, Delivery::EachCompletion] {
                    let host = HostOptions {
                        max_payload_bytes,
                        max_read_request_bytes,
                        completion_split_bytes,
                        // One read of 4 KiB in pieces of 64 bytes must fit.
                        completion_space_headers: 80,
                        delivery,
                        ..HostOptions::default()
                    };
                    check(device, DeviceOptions::default(), host);
                }
            }
        }
    }
}

/// Room for few completions only: slower, never wrong, and never more outstanding than fits.
pub fn little_completion_space(device: Factory) {
    for (space_bytes, headers) in [(512, 9), (1024, 16), (4096, 64), (15_872, 9)] {
        for delivery in [Delivery::WholeReads, Delivery::EachCompletion] {
            let host = HostOptions {
                completion_space_bytes: space_bytes,
                completion_space_headers: headers,
                completion_split_bytes: 64,
                delivery,
                ..HostOptions::default()
            };
            check(device, DeviceOptions::default(), host);
        }
    }
}

/// Long and short round trips.
pub fn round_trips(device: Factory) {
    for rtt_cycles in [2, 10, 70, 500, 5_000] {
        let host = HostOptions {
            rtt_cycles,
            ..HostOptions::default()
        };
        check(device, DeviceOptions::default(), host);
    }
}

/// 512-byte blocks over some of the links.
pub fn small_blocks(device: Factory) {
    let options = DeviceOptions {
        block_bytes: 512,
        ..DeviceOptions::default()
    };
    for max_payload_bytes in [128, 512] {
        for delivery in [Delivery::WholeReads, Delivery::EachCompletion] {
            let host = HostOptions {
                max_payload_bytes,
                delivery,
                ..HostOptions::default()
            };
            check(device, options.clone(), host);
        }
    }
}

/// Data that come late and out of order by chance: everything is right all the same.
pub fn late_data_by_chance(device: Factory) {
    for delivery in [Delivery::WholeReads, Delivery::EachCompletion] {
        for seed in 0..scale(6, 12) {
            let mut host = HostOptions {
                seed,
                delivery,
                ..HostOptions::default()
            };
            host.faults.rates = FaultRates {
                delayed_per_million: 100_000,
                delay_cycles: 2_000,
                ..FaultRates::default()
            };
            check(device, DeviceOptions::default(), host);
        }
    }
}

/// Data and lists of which reads go wrong, at random: a command fails with Data Transfer Error, or
/// its data are right; a pair or block is whole either way.
pub fn errors_at_random(device: Factory) {
    let faults = [
        ReadFault::Poisoned,
        ReadFault::UnsupportedRequest,
        ReadFault::CompleterAbort,
        ReadFault::Timeout {
            after_cycles: 1_000,
        },
    ];
    for delivery in [Delivery::WholeReads, Delivery::EachCompletion] {
        let host = HostOptions {
            delivery,
            ..HostOptions::default()
        };
        let rig = Rig::build(device, DeviceOptions::default(), host);
        let mut controller = rig.io_controller(FunctionId(1));
        let mut shadow = Shadow::new(&mut controller, 5, true);
        // Buffers that are read for data alone; entries are never spoilt here.
        let [old, new] = [&shadow.old, &shadow.new].map(|buffer| {
            let end = buffer.address + buffer.len() as u64;
            buffer.address..end
        });
        for round in 0..scale(400, 10_000) {
            if shadow.random.random_bool(0.5) {
                let range = if shadow.random.random() { &old } else { &new };
                let at = shadow.random.random_range(range.clone()) & !3;
                let fault = faults[round as usize % faults.len()];
                rig.spoil_read(FunctionId(1), at..at + 4, fault);
            }
            shadow.step(&rig, &mut controller);
        }
        assert!(
            shadow.errors > 20,
            "only {} errors: the test shows little",
            shadow.errors
        );
    }
}
