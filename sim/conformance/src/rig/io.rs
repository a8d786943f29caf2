//! Data commands: PRPs of a buffer, reads and writes of whole ranges, Identify.

use nvme_spec::identify::{self, IdentifyController, IdentifyNamespace};
use nvme_spec::log_page::{FunctionCounters, LogPageId};
use nvme_spec::prp::{self, Prp2};
use nvme_spec::{Fuse, NAMESPACE_ID, Status, SubmissionEntry};
use zerocopy::FromBytes;

use super::{Buffer, Controller};

impl Controller {
    /// PRP1 and PRP2 of `bytes` bytes at `offset` of a buffer; a list is made where one is needed
    /// and stays until the controller is dropped.
    pub fn prps(&mut self, buffer: &Buffer, offset: usize, bytes: usize) -> (u64, u64) {
        let prp1 = buffer.address + offset as u64;
        let second = (prp1 & !0xfff) + 0x1000;
        match prp::second_entry(prp1, bytes as u64) {
            Prp2::Unused => (prp1, 0),
            Prp2::DataPage => (prp1, second),
            Prp2::List { data_entries } => {
                let pages: Vec<u64> = (0..u64::from(data_entries))
                    .map(|page| second + page * 0x1000)
                    .collect();
                (prp1, self.prp_list(&pages, 0))
            }
        }
    }

    /// A PRP list of these entries that begins `offset` bytes into a page and chains where it must;
    /// its bus address.
    pub fn prp_list(&mut self, entries: &[u64], offset: u64) -> u64 {
        let pages = prp::list_pages(offset, entries.len() as u32).max(1);
        let buffer = self.buffer(pages as usize * 4096);
        let first = buffer.address + offset;
        let mut address = first;
        let mut rest = entries;
        while !rest.is_empty() {
            let segment = prp::list_segment(address, rest.len() as u32);
            let (now, later) = rest.split_at(segment.data_entries as usize);
            let at = (address - buffer.address) as usize;
            buffer.write_u64s(at, now);
            if segment.chained {
                let next = (address & !0xfff) + 0x1000;
                buffer.write_u64s(at + 8 * now.len(), &[next]);
                address = next;
            }
            rest = later;
        }
        self.prp_lists.push(buffer);
        first
    }

    /// Drops the PRP lists made so far; their commands must have ended.
    pub fn forget_prp_lists(&mut self) {
        self.prp_lists.clear();
    }

    fn with_buffer(
        &mut self,
        command: SubmissionEntry,
        buffer: &Buffer,
        offset: usize,
    ) -> SubmissionEntry {
        let bytes = command.block_count() as usize * self.block_bytes as usize;
        let (prp1, prp2) = self.prps(buffer, offset, bytes);
        command.with_prps(prp1, prp2)
    }

    /// A Read into a buffer.
    pub fn read(&mut self, lba: u64, blocks: u32, into: &Buffer) -> SubmissionEntry {
        self.with_buffer(SubmissionEntry::read(lba, blocks), into, 0)
    }

    /// A Write from a buffer.
    pub fn write(&mut self, lba: u64, blocks: u32, from: &Buffer) -> SubmissionEntry {
        self.with_buffer(SubmissionEntry::write(lba, blocks), from, 0)
    }

    /// A Compare with a buffer.
    pub fn compare(&mut self, lba: u64, blocks: u32, with: &Buffer) -> SubmissionEntry {
        self.with_buffer(SubmissionEntry::compare(lba, blocks), with, 0)
    }

    /// A Read, Write or Compare at an offset within a buffer.
    pub fn at_offset(
        &mut self,
        command: SubmissionEntry,
        buffer: &Buffer,
        offset: usize,
    ) -> SubmissionEntry {
        self.with_buffer(command, buffer, offset)
    }

    /// The two halves of a Compare-and-Write.
    pub fn pair(
        &mut self,
        lba: u64,
        blocks: u32,
        old: &Buffer,
        new: &Buffer,
    ) -> [SubmissionEntry; 2] {
        [
            self.compare(lba, blocks, old).with_fuse(Fuse::First),
            self.write(lba, blocks, new).with_fuse(Fuse::Second),
        ]
    }

    /// Writes bytes to the medium through I/O queue 1, in pieces of at most 32 blocks.
    pub fn store(&mut self, lba: u64, bytes: &[u8]) {
        let block_bytes = self.block_bytes as usize;
        let buffer = self.buffer(bytes.len());
        buffer.write(0, bytes);
        let mut done = 0;
        while done < bytes.len() {
            let blocks = ((bytes.len() - done) / block_bytes).min((128 << 10) / block_bytes);
            let command = SubmissionEntry::write(lba + (done / block_bytes) as u64, blocks as u32);
            let command = self.with_buffer(command, &buffer, done);
            assert_eq!(self.io(command), Status::SUCCESS);
            done += blocks * block_bytes;
        }
    }

    /// Identify Controller.
    pub fn identify(&mut self) -> IdentifyController {
        let bytes = self.identify_bytes(identify::CNS_CONTROLLER, 0);
        IdentifyController::read_from_bytes(&bytes).expect("4 KiB")
    }

    /// Identify Namespace.
    pub fn identify_namespace(&mut self) -> IdentifyNamespace {
        let bytes = self.identify_bytes(identify::CNS_NAMESPACE, NAMESPACE_ID);
        IdentifyNamespace::read_from_bytes(&bytes).expect("4 KiB")
    }

    /// The 4 KiB of an Identify.
    pub fn identify_bytes(&mut self, cns: u8, namespace_id: u32) -> Vec<u8> {
        let buffer = self.buffer(4096);
        self.admin_ok(SubmissionEntry::identify(cns, namespace_id).with_prps(buffer.address, 0));
        buffer.read(0, 4096)
    }

    /// A log page's first bytes.
    pub fn log_page(&mut self, id: LogPageId, bytes: u32) -> Vec<u8> {
        let buffer = self.buffer(bytes as usize);
        let (prp1, prp2) = self.prps(&buffer, 0, bytes as usize);
        self.admin_ok(SubmissionEntry::get_log_page(id, bytes).with_prps(prp1, prp2));
        buffer.read(0, bytes as usize)
    }

    /// This function's counters.
    pub fn counters(&mut self) -> FunctionCounters {
        let bytes = self.log_page(LogPageId::COUNTERS, size_of::<FunctionCounters>() as u32);
        FunctionCounters::read_from_bytes(&bytes).expect("64 bytes")
    }

    /// Blocks a fused pair may have (ACWU).
    pub fn fused_limit_blocks(&mut self) -> u32 {
        u32::from(self.identify().atomic_compare_and_write_unit) + 1
    }

    /// Bytes a command may move (MDTS; 4 KiB is CAP.MPSMIN here).
    pub fn transfer_limit_bytes(&mut self) -> u32 {
        4096 << self.identify().maximum_data_transfer
    }
}
