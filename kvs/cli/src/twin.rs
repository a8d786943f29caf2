//! The simulated controller of a machine: the cycle model, or the Verilog.

use nvme_model::medium::Medium;
use nvme_model::{CommandTrace, DataPath, Model, ModelOptions, TraceOptions};
#[cfg(feature = "rtl")]
use nvme_rtl::{RtlDevice, RtlOptions};
use pcie_host::Shared;
use pcie_host::endpoint::{Endpoint, NANOSECONDS_PER_CYCLE};

#[cfg(feature = "rtl")]
use crate::uri::Backend;
use crate::uri::{DeviceUri, SimulationOptions};

/// A handle on a simulated controller, beside the host's.
#[derive(Clone, Debug)]
pub enum Twin {
    /// The cycle model.
    Model(Shared<Model>),
    /// The Verilog through Verilator.
    #[cfg(feature = "rtl")]
    Rtl(Shared<RtlDevice>),
}

impl Twin {
    /// Makes the device that `uri` names over `medium`, for the host to drive; and with `shared` a
    /// handle on it.
    ///
    /// # Errors
    /// Options that it cannot have.
    pub fn make(
        uri: &DeviceUri,
        medium: Medium,
        shared: bool,
    ) -> anyhow::Result<(Box<dyn Endpoint>, Option<Self>)> {
        #[cfg(feature = "rtl")]
        if matches!(uri.backend, Backend::Rtl { .. }) {
            let device = RtlDevice::new(rtl_options(&uri.simulation, medium)?)?;
            if !shared {
                return Ok((Box::new(device), None));
            }
            let device = Shared::new(device);
            return Ok((Box::new(device.clone()), Some(Self::Rtl(device))));
        }
        if uri.simulation.waves.is_some() {
            anyhow::bail!(
                "--trace records the waves of the Verilog: it goes with --device rtl: only"
            );
        }
        let model = Model::new(model_options(&uri.simulation, medium))?;
        if !shared {
            return Ok((Box::new(model), None));
        }
        let model = Shared::new(model);
        Ok((Box::new(model.clone()), Some(Self::Model(model))))
    }

    /// Keeps the cycles of every command at the port from now on, or no longer.
    pub fn trace_commands(&self, commands: bool) {
        match self {
            Self::Model(model) => model.borrow().set_trace(TraceOptions {
                commands,
                ..TraceOptions::default()
            }),
            #[cfg(feature = "rtl")]
            Self::Rtl(device) => device.borrow().trace_commands(commands),
        }
    }

    /// Takes the commands kept so far.
    pub fn take_command_trace(&self) -> Vec<CommandTrace> {
        match self {
            Self::Model(model) => model.borrow().take_command_trace(),
            #[cfg(feature = "rtl")]
            Self::Rtl(device) => device.borrow().take_command_trace(),
        }
    }

    /// Cycles that were simulated edge by edge; `None` of a twin that goes from event to event.
    pub fn evaluated_cycles(&self) -> Option<u64> {
        match self {
            Self::Model(_) => None,
            #[cfg(feature = "rtl")]
            Self::Rtl(device) => Some(device.borrow().evaluated_cycles()),
        }
    }
}

fn model_options(simulation: &SimulationOptions, medium: Medium) -> ModelOptions {
    let mut options = ModelOptions::new(medium);
    options.virtual_functions = simulation.vfs;
    options.io_queues = simulation.queues;
    if let Some(serial) = &simulation.serial {
        options.serial_number.clone_from(serial);
    }
    options.timing.mem_cycles = simulation.mem_cycles.into();
    options.timing.media_cycles = u64::from(simulation.media_us) * 1000 / NANOSECONDS_PER_CYCLE;
    if simulation.at_once {
        options.data_path = DataPath::AtOnce;
    }
    options
}

#[cfg(feature = "rtl")]
fn rtl_options(simulation: &SimulationOptions, medium: Medium) -> anyhow::Result<RtlOptions> {
    if simulation.media_us != 0 {
        anyhow::bail!(
            "media_us={}: the Verilog has DRAM behind it; a slower medium is an option of model: only",
            simulation.media_us
        );
    }
    if simulation.at_once {
        anyhow::bail!("at_once=1: the Verilog has its cycles; it is an option of model: only");
    }
    let mut options = RtlOptions {
        virtual_functions: simulation.vfs,
        io_queues: simulation.queues,
        mem_cycles: simulation.mem_cycles.into(),
        waves: simulation.waves.clone(),
        ..RtlOptions::new(medium)
    };
    if let Some(serial) = &simulation.serial {
        options.serial_number.clone_from(serial);
    }
    Ok(options)
}
