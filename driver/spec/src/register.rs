//! Controller registers (NVMe 1.1 §3.1): offsets within BAR0 and their fields.

use bitfield_struct::bitfield;

/// Controller Capabilities, 64 bit, read only (§3.1.1).
pub const CAP: u64 = 0x00;
/// Version (§3.1.2).
pub const VS: u64 = 0x08;
/// Interrupt Mask Set (§3.1.3).
pub const INTMS: u64 = 0x0c;
/// Interrupt Mask Clear (§3.1.4).
pub const INTMC: u64 = 0x10;
/// Controller Configuration (§3.1.5).
pub const CC: u64 = 0x14;
/// Controller Status (§3.1.6).
pub const CSTS: u64 = 0x1c;
/// NVM Subsystem Reset (§3.1.7); not supported (CAP.NSSRS = 0).
pub const NSSR: u64 = 0x20;
/// Admin Queue Attributes (§3.1.8).
pub const AQA: u64 = 0x24;
/// Admin Submission Queue Base Address, 64 bit (§3.1.9).
pub const ASQ: u64 = 0x28;
/// Admin Completion Queue Base Address, 64 bit (§3.1.10).
pub const ACQ: u64 = 0x30;
/// First doorbell (§3.1.11).
pub const DOORBELLS: u64 = 0x1000;

/// The value of VS for 1.1.
pub const VERSION_1_1: u32 = 0x0001_0100;

/// CAP (§3.1.1).
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct Capabilities {
    /// MQES: maximum queue entries, 0's based.
    pub maximum_queue_entries: u16,
    /// CQR: queues must be physically contiguous.
    pub contiguous_queues_required: bool,
    /// AMS: arbitration mechanisms beside round robin.
    #[bits(2)]
    pub arbitration_mechanisms: u8,
    #[bits(5)]
    __: u8,
    /// TO: worst-case time to CSTS.RDY, in 500 ms.
    pub timeout_500_ms: u8,
    /// DSTRD: doorbell stride, 4 << n bytes.
    #[bits(4)]
    pub doorbell_stride: u8,
    /// NSSRS: NVM subsystem reset supported.
    pub subsystem_reset: bool,
    /// CSS: command sets supported; bit 0 is NVM.
    pub command_sets: u8,
    #[bits(3)]
    __: u8,
    /// MPSMIN: smallest page, 4096 << n bytes.
    #[bits(4)]
    pub page_size_minimum: u8,
    /// MPSMAX: largest page, 4096 << n bytes.
    #[bits(4)]
    pub page_size_maximum: u8,
    __: u8,
}

/// CC (§3.1.5).
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct Configuration {
    /// EN.
    pub enable: bool,
    #[bits(3)]
    __: u8,
    /// CSS: selected command set.
    #[bits(3)]
    pub command_set: u8,
    /// MPS: page size, 4096 << n bytes.
    #[bits(4)]
    pub page_size: u8,
    /// AMS: selected arbitration.
    #[bits(3)]
    pub arbitration: u8,
    /// SHN: shutdown notification, 1 normal, 2 abrupt.
    #[bits(2)]
    pub shutdown: u8,
    /// IOSQES: SQE size, 2^n bytes (6 for I/O).
    #[bits(4)]
    pub submission_entry_size: u8,
    /// IOCQES: CQE size, 2^n bytes (4 for I/O).
    #[bits(4)]
    pub completion_entry_size: u8,
    __: u8,
}

/// CSTS (§3.1.6).
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct ControllerStatus {
    /// RDY.
    pub ready: bool,
    /// CFS: controller fatal status.
    pub fatal: bool,
    /// SHST: shutdown, 0 none, 1 occurring, 2 complete.
    #[bits(2)]
    pub shutdown: u8,
    /// NSSRO.
    pub subsystem_reset_occurred: bool,
    #[bits(27)]
    __: u32,
}

/// AQA (§3.1.8).
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct AdminQueueAttributes {
    /// ASQS: entries of the admin submission queue, 0's based.
    #[bits(12)]
    pub submission_entries: u16,
    #[bits(4)]
    __: u8,
    /// ACQS: entries of the admin completion queue, 0's based.
    #[bits(12)]
    pub completion_entries: u16,
    #[bits(4)]
    __: u8,
}
