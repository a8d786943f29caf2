//! Proving a store's invariants.

use crate::error::Error;
use crate::options::FsckOptions;
use crate::page_store::PageStore;

/// What a check found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct FsckReport {
    /// Pages read.
    pub pages: u64,
    /// Pages that were never written in this format generation.
    pub blank_pages: u64,
    /// Keys present (expired ones included).
    pub keys: u64,
    /// Keys that stand in another page than their own.
    pub overflowed_keys: u64,
    /// Bytes of keys and values.
    pub record_bytes: u64,
    /// Share of the pages' payload bytes in use, 0–1.
    pub fill: f64,
    /// Entries left by clients that died or gave up; harmless, cleared when room is needed.
    pub orphans: u64,
    /// What must not be. Empty when the store is sound; holds the first thousand.
    pub violations: Vec<Violation>,
    /// How many violations there are in all.
    pub violations_total: u64,
}

impl FsckReport {
    /// True when nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.violations_total == 0
    }
}

/// Something that must not be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The page it was seen in.
    pub page: u64,
    /// Which invariant, and what was found.
    pub what: String,
}

/// Walks every page of a store that nobody is changing, and proves: headers and CRCs are right;
/// each key is there once; directories name what is there; tokens are unique; nothing unknown.
/// Memory does not grow with the store.
///
/// # Errors
/// [`Error::NotFormatted`], [`Error::DamagedSuperblock`], [`Error::Device`]. What is wrong with
/// data pages is in the report.
pub fn fsck<P: PageStore>(store: &mut P, options: &FsckOptions) -> Result<FsckReport, Error> {
    let _ = options;
    Err(Error::NotFormatted {
        device: store.name().to_owned(),
        found: "not built yet".to_owned(),
    })
}
