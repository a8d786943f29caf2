//! The handle on one simulated host with one device behind its link.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use nvme_driver::transport::DmaPurpose;
use nvme_spec::msix;

use crate::arena::PAGE_BYTES;
use crate::config::{BAR0, COMMAND, DEVICE_CONTROL, NUM_VFS, SRIOV_CONTROL, VF_BAR0, bits};
use crate::downlink::Request;
use crate::endpoint::{Cycle, Endpoint, FunctionId};
use crate::error::HostError;
use crate::fault::Fault;
use crate::interrupt;
use crate::memory::{Access, HostBuffer};
use crate::options::HostOptions;
use crate::report::{DmaFault, Statistics, TraceRecord, Violation};
use crate::simulation::{Simulation, Stop};
use crate::transport::SimTransport;

/// Where the PF's BAR0 and the VFs' lie; nobody routes by it, but software may look.
const BAR_ADDRESS: u64 = 0x20_0000_0000;

/// A simulated host and its device; clones are handles on the same one.
///
/// Time moves only in calls that wait: [`step`](Self::step), the `run_…` functions, configuration
/// accesses, resets, and a transport's reads and `wait`.
#[derive(Clone)]
pub struct Host {
    simulation: Rc<RefCell<Simulation>>,
}

impl Host {
    /// Puts `endpoint` behind a link; link settings are programmed at cycle 0, all else is off.
    pub fn new(options: HostOptions, endpoint: Box<dyn Endpoint>) -> Result<Self, HostError> {
        let simulation = Simulation::new(options, endpoint)?;
        Ok(Self {
            simulation: Rc::new(RefCell::new(simulation)),
        })
    }

    /// Lets a closure at the state. Nothing that is called in it calls back into a `Host`.
    #[inline]
    pub(crate) fn with<R>(&self, visit: impl FnOnce(&mut Simulation) -> R) -> R {
        visit(&mut self.simulation.borrow_mut())
    }

    /// What it was made with.
    pub fn options(&self) -> HostOptions {
        self.with(|simulation| simulation.options.clone())
    }

    /// The current cycle.
    pub fn now(&self) -> Cycle {
        self.with(|simulation| simulation.now())
    }

    /// Runs the next cycle in which anything happens; false when nothing is left to happen.
    pub fn step(&self) -> bool {
        self.with(|simulation| {
            let next = simulation.next_event();
            if let Some(cycle) = next {
                simulation.run(cycle, |_| false);
            }
            next.is_some()
        })
    }

    /// Runs everything up to and including `cycle`, which is the time then.
    pub fn run_until(&self, cycle: Cycle) {
        self.with(|simulation| simulation.run(cycle.min(Cycle::MAX - 1), |_| false));
    }

    /// Runs until nothing is left to happen, at most until `limit`; true when it is idle. Time stays
    /// at the last thing that happened.
    pub fn run_until_idle(&self, limit: Cycle) -> bool {
        self.with(|simulation| {
            while let Some(cycle) = simulation.next_event() {
                if cycle > limit {
                    return false;
                }
                simulation.run(cycle, |_| false);
            }
            true
        })
    }

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

    /// Zeroed host memory, at least `bytes`, that no function can reach yet.
    pub fn allocate(&self, bytes: usize) -> Result<HostBuffer, HostError> {
        let (arena, (offset, len)) = self.with(|simulation| {
            let block = simulation.allocate(bytes)?;
            Ok((Rc::clone(&simulation.arena), block))
        })?;
        Ok(HostBuffer::new(self.clone(), arena, offset, len))
    }

    pub(crate) fn release(&self, offset: usize, len: usize) {
        self.with(|simulation| simulation.release(offset, len));
    }

    /// Lets `function` reach all of `buffer` at `bus_address`, any multiple of 4 KiB at which
    /// nothing is mapped.
    pub fn map(
        &self,
        function: FunctionId,
        bus_address: u64,
        buffer: &HostBuffer,
        access: Access,
        purpose: DmaPurpose,
    ) -> Result<(), HostError> {
        let queue = interrupt::wakes(purpose);
        let (offset, len) = (buffer.offset(), buffer.len() as u64);
        self.with(|simulation| {
            let iommu = simulation.iommus.get_mut(function.index());
            iommu.map(|iommu| iommu.map(bus_address, len, offset, access, queue))
        })
        .unwrap_or_else(|| Err(self.no_function(function)))
    }

