//! What the program that is killed and the test that kills it agree on.
//!
//! The program goes round over the units of an image and fills each with the number of the write, again
//! and again, and notes how far it is in a second file (a store into the page cache outlives its
//! process). It notes some writes only: a process is rather killed inside a system call than inside a
//! copy.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use nvme_model::medium::{ATOMIC_UNIT_BYTES, Medium};

/// Units of the image.
pub const UNITS: u64 = 16;
/// Bytes of a logical block.
pub const BLOCK_BYTES: u32 = 4096;
/// Blocks of a unit.
pub const UNIT_BLOCKS: u32 = ATOMIC_UNIT_BYTES as u32 / BLOCK_BYTES;

/// The image in a test's folder.
pub fn image(folder: &Path) -> PathBuf {
    folder.join("x.img")
}

/// The note in a test's folder.
pub fn note(folder: &Path) -> PathBuf {
    folder.join("note")
}

/// What writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Writer {
    /// Calls of the medium itself.
    Medium,
    /// Commands to the cycle model.
    Model,
    /// Commands to the Verilog.
    Rtl,
}

impl Writer {
    /// By its name on a command line.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Medium, Self::Model, Self::Rtl];
        all.into_iter().find(|writer| writer.name() == name)
    }

    /// Its name on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Medium => "medium",
            Self::Model => "model",
            Self::Rtl => "rtl",
        }
    }

    /// Writes between two notes.
    pub const fn writes_a_note(self) -> u64 {
        match self {
            Self::Medium => 64,
            Self::Model => 16,
            Self::Rtl => 2,
        }
    }
}

/// The unit that a write goes to.
pub const fn unit_of(write: u64) -> u64 {
    write % UNITS
}

/// The content of a unit.
pub fn filled(write: u64) -> Vec<u8> {
    write.to_le_bytes().repeat(ATOMIC_UNIT_BYTES / 8)
}

/// How many writes were finished when the last note was made.
///
/// # Errors
/// The note cannot be read.
pub fn noted(note: &File) -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    note.read_exact_at(&mut bytes, 0).context("the note")?;
    Ok(u64::from_le_bytes(bytes))
}

/// The number that each unit holds.
///
/// # Errors
/// A unit's words are not all the same: it is torn.
pub fn unit_numbers(medium: &Medium) -> anyhow::Result<Vec<u64>> {
    let number_of = |unit: u64| {
        let bytes = medium.bytes(unit * ATOMIC_UNIT_BYTES as u64, ATOMIC_UNIT_BYTES);
        let number = bytes.first_chunk().copied().map_or(0, u64::from_le_bytes);
        ensure!(bytes == filled(number), "unit {unit} is torn");
        Ok(number)
    };
    (0..UNITS).map(number_of).collect()
}
