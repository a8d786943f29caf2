//! Identify Controller (NVMe 1.1 §5.11).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::field::field_table;

/// Power State Descriptor, 32 bytes. Only the fields this project fills have names.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct PowerState {
    /// MP: maximum power in 10 mW.
    pub maximum_power_10_mw: u16,
    /// Bytes 03:02: byte 2 reserved, byte 3 bit 0 MXPS (scale of MP), bit 1 NOPS (non-operational).
    pub flags: u16,
    /// ENLAT: entry latency in µs.
    pub entry_latency_us: u32,
    /// EXLAT: exit latency in µs.
    pub exit_latency_us: u32,
    /// RRT, RRL, RWT, RWL.
    pub relative: [u8; 4],
    /// Reserved.
    pub reserved: [u8; 16],
}

/// Identify Controller data, 4,096 bytes.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct IdentifyController {
    /// VID, bytes 01:00.
    pub vendor_id: u16,
    /// SSVID, bytes 03:02.
    pub subsystem_vendor_id: u16,
    /// SN, bytes 23:04, ASCII padded with spaces.
    pub serial_number: [u8; 20],
    /// MN, bytes 63:24, ASCII padded with spaces.
    pub model_number: [u8; 40],
    /// FR, bytes 71:64, ASCII padded with spaces.
    pub firmware_revision: [u8; 8],
    /// RAB, byte 72: recommended arbitration burst, 2^n commands.
    pub recommended_arbitration_burst: u8,
    /// IEEE, bytes 75:73.
    pub ieee_oui: [u8; 3],
    /// CMIC, byte 76: bit 1 several controllers, bit 2 this is an SR-IOV virtual function.
    pub multi_path: u8,
    /// MDTS, byte 77: largest transfer, 2^n pages of CAP.MPSMIN; 0 is no limit.
    pub maximum_data_transfer: u8,
    /// CNTLID, bytes 79:78.
    pub controller_id: u16,
    /// Reserved, bytes 255:80.
    pub reserved_80: [u8; 176],
    /// OACS, bytes 257:256: optional admin commands.
    pub optional_admin_commands: u16,
    /// ACL, byte 258: abort command limit, 0's based.
    pub abort_command_limit: u8,
    /// AERL, byte 259: asynchronous event request limit, 0's based.
    pub async_event_request_limit: u8,
    /// FRMW, byte 260: bit 0 slot 1 is read only, bits 3:1 number of slots.
    pub firmware_updates: u8,
    /// LPA, byte 261: bit 0 SMART page a namespace.
    pub log_page_attributes: u8,
    /// ELPE, byte 262: error log entries, 0's based.
    pub error_log_entries: u8,
    /// NPSS, byte 263: power states, 0's based.
    pub power_states: u8,
    /// AVSCC, byte 264.
    pub admin_vendor_specific: u8,
    /// APSTA, byte 265.
    pub autonomous_power_states: u8,
    /// Reserved, bytes 511:266.
    pub reserved_266: [u8; 246],
    /// SQES, byte 512: required (3:0) and maximum (7:4) SQE size, 2^n bytes.
    pub submission_entry_sizes: u8,
    /// CQES, byte 513: required (3:0) and maximum (7:4) CQE size, 2^n bytes.
    pub completion_entry_sizes: u8,
    /// Reserved, bytes 515:514.
    pub reserved_514: [u8; 2],
    /// NN, bytes 519:516: number of namespaces.
    pub namespaces: u32,
    /// ONCS, bytes 521:520: bit 0 Compare.
    pub optional_nvm_commands: u16,
    /// FUSES, bytes 523:522: bit 0 Compare-and-Write.
    pub fused_operations: u16,
    /// FNA, byte 524.
    pub format_attributes: u8,
    /// VWC, byte 525: bit 0 volatile write cache present.
    pub volatile_write_cache: u8,
    /// AWUN, bytes 527:526: blocks written atomically in normal operation, 0's based.
    pub atomic_write_unit_normal: u16,
    /// AWUPF, bytes 529:528: blocks written atomically across power failure, 0's based.
    pub atomic_write_unit_power_fail: u16,
    /// NVSCC, byte 530.
    pub nvm_vendor_specific: u8,
    /// Reserved, byte 531.
    pub reserved_531: u8,
    /// ACWU, bytes 533:532: blocks a Compare-and-Write may have, 0's based.
    pub atomic_compare_and_write_unit: u16,
    /// Reserved, bytes 535:534.
    pub reserved_534: [u8; 2],
    /// SGLS, bytes 539:536: SGL support (none).
    pub sgl_support: u32,
    /// Reserved, bytes 703:540.
    pub reserved_540: [u8; 164],
    /// I/O command set attributes, bytes 2047:704 (reserved).
    pub reserved_704: [u8; 1344],
    /// PSD0–PSD31, bytes 3071:2048.
    pub power_state_descriptors: [PowerState; 32],
    /// Vendor specific, bytes 4095:3072.
    pub vendor_specific: [u8; 1024],
}

