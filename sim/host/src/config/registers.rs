//! One function's configuration space: bytes, and which bits software can write.

use nvme_spec::msix;

/// Bytes that are implemented; beyond them the space reads as zero.
const IMPLEMENTED: usize = 0x200;

/// Vendor ID and Device ID (PCI 3.0 §6.2.1).
pub const VENDOR: u16 = 0x00;
/// Command register.
pub const COMMAND: u16 = 0x04;
/// Base Address Register 0, 64 bits.
pub const BAR0: u16 = 0x10;
/// PCI Power Management capability: Control/Status.
pub const POWER_STATE: u16 = POWER_MANAGEMENT + 4;
/// PCI Express capability (PCIe 2.1 §7.8).
pub const PCI_EXPRESS: u16 = 0x70;
/// Device Capabilities.
const DEVICE_CAPABILITIES: u16 = PCI_EXPRESS + 0x04;
/// Device Control.
pub const DEVICE_CONTROL: u16 = PCI_EXPRESS + 0x08;
/// Device Status.
pub const DEVICE_STATUS: u16 = PCI_EXPRESS + 0x0a;
/// Link Control.
pub const LINK_CONTROL: u16 = PCI_EXPRESS + 0x10;
/// MSI-X Message Control (PCI 3.0 §6.8.2.3).
pub const MSIX_CONTROL: u16 = MSIX + 2;
/// ARI extended capability.
pub const ARI: u16 = 0x100;
/// SR-IOV extended capability of the PF (SR-IOV 1.1 §3.3).
pub const SRIOV: u16 = 0x140;
/// SR-IOV Control.
pub const SRIOV_CONTROL: u16 = SRIOV + 0x08;
/// TotalVFs; InitialVFs is the same, two bytes lower.
pub const TOTAL_VFS: u16 = SRIOV + 0x0e;
/// NumVFs.
pub const NUM_VFS: u16 = SRIOV + 0x10;
/// First VF Offset.
pub const VF_OFFSET: u16 = SRIOV + 0x14;
/// VF Stride.
pub const VF_STRIDE: u16 = SRIOV + 0x16;
/// VF Device ID.
pub const SRIOV_VF_DEVICE_ID: u16 = SRIOV + 0x1a;
/// VF BAR0, 64 bits.
pub const VF_BAR0: u16 = SRIOV + 0x24;

/// Vendor ID: Xilinx, whose hard block this is.
pub const VENDOR_ID: u16 = 0x10ee;
/// Device ID of the PF: the hard block's default for Gen2 x8.
pub const PF_DEVICE_ID: u16 = 0x7028;
/// Device ID of the VFs, as the SR-IOV capability says it.
pub const VF_DEVICE_ID: u16 = 0x7128;
/// Class code: mass storage, non-volatile memory, NVM Express (NVMe 1.1 §2.1.5).
pub const CLASS_CODE: u32 = 0x01_08_02;

const POWER_MANAGEMENT: u16 = 0x40;
const MSIX: u16 = 0xb0;

/// Bits of the registers above.
pub mod bits {
    /// Command: Memory Space Enable.
    pub const MEMORY_SPACE: u32 = 1 << 1;
    /// Command: Bus Master Enable.
    pub const BUS_MASTER: u32 = 1 << 2;
    /// Power Management Control/Status: PowerState, 0 is D0.
    pub const POWER_STATE_MASK: u32 = 3;
    /// Device Control after reset: relaxed ordering and no-snoop on, 512-byte reads.
    pub const DEVICE_CONTROL_DEFAULT: u32 = 2 << MAX_READ_REQUEST_SHIFT | 1 << 11 | 1 << 4;
    /// Device Control: Max_Payload_Size.
    pub const MAX_PAYLOAD_MASK: u32 = 7 << MAX_PAYLOAD_SHIFT;
    /// Its lowest bit; 0 is 128 bytes.
    pub const MAX_PAYLOAD_SHIFT: u32 = 5;
    /// Device Control: Max_Read_Request_Size.
    pub const MAX_READ_REQUEST_MASK: u32 = 7 << MAX_READ_REQUEST_SHIFT;
    /// Its lowest bit; 0 is 128 bytes.
    pub const MAX_READ_REQUEST_SHIFT: u32 = 12;
    /// Device Control: Initiate Function Level Reset; reads as zero.
    pub const INITIATE_RESET: u32 = 1 << 15;
    /// Device Status: Transactions Pending.
    pub const TRANSACTIONS_PENDING: u32 = 1 << 5;
    /// Link Control: Read Completion Boundary of 128 bytes.
    pub const BOUNDARY_128: u32 = 1 << 3;
    /// MSI-X Message Control: MSI-X Enable.
    pub const MSIX_ENABLE: u32 = 1 << 15;
    /// MSI-X Message Control: Function Mask.
    pub const MSIX_FUNCTION_MASK: u32 = 1 << 14;
    /// SR-IOV Control: VF Enable.
    pub const VF_ENABLE: u32 = 1 << 0;
    /// SR-IOV Control: VF MSE.
    pub const VF_MEMORY_SPACE: u32 = 1 << 3;
    /// SR-IOV Control: ARI Capable Hierarchy.
    pub const ARI_HIERARCHY: u32 = 1 << 4;
}

