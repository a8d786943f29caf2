//! MSI-X programmed by hand: messages go to ordinary memory, where the test can count them.

use nvme_spec::msix::{self, TableEntry};
use pcie_host::Host;
use pcie_host::endpoint::FunctionId;
use zerocopy::IntoBytes;

use super::{Buffer, Controller};

const STATUS_AND_COMMAND: u16 = 0x04;
const CAPABILITIES_POINTER: u16 = 0x34;
const MSIX_CAPABILITY: u8 = 0x11;
/// Capabilities that fit between the header and the end of 256 bytes (PCI 3.0 §6.7).
const MOST_CAPABILITIES: usize = 48;
const MSIX_ENABLE: u32 = 1 << 15;
const MSIX_FUNCTION_MASK: u32 = 1 << 14;
/// Command register bit 2 (PCIe 2.1 §7.5.1.1).
const BUS_MASTER_ENABLE: u32 = 1 << 2;

/// A function's MSI-X, with every vector's message going to a word of one buffer.
pub struct MessageTable {
    words: Buffer,
    vectors: u16,
}

impl MessageTable {
    /// Programs and unmasks all vectors and enables MSI-X.
    pub fn program(controller: &mut Controller, vectors: u16) -> Self {
        let words = controller.ring(4096);
        let table = Self { words, vectors };
        for vector in 0..vectors {
            table.set_masked(controller, vector, false);
        }
        set_msix(&controller.host, controller.function, true, false);
        table
    }

    /// Masks or unmasks a vector in its table entry.
    pub fn set_masked(&self, controller: &mut Controller, vector: u16, masked: bool) {
        let entry = TableEntry {
            address: self.words.address + 4 * u64::from(vector),
            data: 0x5a00_0000 | u32::from(vector),
            control: u32::from(masked),
        };
        for (index, word) in entry.as_bytes().chunks(4).enumerate() {
            controller.raw_write(msix::entry_offset(vector) + 4 * index as u64, word);
        }
    }

    /// Takes a message: true when one has come since the last call.
    pub fn take(&self, vector: u16) -> bool {
        assert!(vector < self.vectors);
        let offset = 4 * usize::from(vector);
        match self.words.read_u32(offset) {
            0 => false,
            word => {
                assert_eq!(
                    word,
                    0x5a00_0000 | u32::from(vector),
                    "another vector's message"
                );
                self.words.write(offset, &[0; 4]);
                true
            }
        }
    }
}

/// Sets MSI-X Enable and Function Mask in configuration space.
pub fn set_msix(host: &Host, function: FunctionId, enabled: bool, masked: bool) {
    let read = |offset: u16, bytes: u8| {
        host.config_read(function, offset, bytes)
            .expect("a configuration read")
    };
    let mut offset = read(CAPABILITIES_POINTER, 1) as u16;
    // A function that is not there answers with all ones, which as a list has no end.
    for _ in 0..MOST_CAPABILITIES {
        if offset == 0 {
            break;
        }
        if read(offset, 1) == u32::from(MSIX_CAPABILITY) {
            let value =
                if enabled { MSIX_ENABLE } else { 0 } | if masked { MSIX_FUNCTION_MASK } else { 0 };
            host.config_write(function, offset + 2, 2, value)
                .expect("Message Control");
            return;
        }
        offset = read(offset + 1, 1) as u16;
    }
    panic!("{function} is not there, or has no MSI-X capability");
}

/// Sets or clears bus-master enable in configuration space.
pub fn set_bus_master(host: &Host, function: FunctionId, enabled: bool) {
    let command = host
        .config_read(function, STATUS_AND_COMMAND, 2)
        .expect("the command register");
    let value = if enabled {
        command | BUS_MASTER_ENABLE
    } else {
        command & !BUS_MASTER_ENABLE
    };
    host.config_write(function, STATUS_AND_COMMAND, 2, value)
        .expect("the command register");
}
