//! Every device test, on the Verilog.

#![cfg(feature = "verilator")]

use nvme_conformance::DeviceOptions;
use nvme_model::medium::Medium;
use nvme_rtl::{RtlDevice, RtlOptions};
use pcie_host::endpoint::Endpoint;

fn rtl(options: &DeviceOptions) -> Box<dyn Endpoint> {
    let medium = Medium::in_memory(options.medium_bytes, options.block_bytes).expect("memory");
    let options = RtlOptions {
        virtual_functions: options.virtual_functions,
        io_queues: options.queues_per_function,
        ..RtlOptions::new(medium)
    };
    Box::new(RtlDevice::new(options).expect("a device"))
}

nvme_conformance::suite!(rtl);
