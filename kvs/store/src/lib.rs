//! A key-value store on shared NVMe devices, without servers.
//!
//! A key's home page follows from a keyed hash and the superblock, so a GET is one page read and an
//! update is one page read and one fused Compare-and-Write. Nothing that could not be recomputed
//! stays in host memory between operations: any client can die at any point, and any other goes on.
//!
//! - [`format()`] makes a store on a device, [`fsck()`] proves its invariants, [`info()`] describes it.
//! - [`Client`] is one client: `submit` → [`Ticket`] / `poll` at the core, blocking methods for
//!   simple callers, [`AsyncClient`] for futures on any executor.
//! - [`page_store::PageStore`] is what a client needs of a device;
//!   [`testing::MemoryDevice`] is one that makes faults.
//!
//! ```
//! use rdstore::testing::{MemoryDevice, MemoryOptions};
//! use rdstore::{Client, FormatOptions, OpenOptions, Outcome, format};
//!
//! let device = MemoryDevice::new(1 << 20, MemoryOptions::default());
//! format(&mut device.handle(), &FormatOptions::default())?;
//! let mut client = Client::open(device.handle(), OpenOptions::default())?;
//! let Outcome::Stored { version } = client.put(b"key", b"value")? else { unreachable!() };
//! let found = client.get(b"key")?;
//! assert_eq!(found, Outcome::Found { version, value: b"value".into(), expires_unix_ms: None });
//! client.close()?;
//! # Ok::<(), rdstore::Error>(())
//! ```
//!
//! Whoever can open a function of the device can read and change everything in the store: there
//! are no access rights below the device's.

pub mod error;
pub mod nvme_page_store;
pub mod page_store;

mod acceptance;
mod asynchronous;
mod blocking_io;
mod checksum;
mod client;
mod client_counter;
mod format;
mod fsck;
mod hash;
mod info;
mod operation;
mod options;
mod page;
mod prediction;
mod statistics;
mod superblock;
pub mod testing;

pub use acceptance::DeviceCapabilities;
pub use asynchronous::AsyncClient;
pub use checksum::crc32c as page_crc;
pub use client::Client;
pub use error::{Error, PageFault};
pub use format::format;
pub use fsck::{FsckReport, Violation, fsck};
pub use info::{StoreInfo, info};
pub use nvme_page_store::NvmePageStore;
pub use operation::{Cursor, Operation, Outcome, ScanEntry, ScanPage, Ticket, Version};
pub use options::{FormatOptions, FormatReport, FsckOptions, OpenOptions};
pub use prediction::Prediction;
pub use statistics::{OperationCost, Statistics};
