//! Log pages (NVMe 1.1 §5.10.1).

mod counters;
mod error;
mod firmware;
mod health;

pub use counters::FunctionCounters;
pub use error::{ErrorLocation, ErrorLogEntry};
pub use firmware::FirmwareSlotLog;
pub use health::{CriticalWarning, HealthLog};

/// Log page identifier, CDW10 07:00 of Get Log Page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct LogPageId(pub u8);

impl LogPageId {
    /// §5.10.1.1 Error Information, 64 bytes an entry: [`ErrorLogEntry`].
    pub const ERROR_INFORMATION: Self = Self(0x01);
    /// §5.10.1.2 SMART / Health Information, 512 bytes: [`HealthLog`].
    pub const HEALTH: Self = Self(0x02);
    /// §5.10.1.3 Firmware Slot Information, 512 bytes: [`FirmwareSlotLog`].
    pub const FIRMWARE_SLOT: Self = Self(0x03);
    /// Vendor specific: [`FunctionCounters`] of every function, PF first.
    pub const COUNTERS: Self = Self(0xc0);
}