impl IdentifyController {
    /// CMIC bit 1: the subsystem may have several controllers.
    pub const MULTI_PATH_CONTROLLERS: u8 = 1 << 1;
    /// CMIC bit 2: the controller belongs to an SR-IOV virtual function.
    pub const MULTI_PATH_VIRTUAL_FUNCTION: u8 = 1 << 2;
    /// ONCS bit 4: the Save field of Set Features and the Select field of Get Features.
    pub const SUPPORTS_SAVE_AND_SELECT: u16 = 1 << 4;
    /// ONCS bit 0: Compare.
    pub const SUPPORTS_COMPARE: u16 = 1;
    /// FUSES bit 0: fused Compare-and-Write.
    pub const SUPPORTS_COMPARE_AND_WRITE: u16 = 1;
}

field_table! { PowerState, "Power State Descriptor":
    maximum_power_10_mw "MP" "Maximum Power (10 mW)" Number;
    flags "FLAGS" "Scale and Non-Operational State" Bits;
    entry_latency_us "ENLAT" "Entry Latency (µs)" Number;
    exit_latency_us "EXLAT" "Exit Latency (µs)" Number;
    relative[u8] "R" "Relative Throughput and Latency (RRT, RRL, RWT, RWL)" Number;
    reserved "-" "Reserved" Reserved;
}

field_table! { IdentifyController, "Identify Controller":
    vendor_id "VID" "PCI Vendor ID" Bits;
    subsystem_vendor_id "SSVID" "PCI Subsystem Vendor ID" Bits;
    serial_number "SN" "Serial Number" Text;
    model_number "MN" "Model Number" Text;
    firmware_revision "FR" "Firmware Revision" Text;
    recommended_arbitration_burst "RAB" "Recommended Arbitration Burst (2^n commands)" Number;
    ieee_oui "IEEE" "IEEE OUI Identifier" Bits;
    multi_path "CMIC" "Controller Multi-path I/O and Sharing Capabilities" Bits;
    maximum_data_transfer "MDTS" "Maximum Data Transfer Size (2^n pages)" Number;
    controller_id "CNTLID" "Controller ID" Number;
    reserved_80 "-" "Reserved" Reserved;
    optional_admin_commands "OACS" "Optional Admin Command Support" Bits;
    abort_command_limit "ACL" "Abort Command Limit (0's based)" Number;
    async_event_request_limit "AERL" "Asynchronous Event Request Limit (0's based)" Number;
    firmware_updates "FRMW" "Firmware Updates" Bits;
    log_page_attributes "LPA" "Log Page Attributes" Bits;
    error_log_entries "ELPE" "Error Log Page Entries (0's based)" Number;
    power_states "NPSS" "Number of Power States Support (0's based)" Number;
    admin_vendor_specific "AVSCC" "Admin Vendor Specific Command Configuration" Bits;
    autonomous_power_states "APSTA" "Autonomous Power State Transition Attributes" Bits;
    reserved_266 "-" "Reserved" Reserved;
    submission_entry_sizes "SQES" "Submission Queue Entry Size" Bits;
    completion_entry_sizes "CQES" "Completion Queue Entry Size" Bits;
    reserved_514 "-" "Reserved" Reserved;
    namespaces "NN" "Number of Namespaces" Number;
    optional_nvm_commands "ONCS" "Optional NVM Command Support" Bits;
    fused_operations "FUSES" "Fused Operation Support" Bits;
    format_attributes "FNA" "Format NVM Attributes" Bits;
    volatile_write_cache "VWC" "Volatile Write Cache" Bits;
    atomic_write_unit_normal "AWUN" "Atomic Write Unit Normal (blocks, 0's based)" Number;
    atomic_write_unit_power_fail "AWUPF" "Atomic Write Unit Power Fail (blocks, 0's based)" Number;
    nvm_vendor_specific "NVSCC" "NVM Vendor Specific Command Configuration" Bits;
    reserved_531 "-" "Reserved" Reserved;
    atomic_compare_and_write_unit "ACWU" "Atomic Compare & Write Unit (blocks, 0's based)" Number;
    reserved_534 "-" "Reserved" Reserved;
    sgl_support "SGLS" "SGL Support" Bits;
    reserved_540 "-" "Reserved" Reserved;
    reserved_704 "-" "I/O Command Set Attributes (reserved)" Reserved;
    power_state_descriptors[PowerState] "PSD" "Power State Descriptor" Structure(<PowerState as crate::field::DataStructure>::FIELDS);
    vendor_specific "VS" "Vendor Specific" Reserved;
}
