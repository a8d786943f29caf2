//! What the driver needs of a PCIe function: BAR0 access, DMA memory, a clock, waiting, reset.
//!
//! Back ends: an in-process simulation (`pcie-host`), functions that another process serves
//! (`nvme-vfio-user`), the kernel's VFIO (`nvme-vfio`). The driver does not know which one it runs on. A transport is one handle on one function; [`Transport::clone_handle`]
//! gives a further handle on the same function, so that each queue pair has its own.

use thiserror::Error;

/// What a DMA region is for; a simulated host wakes its clients for queue memory only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DmaPurpose {
    /// Completion and submission queues: a device write here ends a [`Transport::wait`].
    Queue,
    /// Data buffers and PRP lists.
    Data,
}

/// Memory that both the host's software and the device can reach. Dropping it gives it back: the
/// device's later accesses fail, or reach what was allocated in its place where a back end maps several
/// allocations as one. So the device must have stopped using it.
///
/// # Safety
/// `pointer` must stay valid for reads and writes of `len` bytes, zeroed at allocation, aligned to
/// 4 KiB, for as long as the value lives, and must not move when the value does. `bus_address` must
/// be a multiple of 4 KiB, and the region contiguous in the device's address space.
#[expect(
    unsafe_code,
    reason = "the promise about the pointer cannot be checked by the compiler"
)]
pub unsafe trait DmaMemory {
    /// First byte, in this process.
    fn pointer(&self) -> *mut u8;
    /// Size in bytes, a multiple of 4 KiB.
    fn len(&self) -> usize;
    /// Never empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// First byte, as the device sees it.
    fn bus_address(&self) -> u64;
}

/// Why [`Transport::wait`] came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// The device wrote queue memory or raised an interrupt, or may have done so.
    Device,
    /// The deadline has passed.
    Deadline,
}

/// A transport fault. None of these says anything about the outcome of commands in flight.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The function does not answer any more (hot-removed, link down, peer gone).
    #[error("{device}: the device is gone ({reason})")]
    DeviceGone {
        /// Which function.
        device: String,
        /// What was seen.
        reason: String,
    },
    /// No DMA memory of this size is to be had.
    #[error("{device}: no DMA memory of {bytes} bytes ({reason})")]
    NoDmaMemory {
        /// Which function.
        device: String,
        /// Bytes asked for.
        bytes: usize,
        /// Why not, and what to do.
        reason: String,
    },
    /// A BAR0 access that cannot be made.
    #[error("{device}: BAR0 has no register of {bytes} bytes at offset {offset:#x}")]
    InvalidRegister {
        /// Which function.
        device: String,
        /// Offset within BAR0.
        offset: u64,
        /// Width of the access.
        bytes: usize,
    },
    /// Anything else the back end reports.
    #[error("{device}: {reason}")]
    Failed {
        /// Which function.
        device: String,
        /// What happened.
        reason: String,
    },
}

/// One handle on one PCIe function with an NVMe controller behind BAR0.
pub trait Transport: Sized {
    /// DMA memory of this back end.
    type Dma: DmaMemory;

    /// How error messages name the device, such as `model:x.img function 1`.
    fn name(&self) -> &str;

    /// A further handle on the same function.
    fn clone_handle(&self) -> Self;

    /// Reads a 32-bit register of BAR0. All ones when the function does not answer a read that
    /// reached the bus is reported as [`TransportError::DeviceGone`].
    fn read_u32(&mut self, offset: u64) -> Result<u32, TransportError>;

    /// Reads a 64-bit register of BAR0.
    fn read_u64(&mut self, offset: u64) -> Result<u64, TransportError>;

    /// Writes a 32-bit register of BAR0 (posted). Doorbells go this way too: everything the
    /// caller stored in DMA memory before is visible to the device before the write arrives.
    fn write_u32(&mut self, offset: u64, value: u32) -> Result<(), TransportError>;

    /// Writes a 64-bit register of BAR0 (posted).
    fn write_u64(&mut self, offset: u64, value: u64) -> Result<(), TransportError>;

    /// Allocates zeroed DMA memory of at least `bytes` bytes, rounded up to 4 KiB.
    fn allocate_dma(
        &mut self,
        bytes: usize,
        purpose: DmaPurpose,
    ) -> Result<Self::Dma, TransportError>;

    /// Nanoseconds of this transport's monotonic clock: simulated time, or the machine's.
    fn now_ns(&self) -> u64;

    /// The same clock, at most some milliseconds behind, where that is cheaper to read: for timeouts
    /// of seconds, which every poll looks at.
    #[inline]
    fn coarse_now_ns(&self) -> u64 {
        self.now_ns()
    }

    /// Gives way until the device may have done something, or `deadline_ns` has passed. Spurious
    /// returns are allowed. On a simulation this is what moves time.
    fn wait(&mut self, deadline_ns: u64) -> Result<Wake, TransportError>;

    /// MSI-X vectors the back end can deliver; 0 when only polling works.
    fn interrupt_vectors(&self) -> u16;

    /// Programs and unmasks MSI-X vector `vector`.
    fn enable_interrupt(&mut self, vector: u16) -> Result<(), TransportError>;

    /// Takes what has arrived on `vector` since the last call: true when at least one interrupt.
    fn take_interrupt(&mut self, vector: u16) -> Result<bool, TransportError>;

    /// Function level reset; returns when the function answers again.
    fn reset_function(&mut self) -> Result<(), TransportError>;

    /// Waits for a function that is gone ([`TransportError::DeviceGone`]) to come back, within bounds: true
    /// when one stands in its place, as after power-up, and reaches all DMA memory as before. Whether it is
    /// the same device the driver finds out. Where nothing ever comes back, it is false at once.
    fn bring_back(&mut self) -> bool {
        false
    }
}
