//! The submission queue entry (NVMe 1.1 §4.2) and the constructors of the commands this project sends.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::field::field_table;
use crate::opcode::{admin, nvm};
use crate::{NAMESPACE_ID, log_page::LogPageId};

/// Fused Operation, CDW0 bits 09:08 (§4.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Fuse {
    /// 00b: a normal command.
    Normal,
    /// 01b: the first command of a fused pair (the Compare).
    First,
    /// 10b: the second command of a fused pair (the Write).
    Second,
    /// 11b: reserved.
    Reserved,
}

/// A 64-byte submission queue entry (§4.2). Little-endian fields as they stand in memory.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct SubmissionEntry {
    /// CDW0: opcode 07:00, FUSE 09:08, PSDT 15:14, command identifier 31:16.
    pub cdw0: u32,
    /// Namespace identifier.
    pub namespace_id: u32,
    /// Reserved in 1.1.
    pub cdw2: u32,
    /// Reserved in 1.1.
    pub cdw3: u32,
    /// Metadata pointer.
    pub metadata_pointer: u64,
    /// PRP entry 1 (bytes 31:24).
    pub prp1: u64,
    /// PRP entry 2 (bytes 39:32).
    pub prp2: u64,
    /// Command specific.
    pub cdw10: u32,
    /// Command specific.
    pub cdw11: u32,
    /// Command specific.
    pub cdw12: u32,
    /// Command specific.
    pub cdw13: u32,
    /// Command specific.
    pub cdw14: u32,
    /// Command specific.
    pub cdw15: u32,
}

/// CDW12 bit 30 of Read and Write: Force Unit Access (§6.9, §6.14).
pub const CDW12_FORCE_UNIT_ACCESS: u32 = 1 << 30;
/// CDW12 bits 29:26 of Read, Write and Compare: Protection Information (must be 0 here).
pub const CDW12_PROTECTION_MASK: u32 = 0xf << 26;

/// CDW11 bit 0 of Create I/O SQ and CQ: Physically Contiguous (§5.3, §5.4).
pub const CREATE_CONTIGUOUS: u32 = 1;
/// CDW11 bit 1 of Create I/O CQ: Interrupts Enabled (§5.3).
pub const CREATE_INTERRUPTS_ENABLED: u32 = 1 << 1;
/// CDW11 bits 02:01 of Create I/O SQ: Queue Priority, of no effect under round robin (§5.4).
pub const CREATE_PRIORITY_MASK: u32 = 0b11 << 1;

impl SubmissionEntry {
    /// A command with this opcode and nothing else.
    pub const fn new(opcode: u8) -> Self {
        Self {
            cdw0: opcode as u32,
            namespace_id: 0,
            cdw2: 0,
            cdw3: 0,
            metadata_pointer: 0,
            prp1: 0,
            prp2: 0,
            cdw10: 0,
            cdw11: 0,
            cdw12: 0,
            cdw13: 0,
            cdw14: 0,
            cdw15: 0,
        }
    }

    /// Opcode, CDW0 07:00.
    pub const fn opcode(&self) -> u8 {
        self.cdw0 as u8
    }

    /// Fused operation, CDW0 09:08.
    pub const fn fuse(&self) -> Fuse {
        match (self.cdw0 >> 8) & 0b11 {
            0b00 => Fuse::Normal,
            0b01 => Fuse::First,
            0b10 => Fuse::Second,
            _ => Fuse::Reserved,
        }
    }

    /// PRP or SGL for Data Transfer, CDW0 15:14: 00b is PRP, all else is not supported here (§4.2).
    pub const fn data_pointer_type(&self) -> u8 {
        ((self.cdw0 >> 14) & 0b11) as u8
    }

    /// Command identifier, CDW0 31:16.
    pub const fn command_id(&self) -> u16 {
        (self.cdw0 >> 16) as u16
    }

