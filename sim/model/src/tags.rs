//! Tags of host reads, and the receiver's completion space that each has reserved.

use pcie_host::endpoint::{Cycle, LinkSettings};

/// What the data of a host read is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// SQEs of a queue, into its FIFO from slot `slot` on.
    SubmissionEntries { function: u8, queue: u16, slot: u8 },
    /// Entries of a PRP list of a context.
    PrpList { context: u16 },
    /// Data of a segment of a context, to `offset` of the buffer memory.
    Data {
        context: u16,
        segment: u8,
        offset: u32,
    },
    /// Nobody's any more: its owner was reset or gave up. Data are dropped until the read has ended.
    Quarantined { function: u8 },
}

/// A row of the tag table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tag {
    pub(crate) purpose: Purpose,
    /// Bytes still to come.
    pub(crate) remaining_bytes: u32,
    /// Bytes that have come.
    pub(crate) received_bytes: u32,
    /// Completion headers still reserved for it.
    headers: u32,
    function: u8,
    sent_at: Cycle,
    /// Neighbours in order of sending.
    older: u8,
    newer: u8,
    /// It no longer counts for its function: nobody waits for it.
    given_up: bool,
}

const NONE: u8 = u8::MAX;

/// The tag table.
#[derive(Debug)]
pub(crate) struct Tags {
    rows: Vec<Tag>,
    free: u64,
    all: u64,
    oldest: u8,
    newest: u8,
    free_space_bytes: u32,
    free_space_headers: u32,
    link: LinkSettings,
    of_function: Vec<u16>,
}

impl Tags {
    pub(crate) fn new(tags: u32, functions: usize, link: LinkSettings) -> Self {
        let row = Tag {
            purpose: Purpose::Quarantined { function: 0 },
            remaining_bytes: 0,
            received_bytes: 0,
            headers: 0,
            function: 0,
            sent_at: 0,
            older: NONE,
            newer: NONE,
            given_up: false,
        };
        let all = u64::MAX >> (64 - tags);
        Self {
            rows: vec![row; tags as usize],
            free: all,
            all,
            oldest: NONE,
            newest: NONE,
            free_space_bytes: link.completion_space_bytes,
            free_space_headers: link.completion_space_headers,
            link,
            of_function: vec![0; functions],
        }
    }

    /// Most completion headers a read may take: one for each piece between completion boundaries.
    fn headers_for(&self, address: u64, length_bytes: u32) -> u32 {
        let boundary = u64::from(self.link.read_completion_boundary_bytes.max(4));
        let first = address / boundary;
        let last = (address + u64::from(length_bytes) - 1) / boundary;
        (last - first + 1) as u32
    }

    /// Reserves a tag and completion space for a read; `None` when there is not enough of either.
    pub(crate) fn allocate(
        &mut self,
        function: u8,
        purpose: Purpose,
        address: u64,
        length_bytes: u32,
        now: Cycle,
    ) -> Option<u8> {
        let headers = self.headers_for(address, length_bytes);
        // A read larger than the whole space goes alone.
        let alone = self.free == self.all;
        let fits = length_bytes <= self.free_space_bytes && headers <= self.free_space_headers;
        if self.free == 0 || !(fits || alone) {
            return None;
        }
        let tag = self.free.trailing_zeros() as u8;
        self.free &= self.free - 1;
        self.free_space_bytes = self.free_space_bytes.saturating_sub(length_bytes);
        self.free_space_headers = self.free_space_headers.saturating_sub(headers);
        self.of_function[usize::from(function)] += 1;
        self.rows[usize::from(tag)] = Tag {
            purpose,
            remaining_bytes: length_bytes,
            received_bytes: 0,
            headers,
            function,
            sent_at: now,
            older: self.newest,
            newer: NONE,
            given_up: false,
        };
        if self.newest == NONE {
            self.oldest = tag;
        } else {
            self.rows[usize::from(self.newest)].newer = tag;
        }
        self.newest = tag;
        Some(tag)
    }

    /// The tag, if it is in use.
    pub(crate) fn get(&self, tag: u8) -> Option<&Tag> {
        let in_use = u32::from(tag) < 64 && (self.all & !self.free) >> tag & 1 == 1;
        in_use.then(|| &self.rows[usize::from(tag)])
    }

    /// `bytes` of the tag have come: their space is free again, if it is not already.
    pub(crate) fn receive(&mut self, tag: u8, bytes: u32) {
        let boundary = self.link.read_completion_boundary_bytes.max(4);
        let row = &mut self.rows[usize::from(tag)];
        let bytes = bytes.min(row.remaining_bytes);
        row.remaining_bytes -= bytes;
        row.received_bytes += bytes;
        // What is left begins at a boundary, but for a completer that breaks the rule.
        let headers = row.headers.min(row.remaining_bytes.div_ceil(boundary));
        let freed = row.headers - headers;
        row.headers = headers;
        if !row.given_up {
            self.give_back(bytes, freed);
        }
    }

    fn give_back(&mut self, bytes: u32, headers: u32) {
        self.free_space_bytes =
            (self.free_space_bytes + bytes).min(self.link.completion_space_bytes);
        self.free_space_headers =
            (self.free_space_headers + headers).min(self.link.completion_space_headers);
    }

    /// The read has ended (or was never sent): the tag is free again.
    pub(crate) fn release(&mut self, tag: u8) {
        let remaining = self.rows[usize::from(tag)].remaining_bytes;
        self.receive(tag, remaining);
        self.unlink(tag);
        let row = &self.rows[usize::from(tag)];
        if !row.given_up {
            self.of_function[usize::from(row.function)] -= 1;
        }
        self.free |= 1 << tag;
    }

