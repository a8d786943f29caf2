//! Feature identifiers and fields (NVMe 1.1 §5.12.1).

/// 01h Arbitration (§5.12.1.1).
pub const ARBITRATION: u8 = 0x01;
/// 02h Power Management (§5.12.1.2).
pub const POWER_MANAGEMENT: u8 = 0x02;
/// 04h Temperature Threshold (§5.12.1.4).
pub const TEMPERATURE_THRESHOLD: u8 = 0x04;
/// 05h Error Recovery (§5.12.1.5).
pub const ERROR_RECOVERY: u8 = 0x05;
/// 07h Number of Queues (§5.12.1.7).
pub const NUMBER_OF_QUEUES: u8 = 0x07;
/// 08h Interrupt Coalescing (§5.12.1.8).
pub const INTERRUPT_COALESCING: u8 = 0x08;
/// 09h Interrupt Vector Configuration (§5.12.1.9).
pub const INTERRUPT_VECTOR_CONFIGURATION: u8 = 0x09;
/// 0Ah Write Atomicity (§5.12.1.10).
pub const WRITE_ATOMICITY: u8 = 0x0a;
/// 0Bh Asynchronous Event Configuration (§5.12.1.11).
pub const ASYNC_EVENT_CONFIGURATION: u8 = 0x0b;

/// CDW10 bit 31 of Set Features: Save (§5.12).
pub const SET_SAVE: u32 = 1 << 31;
/// Write Atomicity bit 0, Disable Normal: AWUN does not hold, only AWUPF.
pub const WRITE_ATOMICITY_DISABLE_NORMAL: u32 = 1;
/// Interrupt Vector Configuration bit 16, Coalescing Disable.
pub const VECTOR_COALESCING_DISABLE: u32 = 1 << 16;
