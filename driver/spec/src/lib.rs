//! The numbers and layouts of NVMe 1.1, written down once.
//!
//! Every register, command, completion, data structure, feature, log page and status code that the
//! controller of this project implements or its driver uses stands here with its section of the
//! standard (NVM Express 1.1b). Sections are cited, not figures: figures were renumbered between
//! 1.1, 1.1a and 1.1b. Layouts are checked against the standard's byte offsets by tests.
//! Where 1.1 leaves a case to a later revision the stricter 1.1 reading holds, and the item says so.
//! Nothing here does anything: no I/O, no allocation, no `unsafe`.
#![no_std]
#![forbid(unsafe_code)]

pub mod async_event;
pub mod command;
pub mod completion;
pub mod doorbell;
pub mod feature;
pub mod field;
pub mod identify;
pub mod log_page;
pub mod msix;
pub mod opcode;
pub mod prp;
pub mod register;
pub mod status;

pub use command::{Fuse, SubmissionEntry};
pub use completion::CompletionEntry;
pub use field::{DataStructure, Field, FieldInfo, FieldKind};
pub use status::Status;

/// Bytes of a submission queue entry (§4.2).
pub const SUBMISSION_ENTRY_BYTES: usize = 64;
/// Bytes of a completion queue entry (§4.6).
pub const COMPLETION_ENTRY_BYTES: usize = 16;
/// The one memory page size of this project (CC.MPS = 0): 4 KiB (§3.1.5).
pub const MEMORY_PAGE_BYTES: usize = 4096;
/// The namespace identifier of the only namespace.
pub const NAMESPACE_ID: u32 = 1;
/// The namespace identifier that means all namespaces (§6.1).
pub const ALL_NAMESPACES: u32 = 0xffff_ffff;
