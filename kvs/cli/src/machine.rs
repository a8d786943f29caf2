//! The one place that puts a device, a driver and a store together.
//!
//! A [`Machine`] is a simulated host with one device behind its link. Client k takes function k
//! modulo the number of functions, so K clients take the functions in turn, then further queue pairs
//! of the same functions.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use nvme_driver::{CompletionMode, Controller, ControllerOptions, QueueOptions, QueuePair};
use nvme_model::medium::Medium;
use nvme_spec::log_page::FunctionCounters;
use pcie_host::endpoint::{FunctionId, NANOSECONDS_PER_CYCLE};
use pcie_host::{Host, HostOptions, SimTransport};
use rdstore::NvmePageStore;

use crate::ceiling::PortConditions;
use crate::outcome::CheckFailed;
use crate::size::show_size;
use crate::twin::Twin;
use crate::uri::{Backend, DEFAULT_SIZE_BYTES, DeviceUri, LinkWidth, SimulationOptions};

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
    /// Keep a handle on the device, for its trace of commands ([`Machine::twin`]).
    pub trace: bool,
}

/// A simulated host and its device, brought up.
pub struct Machine {
    host: Host,
    controllers: Vec<Controller<SimTransport>>,
    simulation: SimulationOptions,
    name: String,
    blank: bool,
    created: Option<CreatedFile>,
    twin: Option<Twin>,
}

/// What a store's client gets of a machine.
pub type Pages = NvmePageStore<SimTransport>;

/// A file that this process has created, until it is kept: dropped before that, it is removed, so
/// that a command that fails leaves no device without a store behind.
struct CreatedFile(Option<PathBuf>);

impl Drop for CreatedFile {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // The error that led here is the one to report.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Machine {
    /// Puts the device that `uri` names behind a host, and brings its functions up.
    ///
    /// # Errors
    /// What is wrong with the URI's file or options, or what this build cannot do; each says what
    /// helps.
    pub fn open(uri: &DeviceUri, options: MachineOptions) -> anyhow::Result<Self> {
        let file = match &uri.backend {
            Backend::Model { file } => file.as_deref(),
            Backend::Rtl { file } if cfg!(feature = "rtl") => file.as_deref(),
            other => bail!(unavailable(uri, other)),
        };
        let available = uri.simulation.functions();
        if options.functions > available {
            bail!(
                "{uri}: {} functions are needed and the device has {available}: the PF and {} VFs; \
                 ask for more with vfs=, at most 8",
                options.functions,
                uri.simulation.vfs
            );
        }
        let (medium, created) = open_medium(uri, file, options.missing_file)?;
        let blank = file.is_none() || created.is_some();
        let name = uri.text.clone();
        let (endpoint, twin) = Twin::make(uri, medium, options.trace)
            .with_context(|| format!("making the device of {name}"))?;
        let host = Host::new(host_options(&name, &uri.simulation), endpoint)
            .with_context(|| format!("making the host of {name}"))?;
        let mut machine = Self {
            host,
            controllers: Vec::new(),
            simulation: uri.simulation.clone(),
            name,
            blank,
            created: created.map(|path| CreatedFile(Some(path))),
            twin,
        };
        machine.bring_up(options.functions)?;
        Ok(machine)
    }

    fn bring_up(&mut self, functions: usize) -> anyhow::Result<()> {
        if functions > 1 {
            self.host.enable_virtual_functions(self.simulation.vfs)?;
        }
        for function in 0..functions {
            let transport = self.host.transport(FunctionId(function as u8))?;
            self.controllers
                .push(Controller::open(transport, ControllerOptions::default())?);
        }
        Ok(())
    }

    /// How messages name the device.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The device was made by this process and is all zeros.
    pub fn is_blank(&self) -> bool {
        self.blank
    }

    /// The device holds something worth keeping now: an image file made by this process stays, and
    /// stderr says so.
    pub fn keep(&mut self) {
        if let Some(path) = self.created.as_mut().and_then(|created| created.0.take()) {
            let bytes = self.simulation.size_bytes.unwrap_or(DEFAULT_SIZE_BYTES);
            eprintln!("created {} ({}, sparse)", path.display(), show_size(bytes));
        }
    }

    /// The simulated host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The device itself; `None` when it was opened without [`MachineOptions::trace`].
    pub fn twin(&self) -> Option<Twin> {
        self.twin.clone()
    }

