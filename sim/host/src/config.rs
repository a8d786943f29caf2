//! Configuration space of the device's functions: the hard block's registers, and what they mean.

mod registers;

use crate::endpoint::{FunctionId, LinkSettings};
use crate::options::HostOptions;

use registers::size_code;
pub use registers::{
    ARI, BAR0, CLASS_CODE, COMMAND, DEVICE_CONTROL, DEVICE_STATUS, LINK_CONTROL, MSIX_CONTROL,
    NUM_VFS, PCI_EXPRESS, PF_DEVICE_ID, POWER_STATE, Registers, SRIOV, SRIOV_CONTROL,
    SRIOV_VF_DEVICE_ID, TOTAL_VFS, VENDOR, VENDOR_ID, VF_BAR0, VF_DEVICE_ID, VF_OFFSET, VF_STRIDE,
    bits,
};

/// What the registers say about one function.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct FunctionState {
    pub(crate) exists: bool,
    /// Register accesses reach the endpoint.
    pub(crate) memory: bool,
    pub(crate) bus_master: bool,
    pub(crate) msix_enabled: bool,
    pub(crate) msix_masked: bool,
}

/// What one configuration write asks for beside what it changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Written {
    /// Nothing more.
    Registers,
    /// Initiate Function Level Reset was written as 1.
    FunctionReset,
}

/// Registers of one function that its owner restores after a reset, in the order of writing.
#[derive(Clone, Default, Debug)]
pub(crate) struct Saved(Vec<(u16, u8, u32)>);

impl Saved {
    pub(crate) fn writes(&self) -> impl Iterator<Item = (u16, u8, u32)> + '_ {
        self.0.iter().copied()
    }
}

/// All functions' registers.
pub(crate) struct ConfigSpace {
    functions: Vec<Registers>,
    vectors: u16,
    total_vfs: u8,
    completion_space: (u32, u32),
    max_payload_bytes: u32,
}

impl ConfigSpace {
    /// As firmware leaves it: link parameters programmed, nothing enabled.
    pub(crate) fn new(options: &HostOptions, total_vfs: u8, vectors: u16) -> Self {
        let mut config = Self {
            functions: Vec::new(),
            vectors,
            total_vfs,
            completion_space: (
                options.completion_space_bytes,
                options.completion_space_headers,
            ),
            max_payload_bytes: options.max_payload_bytes,
        };
        config.power_up(options);
        config
    }

    /// Everything as after power-up and firmware.
    pub(crate) fn power_up(&mut self, options: &HostOptions) {
        self.functions = std::iter::once(self.physical())
            .chain((0..self.total_vfs).map(|_| Registers::virtual_function(self.vectors)))
            .collect();
        let control = bits::DEVICE_CONTROL_DEFAULT
            & !(bits::MAX_PAYLOAD_MASK | bits::MAX_READ_REQUEST_MASK)
            | size_code(options.max_payload_bytes) << bits::MAX_PAYLOAD_SHIFT
            | size_code(options.max_read_request_bytes) << bits::MAX_READ_REQUEST_SHIFT;
        let wide = options.link_settings().read_completion_boundary_bytes == 128;
        let physical = &mut self.functions[0];
        physical.write(DEVICE_CONTROL, 2, control);
        physical.write(LINK_CONTROL, 2, if wide { bits::BOUNDARY_128 } else { 0 });
    }

    /// The PF after power-up: its block takes what the link is built for.
    fn physical(&self) -> Registers {
        let mut registers = Registers::physical(self.total_vfs, self.vectors);
        registers.support_payloads_of(self.max_payload_bytes);
        registers
    }

    /// VFs that exist now.
    pub(crate) fn enabled_vfs(&self) -> u8 {
        let physical = &self.functions[0];
        if physical.read(SRIOV_CONTROL, 2) & bits::VF_ENABLE == 0 {
            return 0;
        }
        physical.read(NUM_VFS, 2).min(self.total_vfs.into()) as u8
    }

    pub(crate) fn exists(&self, function: FunctionId) -> bool {
        function.0 <= self.enabled_vfs()
    }

    /// What the hard block tells the user logic about the link.
    pub(crate) fn link(&self) -> LinkSettings {
        let control = self.functions[0].read(DEVICE_CONTROL, 2);
        let wide = self.functions[0].read(LINK_CONTROL, 2) & bits::BOUNDARY_128 != 0;
        let size = |mask: u32, shift: u32| 128 << ((control & mask) >> shift).min(5);
        LinkSettings {
            max_payload_bytes: size(bits::MAX_PAYLOAD_MASK, bits::MAX_PAYLOAD_SHIFT)
                .min(self.functions[0].supported_payload_bytes()),
            max_read_request_bytes: size(bits::MAX_READ_REQUEST_MASK, bits::MAX_READ_REQUEST_SHIFT),
            read_completion_boundary_bytes: if wide { 128 } else { 64 },
            completion_space_bytes: self.completion_space.0,
            completion_space_headers: self.completion_space.1,
        }
    }

