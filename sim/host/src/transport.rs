//! The driver's [`Transport`] on a simulated function.

use nvme_driver::transport::{DmaMemory, DmaPurpose, Transport, TransportError, Wake};

/// One handle on one function of a [`Host`](crate::Host).
pub struct SimTransport {}

/// DMA memory of a [`SimTransport`].
pub struct SimDma {}

#[expect(unused_variables, reason = "signatures first")]
#[expect(unsafe_code, reason = "DmaMemory's promise")]
// SAFETY: nothing can be constructed yet.
unsafe impl DmaMemory for SimDma {
    fn pointer(&self) -> *mut u8 {
        unreachable!()
    }
    fn len(&self) -> usize {
        unreachable!()
    }
    fn bus_address(&self) -> u64 {
        unreachable!()
    }
}

#[expect(unused_variables, reason = "signatures first")]
impl Transport for SimTransport {
    type Dma = SimDma;
    fn name(&self) -> &str {
        unreachable!()
    }
    fn clone_handle(&self) -> Self {
        unreachable!()
    }
    fn read_u32(&mut self, offset: u64) -> Result<u32, TransportError> {
        unreachable!()
    }
    fn read_u64(&mut self, offset: u64) -> Result<u64, TransportError> {
        unreachable!()
    }
    fn write_u32(&mut self, offset: u64, value: u32) -> Result<(), TransportError> {
        unreachable!()
    }
    fn write_u64(&mut self, offset: u64, value: u64) -> Result<(), TransportError> {
        unreachable!()
    }
    fn allocate_dma(
        &mut self,
        bytes: usize,
        purpose: DmaPurpose,
    ) -> Result<Self::Dma, TransportError> {
        unreachable!()
    }
    fn now_ns(&self) -> u64 {
        unreachable!()
    }
    fn wait(&mut self, deadline_ns: u64) -> Result<Wake, TransportError> {
        unreachable!()
    }
    fn interrupt_vectors(&self) -> u16 {
        unreachable!()
    }
    fn enable_interrupt(&mut self, vector: u16) -> Result<(), TransportError> {
        unreachable!()
    }
    fn take_interrupt(&mut self, vector: u16) -> Result<bool, TransportError> {
        unreachable!()
    }
    fn reset_function(&mut self) -> Result<(), TransportError> {
        unreachable!()
    }
}
