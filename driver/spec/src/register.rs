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

/// CC.SHN: no shutdown asked for.
pub const SHUTDOWN_NOTIFY_NONE: u8 = 0b00;
/// CC.SHN: normal shutdown.
pub const SHUTDOWN_NOTIFY_NORMAL: u8 = 0b01;
/// CC.SHN: abrupt shutdown.
pub const SHUTDOWN_NOTIFY_ABRUPT: u8 = 0b10;
/// CSTS.SHST: no shutdown asked for.
pub const SHUTDOWN_STATUS_NONE: u8 = 0b00;
/// CSTS.SHST: shutdown goes on.
pub const SHUTDOWN_STATUS_OCCURRING: u8 = 0b01;
/// CSTS.SHST: shutdown complete.
pub const SHUTDOWN_STATUS_COMPLETE: u8 = 0b10;

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits `high:low` set, as the standard writes a field.
    fn bits(high: u32, low: u32) -> u64 {
        (u64::MAX >> (63 - high)) & (u64::MAX << low)
    }

    #[test]
    fn capabilities_stand_at_the_bits_of_section_3_1_1() {
        let at = |value: Capabilities| u64::from(value);
        let none = Capabilities::new();
        assert_eq!(at(none.with_maximum_queue_entries(u16::MAX)), bits(15, 0));
        assert_eq!(at(none.with_contiguous_queues_required(true)), bits(16, 16));
        assert_eq!(at(none.with_arbitration_mechanisms(0b11)), bits(18, 17));
        assert_eq!(at(none.with_timeout_500_ms(u8::MAX)), bits(31, 24));
        assert_eq!(at(none.with_doorbell_stride(0xf)), bits(35, 32));
        assert_eq!(at(none.with_subsystem_reset(true)), bits(36, 36));
        assert_eq!(at(none.with_command_sets(u8::MAX)), bits(44, 37));
        assert_eq!(at(none.with_page_size_minimum(0xf)), bits(51, 48));
        assert_eq!(at(none.with_page_size_maximum(0xf)), bits(55, 52));
    }

    #[test]
    fn configuration_stands_at_the_bits_of_section_3_1_5() {
        let at = |value: Configuration| u64::from(u32::from(value));
        let none = Configuration::new();
        assert_eq!(at(none.with_enable(true)), bits(0, 0));
        assert_eq!(at(none.with_command_set(0b111)), bits(6, 4));
        assert_eq!(at(none.with_page_size(0xf)), bits(10, 7));
        assert_eq!(at(none.with_arbitration(0b111)), bits(13, 11));
        assert_eq!(at(none.with_shutdown(0b11)), bits(15, 14));
        assert_eq!(at(none.with_submission_entry_size(0xf)), bits(19, 16));
        assert_eq!(at(none.with_completion_entry_size(0xf)), bits(23, 20));
    }

    #[test]
    fn status_stands_at_the_bits_of_section_3_1_6() {
        let at = |value: ControllerStatus| u64::from(u32::from(value));
        let none = ControllerStatus::new();
        assert_eq!(at(none.with_ready(true)), bits(0, 0));
        assert_eq!(at(none.with_fatal(true)), bits(1, 1));
        assert_eq!(at(none.with_shutdown(0b11)), bits(3, 2));
        assert_eq!(at(none.with_subsystem_reset_occurred(true)), bits(4, 4));
    }

    #[test]
    fn admin_queue_attributes_stand_at_the_bits_of_section_3_1_8() {
        let at = |value: AdminQueueAttributes| u64::from(u32::from(value));
        let none = AdminQueueAttributes::new();
        assert_eq!(at(none.with_submission_entries(0xfff)), bits(11, 0));
        assert_eq!(at(none.with_completion_entries(0xfff)), bits(27, 16));
    }

    #[test]
    fn registers_stand_at_the_offsets_of_section_3_1() {
        assert_eq!([CAP, VS, INTMS, INTMC], [0x00, 0x08, 0x0c, 0x10]);
        assert_eq!([CC, CSTS, NSSR], [0x14, 0x1c, 0x20]);
        assert_eq!([AQA, ASQ, ACQ, DOORBELLS], [0x24, 0x28, 0x30, 0x1000]);
    }
}