/// Max_Payload_Size and Max_Read_Request_Size as a register has them: 0 is 128 bytes, 5 is 4,096.
pub(super) const fn size_code(bytes: u32) -> u32 {
    bytes.trailing_zeros() - 7
}

/// One function's configuration registers; which bits software can write is part of them.
#[derive(Clone, Debug)]
pub struct Registers {
    bytes: [u8; IMPLEMENTED],
    writable: [u8; IMPLEMENTED],
}

impl Registers {
    /// The PF after power-up, with an SR-IOV capability if it has VFs.
    pub fn physical(total_vfs: u8, vectors: u16) -> Self {
        let mut registers = Self::common(vectors);
        registers.set(VENDOR, 2, VENDOR_ID.into());
        registers.set(VENDOR + 2, 2, PF_DEVICE_ID.into());
        registers.let_write(COMMAND, 2, bits::MEMORY_SPACE | bits::BUS_MASTER | 1 << 10);
        registers.memory_bar(BAR0);
        registers.set(0x2c, 2, VENDOR_ID.into());
        registers.set(0x2e, 2, PF_DEVICE_ID.into());
        // Max_Payload_Size, Max_Read_Request_Size, extended tags, ordering and error enables.
        registers.let_write(DEVICE_CONTROL, 2, 0x7fff);
        registers.let_write(LINK_CONTROL, 2, bits::BOUNDARY_128 | 0x3);
        if total_vfs > 0 {
            registers.single_root(total_vfs);
        }
        registers
    }

    /// A VF as a function of its own, as those see it to whom it was given alone: with vendor and
    /// device ID, a BAR0 and a memory enable, which a VF on the bus has in its PF.
    pub fn assigned_virtual_function(vectors: u16) -> Self {
        let mut registers = Self::physical(0, vectors);
        registers.set(VENDOR + 2, 2, VF_DEVICE_ID.into());
        registers.set(0x2e, 2, VF_DEVICE_ID.into());
        registers
    }

    /// A VF after it was enabled: vendor and device read as all ones, no BARs (SR-IOV 1.1 §3.4.1).
    pub(super) fn virtual_function(vectors: u16) -> Self {
        let mut registers = Self::common(vectors);
        registers.set(VENDOR, 4, 0xffff_ffff);
        registers.let_write(COMMAND, 2, bits::BUS_MASTER);
        registers.set(0x2c, 2, VENDOR_ID.into());
        registers.set(0x2e, 2, VF_DEVICE_ID.into());
        registers.set(DEVICE_CONTROL, 2, 0);
        registers
    }

    /// The function can send and receive payloads of this size, in bytes: one of PCIe's.
    pub(super) fn support_payloads_of(&mut self, bytes: u32) {
        let capabilities = self.read(DEVICE_CAPABILITIES, 4);
        let supported = (capabilities & 7).max(size_code(bytes));
        self.set(DEVICE_CAPABILITIES, 4, capabilities & !7 | supported);
    }

    /// The largest payload of the function, in bytes.
    pub(super) fn supported_payload_bytes(&self) -> u32 {
        128 << (self.read(DEVICE_CAPABILITIES, 4) & 7)
    }

