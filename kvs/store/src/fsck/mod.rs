//! Proving a store's invariants, page by page.
//!
//! What holds at rest, and is proved here:
//! 1. Every page is blank or has a right header and CRC, and entries and directory are within it.
//! 2. A native entry stands in its home page; a guest does not.
//! 3. Each key is there once: within its home page's native entries and named guests.
//! 4. Every token a directory names is carried by a guest of that home page, in the page named,
//!    with the fingerprint named; no token stands twice in a page.
//! 5. A guest marked as committed is named. One that is not named is an orphan, which is harmless.
//! 6. No version in a home page is above the page's own.
//! 7. No stamp is of a client that never was.

mod walk;

use crate::blocking_io::BlockingIo;
use crate::client_counter::load_counter;
use crate::error::Error;
use crate::options::FsckOptions;
use crate::page_store::PageStore;
use crate::superblock::{COPIES, FoundCopies, RECORD_BYTES, load};
use walk::Walk;

/// Violations a report holds.
const VIOLATIONS_KEPT: usize = 1000;
/// Pages looked at between two calls of the progress function.
const CHUNK: u64 = 1024;

/// What a check found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct FsckReport {
    /// Pages looked at.
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

    fn add(&mut self, page: u64, what: String) {
        self.violations_total += 1;
        if self.violations.len() < VIOLATIONS_KEPT {
            self.violations.push(Violation { page, what });
        }
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
    let mut io = BlockingIo::new(store);
    let superblock = load(&mut io)?;
    let mut report = FsckReport::default();
    check_records(&mut io, &mut report)?;
    let clients = match load_counter(&mut io) {
        Ok(clients) => clients,
        Err(Error::DamagedPage { page, fault, .. }) => {
            report.add(page, format!("client counter: {fault}"));
            u64::MAX
        }
        Err(other) => return Err(other),
    };
    let first = superblock.body.first_home.get();
    let end = first + superblock.body.home_pages.get();
    let mut walk = Walk::new(&superblock, clients, report);
    let mut start = first;
    while start < end {
        let count = CHUNK.min(end - start);
        walk.chunk(&mut io, start, count)?;
        start += count;
        if let Some(progress) = options.progress {
            progress(start - first, end - first);
        }
    }
    Ok(walk.finish())
}

fn check_records<P: PageStore>(
    io: &mut BlockingIo<'_, P>,
    report: &mut FsckReport,
) -> Result<(), Error> {
    let found = FoundCopies::read(io)?;
    for (copy, offset) in found.copies.iter().zip(COPIES) {
        if let Err(fault) = copy {
            report.add(
                offset / RECORD_BYTES as u64,
                format!("superblock copy: {fault}"),
            );
        }
    }
    if let [Ok(first), Ok(second)] = &found.copies
        && (first.generation, first.version, &first.body)
            != (second.generation, second.version, &second.body)
    {
        let what = format!(
            "superblock copies differ: generation {} version {}, generation {} version {}",
            first.generation, first.version, second.generation, second.version
        );
        report.add(COPIES[1] / RECORD_BYTES as u64, what);
    }
    Ok(())
}
