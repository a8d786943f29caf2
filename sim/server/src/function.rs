//! A function of the device as its clients see it.

use pcie_host::endpoint::FunctionId;

use crate::config::{ConfigSpace, Shape};
use crate::directory::Socket;
use crate::engine::{Engine, Request};
use crate::session::Session;

/// Bytes of the MSI-X table's page.
const TABLE_BYTES: usize = 4096;

/// The function.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) id: FunctionId,
    pub(crate) socket: Socket,
    pub(crate) config: ConfigSpace,
    /// What the client has written to the MSI-X table; the endpoint's own is the server's.
    pub(crate) table: Vec<u8>,
    pub(crate) session: Option<Session>,
    /// A reset is under way.
    pub(crate) resetting: bool,
    bus_master_told: bool,
    msix_told: bool,
}

impl Function {
    pub(crate) fn new(shape: Shape, socket: Socket) -> Self {
        Self {
            id: shape.function,
            socket,
            config: ConfigSpace::new(shape),
            table: vec![0; TABLE_BYTES],
            session: None,
            resetting: false,
            bus_master_told: false,
            msix_told: false,
        }
    }

    /// Tells the endpoint what registers and eventfds say now and did not say before.
    pub(crate) fn apply(&mut self, engine: &mut Engine) {
        if self.resetting {
            return;
        }
        let function = self.id;
        let enabled = self.config.bus_master();
        if enabled != self.bus_master_told {
            self.bus_master_told = enabled;
            engine.post(Request::BusMaster { function, enabled });
        }
        let mut writes = vec![];
        let interrupts = &mut engine.host.functions[function.index()].interrupts;
        interrupts.bring_up_to_date(|offset, data| {
            writes.push((offset, data.to_vec()));
        });
        let enabled = self.config.msix_enabled() || interrupts.any_armed();
        for (offset, data) in writes {
            engine.write_registers(function, offset, &data);
        }
        if enabled != self.msix_told {
            self.msix_told = enabled;
            engine.post(Request::Msix { function, enabled });
        }
    }

    /// Starts a function level reset, unless one is under way.
    pub(crate) fn start_reset(&mut self, engine: &mut Engine) {
        if !self.resetting {
            self.resetting = true;
            self.bus_master_told = false;
            self.msix_told = false;
            let function = self.id;
            engine.post(Request::Reset { function });
        }
    }

    /// The endpoint has done it. As with the kernel's VFIO, the registers are those from before.
    pub(crate) fn reset_done(&mut self, engine: &mut Engine) {
        self.resetting = false;
        self.apply(engine);
    }

    /// The client has gone: everything that was its own is taken away, and the function is reset.
    pub(crate) fn abandon(&mut self, engine: &mut Engine) {
        self.session = None;
        self.config.power_up();
        self.table.fill(0);
        let side = &mut engine.host.functions[self.id.index()];
        side.ranges.remove((0, u64::MAX));
        side.remote.clear();
        side.interrupts.disarm();
        side.bus_master = false;
        self.start_reset(engine);
    }
}