    /// Takes away what `function` can reach in a range (multiples of 4 KiB); mappings that reach
    /// into it are cut, what is not mapped stays so.
    pub fn unmap(
        &self,
        function: FunctionId,
        bus_address: u64,
        bytes: u64,
    ) -> Result<(), HostError> {
        self.with(|simulation| {
            let iommu = simulation.iommus.get_mut(function.index());
            iommu.map(|iommu| iommu.unmap(bus_address, bytes))
        })
        .unwrap_or_else(|| Err(self.no_function(function)))
    }

    /// DMA faults since the last call (the first 1,024 of them; all are counted).
    pub fn take_dma_faults(&self) -> Vec<DmaFault> {
        self.with(|simulation| std::mem::take(&mut simulation.block.reports.dma_faults))
    }

    /// Rules of the link the endpoint broke since the last call (the first 1,024; all are counted).
    pub fn take_violations(&self) -> Vec<Violation> {
        self.with(|simulation| std::mem::take(&mut simulation.block.reports.violations))
    }

    /// Counts since the host was made.
    pub fn statistics(&self) -> Statistics {
        self.with(|simulation| {
            let block = &simulation.block;
            Statistics {
                injected: block.faults.injected,
                in_flight: block.payloads.in_use() as u64,
                ..block.reports.statistics
            }
        })
    }

    /// Adds a fault to the script. A cycle that has passed means now.
    pub fn inject(&self, fault: Fault) {
        self.with(|simulation| {
            if let Some((cycle, event)) = simulation.block.faults.add(fault) {
                simulation.schedule_event(cycle, event);
            }
        });
    }

    /// The trace since the last call, in order of time; empty without [`HostOptions::trace`].
    pub fn take_trace(&self) -> Vec<TraceRecord> {
        self.with(|simulation| {
            simulation
                .block
                .reports
                .trace
                .as_mut()
                .map(std::mem::take)
                .unwrap_or_default()
        })
    }

    /// The medium's content, for checks. The endpoint may have run ahead of [`now`](Self::now) by
    /// less than a round trip.
    pub fn peek_medium(&self, offset: u64, into: &mut [u8]) {
        self.with(|simulation| simulation.endpoint.peek_medium(offset, into));
    }

    /// The endpoint itself, for checks. The closure must not use this host.
    pub fn with_endpoint<R>(&self, visit: impl FnOnce(&mut dyn Endpoint) -> R) -> R {
        self.with(|simulation| visit(&mut *simulation.endpoint))
    }

    fn name(&self) -> String {
        self.with(|simulation| simulation.options.name.clone())
    }

    fn no_function(&self, function: FunctionId) -> HostError {
        self.with(|simulation| HostError::NoSuchFunction {
            device: simulation.options.name.clone(),
            function,
            enabled: simulation.enabled_vfs(),
            total: simulation.endpoint.virtual_functions(),
        })
    }

    fn check(&self, function: FunctionId) -> Result<(), HostError> {
        if !self.with(|simulation| simulation.block.link_up) {
            return Err(HostError::LinkDown {
                device: self.name(),
            });
        }
        if self.with(|simulation| simulation.is_there(function)) {
            Ok(())
        } else {
            Err(self.no_function(function))
        }
    }

    fn write_bar(&self, function: FunctionId, bar: u16, address: u64) -> Result<(), HostError> {
        self.config_write(function, bar, 4, address as u32)?;
        self.config_write(function, bar + 4, 4, (address >> 32) as u32)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.simulation.try_borrow() {
            Ok(simulation) => {
                write!(
                    f,
                    "Host({}, cycle {})",
                    simulation.options.name,
                    simulation.now()
                )
            }
            Err(_) => f.write_str("Host(running)"),
        }
    }
}

fn check_config_access(offset: u16, bytes: u8) -> Result<(), HostError> {
    if matches!(bytes, 1 | 2 | 4) && offset < 0x1000 && offset.is_multiple_of(bytes.into()) {
        Ok(())
    } else {
        Err(HostError::InvalidConfigAccess { offset, bytes })
    }
}
