//! An endpoint that its user keeps a handle on.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use crate::endpoint::{Cycle, Endpoint, Inbound, Port};

/// An endpoint that can be given to a [`Host`](crate::Host) and still be asked: for its traces, for
/// its medium. Clones are handles on the same one.
#[derive(Debug)]
pub struct Shared<E>(Rc<RefCell<E>>);

impl<E> Clone for Shared<E> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<E: Endpoint> Shared<E> {
    /// Shares an endpoint.
    pub fn new(endpoint: E) -> Self {
        Self(Rc::new(RefCell::new(endpoint)))
    }

    /// The endpoint itself; this handle again while there are others (the host's, for one).
    ///
    /// # Errors
    /// The handle, when it is not the last one.
    pub fn into_inner(self) -> Result<E, Self> {
        Rc::try_unwrap(self.0)
            .map(RefCell::into_inner)
            .map_err(Self)
    }

    /// The endpoint, while the host is not driving it.
    pub fn borrow(&self) -> RefMut<'_, E> {
        self.0.borrow_mut()
    }
}

impl<E: Endpoint> Endpoint for Shared<E> {
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

    fn keeps_time(&self) -> bool {
        self.0.borrow().keeps_time()
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