    /// A function's controller.
    ///
    /// # Errors
    /// Fewer functions were brought up.
    pub fn controller(&self, function: usize) -> anyhow::Result<&Controller<SimTransport>> {
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
    ) -> anyhow::Result<QueuePair<SimTransport>> {
        let functions = self.controllers.len();
        self.controllers[client % functions]
            .queue_pair(options)
            .with_context(|| {
                format!(
                    "{}: client {} finds no queue pair: {functions} functions with {} queue pairs \
                 each; raise vfs= or queues=, or use fewer clients",
                    self.name,
                    client + 1,
                    self.simulation.queues
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

    /// What each function has done since power-on, PF first (log page C0h).
    ///
    /// # Errors
    /// The device does not answer.
    pub fn counters(&self) -> anyhow::Result<Vec<FunctionCounters>> {
        let mut rows = self.controller(0)?.counters_of_all_functions()?;
        rows.truncate(self.simulation.functions());
        Ok(rows)
    }

    /// Simulated time in cycles of the core clock.
    pub fn now_cycles(&self) -> u64 {
        self.host.now()
    }

    /// What bounds the device's rate.
    pub fn port_conditions(&self, msix: bool) -> PortConditions {
        PortConditions::new(&self.host.options(), msix)
    }

    /// Fails if the device broke a rule of the link or reached beyond its memory: its own bug, and
    /// no figure of such a run is worth anything.
    ///
    /// # Errors
    /// [`CheckFailed`] with the first cases.
    pub fn check_link(&self) -> anyhow::Result<()> {
        let violations = self.host.take_violations();
        let faults = self.host.take_dma_faults();
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

/// Opens the medium of a simulated device; the path of its file, if this has made it.
pub(crate) fn open_medium(
    uri: &DeviceUri,
    file: Option<&Path>,
    missing: MissingFile,
) -> anyhow::Result<(Medium, Option<PathBuf>)> {
    const BLOCK_BYTES: u32 = 4096;
    let size_bytes = uri.simulation.size_bytes.unwrap_or(DEFAULT_SIZE_BYTES);
    let Some(path) = file else {
        return Ok((Medium::in_memory(size_bytes, BLOCK_BYTES)?, None));
    };
    if path.exists() {
        // The size counts at creation only.
        return Ok((Medium::open_file(path, None)?, None));
    }
    if missing == MissingFile::Refuse {
        bail!(
            "{}: there is no such file; make one with `rdstore format --device {uri}`",
            path.display()
        );
    }
    let medium = Medium::create_file(path, size_bytes, BLOCK_BYTES)?;
    Ok((medium, Some(path.to_owned())))
}

/// The link of a simulated device.
pub(crate) fn host_options(name: &str, simulation: &SimulationOptions) -> HostOptions {
    HostOptions {
        name: name.to_owned(),
        rtt_cycles: u64::from(simulation.rtt_ns) / NANOSECONDS_PER_CYCLE,
        max_payload_bytes: simulation.mps,
        max_read_request_bytes: simulation.mrrs,
        completion_split_bytes: simulation.split,
        completion_space_bytes: simulation.cpl_bytes,
        link_bytes_per_cycle: link_bytes_per_cycle(simulation.link),
        software_cycles: u64::from(simulation.host_ns) / NANOSECONDS_PER_CYCLE,
        ..HostOptions::default()
    }
}

/// Bytes a link moves in one cycle of 8 ns: 2.5 and 5 GT/s with 8b/10b, 8 GT/s with 128b/130b.
fn link_bytes_per_cycle(link: LinkWidth) -> u32 {
    let bytes_a_lane_in_8_ns = match link.generation {
        1 => 2.0,
        2 => 4.0,
        _ => 8.0 * 128.0 / 130.0,
    };
    (bytes_a_lane_in_8_ns * f64::from(link.lanes)) as u32
}

/// What a build without a back end says about it.
pub(crate) fn unavailable(uri: &DeviceUri, backend: &Backend) -> String {
    match backend {
        Backend::Model { .. } => String::new(),
        Backend::Rtl { .. } => format!(
            "{uri}: this build has no Verilog device; `cargo xtask setup`, then \
             `cargo run --release --features rtl -- …` has it. model: is the same controller"
        ),
        Backend::VfioUser { .. } => format!(
            "{uri}: this build has no vfio-user back end; it comes with a later version. Use model: \
             until then"
        ),
        Backend::Vfio { .. } => format!(
            "{uri}: this build has no VFIO back end, which PCIe devices need; it comes with a later \
             version. Use model: until then"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gen2_x8_moves_32_bytes_a_cycle() {
        let bytes = |generation, lanes| link_bytes_per_cycle(LinkWidth { generation, lanes });
        assert_eq!(bytes(2, 8), 32);
        assert_eq!(bytes(1, 1), 2);
        assert_eq!(bytes(3, 8), 63);
    }
}
