//! The devices that the same measurement runs on.

use clap::ValueEnum;
use nvme_conformance::{DeviceOptions, Factory};
use nvme_model::medium::Medium;
use nvme_model::{Model, ModelOptions};
#[cfg(feature = "rtl")]
use nvme_rtl::{RtlDevice, RtlOptions};
use pcie_host::endpoint::Endpoint;

/// Which controller is measured.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum Twin {
    /// The cycle model.
    Model,
    /// The Verilog through Verilator.
    #[cfg(feature = "rtl")]
    Rtl,
}

impl Twin {
    /// Builds it.
    pub(crate) fn factory(self) -> Factory {
        match self {
            Self::Model => |options| Box::new(model(options)),
            #[cfg(feature = "rtl")]
            Self::Rtl => |options| Box::new(RtlDevice::new(rtl(options)).expect(OPTIONS)),
        }
    }

    /// Builds it with its range lock taken out.
    pub(crate) fn factory_without_lock(self) -> Factory {
        match self {
            Self::Model => model_without_lock,
            #[cfg(feature = "rtl")]
            Self::Rtl => {
                |options| Box::new(RtlDevice::range_lock_removed(rtl(options)).expect(OPTIONS))
            }
        }
    }
}

/// Why a device can be made.
const OPTIONS: &str = "options that the device tests use too";

fn medium(options: &DeviceOptions) -> Medium {
    Medium::in_memory(options.medium_bytes, options.block_bytes).expect("memory")
}

fn model(options: &DeviceOptions) -> Model {
    Model::new(ModelOptions {
        virtual_functions: options.virtual_functions,
        io_queues: options.queues_per_function,
        ..ModelOptions::new(medium(options))
    })
    .expect(OPTIONS)
}

fn model_without_lock(options: &DeviceOptions) -> Box<dyn Endpoint> {
    let mut model = model(options);
    model.remove_range_lock();
    Box::new(model)
}

#[cfg(feature = "rtl")]
fn rtl(options: &DeviceOptions) -> RtlOptions {
    RtlOptions {
        virtual_functions: options.virtual_functions,
        io_queues: options.queues_per_function,
        ..RtlOptions::new(medium(options))
    }
}
