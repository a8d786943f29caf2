//! The handle on one simulated host with one device behind its link.

mod functions;
mod mapping;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use crate::endpoint::{Cycle, Endpoint, FunctionId};
use crate::error::HostError;
use crate::fault::Fault;
use crate::options::HostOptions;
use crate::report::{DmaFault, Statistics, TraceRecord, Violation};
use crate::simulation::Simulation;

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
