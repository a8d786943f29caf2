//! What transports on a real machine have in common, whatever carries them: the kernel's VFIO
//! (`nvme-vfio`) or another process (`nvme-vfio-user`).
//!
//! ```text
//! HostedTransport                       nvme_driver::Transport in real time
//!     ├─ Registers                      mapped pages of BAR0: volatile, no system call
//!     ├─ DmaPool → HostedDma            large pieces of memory, mapped for the device once
//!     ├─ WaitMode                       spin, give the core away, or sleep until an interrupt
//!     └─ dyn FunctionAccess             everything slow, by the back end
//! ```
//!
//! A back end implements [`FunctionAccess`], says what it has in a [`FunctionDescription`], and
//! gets its transport from [`HostedTransport::new`]. The hot path (store an entry, ring, look at
//! the completion queue) makes no system call, takes no lock and allocates nothing.

mod access;
mod clock;
pub mod config_space;
mod interrupts;
mod memory;
mod pool;
mod ranges;
mod registers;
mod transport;
mod wait;

pub use access::{FunctionAccess, FunctionDescription, IovaRange};
pub use interrupts::{Vector, WakeSet};
pub use memory::{HostMemory, MemoryKind};
pub use pool::HostedDma;
pub use registers::{MappedPages, Registers};
pub use transport::{HostedOptions, HostedTransport};
pub use wait::WaitMode;
