//! Physical Region Pages (NVMe 1.1 §4.3).

use nvme_spec::{Status, SubmissionEntry, prp};
use pcie_host::endpoint::FunctionId;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;

use crate::rig::{Buffer, Controller, Factory, Rig, pattern};

const INVALID_FIELD: Status = Status::INVALID_FIELD;

/// Pages of a buffer in an order of their own, as a transfer of `blocks` blocks at an offset of the
/// first one sees them.
struct Scattered {
    buffer: Buffer,
    pages: Vec<usize>,
    offset: usize,
    bytes: usize,
}

impl Scattered {
    fn new(controller: &mut Controller, offset: usize, bytes: usize, seed: u64) -> Self {
        let count = prp::data_entries(offset as u64, bytes as u64) as usize;
        // A page of guard bytes on either side.
        let buffer = controller.buffer((count + 2) * 4096);
        let mut pages: Vec<usize> = (1..=count).collect();
        pages.shuffle(&mut Pcg64Mcg::seed_from_u64(seed));
        Self {
            buffer,
            pages,
            offset,
            bytes,
        }
    }

    fn address(&self, page: usize) -> u64 {
        self.buffer.address + 4096 * page as u64
    }

    /// PRPs with a list that begins `list_offset` bytes into a page.
    fn prps(&self, controller: &mut Controller, list_offset: u64) -> (u64, u64) {
        let prp1 = self.address(self.pages[0]) + self.offset as u64;
        let rest: Vec<u64> = self.pages[1..]
            .iter()
            .map(|&page| self.address(page))
            .collect();
        match rest.len() {
            0 => (prp1, 0),
            1 => (prp1, rest[0]),
            _ => (prp1, controller.prp_list(&rest, list_offset)),
        }
    }

    /// Ranges of the buffer that hold the data, in order.
    fn pieces(&self) -> impl Iterator<Item = (usize, usize)> {
        let mut left = self.bytes;
        self.pages.iter().enumerate().map(move |(index, page)| {
            let skip = if index == 0 { self.offset } else { 0 };
            let bytes = left.min(4096 - skip);
            left -= bytes;
            (page * 4096 + skip, bytes)
        })
    }

    fn fill(&self, data: &[u8]) {
        let mut done = 0;
        for (at, bytes) in self.pieces() {
            self.buffer.write(at, &data[done..done + bytes]);
            done += bytes;
        }
    }

    fn read(&self) -> Vec<u8> {
        self.pieces()
            .flat_map(|(at, bytes)| self.buffer.read(at, bytes))
            .collect()
    }
}

/// Every number of blocks up to 128 KiB and every kind of offset, pages in any order: the data go
/// where they belong, and not a byte beside them is touched.
pub fn every_size_and_offset(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let mut seed = 0;
    for blocks in [1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 32] {
        for offset in [0, 4, 0x200, 0x7fc, 0xffc] {
            seed += 1;
            let bytes = (blocks * rig.device.block_bytes) as usize;
            let data = pattern(seed, bytes);
            let from = Scattered::new(&mut controller, offset, bytes, seed);
            from.fill(&data);
            let (prp1, prp2) = from.prps(&mut controller, 0);
            let write = SubmissionEntry::write(64, blocks).with_prps(prp1, prp2);
            assert_eq!(
                controller.io(write),
                Status::SUCCESS,
                "{blocks} blocks at {offset:#x}"
            );
            assert!(
                rig.medium(64, blocks) == data,
                "{blocks} blocks at {offset:#x}"
            );

            let into = Scattered::new(&mut controller, 0xffc - offset, bytes, !seed);
            into.buffer.fill(seed);
            let mut expected = into.buffer.read(0, into.buffer.len());
            let mut done = 0;
            for (at, bytes) in into.pieces() {
                expected[at..at + bytes].copy_from_slice(&data[done..done + bytes]);
                done += bytes;
            }
            let (prp1, prp2) = into.prps(&mut controller, 0);
            let read = SubmissionEntry::read(64, blocks).with_prps(prp1, prp2);
            assert_eq!(controller.io(read), Status::SUCCESS);
            assert!(
                into.buffer.read(0, into.buffer.len()) == expected,
                "{blocks} blocks at {:#x}: data or the bytes around them",
                0xffc - offset
            );
            controller.forget_prp_lists();
        }
    }
}

