//! The driver's [`Transport`] on a simulated function.

use std::fmt;
use std::rc::Rc;

use nvme_driver::transport::{DmaPurpose, Transport, TransportError, Wake};
use nvme_spec::msix;

use crate::config::{MSIX_CONTROL, bits};
use crate::dma::SimDma;
use crate::downlink::Request;
use crate::endpoint::{Cycle, FunctionId, NANOSECONDS_PER_CYCLE};
use crate::error::HostError;
use crate::host::Host;
use crate::interrupt;
use crate::memory::Access;
use crate::simulation::{Simulation, Stop};

/// One handle on one function of a [`Host`]: the one that was there when the handle was made. A VF that
/// goes (VF Enable cleared, by software or by a reset of the PF; SR-IOV 1.1 §2.2.3) and comes back is a
/// new function, as is everything behind a link that was down; for the old handle the device is gone.
pub struct SimTransport {
    host: Host,
    function: FunctionId,
    name: Rc<str>,
    vectors: u16,
    /// Which of the functions that have had this number it is on.
    incarnation: u32,
    /// Wakes this handle knows of. A wake of any function counts: all clients of the simulation are
    /// in this process, and time may move only while each of them has nothing to do.
    seen: u64,
    /// A wait has said that the function is gone.
    told_gone: bool,
}

impl SimTransport {
    pub(crate) fn new(host: Host, function: FunctionId) -> Self {
        let (name, vectors, incarnation, seen) = host.with(|simulation| {
            let name = format!("{} {function}", simulation.options.name);
            (
                name.into(),
                simulation.endpoint.vectors_per_function(),
                simulation.incarnation(function),
                simulation.wakes,
            )
        });
        Self {
            host,
            function,
            name,
            vectors,
            incarnation,
            seen,
            told_gone: false,
        }
    }

    /// Which function it is on.
    pub fn function(&self) -> FunctionId {
        self.function
    }

    /// The host it belongs to.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Adds what software does besides register accesses: the function's next access leaves the host
    /// this much later.
    pub fn spend_cycles(&mut self, cycles: Cycle) {
        let function = self.function;
        self.host
            .with(|simulation| simulation.spend(function, cycles));
    }

    /// Does the function that this handle was made for still exist?
    fn is_there(&self, simulation: &Simulation) -> bool {
        simulation.is_there(self.function)
            && simulation.incarnation(self.function) == self.incarnation
    }

    fn gone(&self, simulation: &Simulation) -> TransportError {
        let reason = if !simulation.block.link_up {
            "the link is down"
        } else if !simulation.state(self.function).exists {
            "the function is disabled"
        } else if simulation.incarnation(self.function) != self.incarnation {
            "the function was disabled or its link was down meanwhile; open it again"
        } else {
            "a register read was not answered"
        };
        TransportError::DeviceGone {
            device: self.name.to_string(),
            reason: reason.to_owned(),
        }
    }

    fn check_register(&self, offset: u64, bytes: usize) -> Result<(), TransportError> {
        if offset.is_multiple_of(bytes as u64) && offset < msix::BAR0_BYTES {
            return Ok(());
        }
        Err(TransportError::InvalidRegister {
            device: self.name.to_string(),
            offset,
            bytes,
        })
    }

    fn read(&self, offset: u64, bytes: usize) -> Result<u64, TransportError> {
        self.check_register(offset, bytes)?;
        let function = self.function;
        self.host.with(|simulation| {
            if !self.is_there(simulation) {
                return Err(self.gone(simulation));
            }
            let bytes = bytes as u32;
            let read = |tag| Request::Read {
                function,
                offset,
                bytes,
                tag,
            };
            let answer = simulation.request_answer(function, read);
            answer.ok_or_else(|| self.gone(simulation))
        })
    }

    fn write(&self, offset: u64, bytes: u8, value: u64) -> Result<(), TransportError> {
        self.check_register(offset, bytes.into())?;
        let function = self.function;
        self.host.with(|simulation| {
            if !self.is_there(simulation) {
                return Err(self.gone(simulation));
            }
            let data = value.to_le_bytes();
            simulation.request(
                function,
                Request::Write {
                    function,
                    offset,
                    data,
                    bytes,
                },
            );
            Ok(())
        })
    }

    fn host_error(&self, error: &HostError) -> TransportError {
        let device = self.name.to_string();
        match error {
            HostError::LinkDown { .. } | HostError::NoSuchFunction { .. } => {
                self.host.with(|simulation| self.gone(simulation))
            }
            error => TransportError::Failed {
                device,
                reason: error.to_string(),
            },
        }
    }

    fn check_vector(&self, vector: u16) -> Result<(), TransportError> {
        if vector < self.vectors {
            return Ok(());
        }
        Err(TransportError::Failed {
            device: self.name.to_string(),
            reason: format!(
                "no MSI-X vector {vector}; the function has {}",
                self.vectors
            ),
        })
    }
}

