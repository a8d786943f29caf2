//! What the model sends, kept for Python.

use pcie_host::endpoint::{Cycle, FunctionId, MemoryRead, MemoryWrite, Port};
use pyo3::prelude::*;

/// Something that left the device, in the cycle of its last beat.
#[pyclass(frozen)]
#[derive(Clone, Debug)]
pub(crate) enum Sent {
    /// RQ: a posted write; a burst of TLPs is one.
    Write {
        at: Cycle,
        function: u8,
        address: u64,
        data: Vec<u8>,
    },
    /// RQ: a read.
    Read {
        at: Cycle,
        function: u8,
        address: u64,
        length_bytes: u32,
        tag: u8,
    },
    /// CC: the answer to a read of BAR0; no value is an Unsupported Request.
    ReadCompletion {
        at: Cycle,
        tag: u16,
        value: Option<u64>,
    },
    /// A function level reset has ended.
    ResetDone { at: Cycle, function: u8 },
}

/// Everything sent since it was last asked for, in order.
#[derive(Default)]
pub(crate) struct SentLog(Vec<Sent>);

impl SentLog {
    pub(crate) fn take(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.0)
    }
}

impl Port for SentLog {
    fn memory_write(&mut self, at: Cycle, write: MemoryWrite<'_>) {
        self.0.push(Sent::Write {
            at,
            function: write.function.0,
            address: write.address,
            data: write.data.to_vec(),
        });
    }

    fn memory_read(&mut self, at: Cycle, read: MemoryRead) {
        self.0.push(Sent::Read {
            at,
            function: read.function.0,
            address: read.address,
            length_bytes: read.length_bytes,
            tag: read.tag,
        });
    }

    fn read_completion(&mut self, at: Cycle, tag: u16, data: Option<u64>) {
        self.0.push(Sent::ReadCompletion {
            at,
            tag,
            value: data,
        });
    }

    fn function_reset_done(&mut self, at: Cycle, function: FunctionId) {
        self.0.push(Sent::ResetDone {
            at,
            function: function.0,
        });
    }
}
