//! SMART / Health Information (NVMe 1.1 §5.10.1.2).

use bitfield_struct::bitfield;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::field::field_table;

/// Critical Warning, byte 0 of the health log.
#[bitfield(u8)]
#[derive(PartialEq, Eq)]
pub struct CriticalWarning {
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
    #[bits(3)]
    __: u8,
}

/// The SMART / Health Information log (512 bytes). Fields of two or more bytes are little-endian
/// byte arrays where the standard's offsets leave them unaligned.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct HealthLog {
    /// Critical Warning, byte 0: a [`CriticalWarning`].
    pub critical_warning: u8,
    /// Temperature, bytes 02:01, kelvin.
    pub temperature_kelvin: [u8; 2],
    /// Available Spare, byte 3, percent.
    pub available_spare_percent: u8,
    /// Available Spare Threshold, byte 4, percent.
    pub available_spare_threshold_percent: u8,
    /// Percentage Used, byte 5.
    pub percentage_used: u8,
    /// Reserved, bytes 31:06.
    pub reserved_6: [u8; 26],
    /// Data Units Read, bytes 47:32: thousands of 512-byte units, rounded up.
    pub data_units_read: [u8; 16],
    /// Data Units Written, bytes 63:48: thousands of 512-byte units, rounded up.
    pub data_units_written: [u8; 16],
    /// Host Read Commands, bytes 79:64.
    pub host_reads: [u8; 16],
    /// Host Write Commands, bytes 95:80.
    pub host_writes: [u8; 16],
    /// Controller Busy Time, bytes 111:96, minutes.
    pub busy_minutes: [u8; 16],
    /// Power Cycles, bytes 127:112.
    pub power_cycles: [u8; 16],
    /// Power On Hours, bytes 143:128.
    pub power_on_hours: [u8; 16],
    /// Unsafe Shutdowns, bytes 159:144.
    pub unsafe_shutdowns: [u8; 16],
    /// Media Errors, bytes 175:160.
    pub media_errors: [u8; 16],
    /// Number of Error Information Log Entries, bytes 191:176, over the controller's life.
    pub error_log_entries: [u8; 16],
    /// Reserved, bytes 511:192.
    pub reserved_192: [u8; 320],
}

impl HealthLog {
    /// Bytes of one Data Unit: 1,000 units of 512 bytes.
    pub const DATA_UNIT_BYTES: u64 = 512_000;
}

field_table! { HealthLog, "SMART / Health Information":
    critical_warning "CW" "Critical Warning" Bits;
    temperature_kelvin "TEMP" "Temperature (K)" Number;
    available_spare_percent "AVSP" "Available Spare (%)" Number;
    available_spare_threshold_percent "AVSPT" "Available Spare Threshold (%)" Number;
    percentage_used "PUSED" "Percentage Used" Number;
    reserved_6 "-" "Reserved" Reserved;
    data_units_read "DUR" "Data Units Read (512,000 B)" Number;
    data_units_written "DUW" "Data Units Written (512,000 B)" Number;
    host_reads "HRC" "Host Read Commands" Number;
    host_writes "HWC" "Host Write Commands" Number;
    busy_minutes "CBT" "Controller Busy Time (min)" Number;
    power_cycles "PC" "Power Cycles" Number;
    power_on_hours "POH" "Power On Hours" Number;
    unsafe_shutdowns "US" "Unsafe Shutdowns" Number;
    media_errors "ME" "Media Errors" Number;
    error_log_entries "NEILE" "Number of Error Information Log Entries" Number;
    reserved_192 "-" "Reserved" Reserved;
}