impl Transport for SimTransport {
    type Dma = SimDma;

    fn name(&self) -> &str {
        &self.name
    }

    fn clone_handle(&self) -> Self {
        Self {
            host: self.host.clone(),
            function: self.function,
            name: Rc::clone(&self.name),
            vectors: self.vectors,
            incarnation: self.incarnation,
            seen: self.seen,
            told_gone: self.told_gone,
        }
    }

    fn read_u32(&mut self, offset: u64) -> Result<u32, TransportError> {
        self.read(offset, 4).map(|value| value as u32)
    }

    fn read_u64(&mut self, offset: u64) -> Result<u64, TransportError> {
        self.read(offset, 8)
    }

    fn write_u32(&mut self, offset: u64, value: u32) -> Result<(), TransportError> {
        self.write(offset, 4, value.into())
    }

    fn write_u64(&mut self, offset: u64, value: u64) -> Result<(), TransportError> {
        self.write(offset, 8, value)
    }

    fn allocate_dma(
        &mut self,
        bytes: usize,
        purpose: DmaPurpose,
    ) -> Result<Self::Dma, TransportError> {
        let refused = |error: HostError| TransportError::NoDmaMemory {
            device: self.name.to_string(),
            bytes,
            reason: error.to_string(),
        };
        let buffer = self.host.allocate(bytes).map_err(refused)?;
        let bus_address = self
            .host
            .with(|simulation| simulation.take_bus_addresses(buffer.len()));
        self.host
            .map(
                self.function,
                bus_address,
                &buffer,
                Access::ReadWrite,
                purpose,
            )
            .map_err(refused)?;
        Ok(SimDma::new(buffer, bus_address))
    }

    fn now_ns(&self) -> u64 {
        self.host.now() * NANOSECONDS_PER_CYCLE
    }

    fn wait(&mut self, deadline_ns: u64) -> Result<Wake, TransportError> {
        let deadline = if deadline_ns == u64::MAX {
            Cycle::MAX
        } else {
            deadline_ns.div_ceil(NANOSECONDS_PER_CYCLE)
        };
        let seen = self.seen;
        // That the function is gone is said at once, but once: who waits on has something to wait
        // for (to try again, to give up), and time has to pass for that.
        let passes_when_gone = self.told_gone && deadline != Cycle::MAX;
        let (stop, wakes, gone) = self.host.with(|simulation| {
            let waits = self.is_there(simulation) || passes_when_gone;
            let stop = if waits && simulation.wakes == seen {
                simulation.run(deadline, |simulation| simulation.wakes != seen)
            } else {
                Stop::Met
            };
            let gone = (!self.is_there(simulation)).then(|| self.gone(simulation));
            (stop, simulation.wakes, gone)
        });
        self.seen = wakes;
        self.told_gone = gone.is_some();
        if let Some(gone) = gone {
            return Err(gone);
        }
        match stop {
            Stop::Met => Ok(Wake::Device),
            Stop::Limit => Ok(Wake::Deadline),
            Stop::Idle => Err(TransportError::Failed {
                device: self.name.to_string(),
                reason: "the device has nothing left to do, and there is no deadline: this wait \
                         would never end"
                    .to_owned(),
            }),
        }
    }

    fn interrupt_vectors(&self) -> u16 {
        self.vectors
    }

    fn enable_interrupt(&mut self, vector: u16) -> Result<(), TransportError> {
        self.check_vector(vector)?;
        let entry = msix::TABLE_OFFSET + u64::from(vector) * msix::ENTRY_BYTES;
        let address = interrupt::message_address(self.function);
        self.write_u32(entry, address as u32)?;
        self.write_u32(entry + 4, (address >> 32) as u32)?;
        self.write_u32(entry + 8, vector.into())?;
        self.write_u32(entry + 12, 0)?;
        let state = self.host.with(|simulation| simulation.state(self.function));
        if !state.msix_enabled || state.msix_masked {
            self.host
                .config_write(self.function, MSIX_CONTROL, 2, bits::MSIX_ENABLE)
                .map_err(|error| self.host_error(&error))?;
        }
        Ok(())
    }

    fn take_interrupt(&mut self, vector: u16) -> Result<bool, TransportError> {
        self.check_vector(vector)?;
        let function = self.function;
        self.host.with(|simulation| {
            if simulation.incarnation(function) != self.incarnation {
                return Err(self.gone(simulation));
            }
            Ok(simulation.interrupts.take(function, vector))
        })
    }

    fn reset_function(&mut self) -> Result<(), TransportError> {
        self.host.with(|simulation| {
            if self.is_there(simulation) {
                Ok(())
            } else {
                Err(self.gone(simulation))
            }
        })?;
        self.host
            .reset_function(self.function)
            .map_err(|error| self.host_error(&error))
    }
}

impl fmt::Debug for SimTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimTransport({})", self.name)
    }
}
