//! What a device must be able to do before a store is put on it.

use crate::error::Error;
use crate::page_store::PageStore;

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

impl DeviceCapabilities {
    /// A device whose Compare-and-Write of `bytes` bytes is atomic in every way.
    pub fn atomic(bytes: u32) -> Self {
        let bytes = u64::from(bytes);
        Self {
            fused_compare_and_write: true,
            acwu_bytes: bytes,
            awun_bytes: bytes,
            awupf_bytes: bytes,
            atomicity_disabled: false,
            volatile_write_cache: false,
            forced_unit_access: true,
        }
    }
}

/// Refuses a device on which pages of `page_bytes` are not safe.
pub(crate) fn accept<P: PageStore>(store: &P, page_bytes: u32) -> Result<(), Error> {
    let unfit = |field, value: String, needed: String| Error::UnfitDevice {
        device: store.name().to_owned(),
        field,
        value,
        needed,
    };
    let geometry = store.geometry();
    if geometry.block_bytes == 0 || !page_bytes.is_multiple_of(geometry.block_bytes) {
        return Err(unfit(
            "the logical block size",
            geometry.block_bytes.to_string(),
            format!("a size that divides a page of {page_bytes} bytes"),
        ));
    }
    let found = store.capabilities();
    if !found.fused_compare_and_write {
        let needed = "1 (the fused Compare and Write)".to_owned();
        return Err(unfit("FUSES bit 0", "0".to_owned(), needed));
    }
    let units = [
        (
            "ACWU",
            found
                .acwu_bytes
                .min(geometry.compare_and_write_bytes.into()),
        ),
        ("AWUN", found.awun_bytes),
        ("AWUPF", found.awupf_bytes),
    ];
    for (field, bytes) in units {
        if bytes < u64::from(page_bytes) {
            let needed = format!("at least a page, {page_bytes} bytes");
            return Err(unfit(field, format!("{bytes} bytes"), needed));
        }
    }
    if found.atomicity_disabled {
        let needed = "0 (write atomicity in normal operation)".to_owned();
        return Err(unfit("DN of feature 0Ah", "1".to_owned(), needed));
    }
    if found.volatile_write_cache && !found.forced_unit_access {
        let needed = "0, or FUA in every write".to_owned();
        return Err(unfit(
            "VWC bit 0 (volatile write cache)",
            "1".to_owned(),
            needed,
        ));
    }
    Ok(())
}
