//! What the range lock is for, shown by taking it out.

#![cfg(feature = "range-lock-removed")]

use nvme_conformance::DeviceOptions;
use nvme_conformance::data::pages;
use nvme_model::medium::Medium;
use nvme_rtl::{RtlDevice, RtlOptions};
use pcie_host::endpoint::Endpoint;

fn without_lock(options: &DeviceOptions) -> Box<dyn Endpoint> {
    let medium = Medium::in_memory(options.medium_bytes, options.block_bytes).expect("memory");
    let options = RtlOptions {
        virtual_functions: options.virtual_functions,
        io_queues: options.queues_per_function,
        ..RtlOptions::new(medium)
    };
    Box::new(RtlDevice::range_lock_removed(options).expect("a device"))
}

#[test]
fn pages_tear() {
    pages::pages_tear_without_the_lock(without_lock);
}
