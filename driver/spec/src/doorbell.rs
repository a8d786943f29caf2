//! Doorbell registers (NVMe 1.1 §3.1.11, §3.1.12), stride 4 bytes (CAP.DSTRD = 0).

use crate::register::DOORBELLS;

/// What a doorbell offset in BAR0 names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doorbell {
    /// Tail of submission queue n.
    SubmissionTail(u16),
    /// Head of completion queue n.
    CompletionHead(u16),
}

/// BAR0 offset of the tail doorbell of submission queue `queue_id`.
pub const fn submission_tail_offset(queue_id: u16) -> u64 {
    DOORBELLS + 8 * queue_id as u64
}

/// BAR0 offset of the head doorbell of completion queue `queue_id`.
pub const fn completion_head_offset(queue_id: u16) -> u64 {
    DOORBELLS + 8 * queue_id as u64 + 4
}

/// The doorbell at a BAR0 offset; `None` below the doorbells or when not a multiple of 4.
pub const fn at_offset(offset: u64) -> Option<Doorbell> {
    if offset < DOORBELLS || !offset.is_multiple_of(4) || (offset - DOORBELLS) / 8 > 0xffff {
        return None;
    }
    let queue_id = ((offset - DOORBELLS) / 8) as u16;
    if offset.is_multiple_of(8) {
        Some(Doorbell::SubmissionTail(queue_id))
    } else {
        Some(Doorbell::CompletionHead(queue_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_doorbell_is_found_again_at_its_offset() {
        assert_eq!(submission_tail_offset(0), 0x1000);
        assert_eq!(completion_head_offset(0), 0x1004);
        assert_eq!(submission_tail_offset(3), 0x1018);
        for queue_id in [0, 1, 2, 511, u16::MAX] {
            assert_eq!(
                at_offset(submission_tail_offset(queue_id)),
                Some(Doorbell::SubmissionTail(queue_id))
            );
            assert_eq!(
                at_offset(completion_head_offset(queue_id)),
                Some(Doorbell::CompletionHead(queue_id))
            );
        }
    }

    #[test]
    fn other_offsets_are_no_doorbells() {
        for offset in [0, 0xffc, 0x1001, 0x1002, 0x1000 + 8 * 0x1_0000, u64::MAX] {
            assert_eq!(at_offset(offset), None, "{offset:#x}");
        }
    }
}
