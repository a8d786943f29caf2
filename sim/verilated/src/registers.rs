//! The host's accesses to BAR0, and which of its reads wait for an answer.

use std::collections::VecDeque;

use pcie_host::endpoint::{Cycle, FunctionId};

use crate::tlp::{Answer, Beat, PAGE_BYTES, RegisterRequest};

/// Largest write that is one request, in bytes.
const MAXIMUM_WRITE_BYTES: u64 = 128;

/// A register read of the host that was not answered yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RegisterRead {
    /// The host's tag.
    pub(crate) tag: u16,
    pub(crate) function: FunctionId,
    pub(crate) length_bytes: u32,
    /// Bytes of the first dword that were not asked for.
    pub(crate) skipped_bytes: u32,
}

/// The reads that wait, by the tag that CQ has carried.
#[derive(Debug)]
pub(crate) struct Registers {
    reads: [Option<RegisterRead>; 256],
    next_tag: u8,
}

/// Appends a write to the beats of CQ, not before cycle `at`.
pub(crate) fn write(
    beats: &mut VecDeque<Beat>,
    at: Cycle,
    function: FunctionId,
    mut offset: u64,
    data: &[u8],
) {
    // A host sends what crosses a page as two requests.
    let mut rest = data;
    loop {
        let most = PAGE_BYTES - offset % PAGE_BYTES;
        let length = most.min(MAXIMUM_WRITE_BYTES).min(rest.len() as u64) as usize;
        let (now, later) = rest.split_at(length);
        let request = RegisterRequest {
            function,
            offset,
            data: Some(now),
            length_bytes: length as u64,
            tag: 0,
        };
        request.push(beats, at);
        if later.is_empty() {
            return;
        }
        offset += length as u64;
        rest = later;
    }
}

impl Registers {
    pub(crate) const fn new() -> Self {
        Self {
            reads: [None; 256],
            next_tag: 0,
        }
    }

    /// Appends a read to the beats of CQ, not before cycle `at`.
    pub(crate) fn read(
        &mut self,
        beats: &mut VecDeque<Beat>,
        at: Cycle,
        read: RegisterRead,
        offset: u64,
    ) {
        let tag = self.next_tag;
        self.next_tag = tag.wrapping_add(1);
        self.reads[usize::from(tag)] = Some(read);
        let request = RegisterRequest {
            function: read.function,
            offset,
            data: None,
            length_bytes: read.length_bytes.into(),
            tag,
        };
        request.push(beats, at);
    }

    /// The host's tag and value of an answer on CC.
    ///
    /// # Panics
    /// Nobody has asked, or somebody else: the host would not notice.
    pub(crate) fn answer(&mut self, answer: &Answer) -> (u16, Option<u64>) {
        let Some(read) = self.reads[usize::from(answer.tag)].take() else {
            panic!("CC: nobody has asked with tag {}", answer.tag);
        };
        assert!(
            answer.function == read.function,
            "CC: {} answers for {}",
            answer.function,
            read.function
        );
        let data = answer.data.map(|data| {
            let data = data >> (8 * read.skipped_bytes);
            match read.length_bytes {
                8.. => data,
                bytes => data & ((1 << (8 * bytes)) - 1),
            }
        });
        (read.tag, data)
    }

    /// No read will be answered any more (the link is gone).
    pub(crate) fn clear(&mut self) {
        self.reads = [None; 256];
    }
}
