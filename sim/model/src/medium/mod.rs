//! The DRAM image: bytes in memory only, or a file mapped into memory.
//!
//! What a controller of this project promises for power failure (AWUPF, 16 KiB) holds here for the
//! death of the process: [`Medium::write_atomic`] goes through a redo record in the file, so a
//! SIGKILL at any instant leaves the unit as it was or as it became, never half of it.
//!
//! # File
//! The image from byte 0 (LBA 0 first), then, at the next multiple of 4 KiB, a trailer:
//!
//! | offset in the trailer | what |
//! |---|---|
//! | 0 | header page: magic, layout version, image bytes, block bytes, redo slots, CRC32C |
//! | 4,096 | redo slot, first page: commit flag, offset, length, CRC32C of the data |
//! | 8,192 | redo slot, data (16 KiB) |
//!
//! The file is sparse: blocks never written take no space. It is locked (`flock`) as long as it is
//! open, so a second opener gets an error and not a broken image.
//!
//! # Limits
//! - The lock is advisory. A process that truncates the file while it is open, and a file system
//!   that runs full under a sparse image, end this process with SIGBUS: that is how `mmap` reports
//!   it. Reserve the blocks beforehand (`fallocate`) where that matters.
//! - It guards against the death of the process, not of the machine: nothing is forced to the
//!   disk, so a host that loses power may leave the file as its page cache happened to be.

mod error;
mod file;
mod image;
mod redo;
mod trailer;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod file_tests;

pub use error::MediumError;
pub use image::Medium;

/// The largest write that is atomic across a crash (AWUPF), in bytes.
pub const ATOMIC_UNIT_BYTES: usize = 16 << 10;
