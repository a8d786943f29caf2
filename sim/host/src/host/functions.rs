//! What software does to functions outside BAR0: configuration space, SR-IOV, resets.

use nvme_spec::msix;

use super::Host;
use crate::arena::PAGE_BYTES;
use crate::config::{BAR0, COMMAND, DEVICE_CONTROL, NUM_VFS, SRIOV_CONTROL, VF_BAR0, bits};
use crate::downlink::Request;
use crate::endpoint::{Cycle, FunctionId};
use crate::error::HostError;
use crate::simulation::Stop;
use crate::transport::SimTransport;

/// Where the PF's BAR0 and the VFs' lie; nobody routes by it, but software may look.
const BAR_ADDRESS: u64 = 0x20_0000_0000;

/// How long software lets VFs come to rest that it has taken away: what a VF was sending in that moment
/// still arrives, behind the answer to the configuration write. After clearing VF Enable, software waits
/// 1.0 s before it reads a field of the capability (SR-IOV 1.1 §3.3.3.1; Linux sleeps that long); a TLP
/// takes some beats.
const VF_DISABLE_CYCLES: Cycle = 1_000;

impl Host {
    /// A transport on a function: memory space and bus-master get enabled. Any number of them, on
    /// any number of functions.
    pub fn transport(&self, function: FunctionId) -> Result<SimTransport, HostError> {
        self.check(function)?;
        let state = self.with(|simulation| simulation.state(function));
        if !state.bus_master || (function == FunctionId::PF && !state.memory) {
            if function == FunctionId::PF {
                self.write_bar(function, BAR0, BAR_ADDRESS)?;
            }
            let command = self.config_read(function, COMMAND, 2)?;
            let command = command | bits::MEMORY_SPACE | bits::BUS_MASTER;
            self.config_write(function, COMMAND, 2, command)?;
        }
        Ok(SimTransport::new(self.clone(), function))
    }

    /// Do the device's cycles mean anything ([`Endpoint::keeps_time`](crate::endpoint::Endpoint::keeps_time))?
    pub fn keeps_time(&self) -> bool {
        self.with(|simulation| simulation.endpoint.keeps_time())
    }

    /// Virtual functions the device can have.
    pub fn virtual_functions(&self) -> u8 {
        self.with(|simulation| simulation.endpoint.virtual_functions())
    }

    /// Writes the SR-IOV capability so that VFs 1..=`count` exist. Another count than before resets
    /// all VFs; the same changes nothing.
    pub fn enable_virtual_functions(&self, count: u8) -> Result<(), HostError> {
        self.check(FunctionId::PF)?;
        let (enabled, total) = self.with(|simulation| {
            (
                simulation.enabled_vfs(),
                simulation.endpoint.virtual_functions(),
            )
        });
        if count > total {
            return Err(self.no_function(FunctionId(count)));
        }
        if count == enabled {
            return Ok(());
        }
        let pf = FunctionId::PF;
        if enabled > 0 {
            self.config_write(pf, SRIOV_CONTROL, 2, bits::ARI_HIERARCHY)?;
            self.with(|simulation| {
                let rest = simulation.now() + VF_DISABLE_CYCLES;
                simulation.run(rest, |_| false)
            });
        }
        if count > 0 {
            self.config_write(pf, NUM_VFS, 2, count.into())?;
            self.write_bar(pf, VF_BAR0, BAR_ADDRESS + msix::BAR0_BYTES)?;
            let control = bits::VF_ENABLE | bits::VF_MEMORY_SPACE | bits::ARI_HIERARCHY;
            self.config_write(pf, SRIOV_CONTROL, 2, control)?;
        }
        Ok(())
    }

