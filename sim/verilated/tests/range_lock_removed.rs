//! What the range lock is for, shown by taking it out.

#![cfg(feature = "range-lock-removed")]

mod support;

use nvme_conformance::DeviceOptions;
use nvme_conformance::data::pages;
use nvme_rtl::RtlDevice;
use pcie_host::endpoint::Endpoint;

fn without_lock(wanted: &DeviceOptions) -> Box<dyn Endpoint> {
    Box::new(RtlDevice::range_lock_removed(support::options(wanted)).expect("a device"))
}

#[test]
fn pages_tear() {
    pages::pages_tear_without_the_lock(without_lock);
}
