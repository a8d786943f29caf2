//! Copies to memory that another processor reads next.
//!
//! A client's data buffer is in the cache of the client's processor when the device writes it again:
//! an ordinary store would fetch each of its lines from there first, only to replace it. Stores that
//! bypass the caches do not. On two processors without a common cache that is most of what a 4 KiB
//! read costs.
#![expect(unsafe_code, reason = "memory that another process reads")]

/// Bytes of a cache line.
#[cfg(target_arch = "x86_64")]
const LINE_BYTES: usize = 64;
/// Shorter copies are left to the caches: not a line of them may be whole.
pub(crate) const LEAST_BYTES: usize = 192;

/// Copies `from` to `to`. Later stores of this thread may be seen before these, until [`settle`].
///
/// # Safety
/// `to` is valid for writes of `from.len()` bytes, which `from` does not overlap.
#[cfg(target_arch = "x86_64")]
pub(crate) unsafe fn copy(from: &[u8], to: *mut u8) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};

    const LANE_BYTES: usize = size_of::<__m128i>();
    // Whole lines only, so that none is written in two parts.
    let before = to.align_offset(LINE_BYTES).min(from.len());
    let (head, rest) = from.split_at(before);
    let (lines, tail) = rest.split_at(rest.len() - rest.len() % LINE_BYTES);
    // SAFETY: all three parts lie inside the range that the caller vouches for; `_mm_stream_si128`
    // wants 16-byte alignment, which the first line has and each lane after it keeps. SSE2 is part of
    // x86-64.
    unsafe {
        std::ptr::copy_nonoverlapping(head.as_ptr(), to, head.len());
        let aligned = to.add(before);
        for at in (0..lines.len()).step_by(LANE_BYTES) {
            let lane = _mm_loadu_si128(lines.as_ptr().add(at).cast());
            _mm_stream_si128(aligned.add(at).cast(), lane);
        }
        let end = aligned.add(lines.len());
        std::ptr::copy_nonoverlapping(tail.as_ptr(), end, tail.len());
    }
}

/// Every later store of this thread is seen after those of [`copy`] before. It waits until the memory has
/// them, so that it is best called once for many copies.
#[cfg(target_arch = "x86_64")]
pub(crate) fn settle() {
    // SAFETY: SSE is part of x86-64.
    unsafe { std::arch::x86_64::_mm_sfence() };
}

/// Copies `from` to `to`.
///
/// # Safety
/// `to` is valid for writes of `from.len()` bytes, which `from` does not overlap.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) unsafe fn copy(from: &[u8], to: *mut u8) {
    // SAFETY: as the caller says.
    unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to, from.len()) };
}

/// Later stores of this thread are seen after those of [`copy`] before where they are ordered stores.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn settle() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_at_every_place_of_a_line_arrives_and_nothing_else_changes() {
        let from: Vec<u8> = (0..600_u32).map(|n| (n * 7 + 1) as u8).collect();
        for place in 0..64 {
            for length in [0, 1, 15, 63, 64, 65, 127, 128, 192, 248, 320, 513] {
                let mut to = vec![0_u8; 700];
                let source = &from[place..place + length];
                let start = to.as_ptr().align_offset(64) + place;
                // SAFETY: `start + length` is below 64 + 64 + 513.
                unsafe { copy(source, to.as_mut_ptr().add(start)) };
                settle();
                assert_eq!(&to[start..start + length], source, "{place} {length}");
                let untouched = to[..start].iter().chain(&to[start + length..]);
                assert!(untouched.copied().all(|byte| byte == 0), "{place} {length}");
            }
        }
    }
}
