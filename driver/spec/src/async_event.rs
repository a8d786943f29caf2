//! Asynchronous events (NVMe 1.1 §5.2): CQE dword 0 of an Asynchronous Event Request.

use crate::log_page::LogPageId;

/// Type of event, dword 0 bits 02:00 (§5.2.1).
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
    /// §5.2.1 error status 00h: a doorbell of a queue that does not exist was written.
    pub const INVALID_DOORBELL_REGISTER: Self = Self::error(0x00);
    /// §5.2.1 error status 01h: a doorbell value out of range.
    pub const INVALID_DOORBELL_VALUE: Self = Self::error(0x01);
    /// §5.2.1 error status 02h: diagnostic failure.
    pub const DIAGNOSTIC_FAILURE: Self = Self::error(0x02);
    /// §5.2.1 error status 03h: persistent internal error.
    pub const PERSISTENT_INTERNAL_ERROR: Self = Self::error(0x03);
    /// §5.2.1 error status 04h: transient internal error.
    pub const TRANSIENT_INTERNAL_ERROR: Self = Self::error(0x04);
    /// §5.2.1 health status 00h: device reliability is compromised.
    pub const RELIABILITY: Self = Self::health(0x00);
    /// §5.2.1 health status 01h: temperature above the threshold.
    pub const TEMPERATURE_THRESHOLD: Self = Self::health(0x01);
    /// §5.2.1 health status 02h: available spare below its threshold.
    pub const SPARE_THRESHOLD: Self = Self::health(0x02);

    const fn error(information: u8) -> Self {
        Self {
            event_type: EventType::Error,
            information,
            log_page: LogPageId::ERROR_INFORMATION,
        }
    }

    const fn health(information: u8) -> Self {
        Self {
            event_type: EventType::Health,
            information,
            log_page: LogPageId::HEALTH,
        }
    }

    /// CQE dword 0.
    pub const fn to_dword0(self) -> u32 {
        self.event_type as u32 | ((self.information as u32) << 8) | ((self.log_page.0 as u32) << 16)
    }

    /// The event in CQE dword 0; `None` for a type of event that this crate does not know.
    pub const fn from_dword0(dword0: u32) -> Option<Self> {
        let event_type = match dword0 & 0b111 {
            0 => EventType::Error,
            1 => EventType::Health,
            _ => return None,
        };
        Some(Self {
            event_type,
            information: (dword0 >> 8) as u8,
            log_page: LogPageId((dword0 >> 16) as u8),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dword0_holds_type_information_and_log_page() {
        assert_eq!(AsyncEvent::INVALID_DOORBELL_VALUE.to_dword0(), 0x0001_0100);
        assert_eq!(AsyncEvent::TEMPERATURE_THRESHOLD.to_dword0(), 0x0002_0101);
        assert_eq!(AsyncEvent::SPARE_THRESHOLD.to_dword0(), 0x0002_0201);
    }

    #[test]
    fn survives_a_round_trip() {
        for event in [
            AsyncEvent::INVALID_DOORBELL_REGISTER,
            AsyncEvent::PERSISTENT_INTERNAL_ERROR,
            AsyncEvent::RELIABILITY,
        ] {
            assert_eq!(AsyncEvent::from_dword0(event.to_dword0()), Some(event));
        }
        assert_eq!(AsyncEvent::from_dword0(0x0001_0007), None);
    }
}
