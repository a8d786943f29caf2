//! The transports a command can run on, behind one type: which one it is, is decided when the program
//! runs. The hot path costs one branch that always goes the same way.
#![expect(unsafe_code, reason = "hands on the promise of DmaMemory")]

use nvme_driver::{DmaMemory, DmaPurpose, Transport, TransportError, Wake};
use nvme_hosted::{HostedDma, HostedTransport};
use pcie_host::{SimDma, SimTransport};

/// A function of any device that `--device` can name.
pub enum DeviceTransport {
    /// In this process, in simulated time.
    Simulated(SimTransport),
    /// Behind a socket or the kernel's VFIO, in real time.
    Hosted(HostedTransport),
}

/// Its DMA memory.
pub enum DeviceDma {
    /// Of the simulated host.
    Simulated(SimDma),
    /// Of this machine.
    Hosted(HostedDma),
}

/// The same call on whichever it is.
macro_rules! either {
    ($on:expr, $inner:ident => $call:expr) => {
        match $on {
            Self::Simulated($inner) => $call,
            Self::Hosted($inner) => $call,
        }
    };
}

// SAFETY: both variants keep the promise, and the value hands out what they say.
unsafe impl DmaMemory for DeviceDma {
    #[inline]
    fn pointer(&self) -> *mut u8 {
        either!(self, memory => memory.pointer())
    }

    #[inline]
    fn len(&self) -> usize {
        either!(self, memory => memory.len())
    }

    #[inline]
    fn bus_address(&self) -> u64 {
        either!(self, memory => memory.bus_address())
    }
}

impl Transport for DeviceTransport {
    type Dma = DeviceDma;

    fn name(&self) -> &str {
        either!(self, transport => transport.name())
    }

    fn clone_handle(&self) -> Self {
        match self {
            Self::Simulated(transport) => Self::Simulated(transport.clone_handle()),
            Self::Hosted(transport) => Self::Hosted(transport.clone_handle()),
        }
    }

    fn read_u32(&mut self, offset: u64) -> Result<u32, TransportError> {
        either!(self, transport => transport.read_u32(offset))
    }

    fn read_u64(&mut self, offset: u64) -> Result<u64, TransportError> {
        either!(self, transport => transport.read_u64(offset))
    }

    #[inline]
    fn write_u32(&mut self, offset: u64, value: u32) -> Result<(), TransportError> {
        either!(self, transport => transport.write_u32(offset, value))
    }

    fn write_u64(&mut self, offset: u64, value: u64) -> Result<(), TransportError> {
        either!(self, transport => transport.write_u64(offset, value))
    }

    fn allocate_dma(
        &mut self,
        bytes: usize,
        purpose: DmaPurpose,
    ) -> Result<DeviceDma, TransportError> {
        Ok(match self {
            Self::Simulated(transport) => {
                DeviceDma::Simulated(transport.allocate_dma(bytes, purpose)?)
            }
            Self::Hosted(transport) => DeviceDma::Hosted(transport.allocate_dma(bytes, purpose)?),
        })
    }

    #[inline]
    fn now_ns(&self) -> u64 {
        either!(self, transport => transport.now_ns())
    }

    #[inline]
    fn coarse_now_ns(&self) -> u64 {
        either!(self, transport => transport.coarse_now_ns())
    }

    #[inline]
    fn wait(&mut self, deadline_ns: u64) -> Result<Wake, TransportError> {
        either!(self, transport => transport.wait(deadline_ns))
    }

    fn interrupt_vectors(&self) -> u16 {
        either!(self, transport => transport.interrupt_vectors())
    }

    fn enable_interrupt(&mut self, vector: u16) -> Result<(), TransportError> {
        either!(self, transport => transport.enable_interrupt(vector))
    }

    fn take_interrupt(&mut self, vector: u16) -> Result<bool, TransportError> {
        either!(self, transport => transport.take_interrupt(vector))
    }

    fn bring_back(&mut self) -> bool {
        either!(self, transport => transport.bring_back())
    }

    fn reset_function(&mut self) -> Result<(), TransportError> {
        either!(self, transport => transport.reset_function())
    }
}
