//! Feature identifiers and the fields of their values (NVMe 1.1 §5.12.1).

use bitfield_struct::bitfield;

/// 01h Arbitration (§5.12.1.1).
pub const ARBITRATION: u8 = 0x01;
/// 02h Power Management (§5.12.1.2).
pub const POWER_MANAGEMENT: u8 = 0x02;
/// 04h Temperature Threshold (§5.12.1.4).
pub const TEMPERATURE_THRESHOLD: u8 = 0x04;
/// 05h Error Recovery (§5.12.1.5).
pub const ERROR_RECOVERY: u8 = 0x05;
/// 06h Volatile Write Cache (§5.12.1.6); only where Identify's VWC says there is one.
pub const VOLATILE_WRITE_CACHE: u8 = 0x06;
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

/// The features that are mandatory in 1.1 (§5.12.1), in order.
pub const MANDATORY: [u8; 9] = [
    ARBITRATION,
    POWER_MANAGEMENT,
    TEMPERATURE_THRESHOLD,
    ERROR_RECOVERY,
    NUMBER_OF_QUEUES,
    INTERRUPT_COALESCING,
    INTERRUPT_VECTOR_CONFIGURATION,
    WRITE_ATOMICITY,
    ASYNC_EVENT_CONFIGURATION,
];

/// CDW10 bit 31 of Set Features: Save (§5.12).
pub const SET_SAVE: u32 = 1 << 31;
/// CDW10 bits 10:08 of Get Features: Select (§5.9); supported where ONCS bit 4 says so.
pub const GET_SELECT_MASK: u32 = 0b111 << 8;
/// Write Atomicity bit 0, Disable Normal: AWUN does not hold, only AWUPF.
pub const WRITE_ATOMICITY_DISABLE_NORMAL: u32 = 1;
/// Interrupt Vector Configuration bit 16, Coalescing Disable.
pub const VECTOR_COALESCING_DISABLE: u32 = 1 << 16;

/// Value of [`ARBITRATION`] (§5.12.1.1).
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct Arbitration {
    /// AB: commands a queue may have launched at a time, 2^n; 7 is no limit.
    #[bits(3)]
    pub burst: u8,
    #[bits(5)]
    __: u8,
    /// LPW: low priority weight, 0's based.
    pub low_weight: u8,
    /// MPW: medium priority weight, 0's based.
    pub medium_weight: u8,
    /// HPW: high priority weight, 0's based.
    pub high_weight: u8,
}

/// Value of [`POWER_MANAGEMENT`] (§5.12.1.2).
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct PowerManagement {
    /// PS: power state.
    #[bits(5)]
    pub power_state: u8,
    #[bits(27)]
    __: u32,
}

/// Value of [`TEMPERATURE_THRESHOLD`] (§5.12.1.4).
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct TemperatureThreshold {
    /// TMPTH: kelvin.
    pub threshold_kelvin: u16,
    __: u16,
}

/// Value of [`ERROR_RECOVERY`] (§5.12.1.5).
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct ErrorRecovery {
    /// TLER: retry time limit in 100 ms; 0 is no limit.
    pub time_limit_100_ms: u16,
    __: u16,
}

/// Value of [`NUMBER_OF_QUEUES`] (§5.12.1.7): CDW11 of Set Features asks, dword 0 of the completion
/// grants. Both counts are 0's based; FFFFh may not be asked for.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct NumberOfQueues {
    /// NSQR / NSQA: I/O submission queues, 0's based.
    pub submission_queues: u16,
    /// NCQR / NCQA: I/O completion queues, 0's based.
    pub completion_queues: u16,
}

/// Value of [`INTERRUPT_COALESCING`] (§5.12.1.8).
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct InterruptCoalescing {
    /// THR: completions before an interrupt, 0's based.
    pub threshold: u8,
    /// TIME: longest delay in 100 µs; 0 is none.
    pub time_100_us: u8,
    __: u16,
}

/// Value of [`INTERRUPT_VECTOR_CONFIGURATION`] (§5.12.1.9).
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct InterruptVectorConfiguration {
    /// IV: which vector.
    pub vector: u16,
    /// CD: coalescing does not apply to it.
    pub coalescing_disable: bool,
    #[bits(15)]
    __: u16,
}

/// Value of [`WRITE_ATOMICITY`] (§5.12.1.10).
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct WriteAtomicity {
    /// DN: AWUN does not hold, only AWUPF.
    pub disable_normal: bool,
    #[bits(31)]
    __: u32,
}

/// Value of [`ASYNC_EVENT_CONFIGURATION`] (§5.12.1.11): which critical warnings of the health log
/// raise an event. 1.1 reserves bits 31:08.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct AsyncEventConfiguration {
    /// Bit 0: available spare below its threshold.
    pub spare: bool,
    /// Bit 1: temperature above its threshold.
    pub temperature: bool,
    /// Bit 2: reliability degraded.
    pub reliability: bool,
    /// Bit 3: media read only.
    pub read_only: bool,
    /// Bit 4: volatile memory backup failed.
    pub backup: bool,
    #[bits(27)]
    __: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_at_the_bits_the_standard_gives() {
        assert_eq!(u32::from(Arbitration::new().with_burst(0b111)), 0x7);
        assert_eq!(u32::from(Arbitration::new().with_low_weight(0xff)), 0xff00);
        assert_eq!(
            u32::from(Arbitration::new().with_medium_weight(0xff)),
            0xff_0000
        );
        assert_eq!(
            u32::from(Arbitration::new().with_high_weight(0xff)),
            0xff00_0000
        );
        assert_eq!(u32::from(PowerManagement::new().with_power_state(31)), 0x1f);
        assert_eq!(
            u32::from(TemperatureThreshold::new().with_threshold_kelvin(0xffff)),
            0xffff
        );
        assert_eq!(
            u32::from(ErrorRecovery::new().with_time_limit_100_ms(0xffff)),
            0xffff
        );
        assert_eq!(
            u32::from(
                NumberOfQueues::new()
                    .with_submission_queues(3)
                    .with_completion_queues(5)
            ),
            0x0005_0003
        );
        assert_eq!(
            u32::from(
                InterruptCoalescing::new()
                    .with_threshold(2)
                    .with_time_100_us(7)
            ),
            0x0702
        );
        assert_eq!(
            u32::from(InterruptVectorConfiguration::new().with_vector(4)),
            4
        );
        assert_eq!(
            u32::from(InterruptVectorConfiguration::new().with_coalescing_disable(true)),
            VECTOR_COALESCING_DISABLE
        );
        assert_eq!(
            u32::from(WriteAtomicity::new().with_disable_normal(true)),
            WRITE_ATOMICITY_DISABLE_NORMAL
        );
        let one_by_one = [
            AsyncEventConfiguration::new().with_spare(true),
            AsyncEventConfiguration::new().with_temperature(true),
            AsyncEventConfiguration::new().with_reliability(true),
            AsyncEventConfiguration::new().with_read_only(true),
            AsyncEventConfiguration::new().with_backup(true),
        ];
        for (bit, value) in one_by_one.into_iter().enumerate() {
            assert_eq!(u32::from(value), 1 << bit);
        }
    }
}