    /// The same command under another identifier.
    #[must_use]
    pub const fn with_command_id(mut self, command_id: u16) -> Self {
        self.cdw0 = (self.cdw0 & 0xffff) | ((command_id as u32) << 16);
        self
    }

    /// The same command as half of a fused pair (or not).
    #[must_use]
    pub const fn with_fuse(mut self, fuse: Fuse) -> Self {
        let bits = match fuse {
            Fuse::Normal => 0b00,
            Fuse::First => 0b01,
            Fuse::Second => 0b10,
            Fuse::Reserved => 0b11,
        };
        self.cdw0 = (self.cdw0 & !0x300) | (bits << 8);
        self
    }

    /// The same command with these PRP entries.
    #[must_use]
    pub const fn with_prps(mut self, prp1: u64, prp2: u64) -> Self {
        self.prp1 = prp1;
        self.prp2 = prp2;
        self
    }

    /// Starting LBA of Read, Write and Compare: CDW11:CDW10.
    pub const fn starting_lba(&self) -> u64 {
        ((self.cdw11 as u64) << 32) | self.cdw10 as u64
    }

    /// Number of logical blocks, counted from 1 (the field is 0's based, CDW12 15:00).
    pub const fn block_count(&self) -> u32 {
        (self.cdw12 & 0xffff) + 1
    }

    const fn blocks(opcode: u8, starting_lba: u64, block_count: u32) -> Self {
        let mut command = Self::new(opcode);
        command.namespace_id = NAMESPACE_ID;
        command.cdw10 = starting_lba as u32;
        command.cdw11 = (starting_lba >> 32) as u32;
        command.cdw12 = (block_count - 1) & 0xffff;
        command
    }

    /// Queue identifier of Create and Delete I/O SQ and CQ, CDW10 15:00 (§5.3 to §5.6).
    pub const fn queue_id(&self) -> u16 {
        self.cdw10 as u16
    }

    /// Slots of Create I/O SQ and CQ, counted from 1 (the field is 0's based, CDW10 31:16; §5.3, §5.4).
    pub const fn queue_entries(&self) -> u32 {
        (self.cdw10 >> 16) + 1
    }

    /// Log page of Get Log Page, CDW10 07:00 (§5.10).
    pub const fn log_page_id(&self) -> LogPageId {
        LogPageId(self.cdw10 as u8)
    }

    /// Bytes that Get Log Page asks for, 4 to 16,384 (NUMD, CDW10 27:16, 0's based dwords; §5.10).
    pub const fn log_page_bytes(&self) -> u32 {
        (((self.cdw10 >> 16) & 0xfff) + 1) * 4
    }

    /// §6.9 Read of `block_count` (1 to 65,536) logical blocks.
    pub const fn read(starting_lba: u64, block_count: u32) -> Self {
        Self::blocks(nvm::READ, starting_lba, block_count)
    }

    /// §6.14 Write of `block_count` (1 to 65,536) logical blocks.
    pub const fn write(starting_lba: u64, block_count: u32) -> Self {
        Self::blocks(nvm::WRITE, starting_lba, block_count)
    }

    /// §6.6 Compare of `block_count` (1 to 65,536) logical blocks.
    pub const fn compare(starting_lba: u64, block_count: u32) -> Self {
        Self::blocks(nvm::COMPARE, starting_lba, block_count)
    }

    /// §6.8 Flush.
    pub const fn flush() -> Self {
        let mut command = Self::new(nvm::FLUSH);
        command.namespace_id = NAMESPACE_ID;
        command
    }

    /// §5.11 Identify; `cns` 0 namespace, 1 controller, 2 active namespace list.
    pub const fn identify(cns: u8, namespace_id: u32) -> Self {
        let mut command = Self::new(admin::IDENTIFY);
        command.namespace_id = namespace_id;
        command.cdw10 = cns as u32;
        command
    }

