//! Identify Namespace (NVMe 1.1 §5.11).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::field::field_table;

/// LBA Format, 4 bytes.
#[derive(
    Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, PartialEq, Eq, Debug, Default,
)]
#[repr(C)]
pub struct LbaFormat {
    /// MS: metadata bytes a block.
    pub metadata_bytes: u16,
    /// LBADS: block size, 2^n bytes.
    pub data_size: u8,
    /// RP: relative performance, 0 best.
    pub relative_performance: u8,
}

/// Identify Namespace data, 4,096 bytes.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct IdentifyNamespace {
    /// NSZE, bytes 07:00: blocks.
    pub size_blocks: u64,
    /// NCAP, bytes 15:08.
    pub capacity_blocks: u64,
    /// NUSE, bytes 23:16.
    pub utilization_blocks: u64,
    /// NSFEAT, byte 24.
    pub features: u8,
    /// NLBAF, byte 25: LBA formats, 0's based.
    pub lba_formats: u8,
    /// FLBAS, byte 26: bits 3:0 format in use.
    pub formatted_lba_size: u8,
    /// MC, byte 27.
    pub metadata_capabilities: u8,
    /// DPC, byte 28.
    pub data_protection_capabilities: u8,
    /// DPS, byte 29.
    pub data_protection: u8,
    /// NMIC, byte 30: bit 0 the namespace may be shared by several controllers.
    pub multi_path: u8,
    /// RESCAP, byte 31: reservation capabilities (none).
    pub reservation_capabilities: u8,
    /// Reserved, bytes 119:32.
    pub reserved_32: [u8; 88],
    /// EUI64, bytes 127:120.
    pub eui64: [u8; 8],
    /// LBAF0–LBAF15, bytes 191:128.
    pub lba_format: [LbaFormat; 16],
    /// Reserved, bytes 383:192.
    pub reserved_192: [u8; 192],
    /// Vendor specific, bytes 4095:384.
    pub vendor_specific: [u8; 3712],
}

impl IdentifyNamespace {
    /// NMIC bit 0: shared between controllers.
    pub const MULTI_PATH_SHARED: u8 = 1;

    /// Bytes of a logical block in the format in use.
    pub fn block_bytes(&self) -> u64 {
        let format = self.lba_format[usize::from(self.formatted_lba_size & 0xf)];
        1u64.checked_shl(u32::from(format.data_size)).unwrap_or(0)
    }
}

field_table! { LbaFormat, "LBA Format":
    metadata_bytes "MS" "Metadata Size" Number;
    data_size "LBADS" "LBA Data Size (2^n bytes)" Number;
    relative_performance "RP" "Relative Performance" Bits;
}

field_table! { IdentifyNamespace, "Identify Namespace":
    size_blocks "NSZE" "Namespace Size (blocks)" Number;
    capacity_blocks "NCAP" "Namespace Capacity (blocks)" Number;
    utilization_blocks "NUSE" "Namespace Utilization (blocks)" Number;
    features "NSFEAT" "Namespace Features" Bits;
    lba_formats "NLBAF" "Number of LBA Formats (0's based)" Number;
    formatted_lba_size "FLBAS" "Formatted LBA Size" Bits;
    metadata_capabilities "MC" "Metadata Capabilities" Bits;
    data_protection_capabilities "DPC" "End-to-end Data Protection Capabilities" Bits;
    data_protection "DPS" "End-to-end Data Protection Type Settings" Bits;
    multi_path "NMIC" "Namespace Multi-path I/O and Sharing Capabilities" Bits;
    reservation_capabilities "RESCAP" "Reservation Capabilities" Bits;
    reserved_32 "-" "Reserved" Reserved;
    eui64 "EUI64" "IEEE Extended Unique Identifier" Bytes;
    lba_format[LbaFormat] "LBAF" "LBA Format Support" Structure(<LbaFormat as crate::field::DataStructure>::FIELDS);
    reserved_192 "-" "Reserved" Reserved;
    vendor_specific "VS" "Vendor Specific" Reserved;
}
