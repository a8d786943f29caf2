//! Making the devices.

use nvme_model::medium::Medium;
use nvme_model::{CommandTrace, LockEvent, Model, ModelOptions, Timing, TraceOptions};
#[cfg(feature = "verilator")]
use nvme_rtl::{RtlDevice, RtlOptions};
use pcie_host::Shared;
use pcie_host::endpoint::Endpoint;

use crate::generate::first_tag;
use crate::script::{Setup, contents};

/// I/O queues of each function: what the variants of the Verilog have.
pub const IO_QUEUES: u16 = 4;

/// A device, and what can be asked of it beside the link.
pub struct Device {
    /// For the host.
    pub endpoint: Box<dyn Endpoint>,
    /// For us.
    pub probe: Box<dyn Probe>,
}

/// What a twin tells of itself.
pub trait Probe {
    /// Takes the commands traced so far.
    fn take_commands(&self) -> Vec<CommandTrace>;
    /// Takes the steps of the range lock so far; `None` when it does not tell them.
    fn take_locks(&self) -> Option<Vec<LockEvent>>;
}

/// Makes a device for a script, in whatever thread.
pub type Make = dyn Fn(&Setup) -> Device + Sync;

/// The namespace as every script finds it.
///
/// # Panics
/// There is no memory.
pub fn medium(setup: &Setup) -> Medium {
    let block_bytes = u64::from(setup.block_bytes);
    let mut medium =
        Medium::in_memory(setup.blocks * block_bytes, setup.block_bytes).expect("memory");
    for lba in 0..setup.blocks {
        let data = contents(first_tag(lba), setup.block_bytes as usize);
        medium.write_atomic(lba * block_bytes, &data);
    }
    medium
}

/// The cycle model, made from other options, and changed.
///
/// # Panics
/// The options are none that a model can have.
pub fn model_with(
    setup: &Setup,
    options: impl FnOnce(&mut ModelOptions),
    change: impl FnOnce(&mut Model),
) -> Device {
    let mut changed = ModelOptions {
        io_queues: IO_QUEUES,
        timing: Timing {
            mem_cycles: setup.mem_cycles,
            write_response_cycles: setup.write_response_cycles,
            ..Timing::default()
        },
        ..ModelOptions::new(medium(setup))
    };
    options(&mut changed);
    let mut model = Model::new(changed).expect("options that a model can have");
    change(&mut model);
    let model = Shared::new(model);
    model.borrow().set_trace(TraceOptions {
        commands: true,
        locks: true,
    });
    Device {
        endpoint: Box::new(model.clone()),
        probe: Box::new(model),
    }
}

/// The cycle model.
pub fn model(setup: &Setup) -> Device {
    model_with(setup, |_| (), |_| ())
}

impl Probe for Shared<Model> {
    fn take_commands(&self) -> Vec<CommandTrace> {
        self.borrow().take_command_trace()
    }

    fn take_locks(&self) -> Option<Vec<LockEvent>> {
        Some(self.borrow().take_lock_trace())
    }
}

/// The Verilog.
///
/// # Panics
/// This build has no such variant.
#[cfg(feature = "verilator")]
pub fn rtl(setup: &Setup) -> Device {
    let options = RtlOptions {
        io_queues: IO_QUEUES,
        mem_cycles: setup.mem_cycles,
        write_response_cycles: setup.write_response_cycles,
        stalls: setup.stalls,
        ..RtlOptions::new(medium(setup))
    };
    let device = Shared::new(RtlDevice::new(options).expect("a variant of the Verilog"));
    device.borrow().trace_commands(true);
    device.borrow().trace_locks(true);
    Device {
        endpoint: Box::new(device.clone()),
        probe: Box::new(device),
    }
}

#[cfg(feature = "verilator")]
impl Probe for Shared<RtlDevice> {
    fn take_commands(&self) -> Vec<CommandTrace> {
        self.borrow().take_command_trace()
    }

    fn take_locks(&self) -> Option<Vec<LockEvent>> {
        self.borrow().take_lock_trace()
    }
}