    /// §5.3 Create I/O Completion Queue, physically contiguous, of `entries` (2 to 65,536) slots.
    pub const fn create_completion_queue(
        queue_id: u16,
        entries: u32,
        address: u64,
        interrupt_vector: Option<u16>,
    ) -> Self {
        let mut command = Self::new(admin::CREATE_COMPLETION_QUEUE);
        command.prp1 = address;
        command.cdw10 = ((entries - 1) << 16) | queue_id as u32;
        command.cdw11 = match interrupt_vector {
            Some(vector) => ((vector as u32) << 16) | 0b11,
            None => 0b01,
        };
        command
    }

    /// §5.4 Create I/O Submission Queue, physically contiguous, of `entries` (2 to 65,536) slots.
    pub const fn create_submission_queue(
        queue_id: u16,
        entries: u32,
        address: u64,
        completion_queue_id: u16,
    ) -> Self {
        let mut command = Self::new(admin::CREATE_SUBMISSION_QUEUE);
        command.prp1 = address;
        command.cdw10 = ((entries - 1) << 16) | queue_id as u32;
        command.cdw11 = ((completion_queue_id as u32) << 16) | 0b001;
        command
    }

    /// §5.6 Delete I/O Submission Queue.
    pub const fn delete_submission_queue(queue_id: u16) -> Self {
        let mut command = Self::new(admin::DELETE_SUBMISSION_QUEUE);
        command.cdw10 = queue_id as u32;
        command
    }

    /// §5.5 Delete I/O Completion Queue.
    pub const fn delete_completion_queue(queue_id: u16) -> Self {
        let mut command = Self::new(admin::DELETE_COMPLETION_QUEUE);
        command.cdw10 = queue_id as u32;
        command
    }

    /// §5.1 Abort of command `command_id` of submission queue `queue_id`.
    pub const fn abort(queue_id: u16, command_id: u16) -> Self {
        let mut command = Self::new(admin::ABORT);
        command.cdw10 = ((command_id as u32) << 16) | queue_id as u32;
        command
    }

    /// §5.12 Set Features.
    pub const fn set_features(feature_id: u8, value: u32) -> Self {
        let mut command = Self::new(admin::SET_FEATURES);
        command.cdw10 = feature_id as u32;
        command.cdw11 = value;
        command
    }

    /// §5.9 Get Features (current value).
    pub const fn get_features(feature_id: u8) -> Self {
        let mut command = Self::new(admin::GET_FEATURES);
        command.cdw10 = feature_id as u32;
        command
    }

    /// §5.10 Get Log Page: `bytes` (a multiple of 4, at most 16 KiB) of page `id`.
    pub const fn get_log_page(id: LogPageId, bytes: u32) -> Self {
        let mut command = Self::new(admin::GET_LOG_PAGE);
        command.namespace_id = crate::ALL_NAMESPACES;
        command.cdw10 = (((bytes / 4) - 1) << 16) | id.0 as u32;
        command
    }

    /// §5.2 Asynchronous Event Request.
    pub const fn async_event_request() -> Self {
        Self::new(admin::ASYNC_EVENT_REQUEST)
    }
}

field_table! { SubmissionEntry, "Submission Queue Entry":
    cdw0 "CDW0" "Opcode, Fuse, PSDT, Command Identifier" Bits;
    namespace_id "NSID" "Namespace Identifier" Bits;
    cdw2 "-" "Reserved" Reserved;
    cdw3 "-" "Reserved" Reserved;
    metadata_pointer "MPTR" "Metadata Pointer" Bits;
    prp1 "PRP1" "PRP Entry 1" Bits;
    prp2 "PRP2" "PRP Entry 2" Bits;
    cdw10 "CDW10" "Command Dword 10" Bits;
    cdw11 "CDW11" "Command Dword 11" Bits;
    cdw12 "CDW12" "Command Dword 12" Bits;
    cdw13 "CDW13" "Command Dword 13" Bits;
    cdw14 "CDW14" "Command Dword 14" Bits;
    cdw15 "CDW15" "Command Dword 15" Bits;
}
