//! A rig with a handle on its own device, for tests that reach past the link.

use std::cell::RefCell;

use nvme_conformance::{DeviceOptions, Rig};
use nvme_rtl::RtlDevice;
use pcie_host::Shared;
use pcie_host::endpoint::Endpoint;

use crate::support;

thread_local! {
    /// The device that was made last: a factory is a function, and gives its device to the rig.
    static DEVICE: RefCell<Option<Shared<RtlDevice>>> = const { RefCell::new(None) };
}

fn rtl(wanted: &DeviceOptions) -> Box<dyn Endpoint> {
    let device = RtlDevice::new(support::options(wanted)).expect("a device");
    let device = Shared::new(device);
    DEVICE.set(Some(device.clone()));
    Box::new(device)
}

/// A rig, and its device.
pub(crate) fn rig() -> (Rig, Shared<RtlDevice>) {
    let rig = Rig::new(rtl);
    let device = DEVICE.take().expect("the rig has made one");
    (rig, device)
}