    pub(crate) fn state(&self, function: FunctionId) -> FunctionState {
        if !self.exists(function) {
            return FunctionState::default();
        }
        let registers = &self.functions[function.index()];
        let awake = registers.read(POWER_STATE, 2) & bits::POWER_STATE_MASK == 0;
        let command = registers.read(COMMAND, 2);
        let memory = if function == FunctionId::PF {
            command & bits::MEMORY_SPACE != 0
        } else {
            self.functions[0].read(SRIOV_CONTROL, 2) & bits::VF_MEMORY_SPACE != 0
        };
        let msix = registers.read(MSIX_CONTROL, 2);
        FunctionState {
            exists: true,
            memory: memory && awake,
            bus_master: command & bits::BUS_MASTER != 0 && awake,
            msix_enabled: msix & bits::MSIX_ENABLE != 0,
            msix_masked: msix & bits::MSIX_FUNCTION_MASK != 0,
        }
    }

    /// All ones where no function answers.
    pub(crate) fn read(&self, function: FunctionId, offset: u16, bytes: u8) -> u32 {
        if self.exists(function) {
            self.functions[function.index()].read(offset, bytes)
        } else {
            u32::MAX >> (32 - 8 * u32::from(bytes))
        }
    }

    /// A write to a function that does not exist is lost.
    pub(crate) fn write(
        &mut self,
        function: FunctionId,
        offset: u16,
        bytes: u8,
        value: u32,
    ) -> Written {
        if !self.exists(function) {
            return Written::Registers;
        }
        let vfs = self.enabled_vfs();
        let kept = self.functions[0].read(NUM_VFS, 2);
        let registers = &mut self.functions[function.index()];
        registers.write(offset, bytes, value);
        if function == FunctionId::PF {
            if vfs > 0 && self.functions[0].read(NUM_VFS, 2) != kept {
                // SR-IOV 1.1 §3.3.7: NumVFs may change only while VF Enable is clear.
                self.functions[0].write(NUM_VFS, 2, kept);
            }
            if self.enabled_vfs() != vfs {
                self.reset_virtual_functions();
            }
        }
        let control = DEVICE_CONTROL + 1;
        let reset_written = (offset..offset + u16::from(bytes)).contains(&control)
            && value >> (8 * (control - offset)) & (bits::INITIATE_RESET >> 8) != 0;
        if reset_written {
            Written::FunctionReset
        } else {
            Written::Registers
        }
    }

    /// What the owner of a function restores once it has been reset.
    pub(crate) fn save(&self, function: FunctionId) -> Saved {
        let registers = &self.functions[function.index()];
        let mut offsets = vec![];
        if function == FunctionId::PF {
            offsets.extend([(DEVICE_CONTROL, 2), (NUM_VFS, 2), (SRIOV_CONTROL, 2)]);
        }
        offsets.extend([(BAR0, 4), (BAR0 + 4, 4), (COMMAND, 2)]);
        let save = |(offset, bytes)| (offset, bytes, registers.read(offset, bytes));
        Saved(offsets.into_iter().map(save).collect())
    }

    /// Function level reset: all but what belongs to the link is as after power-up. A reset of the
    /// PF ends all VFs (SR-IOV 1.1 §2.2.3).
    pub(crate) fn reset(&mut self, function: FunctionId) {
        if function != FunctionId::PF {
            self.functions[function.index()] = Registers::virtual_function(self.vectors);
            return;
        }
        let payload = self.functions[0].read(DEVICE_CONTROL, 2) & bits::MAX_PAYLOAD_MASK;
        let link_control = self.functions[0].read(LINK_CONTROL, 2);
        self.functions[0] = self.physical();
        let control = bits::DEVICE_CONTROL_DEFAULT & !bits::MAX_PAYLOAD_MASK | payload;
        self.functions[0].write(DEVICE_CONTROL, 2, control);
        self.functions[0].write(LINK_CONTROL, 2, link_control);
        self.reset_virtual_functions();
    }

    fn reset_virtual_functions(&mut self) {
        for registers in &mut self.functions[1..] {
            *registers = Registers::virtual_function(self.vectors);
        }
    }
}
