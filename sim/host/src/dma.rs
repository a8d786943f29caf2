//! The driver's DMA memory on a simulated host.
#![expect(unsafe_code, reason = "DmaMemory is a promise about a pointer")]

use nvme_driver::transport::DmaMemory;

use crate::memory::HostBuffer;

/// DMA memory of a [`SimTransport`](crate::SimTransport): host memory, mapped for the transport's function.
#[derive(Debug)]
pub struct SimDma {
    buffer: HostBuffer,
    bus_address: u64,
}

impl SimDma {
    pub(crate) fn new(buffer: HostBuffer, bus_address: u64) -> Self {
        Self {
            buffer,
            bus_address,
        }
    }

    /// The memory, to map it for other functions or at other addresses.
    pub fn buffer(&self) -> &HostBuffer {
        &self.buffer
    }
}

// SAFETY: the buffer's pages are part of a mapping that the buffer keeps alive and that never
// moves; they were zeroed when allocated, are page aligned because the mapping and all offsets
// are, and nobody else gets them before the buffer is dropped. Bus addresses are multiples of the
// page size, and one mapping covers the whole buffer.
unsafe impl DmaMemory for SimDma {
    fn pointer(&self) -> *mut u8 {
        self.buffer.pointer()
    }

    fn len(&self) -> usize {
        self.buffer.len()
    }

    fn bus_address(&self) -> u64 {
        self.bus_address
    }
}
