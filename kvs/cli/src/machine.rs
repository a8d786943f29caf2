//! The one place that puts a device, a driver and a store together.
//!
//! A [`Machine`] is a host with one device: a simulated one with its link, or this machine. Client k
//! takes function k modulo the number of functions, so K clients take the functions in turn, then
//! further queue pairs of the same functions.

mod hosted;
mod simulated;
mod transport;

use anyhow::{Context, anyhow, bail};
use nvme_driver::{CompletionMode, Controller, ControllerOptions, QueueOptions, QueuePair};
use nvme_hosted::WaitMode;
use nvme_spec::log_page::FunctionCounters;
use pcie_host::endpoint::FunctionId;
use rdstore::NvmePageStore;

use crate::ceiling::PortConditions;
use crate::outcome::CheckFailed;
use crate::twin::Twin;
use crate::uri::DeviceUri;

use simulated::Simulated;
pub(crate) use simulated::{host_options, image_file, open_medium};
pub use transport::{DeviceDma, DeviceTransport};

/// What to do about an image file that is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MissingFile {
    /// Create it; [`Machine::keep`] says so on stderr.
    Create,
    /// It is an error.
    Refuse,
}

/// How a machine is opened.
#[derive(Clone, Copy, Debug)]
pub struct MachineOptions {
    /// What to do about an image file that is not there.
    pub missing_file: MissingFile,
    /// Functions to bring up, at most as many as the device has.
    pub functions: usize,
    /// Keep a handle on a simulated device, for its trace of commands ([`Machine::twin`]).
    pub trace: bool,
}

/// A host and its device, brought up.
pub struct Machine {
    /// First: they go before their host does.
    controllers: Vec<Controller<DeviceTransport>>,
    host: MachineHost,
    name: String,
}

enum MachineHost {
    Simulated(Box<Simulated>),
    /// This machine, and how its clients wait.
    Real(WaitMode),
}

/// What a store's client gets of a machine.
pub type Pages = NvmePageStore<DeviceTransport>;

/// Start of the model number of the controllers whose log page C0h is the counters'; another maker's
/// has something else there.
const MODEL_WITH_COUNTERS: &str = "RDStore";

impl Machine {
    /// How many functions the device of `uri` has.
    ///
    /// # Errors
    /// There is no such device.
    pub fn functions_of(uri: &DeviceUri) -> anyhow::Result<usize> {
        Ok(hosted::functions(uri)?.unwrap_or_else(|| uri.simulation.functions()))
    }

