//! Every device test, on the Verilog.

#![cfg(feature = "verilator")]

mod support;

use nvme_conformance::DeviceOptions;
use nvme_rtl::RtlDevice;
use pcie_host::endpoint::Endpoint;

fn rtl(wanted: &DeviceOptions) -> Box<dyn Endpoint> {
    Box::new(RtlDevice::new(support::options(wanted)).expect("a device"))
}

nvme_conformance::suite!(rtl);
