//! Data of writes and compares on their way before they are asked for.
//!
//! What a client has just stored lies in its own processor's cache, and comes from there line by line.
//! The submission queue entry names the page some hundred nanoseconds before the endpoint reads it, so
//! the server's processor begins to fetch it then. It is a hint: a wrong guess costs a little time, and
//! nothing else depends on it.

use nvme_spec::opcode::nvm;
use nvme_spec::{NAMESPACE_ID, SUBMISSION_ENTRY_BYTES, SubmissionEntry};
use zerocopy::FromBytes;

use crate::dma::{DmaRanges, PAGE_BYTES, Target};
use crate::mapped_file::MappedFile;

/// Entries that one read of the endpoint fetches, at most.
const MOST_ENTRIES: usize = 8;
/// Bytes of a cache line.
const LINE_BYTES: usize = 64;

/// Could these be submission queue entries?
#[inline]
pub(crate) const fn could_be_entries(bytes: usize) -> bool {
    bytes.is_multiple_of(SUBMISSION_ENTRY_BYTES) && bytes <= MOST_ENTRIES * SUBMISSION_ENTRY_BYTES
}

/// Begins to fetch the first page of every write and compare among `entries`.
pub(crate) fn fetch_data_of(entries: &[u8], ranges: &mut DmaRanges) {
    for entry in entries.chunks_exact(SUBMISSION_ENTRY_BYTES) {
        let Ok(entry) = SubmissionEntry::read_from_bytes(entry) else {
            continue;
        };
        let reads_host = matches!(entry.opcode(), nvm::WRITE | nvm::COMPARE);
        if !reads_host || entry.namespace_id != NAMESPACE_ID {
            continue;
        }
        let bytes = PAGE_BYTES - entry.prp1 % PAGE_BYTES;
        if let Some(Target::File(file, offset)) = ranges.find(entry.prp1, bytes, false) {
            prefetch(file, offset, bytes as usize);
        }
    }
}

/// Begins to fetch memory into the second-level cache.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "a processor's hint")]
fn prefetch(file: &MappedFile, offset: u64, bytes: usize) {
    use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};

    let start = file.at(offset, bytes);
    for line in (0..bytes).step_by(LINE_BYTES) {
        // SAFETY: it reads nothing that the program could see, and never faults; SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(start.wrapping_add(line).cast_const().cast()) };
    }
}

/// Does nothing.
#[cfg(not(target_arch = "x86_64"))]
fn prefetch(_file: &MappedFile, _offset: u64, _bytes: usize) {}