    /// Puts the device that `uri` names behind a host, or finds it, and brings its functions up.
    ///
    /// # Errors
    /// What is wrong with the URI's file, device or options, or what this build cannot do; each says
    /// what helps.
    pub fn open(uri: &DeviceUri, options: MachineOptions) -> anyhow::Result<Self> {
        let (host, transports): (_, Vec<DeviceTransport>) = if hosted::functions(uri)?.is_some() {
            if uri.simulation.waves.is_some() {
                bail!("--trace records the waves of the Verilog: it goes with --device rtl: only");
            }
            let transports = hosted::open(uri, options.functions)?;
            (
                MachineHost::Real(uri.real_time.wait),
                transports
                    .into_iter()
                    .map(DeviceTransport::Hosted)
                    .collect(),
            )
        } else {
            let simulated = Simulated::make(uri, options)?;
            let transports = (0..options.functions)
                .map(|function| simulated.host.transport(FunctionId(function as u8)))
                .map(|transport| transport.map(DeviceTransport::Simulated))
                .collect::<Result<_, _>>()?;
            (MachineHost::Simulated(Box::new(simulated)), transports)
        };
        let controllers = transports
            .into_iter()
            .map(|transport| Controller::open(transport, ControllerOptions::default()))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            controllers,
            host,
            name: uri.text.clone(),
        })
    }

    /// How messages name the device.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn simulated(&self) -> Option<&Simulated> {
        match &self.host {
            MachineHost::Simulated(simulated) => Some(simulated),
            MachineHost::Real(_) => None,
        }
    }

    /// Time is the machine's own, not simulated.
    pub fn is_real_time(&self) -> bool {
        self.simulated().is_none()
    }

    /// The device was made by this process and is all zeros.
    pub fn is_blank(&self) -> bool {
        self.simulated().is_some_and(Simulated::is_blank)
    }

    /// The device holds something worth keeping now: an image file made by this process stays, and
    /// stderr says so.
    pub fn keep(&mut self) {
        if let MachineHost::Simulated(simulated) = &mut self.host {
            simulated.keep();
        }
    }

    /// The simulated device itself; `None` when it was opened without [`MachineOptions::trace`].
    pub fn twin(&self) -> Option<Twin> {
        self.simulated()?.twin.clone()
    }

    /// How queue pairs learn of completions, unless a command has reasons of its own.
    pub fn completion(&self) -> CompletionMode {
        match self.host {
            MachineHost::Simulated(_) => CompletionMode::Polling,
            MachineHost::Real(wait) => hosted::completion(wait),
        }
    }

    /// A function's controller.
    ///
    /// # Errors
    /// Fewer functions were brought up.
    pub fn controller(&self, function: usize) -> anyhow::Result<&Controller<DeviceTransport>> {
        self.controllers.get(function).ok_or_else(|| {
            anyhow!(
                "{}: function {function} is not there: {} were brought up",
                self.name,
                self.controllers.len()
            )
        })
    }

    /// A queue pair for client `client`, on the function that is its turn.
    ///
    /// # Errors
    /// All queue pairs of the function are taken.
    pub fn queue_pair(
        &self,
        client: usize,
        options: QueueOptions,
    ) -> anyhow::Result<QueuePair<DeviceTransport>> {
        let functions = self.controllers.len();
        let controller = &self.controllers[client % functions];
        controller.queue_pair(options).with_context(|| {
            let remedy = match self.host {
                MachineHost::Simulated(_) => "raise vfs= or queues=",
                MachineHost::Real(_) => "serve more functions or queues",
            };
            format!(
                "{}: client {} finds no queue pair: {functions} functions with {} queue pairs each; \
                 {remedy}, or use fewer clients",
                self.name,
                client + 1,
                controller.info().io_queue_pairs
            )
        })
    }

    /// The device's pages for client `client`, on the function that is its turn.
    ///
    /// # Errors
    /// As [`queue_pair`](Self::queue_pair).
    pub fn pages(&self, client: usize, options: QueueOptions) -> anyhow::Result<Pages> {
        Ok(NvmePageStore::new(self.queue_pair(client, options)?))
    }

    /// The controller keeps the counters of log page C0h.
    pub fn has_counters(&self) -> bool {
        self.controllers
            .first()
            .is_some_and(|first| first.info().model_number.starts_with(MODEL_WITH_COUNTERS))
    }

    /// What each function of the device has done since power-on, PF first (log page C0h). Empty where
    /// the controller is another maker's.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn counters(&self) -> anyhow::Result<Vec<FunctionCounters>> {
        if !self.has_counters() {
            return Ok(Vec::new());
        }
        let mut rows = self.controller(0)?.counters_of_all_functions()?;
        let functions = match self.simulated() {
            Some(simulated) => simulated.options.functions(),
            // Nobody says how many there are; what has done anything is one.
            None => rows
                .iter()
                .rposition(|row| *row != FunctionCounters::default())
                .map_or(1, |last| last + 1),
        };
        rows.truncate(functions);
        Ok(rows)
    }

    /// How often any of the functions was gone and has come back, with counters that begin anew.
    pub fn returns(&self) -> u64 {
        self.controllers.iter().map(Controller::returns).sum()
    }

    /// The same for the functions that were brought up, in their order.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn own_counters(&self) -> anyhow::Result<Vec<FunctionCounters>> {
        if !self.has_counters() {
            return Ok(Vec::new());
        }
        let counters = self
            .controllers
            .iter()
            .map(|controller| Ok(controller.counters()?));
        counters.collect()
    }

    /// What bounds a simulated device's rate.
    pub fn port_conditions(&self, msix: bool) -> Option<PortConditions> {
        Some(PortConditions::new(&self.simulated()?.host.options(), msix))
    }

    /// Fails if the simulated device broke a rule of the link or reached beyond its memory: its own
    /// bug, and no figure of such a run is worth anything.
    ///
    /// # Errors
    /// [`CheckFailed`] with the first cases.
    pub fn check_link(&self) -> anyhow::Result<()> {
        let Some(Simulated { host, .. }) = self.simulated() else {
            return Ok(());
        };
        let violations = host.take_violations();
        let faults = host.take_dma_faults();
        if violations.is_empty() && faults.is_empty() {
            return Ok(());
        }
        bail!(CheckFailed(format!(
            "{}: the device broke {} rules of the link and made {} DMA faults; the first: {:?} {:?}",
            self.name,
            violations.len(),
            faults.len(),
            violations.first(),
            faults.first()
        )));
    }
}

/// How a queue pair of `depth` commands is made.
pub fn queue_options(depth: u32, completion: CompletionMode) -> QueueOptions {
    QueueOptions {
        entries: depth + 1,
        completion,
        ..QueueOptions::default()
    }
}
