//! What a device must be able to do before a store is put on it.

/// What the driver found out about a device's atomicity and caching.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceCapabilities {
    /// Identify Controller FUSES bit 0: Compare and Write as a fused operation (NVMe 1.1 §6.2).
    pub fused_compare_and_write: bool,
    /// ACWU in bytes: the atomic Compare-and-Write unit.
    pub acwu_bytes: u64,
    /// AWUN in bytes: the atomic write unit in normal operation.
    pub awun_bytes: u64,
    /// AWUPF in bytes: the atomic write unit across a power failure.
    pub awupf_bytes: u64,
    /// Feature 0Ah, Disable Normal: true when the host has given AWUN up.
    pub atomicity_disabled: bool,
    /// Identify Controller VWC bit 0: a volatile write cache is present.
    pub volatile_write_cache: bool,
    /// The driver sets FUA in every write of a pair.
    pub forced_unit_access: bool,
}
