//! What a back end has to provide: the slow half of a function.

use std::os::fd::BorrowedFd;

use nvme_driver::TransportError;

use crate::memory::{HostMemory, MemoryKind};
use crate::registers::Registers;

/// Bus addresses `first` to `last`, both included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IovaRange {
    /// First address.
    pub first: u64,
    /// Last address.
    pub last: u64,
}

/// The slow operations of one PCIe function. All of them may be called from any thread.
pub trait FunctionAccess: Send + Sync {
    /// Reads `data.len()` (4 or 8) bytes at `offset` of BAR0, for registers that are not mapped.
    ///
    /// # Errors
    /// The function does not answer.
    fn read(&self, offset: u64, data: &mut [u8]) -> Result<(), TransportError>;

    /// Writes `data` (4 or 8 bytes) at `offset` of BAR0, for registers that are not mapped.
    ///
    /// # Errors
    /// The function does not answer.
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), TransportError>;

    /// Lets the device reach `memory` at `iova`.
    ///
    /// # Errors
    /// Says what is in the way and what helps.
    fn map(&self, memory: &HostMemory, iova: u64) -> Result<(), String>;

    /// Ends that. What fails here has no consequence that anybody could act on: the function is gone,
    /// and its mappings with it.
    fn unmap(&self, memory: &HostMemory, iova: u64);

    /// Has MSI-X vector n signal `events[n]` from now on.
    ///
    /// # Errors
    /// The function does not answer, or has fewer vectors.
    fn enable_interrupts(&self, events: &[BorrowedFd<'_>]) -> Result<(), TransportError>;

    /// Function level reset; the function answers again, with bus mastering on, when it returns.
    ///
    /// # Errors
    /// The function cannot be reset, or does not come back.
    fn reset(&self) -> Result<(), TransportError>;

    /// Does the function still answer? Asked when a register read as all ones.
    fn answers(&self) -> bool;

    /// Waits, within bounds, for a function that is gone to come back: true when it answers again, with bus
    /// mastering on, its mapped registers where `registers` has them, and `memory` mapped for it at each
    /// bus address. Where nothing ever comes back, it is false at once.
    fn bring_back(&self, registers: &Registers, memory: &[(&HostMemory, u64)]) -> bool {
        let _ = (registers, memory);
        false
    }

    /// Why the function does not answer any more; `None` while it does, as far as is known. Cheap:
    /// asked in every wait.
    fn gone(&self) -> Option<String>;
}

/// What a back end knows of its function.
#[derive(Debug)]
pub struct FunctionDescription {
    /// How messages name the function.
    pub name: String,
    /// Size of BAR0 in bytes.
    pub bar0_bytes: u64,
    /// The mapped parts of BAR0.
    pub registers: Registers,
    /// MSI-X vectors the function has.
    pub vectors: u16,
    /// Where its DMA memory may be mapped.
    pub iova: Vec<IovaRange>,
    /// What that memory has to be.
    pub memory: MemoryKind,
}