    /// Nobody wants the data any more; the tag stays taken until its read has ended.
    pub(crate) fn quarantine(&mut self, tag: u8) {
        let row = &mut self.rows[usize::from(tag)];
        row.purpose = Purpose::Quarantined {
            function: row.function,
        };
    }

    /// The read has taken too long: nobody waits for it any more, nor keeps space for it, and it is quarantined.
    pub(crate) fn give_up(&mut self, tag: u8) {
        self.quarantine(tag);
        self.unlink(tag);
        let row = &mut self.rows[usize::from(tag)];
        if !row.given_up {
            row.given_up = true;
            let (bytes, headers) = (row.remaining_bytes, row.headers);
            self.of_function[usize::from(row.function)] -= 1;
            self.give_back(bytes, headers);
        }
    }

    fn unlink(&mut self, tag: u8) {
        let Tag {
            older,
            newer,
            given_up,
            ..
        } = self.rows[usize::from(tag)];
        if given_up {
            return;
        }
        if older == NONE {
            self.oldest = newer;
        } else {
            self.rows[usize::from(older)].newer = newer;
        }
        if newer == NONE {
            self.newest = older;
        } else {
            self.rows[usize::from(newer)].older = older;
        }
    }

    /// The read that has been waiting longest: tag and the cycle it was sent in.
    pub(crate) fn oldest(&self) -> Option<(u8, Cycle)> {
        (self.oldest != NONE).then(|| (self.oldest, self.rows[usize::from(self.oldest)].sent_at))
    }

    /// Reads of a function that somebody still waits for the end of.
    pub(crate) fn of_function(&self, function: usize) -> u16 {
        self.of_function[function]
    }

    /// Tags in use, as a set.
    pub(crate) const fn in_use(&self) -> u64 {
        self.all & !self.free
    }

    /// Settings for reads from now on.
    pub(crate) fn set_link(&mut self, link: LinkSettings) {
        let used_bytes = self.link.completion_space_bytes - self.free_space_bytes;
        let used_headers = self.link.completion_space_headers - self.free_space_headers;
        self.free_space_bytes = link.completion_space_bytes.saturating_sub(used_bytes);
        self.free_space_headers = link.completion_space_headers.saturating_sub(used_headers);
        self.link = link;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> LinkSettings {
        LinkSettings {
            max_payload_bytes: 256,
            max_read_request_bytes: 512,
            read_completion_boundary_bytes: 128,
            completion_space_bytes: 2048,
            completion_space_headers: 8,
        }
    }

    const ANY: Purpose = Purpose::PrpList { context: 0 };

    #[test]
    fn reserves_the_worst_case_and_gives_it_back_as_data_come() {
        let mut tags = Tags::new(64, 1, link());
        let first = tags.allocate(0, ANY, 0, 512, 0).unwrap();
        let second = tags.allocate(0, ANY, 512, 512, 1).unwrap();
        // Data space is left, headers are not.
        assert_eq!(tags.allocate(0, ANY, 1024, 128, 2), None);
        // 256 bytes in one completion free the two headers that they might have taken.
        tags.receive(first, 256);
        let third = tags.allocate(0, ANY, 1024, 256, 3).unwrap();
        assert_eq!(tags.allocate(0, ANY, 1024, 4, 3), None);
        tags.release(second);
        assert_eq!(tags.oldest(), Some((first, 0)));
        // Unaligned: a header more.
        assert_eq!(tags.allocate(0, ANY, 2040, 512, 4), None);
        let fourth = tags.allocate(0, ANY, 2048, 512, 4).unwrap();
        for tag in [first, third, fourth] {
            tags.release(tag);
        }
        assert_eq!(tags.in_use(), 0);
        assert_eq!(tags.of_function(0), 0);
        assert_eq!(tags.free_space_bytes, 2048);
        assert_eq!(tags.free_space_headers, 8);
    }

    #[test]
    fn a_read_larger_than_the_space_goes_alone() {
        let mut tags = Tags::new(64, 1, link());
        let large = tags.allocate(0, ANY, 0, 4096, 0).unwrap();
        assert_eq!(tags.allocate(0, ANY, 0, 4, 0), None);
        tags.release(large);
        assert!(tags.allocate(0, ANY, 0, 512, 0).is_some());
    }

    #[test]
    fn a_read_given_up_keeps_its_tag_but_not_its_function_nor_its_space() {
        let mut tags = Tags::new(2, 1, link());
        let tag = tags.allocate(0, ANY, 0, 512, 7).unwrap();
        tags.give_up(tag);
        assert_eq!(tags.of_function(0), 0);
        assert_eq!(tags.oldest(), None);
        assert_eq!(tags.in_use(), 1 << tag);
        let space = |tags: &Tags| (tags.free_space_bytes, tags.free_space_headers);
        assert_eq!(space(&tags), (2048, 8));
        // What comes late gives nothing back.
        tags.receive(tag, 256);
        assert_eq!(space(&tags), (2048, 8));
        assert!(matches!(
            tags.get(tag).unwrap().purpose,
            Purpose::Quarantined { function: 0 }
        ));
        tags.release(tag);
        assert_eq!(tags.in_use(), 0);
        assert_eq!(tags.of_function(0), 0);
        assert_eq!(space(&tags), (2048, 8));
    }
}
