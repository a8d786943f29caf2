//! The few words of PCI configuration space that a driver has to look at or set.

/// Offset of the Command register.
pub const COMMAND: u64 = 0x04;
/// Offset of the revision (byte 0) and the class code (bytes 1 to 3).
pub const REVISION_AND_CLASS: u64 = 0x08;
/// Command: the function answers memory accesses.
pub const COMMAND_MEMORY: u16 = 1 << 1;
/// Command: the function may send memory requests, DMA and MSI-X messages alike.
pub const COMMAND_BUS_MASTER: u16 = 1 << 2;
/// Mass storage, non-volatile memory, NVMe (PCI Code and ID Assignment, class 01h, 08h, 02h).
pub const CLASS_NVME: u32 = 0x01_08_02;

/// The class code in the dword at [`REVISION_AND_CLASS`].
#[must_use]
pub const fn class_code(dword: u32) -> u32 {
    dword >> 8
}

/// Says that a device of this class code is no NVMe controller; `None` if it is one.
#[must_use]
pub fn not_nvme(class_code: u32) -> Option<String> {
    (class_code != CLASS_NVME).then(|| {
        format!("not an NVMe controller: its class code is {class_code:06x}h, expected {CLASS_NVME:06x}h")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_code_is_above_the_revision() {
        assert_eq!(class_code(0x0108_0203), CLASS_NVME);
        assert_eq!(not_nvme(CLASS_NVME), None);
        let text = not_nvme(0x02_0000).expect("a network card");
        assert!(
            text.contains("020000h") && text.contains("010802h"),
            "{text}"
        );
    }
}
