//! A model that its user keeps a handle on while a host drives it.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use pcie_host::endpoint::{Cycle, Endpoint, Inbound, Port};

use crate::model::Model;

/// A model that can be given to a host and still be asked: for its traces, for its table. Clones are
/// handles on the same one.
#[derive(Clone, Debug)]
pub struct SharedModel(Rc<RefCell<Model>>);

impl SharedModel {
    /// Shares a model.
    pub fn new(model: Model) -> Self {
        Self(Rc::new(RefCell::new(model)))
    }

    /// The model itself; this handle again while there are others (the host's, for one).
    ///
    /// # Errors
    /// The handle, when it is not the last one.
    pub fn into_model(self) -> Result<Model, Self> {
        Rc::try_unwrap(self.0)
            .map(RefCell::into_inner)
            .map_err(Self)
    }

    /// The model, while the host is not driving it.
    pub fn borrow(&self) -> RefMut<'_, Model> {
        self.0.borrow_mut()
    }
}

impl Endpoint for SharedModel {
    fn next_event(&self) -> Option<Cycle> {
        self.0.borrow().next_event()
    }

    fn advance(&mut self, until: Cycle, port: &mut dyn Port) {
        self.0.borrow_mut().advance(until, port);
    }

    fn receive(&mut self, at: Cycle, inbound: Inbound<'_>) {
        self.0.borrow_mut().receive(at, inbound);
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
