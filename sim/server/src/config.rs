//! A function's configuration space as its client sees it.

use pcie_host::config::{
    COMMAND, DEVICE_CONTROL, MSIX_CONTROL, POWER_STATE, Registers, SRIOV, VF_OFFSET, VF_STRIDE,
    bits,
};
use pcie_host::endpoint::FunctionId;

/// Bytes of the region.
pub(crate) const CONFIG_BYTES: u64 = 4096;

/// Extended capability ID of SR-IOV.
const SRIOV_ID: u32 = 0x10;
/// Extended capability ID that vendors use as they like.
const VENDOR_SPECIFIC_ID: u32 = 0x0b;

/// What kind of function it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shape {
    pub(crate) function: FunctionId,
    pub(crate) vectors: u16,
    /// VFs that an SR-IOV capability shows; 0 is none.
    pub(crate) shown_vfs: u8,
}

/// The registers.
#[derive(Debug)]
pub(crate) struct ConfigSpace {
    shape: Shape,
    registers: Registers,
}

impl ConfigSpace {
    /// As after power-up.
    pub(crate) fn new(shape: Shape) -> Self {
        let mut registers = if shape.function == FunctionId::PF {
            Registers::physical(shape.shown_vfs, shape.vectors)
        } else {
            Registers::assigned_virtual_function(shape.vectors)
        };
        if shape.shown_vfs > 0 {
            // The VFs are functions of the same slot: their sockets are attached there.
            registers.set(VF_OFFSET, 2, 1);
            registers.set(VF_STRIDE, 2, 1);
            registers.set(SRIOV, 2, VENDOR_SPECIFIC_ID);
        }
        Self { shape, registers }
    }

    pub(crate) fn power_up(&mut self) {
        *self = Self::new(self.shape);
    }

    /// The client has reset the device, and sees SR-IOV from now on.
    pub(crate) fn reveal(&mut self) {
        if self.shape.shown_vfs > 0 {
            self.registers.set(SRIOV, 2, SRIOV_ID);
        }
    }

    /// Copies bytes out; the range is inside [`CONFIG_BYTES`].
    pub(crate) fn read(&self, offset: u64, into: &mut [u8]) {
        for (index, byte) in into.iter_mut().enumerate() {
            *byte = self.registers.read(offset as u16 + index as u16, 1) as u8;
        }
    }

    /// Writes bytes; true when they ask for a function level reset.
    pub(crate) fn write(&mut self, offset: u64, from: &[u8]) -> bool {
        let mut reset = false;
        for (index, &byte) in from.iter().enumerate() {
            let at = offset as u16 + index as u16;
            reset |= at == DEVICE_CONTROL + 1 && u32::from(byte) & (bits::INITIATE_RESET >> 8) != 0;
            self.registers.write(at, 1, byte.into());
        }
        reset
    }

    /// The function may send memory requests.
    pub(crate) fn bus_master(&self) -> bool {
        let awake = self.registers.read(POWER_STATE, 2) & bits::POWER_STATE_MASK == 0;
        awake && self.registers.read(COMMAND, 2) & bits::BUS_MASTER != 0
    }

    /// MSI-X Enable.
    pub(crate) fn msix_enabled(&self) -> bool {
        self.registers.read(MSIX_CONTROL, 2) & bits::MSIX_ENABLE != 0
    }
}
