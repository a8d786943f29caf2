//! Where an admin transfer goes (§4.3): at most 4 KiB, so at most two pages and never a list. An
//! offset where none may be is an Invalid Field: 1.1 has no status of its own for it.

use nvme_spec::{MEMORY_PAGE_BYTES, Status, SubmissionEntry};

use super::HostPiece;
use super::decoder::{PRP1_BYTE, PRP2_BYTE, Rejection};

/// The pieces of a transfer of `length_bytes` (4 to 4,096, a multiple of 4), of which the host asked
/// for `requested_bytes`.
///
/// A request of more than two pages makes PRP2 a list (only Get Log Page can ask for as much, and no
/// page of this controller is as long). The list is never needed when PRP1 begins a page; when it does
/// not, the command is rejected: that is the one limit of having a 4 KiB buffer.
pub(super) fn pieces(
    sqe: &SubmissionEntry,
    length_bytes: u32,
    requested_bytes: u32,
) -> Result<[HostPiece; 2], Rejection> {
    const PAGE: u64 = MEMORY_PAGE_BYTES as u64;
    if !sqe.prp1.is_multiple_of(4) {
        return Err(Rejection::at(Status::INVALID_FIELD, PRP1_BYTE));
    }
    let offset = sqe.prp1 % PAGE;
    let room_bytes = (PAGE - offset) as u32;
    let first = HostPiece {
        address: sqe.prp1,
        length_bytes: length_bytes.min(room_bytes),
    };
    let rest_bytes = length_bytes - first.length_bytes;
    if rest_bytes == 0 {
        return Ok([first, HostPiece::default()]);
    }
    if offset + u64::from(requested_bytes) > 2 * PAGE {
        return Err(Rejection::at(Status::INVALID_FIELD, PRP1_BYTE));
    }
    if !sqe.prp2.is_multiple_of(PAGE) {
        return Err(Rejection::at(Status::INVALID_FIELD, PRP2_BYTE));
    }
    let second = HostPiece {
        address: sqe.prp2,
        length_bytes: rest_bytes,
    };
    Ok([first, second])
}

/// The base address of a queue, which must be a page's (§5.3, §5.4).
pub(super) fn queue_address(sqe: &SubmissionEntry) -> Result<u64, Rejection> {
    if sqe.prp1.is_multiple_of(MEMORY_PAGE_BYTES as u64) {
        Ok(sqe.prp1)
    } else {
        Err(Rejection::at(Status::INVALID_FIELD, PRP1_BYTE))
    }
}