    /// Function level reset; afterwards BARs, memory and bus-master enable are what they were (for
    /// the PF also SR-IOV, with VFs as after a reset), MSI-X is off. Reads in flight end with
    /// [`ReadStatus::FunctionReset`](crate::endpoint::ReadStatus::FunctionReset).
    pub fn reset_function(&self, function: FunctionId) -> Result<(), HostError> {
        self.check(function)?;
        let control = self.with(|simulation| simulation.config.read(function, DEVICE_CONTROL, 2));
        self.config_write(function, DEVICE_CONTROL, 2, control | bits::INITIATE_RESET)?;
        let done = self.with(|simulation| {
            if !simulation.is_resetting(function) {
                return true;
            }
            let limit = simulation.now() + simulation.options.reset_timeout_cycles;
            simulation.run(limit, |simulation| !simulation.is_resetting(function)) == Stop::Met
        });
        self.check(function)?;
        if !done {
            return Err(HostError::ResetTimeout {
                device: self.name(),
                function,
                cycles: self.with(|simulation| simulation.options.reset_timeout_cycles),
            });
        }
        let saved = self.with(|simulation| simulation.saved(function));
        for (offset, bytes, value) in saved.writes() {
            self.config_write(function, offset, bytes, value)?;
        }
        Ok(())
    }

    /// Reads 1, 2 or 4 bytes of configuration space; all ones when nothing answers. Offsets and bits
    /// are in [`config`](crate::config).
    pub fn config_read(
        &self,
        function: FunctionId,
        offset: u16,
        bytes: u8,
    ) -> Result<u32, HostError> {
        check_config_access(offset, bytes)?;
        if !self.with(|simulation| simulation.is_there(function)) {
            return Ok(u32::MAX >> (32 - 8 * u32::from(bytes)));
        }
        let answer = self.with(|simulation| {
            simulation.request_answer(function, |tag| Request::ConfigRead {
                function,
                offset,
                bytes,
                tag,
            })
        });
        Ok(
            answer.map_or(u32::MAX >> (32 - 8 * u32::from(bytes)), |value| {
                value as u32
            }),
        )
    }

    /// Writes 1, 2 or 4 bytes of configuration space; returns when the write has been answered.
    pub fn config_write(
        &self,
        function: FunctionId,
        offset: u16,
        bytes: u8,
        value: u32,
    ) -> Result<(), HostError> {
        check_config_access(offset, bytes)?;
        self.check(function)?;
        let answer = self.with(|simulation| {
            simulation.request_answer(function, |tag| Request::ConfigWrite {
                function,
                offset,
                bytes,
                value,
                tag: Some(tag),
            })
        });
        answer.map(|_| ()).ok_or_else(|| HostError::LinkDown {
            device: self.name(),
        })
    }

    /// A posted write of any shape to BAR0, also one a driver would never send. It leaves the host
    /// when the function's software is free, as [`Transport`](nvme_driver::transport::Transport)
    /// writes do.
    pub fn bar_write(
        &self,
        function: FunctionId,
        offset: u64,
        data: &[u8],
    ) -> Result<(), HostError> {
        let end = offset.checked_add(data.len() as u64);
        let fits = end.is_some_and(|end| end <= msix::BAR0_BYTES);
        if data.is_empty() || data.len() > PAGE_BYTES || !fits {
            return Err(HostError::InvalidBarAccess {
                offset,
                bytes: data.len(),
            });
        }
        self.check(function)?;
        self.with(|simulation| {
            let slot = simulation.block.payloads.put(data);
            let bytes = data.len() as u32;
            simulation.request(
                function,
                Request::LongWrite {
                    function,
                    offset,
                    slot,
                    bytes,
                },
            );
        });
        Ok(())
    }

    fn write_bar(&self, function: FunctionId, bar: u16, address: u64) -> Result<(), HostError> {
        self.config_write(function, bar, 4, address as u32)?;
        self.config_write(function, bar + 4, 4, (address >> 32) as u32)
    }
}

fn check_config_access(offset: u16, bytes: u8) -> Result<(), HostError> {
    if matches!(bytes, 1 | 2 | 4) && offset < 0x1000 && offset.is_multiple_of(bytes.into()) {
        Ok(())
    } else {
        Err(HostError::InvalidConfigAccess { offset, bytes })
    }
}