/// Lists that begin anywhere in a page and so chain to a second one, 128 KiB with offsets.
pub fn lists_chain(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let blocks = (128 << 10) / rig.device.block_bytes;
    let list_offsets = [0, 8, 0xef8, 0xf00, 0xf08, 0xf80, 0xfe8, 0xff0, 0xff8];
    for (number, list_offset) in list_offsets.into_iter().enumerate() {
        for offset in [0, 0x404] {
            let seed = number as u64 * 2 + 1000 + u64::from(offset > 0);
            let data = pattern(seed, 128 << 10);
            let from = Scattered::new(&mut controller, offset, 128 << 10, seed);
            from.fill(&data);
            let (prp1, prp2) = from.prps(&mut controller, list_offset);
            let write = SubmissionEntry::write(0, blocks).with_prps(prp1, prp2);
            assert_eq!(
                controller.io(write),
                Status::SUCCESS,
                "list at {list_offset:#x}"
            );
            assert!(rig.medium(0, blocks) == data, "list at {list_offset:#x}");
            let into = Scattered::new(&mut controller, offset, 128 << 10, !seed);
            let (prp1, prp2) = into.prps(&mut controller, list_offset);
            let read = SubmissionEntry::read(0, blocks).with_prps(prp1, prp2);
            let compare = SubmissionEntry::compare(0, blocks).with_prps(prp1, prp2);
            assert_eq!(controller.statuses(1, &[read]), [Status::SUCCESS]);
            assert!(into.read() == data, "list at {list_offset:#x}");
            assert_eq!(controller.io(compare), Status::SUCCESS);
            controller.forget_prp_lists();
        }
    }
}

/// PRP2 is not looked at when PRP1's page takes all, whatever stands there.
pub fn second_entry_may_be_anything_when_unused(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let buffer = controller.buffer(4096);
    for prp2 in [1, 0xdead_beef_0000_0001, u64::MAX] {
        let read = SubmissionEntry::read(0, 1).with_prps(buffer.address, prp2);
        assert_eq!(controller.io(read), Status::SUCCESS);
    }
}

/// Misaligned entries, each in its place: Invalid Field, nothing transferred.
pub fn misaligned_entries(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let buffer = controller.buffer(64 << 10);
    buffer.fill(9);
    let before = (buffer.read(0, 64 << 10), rig.medium(0, 8));
    let page = |number: u64| buffer.address + 4096 * number;
    let mut cases: Vec<(u32, u64, u64)> = Vec::new();
    for low in [1, 2, 3, 0xfff] {
        cases.push((1, page(1) + low, 0));
        cases.push((2, page(1) + low, page(2)));
    }
    // PRP2 as the second page: no offset at all.
    for low in [1, 4, 8, 0x800, 0xffc] {
        cases.push((2, page(1), page(2) + low));
        cases.push((1, page(1) + 4, page(2) + low));
    }
    let good = [page(2), page(3), page(4)];
    // PRP2 as a list: a multiple of 8.
    let list = controller.prp_list(&good, 0);
    for low in [1, 2, 4] {
        cases.push((4, page(1), list + low));
    }
    // Also where good entries stand at that address.
    for low in [1, 2, 4] {
        let odd = controller.buffer(4096);
        for (index, entry) in good.iter().enumerate() {
            odd.write(low + 8 * index, &entry.to_le_bytes());
        }
        cases.push((4, page(1), odd.address + low as u64));
        controller.prp_lists.push(odd);
    }
    // Entries within a list.
    for bad in 0..good.len() {
        for low in [1, 4, 8, 0x800] {
            let mut entries = good;
            entries[bad] += low;
            cases.push((4, page(1), controller.prp_list(&entries, 0)));
            cases.push((4, page(1), controller.prp_list(&entries, 0xff0)));
        }
    }
    for (blocks, prp1, prp2) in cases {
        for command in [
            SubmissionEntry::read(0, blocks),
            SubmissionEntry::write(0, blocks),
            SubmissionEntry::compare(0, blocks),
        ] {
            let command = command.with_prps(prp1, prp2);
            assert_eq!(
                controller.io(command),
                INVALID_FIELD,
                "{blocks}: {prp1:#x}, {prp2:#x}"
            );
        }
        assert!(
            rig.medium(0, 8) == before.1,
            "{blocks}: {prp1:#x}, {prp2:#x}"
        );
    }
    // A Read may have moved pages in front of the bad entry; the guard pages it has not.
    assert!(buffer.read(0, 4096) == before.0[..4096]);
    assert!(buffer.read(5 * 4096, 11 * 4096) == before.0[5 * 4096..]);
}

/// A chain pointer stands in for no page: 512 entries that fit need none, and the entry behind the
/// last one is not looked at.
pub fn entries_behind_the_last_are_not_read(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let buffer = controller.buffer(16 << 10);
    // The list's last entry stands in the last slot of its page; the next page is not mapped.
    let pages = [1, 2, 3].map(|number| buffer.address + 4096 * number);
    let list = controller.prp_list(&pages, 0xfe8);
    let write = SubmissionEntry::write(0, 4).with_prps(buffer.address, list);
    assert_eq!(controller.io(write), Status::SUCCESS);
}
