//! The endpoint's outstanding host reads: what their completions need to know.

use std::collections::VecDeque;

use pcie_host::endpoint::{FunctionId, ReadStatus};

use crate::tlp::{Beat, ReadCompletion};

/// Tags of the block.
const TAGS: usize = 64;

/// A read that has not ended.
#[derive(Clone, Copy, Debug)]
struct Read {
    function: FunctionId,
    /// Address of the next byte that comes.
    address: u64,
    remaining_bytes: u32,
}

/// The reads of all tags.
#[derive(Debug)]
pub(crate) struct Reads {
    rows: [Option<Read>; TAGS],
    count: u32,
    /// Most bytes of a completion.
    pub(crate) max_payload_bytes: u32,
}

/// Data of a read, as the host hands them over.
pub(crate) struct Data<'a> {
    pub(crate) tag: u8,
    pub(crate) bytes: &'a [u8],
    pub(crate) status: ReadStatus,
    pub(crate) last: bool,
}

impl Reads {
    pub(crate) const fn new() -> Self {
        Self {
            rows: [None; TAGS],
            count: 0,
            max_payload_bytes: 128,
        }
    }

    /// Is any read under way?
    pub(crate) const fn is_busy(&self) -> bool {
        self.count > 0
    }

    /// Whose read a tag is, and where its next byte comes from.
    pub(crate) fn next(&self, tag: u8) -> Option<(FunctionId, u64)> {
        let read = self.rows.get(usize::from(tag))?.as_ref()?;
        Some((read.function, read.address))
    }

    /// A read was sent. A tag that is in use keeps its row: the host reports the mistake.
    pub(crate) fn start(&mut self, tag: u8, function: FunctionId, address: u64, length_bytes: u32) {
        if let Some(row @ None) = self.rows.get_mut(usize::from(tag)) {
            *row = Some(Read {
                function,
                address,
                remaining_bytes: length_bytes,
            });
            self.count += 1;
        }
    }

    /// Data have come: appends their completions to `beats`, cut where a host cuts that hands over
    /// more than a completion at once. What belongs to no read is dropped.
    pub(crate) fn receive(&mut self, from: u64, data: &Data<'_>, beats: &mut VecDeque<Beat>) {
        let Some(Some(read)) = self.rows.get_mut(usize::from(data.tag)) else {
            return;
        };
        let mut rest = data.bytes;
        loop {
            let most = u64::from(self.max_payload_bytes);
            let length = (most - read.address % most).min(rest.len() as u64) as usize;
            let (now, later) = rest.split_at(length);
            rest = later;
            let ends = rest.is_empty();
            let completion = ReadCompletion {
                tag: data.tag,
                function: read.function,
                address: read.address,
                remaining_bytes: read.remaining_bytes,
                data: now,
                status: if ends {
                    data.status
                } else {
                    ReadStatus::Success
                },
                last: ends && data.last,
            };
            completion.push(beats, from);
            read.address += length as u64;
            read.remaining_bytes = read.remaining_bytes.saturating_sub(length as u32);
            if ends {
                break;
            }
        }
        if data.last {
            self.rows[usize::from(data.tag)] = None;
            self.count -= 1;
        }
    }

    /// No read will be answered any more (the link is gone).
    pub(crate) fn clear(&mut self) {
        self.rows = [None; TAGS];
        self.count = 0;
    }
}