    /// What all functions have: header, and the power management, PCIe, MSI-X, ARI capabilities.
    fn common(vectors: u16) -> Self {
        let mut registers = Self {
            bytes: [0; IMPLEMENTED],
            writable: [0; IMPLEMENTED],
        };
        registers.set(0x06, 2, 1 << 4); // Status: capabilities list
        registers.set(0x08, 4, CLASS_CODE << 8);
        registers.set(0x34, 1, POWER_MANAGEMENT.into());

        registers.set(
            POWER_MANAGEMENT,
            4,
            0x0003_0001 | u32::from(PCI_EXPRESS) << 8,
        );
        registers.set(POWER_STATE, 2, 1 << 3); // No_Soft_Reset
        registers.let_write(POWER_STATE, 2, bits::POWER_STATE_MASK);

        registers.set(PCI_EXPRESS, 4, 0x0002_0010 | u32::from(MSIX) << 8);
        // Device Capabilities: 512-byte payloads, role-based errors, function level reset.
        registers.set(DEVICE_CAPABILITIES, 4, 2 | 1 << 15 | 1 << 28);
        registers.set(DEVICE_CONTROL, 2, bits::DEVICE_CONTROL_DEFAULT);
        registers.set(PCI_EXPRESS + 0x0c, 4, 2 | 8 << 4); // Link Capabilities: 5 GT/s, x8
        registers.set(LINK_CONTROL + 2, 2, 2 | 8 << 4); // Link Status
        registers.set(PCI_EXPRESS + 0x2c, 4, 0x6); // Link Capabilities 2: 2.5 and 5 GT/s

        registers.set(MSIX, 2, 0x11);
        registers.set(MSIX_CONTROL, 2, u32::from(vectors.max(1) - 1) & 0x7ff);
        registers.let_write(
            MSIX_CONTROL,
            2,
            bits::MSIX_ENABLE | bits::MSIX_FUNCTION_MASK,
        );
        registers.set(MSIX + 4, 4, msix::TABLE_OFFSET as u32);
        registers.set(MSIX + 8, 4, msix::PENDING_OFFSET as u32);

        registers.set(ARI, 4, 0x0001_000e);
        registers
    }

    /// The SR-IOV capability of the PF.
    fn single_root(&mut self, total_vfs: u8) {
        self.set(ARI, 4, 0x0001_000e | u32::from(SRIOV) << 20);
        self.set(SRIOV, 4, 0x0001_0010);
        self.set(SRIOV + 0x04, 4, 1 << 1); // ARI Capable Hierarchy Preserved
        self.let_write(
            SRIOV_CONTROL,
            2,
            bits::VF_ENABLE | bits::VF_MEMORY_SPACE | bits::ARI_HIERARCHY,
        );
        self.set(SRIOV + 0x0c, 2, total_vfs.into()); // InitialVFs
        self.set(TOTAL_VFS, 2, total_vfs.into());
        self.let_write(NUM_VFS, 2, 0xffff);
        self.set(VF_OFFSET, 2, 64);
        self.set(VF_STRIDE, 2, 1);
        self.set(SRIOV_VF_DEVICE_ID, 2, VF_DEVICE_ID.into());
        self.set(SRIOV + 0x1c, 4, 0x553); // Supported Page Sizes: those that all devices have
        self.set(SRIOV + 0x20, 4, 1); // System Page Size: 4 KiB
        self.let_write(SRIOV + 0x20, 4, 0x553);
        self.memory_bar(VF_BAR0);
    }

    /// A 64-bit memory BAR of BAR0's size.
    fn memory_bar(&mut self, offset: u16) {
        self.set(offset, 4, 0b100);
        self.let_write(offset, 4, !(msix::BAR0_BYTES as u32 - 1));
        self.let_write(offset + 4, 4, 0xffff_ffff);
    }

    /// Reads 1 to 4 bytes; what is not implemented reads as zero.
    pub fn read(&self, offset: u16, bytes: u8) -> u32 {
        let byte = |index: u16| {
            self.bytes
                .get(usize::from(offset + index))
                .map_or(0, |&byte| u32::from(byte))
        };
        (0..u16::from(bytes)).fold(0, |value, index| value | byte(index) << (8 * index))
    }

    /// Writes the bits that can be written.
    pub fn write(&mut self, offset: u16, bytes: u8, value: u32) {
        for index in 0..usize::from(bytes) {
            let at = usize::from(offset) + index;
            if let (Some(byte), Some(mask)) = (self.bytes.get_mut(at), self.writable.get(at)) {
                *byte = *byte & !mask | (value >> (8 * index)) as u8 & mask;
            }
        }
    }

    /// Puts a value into 1 to 4 implemented bytes, whether software can write them or not.
    pub fn set(&mut self, offset: u16, bytes: usize, value: u32) {
        let offset = usize::from(offset);
        self.bytes[offset..offset + bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
    }

    fn let_write(&mut self, offset: u16, bytes: usize, mask: u32) {
        let offset = usize::from(offset);
        self.writable[offset..offset + bytes].copy_from_slice(&mask.to_le_bytes()[..bytes]);
    }
}
