//! A simulated host with the model of the controller over an image file.

use std::path::Path;

use anyhow::Context;
use nvme_driver::{CompletionMode, Controller, ControllerOptions, QueueOptions};
use nvme_model::medium::Medium;
use nvme_model::{Model, ModelOptions};
use pcie_host::endpoint::{Cycle, FunctionId};
use pcie_host::{Fault, FaultPlan, Host, HostOptions, Shared, SimTransport};
use rdstore::{Client, FormatOptions, NvmePageStore, OpenOptions, format};

/// What a client gets of a rig.
pub type Pages = NvmePageStore<SimTransport>;

/// Bytes of a block, and of a page.
pub const PAGE_BYTES: usize = 4096;
/// Pages in front of the home pages: the store's own records.
pub const FIRST_HOME_PAGE: u64 = 16;

/// How a rig is made.
#[derive(Clone, Debug)]
pub struct RigOptions {
    /// Functions brought up: the PF, then VFs.
    pub functions: u8,
    /// Seed of the host: faults by rate.
    pub seed: u64,
    /// What goes wrong on the link.
    pub faults: FaultPlan,
    /// When the power goes.
    pub crash_at_cycle: Option<Cycle>,
    /// How clients learn of completions.
    pub completion: CompletionMode,
    /// How long a command may take before it is aborted.
    pub command_timeout_ns: u64,
}

impl Default for RigOptions {
    fn default() -> Self {
        Self {
            functions: 4,
            seed: 1,
            faults: FaultPlan::default(),
            crash_at_cycle: None,
            completion: CompletionMode::Polling,
            command_timeout_ns: QueueOptions::default().command_timeout_ns,
        }
    }
}

/// A host, its device, and the functions' controllers.
pub struct Rig {
    /// The host.
    pub host: Host,
    controllers: Vec<Controller<SimTransport>>,
    functions: u8,
    queue: QueueOptions,
}

impl Rig {
    /// Puts the image file `path` behind a link and brings the functions up.
    ///
    /// # Errors
    /// The file cannot be opened, or the device does not come up.
    pub fn open(path: &Path, options: &RigOptions) -> anyhow::Result<Self> {
        Self::over(Medium::open_file(path, None)?, options)
    }

    fn over(medium: Medium, options: &RigOptions) -> anyhow::Result<Self> {
        let mut model_options = ModelOptions::new(medium);
        model_options.crash_at_cycle = options.crash_at_cycle;
        let model = Shared::new(Model::new(model_options)?);
        let host_options = HostOptions {
            name: "model:test.img".to_owned(),
            seed: options.seed,
            faults: options.faults.clone(),
            ..HostOptions::default()
        };
        let host = Host::new(host_options, Box::new(model))?;
        let mut rig = Self {
            host,
            controllers: Vec::new(),
            functions: options.functions,
            queue: QueueOptions {
                completion: options.completion,
                command_timeout_ns: options.command_timeout_ns,
                ..QueueOptions::default()
            },
        };
        rig.bring_up()?;
        Ok(rig)
    }

    /// Brings the functions up, for the first time or after the link was down.
    ///
    /// # Errors
    /// One does not come up.
    pub fn bring_up(&mut self) -> anyhow::Result<()> {
        self.controllers.clear();
        if self.functions > 1 {
            self.host.enable_virtual_functions(self.functions - 1)?;
        }
        for function in 0..self.functions {
            let transport = self.host.transport(FunctionId(function))?;
            let controller = Controller::open(transport, ControllerOptions::default())
                .with_context(|| format!("bringing function {function} up"))?;
            self.controllers.push(controller);
        }
        Ok(())
    }

    /// Makes an image file of `home_pages` pages with an empty store.
    ///
    /// # Errors
    /// The file is there, or cannot be made.
    pub fn create(path: &Path, home_pages: u64, seed: u64) -> anyhow::Result<()> {
        let bytes = (FIRST_HOME_PAGE + home_pages) * PAGE_BYTES as u64;
        let medium = Medium::create_file(path, bytes, PAGE_BYTES as u32)?;
        let options = RigOptions {
            functions: 1,
            ..RigOptions::default()
        };
        let rig = Self::over(medium, &options)?;
        let options = FormatOptions {
            known_blank: true,
            seed,
            ..FormatOptions::default()
        };
        format(&mut rig.pages(0)?, &options)?;
        Ok(())
    }

    /// The device's pages through function `function`.
    ///
    /// # Errors
    /// The function has no queue pair left, or does not answer.
    pub fn pages(&self, function: usize) -> anyhow::Result<Pages> {
        let queue = self.controllers[function].queue_pair(self.queue)?;
        Ok(NvmePageStore::new(queue))
    }

    /// A client through function `function`.
    ///
    /// # Errors
    /// As [`pages`](Self::pages); the store cannot be opened.
    pub fn client(&self, function: usize) -> anyhow::Result<Client<Pages>> {
        Ok(Client::open(self.pages(function)?, OpenOptions::default())?)
    }

    /// A client that only looks.
    ///
    /// # Errors
    /// As [`client`](Self::client).
    pub fn reader(&self, function: usize) -> anyhow::Result<Client<Pages>> {
        let options = OpenOptions {
            read_only: true,
            ..OpenOptions::default()
        };
        Ok(Client::open(self.pages(function)?, options)?)
    }

    /// The controller of a function.
    pub fn controller(&self, function: usize) -> &Controller<SimTransport> {
        &self.controllers[function]
    }

    /// Adds a fault.
    pub fn inject(&self, fault: Fault) {
        self.host.inject(fault);
    }

    /// Has the device broken a rule of the link, or reached for memory that is not its own?
    pub fn misbehaviour(&self) -> Vec<String> {
        let violations = self.host.take_violations();
        let faults = self.host.take_dma_faults();
        let violations = violations.iter().map(|violation| format!("{violation:?}"));
        violations
            .chain(faults.iter().map(|fault| format!("{fault:?}")))
            .collect()
    }
}
