//! The cycle model as a Python module: the golden reference of the test bench.
//!
//! `Golden` is the model behind [`Endpoint`]: what reaches it are method calls with the cycle
//! in which it does, and what it sends is kept until Python asks for it. `golden.pyi` tells Python's
//! type checker the same.

mod sent;

use nvme_model::medium::Medium;
use nvme_model::{Model, ModelOptions};
use pcie_host::endpoint::{Cycle, Endpoint, FunctionId, Inbound, LinkSettings, ReadStatus};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::sent::{Sent, SentLog};

/// How a read of the device ended, by the name that Python has for it.
fn read_status(name: &str) -> PyResult<ReadStatus> {
    Ok(match name {
        "success" => ReadStatus::Success,
        "poisoned" => ReadStatus::Poisoned,
        "unsupported_request" => ReadStatus::UnsupportedRequest,
        "completer_abort" => ReadStatus::CompleterAbort,
        "timeout" => ReadStatus::Timeout,
        "function_reset" => ReadStatus::FunctionReset,
        other => return Err(PyValueError::new_err(format!("no read status {other:?}"))),
    })
}

fn value_error(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// The cycle model of the controller.
#[pyclass(unsendable)]
struct Golden {
    model: Model,
    log: SentLog,
    now: Cycle,
}

impl Golden {
    /// The cycle as the model's time; it never goes back.
    fn enter(&mut self, at: Cycle) -> PyResult<()> {
        if at < self.now {
            return Err(PyValueError::new_err(format!(
                "cycle {at} comes after cycle {}",
                self.now
            )));
        }
        self.now = at;
        Ok(())
    }

    fn receive(&mut self, at: Cycle, inbound: Inbound<'_>) -> PyResult<()> {
        self.enter(at)?;
        self.model.receive(at, inbound);
        Ok(())
    }

    fn function(&self, number: u8) -> PyResult<FunctionId> {
        if number > self.model.virtual_functions() {
            return Err(PyValueError::new_err(format!("no function {number}")));
        }
        Ok(FunctionId(number))
    }
}

#[pymethods]
impl Golden {
    /// A device with an empty medium.
    #[new]
    #[pyo3(signature = (medium_bytes, *, block_bytes = 4096, virtual_functions = 6, io_queues = 4, serial_number = "RDS00000001"))]
    fn new(
        medium_bytes: u64,
        block_bytes: u32,
        virtual_functions: u8,
        io_queues: u16,
        serial_number: &str,
    ) -> PyResult<Self> {
        let medium = Medium::in_memory(medium_bytes, block_bytes).map_err(value_error)?;
        let mut options = ModelOptions::new(medium);
        options.virtual_functions = virtual_functions;
        options.io_queues = io_queues;
        options.serial_number = serial_number.to_owned();
        Ok(Self {
            model: Model::new(options).map_err(value_error)?,
            log: SentLog::default(),
            now: 0,
        })
    }

    /// Settings of the link.
    #[pyo3(signature = (at, *, max_payload_bytes, max_read_request_bytes, read_completion_boundary_bytes, completion_space_bytes, completion_space_headers))]
    fn link(
        &mut self,
        at: Cycle,
        max_payload_bytes: u32,
        max_read_request_bytes: u32,
        read_completion_boundary_bytes: u32,
        completion_space_bytes: u32,
        completion_space_headers: u32,
    ) -> PyResult<()> {
        let settings = LinkSettings {
            max_payload_bytes,
            max_read_request_bytes,
            read_completion_boundary_bytes,
            completion_space_bytes,
            completion_space_headers,
        };
        self.receive(at, Inbound::Link(settings))
    }

    /// CQ: a write to BAR0.
    fn write(&mut self, at: Cycle, function: u8, offset: u64, data: &[u8]) -> PyResult<()> {
        let function = self.function(function)?;
        self.receive(
            at,
            Inbound::MemoryWrite {
                function,
                offset,
                data,
            },
        )
    }

    /// CQ: a read of BAR0, answered by a `ReadCompletion` with the same tag.
    fn read(
        &mut self,
        at: Cycle,
        function: u8,
        offset: u64,
        length_bytes: u32,
        tag: u16,
    ) -> PyResult<()> {
        let function = self.function(function)?;
        self.receive(
            at,
            Inbound::MemoryRead {
                function,
                offset,
                length_bytes,
                tag,
            },
        )
    }

    /// RC: data of a read of the device, or its end without them.
    #[pyo3(signature = (at, tag, data, *, status = "success", last = true))]
    fn read_data(
        &mut self,
        at: Cycle,
        tag: u8,
        data: &[u8],
        status: &str,
        last: bool,
    ) -> PyResult<()> {
        let status = read_status(status)?;
        self.receive(
            at,
            Inbound::ReadData {
                tag,
                data,
                status,
                last,
            },
        )
    }

    /// Function level reset, answered by a `ResetDone`.
    fn function_reset(&mut self, at: Cycle, function: u8) -> PyResult<()> {
        let function = self.function(function)?;
        self.receive(at, Inbound::FunctionReset { function })
    }

    /// Bus-master enable of a function.
    fn bus_master(&mut self, at: Cycle, function: u8, enabled: bool) -> PyResult<()> {
        let function = self.function(function)?;
        self.receive(at, Inbound::BusMaster { function, enabled })
    }

    /// MSI-X Message Control of a function.
    fn msix_control(
        &mut self,
        at: Cycle,
        function: u8,
        enabled: bool,
        masked: bool,
    ) -> PyResult<()> {
        let function = self.function(function)?;
        self.receive(
            at,
            Inbound::MsixControl {
                function,
                enabled,
                masked,
            },
        )
    }

    /// How many VFs there are now.
    fn enable_virtual_functions(&mut self, at: Cycle, count: u8) -> PyResult<()> {
        self.function(count)?;
        self.receive(at, Inbound::VirtualFunctions { count })
    }

    /// Runs everything that is due up to and including cycle `until`; what was sent since the last call.
    fn advance(&mut self, until: Cycle) -> PyResult<Vec<Sent>> {
        self.enter(until)?;
        self.model.advance(until, &mut self.log);
        Ok(self.log.take())
    }

    /// Bytes of the medium.
    fn peek_medium<'py>(
        &self,
        python: Python<'py>,
        offset: u64,
        length_bytes: usize,
    ) -> Bound<'py, PyBytes> {
        let mut bytes = vec![0; length_bytes];
        self.model.peek_medium(offset, &mut bytes);
        PyBytes::new(python, &bytes)
    }
}

/// The cycle model as a Python module.
#[pymodule]
mod golden {
    #[pymodule_export]
    use super::Golden;
    #[pymodule_export]
    use super::sent::Sent;
}
