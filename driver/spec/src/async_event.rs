//! Asynchronous events (NVMe 1.1 §5.2): CQE dword 0 of an Asynchronous Event Request.

use crate::log_page::LogPageId;

/// Type of event, dword 0 bits 02:00 (Figure 44).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum EventType {
    /// Error status.
    Error = 0,
    /// SMART / health status.
    Health = 1,
}

/// An event: type, information and the log page that tells more and clears it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AsyncEvent {
    /// Bits 02:00.
    pub event_type: EventType,
    /// Bits 15:08.
    pub information: u8,
    /// Bits 23:16.
    pub log_page: LogPageId,
}

impl AsyncEvent {
    /// Figure 45, 00h: a doorbell of a queue that does not exist was written.
    pub const INVALID_DOORBELL_REGISTER: Self = Self::error(0x00);
    /// Figure 45, 01h: a doorbell value out of range.
    pub const INVALID_DOORBELL_VALUE: Self = Self::error(0x01);
    /// Figure 45, 02h: diagnostic failure.
    pub const DIAGNOSTIC_FAILURE: Self = Self::error(0x02);
    /// Figure 45, 03h: persistent internal error.
    pub const PERSISTENT_INTERNAL_ERROR: Self = Self::error(0x03);
    /// Figure 45, 04h: transient internal error.
    pub const TRANSIENT_INTERNAL_ERROR: Self = Self::error(0x04);
    /// Figure 46, 01h: temperature above the threshold.
    pub const TEMPERATURE_THRESHOLD: Self = Self {
        event_type: EventType::Health,
        information: 0x01,
        log_page: LogPageId::HEALTH,
    };

    const fn error(information: u8) -> Self {
        Self {
            event_type: EventType::Error,
            information,
            log_page: LogPageId::ERROR_INFORMATION,
        }
    }

    /// CQE dword 0.
    pub const fn to_dword0(self) -> u32 {
        self.event_type as u32 | ((self.information as u32) << 8) | ((self.log_page.0 as u32) << 16)
    }
}
