//! A device that its user keeps a handle on.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use pcie_host::endpoint::{Cycle, Endpoint, Inbound, Port};

use crate::device::RtlDevice;

/// A device that its user keeps a handle on while a host drives it. Clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct SharedRtlDevice(Rc<RefCell<RtlDevice>>);

impl SharedRtlDevice {
    /// Shares a device.
    pub fn new(device: RtlDevice) -> Self {
        Self(Rc::new(RefCell::new(device)))
    }

    /// The device, while the host is not driving it.
    pub fn borrow(&self) -> RefMut<'_, RtlDevice> {
        self.0.borrow_mut()
    }
}

impl Endpoint for SharedRtlDevice {
    fn next_event(&self) -> Option<Cycle> {
        self.0.borrow().next_event()
    }

    fn advance(&mut self, until: Cycle, port: &mut dyn Port) {
        self.0.borrow_mut().advance(until, port);
    }

    fn receive(&mut self, at: Cycle, inbound: Inbound<'_>) {
        self.0.borrow_mut().receive(at, inbound);
    }

    fn receives_first_beats(&self) -> bool {
        self.0.borrow().receives_first_beats()
    }

    fn virtual_functions(&self) -> u8 {
        self.0.borrow().virtual_functions()
    }

    fn vectors_per_function(&self) -> u16 {
        self.0.borrow().vectors_per_function()
    }

    fn peek_medium(&self, offset: u64, into: &mut [u8]) {
        self.0.borrow().peek_medium(offset, into);
    }
}
