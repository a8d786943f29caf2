//! Read data on its way to the endpoint: which tags are in use, and when each completion is at RC.

use std::collections::VecDeque;

use pcie_host::endpoint::{Cycle, Endpoint, FunctionId, Inbound, MemoryRead, ReadStatus};
use pcie_host::link::{LinkTimeline, StreamTimeline};
use pcie_host::{COMPLETION_HEADER_BYTES, FRAMING_BYTES, HostOptions, TAGS};

use crate::dma::PAGE_BYTES;

/// One use of a tag, told apart from earlier and later ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TagUse {
    pub(crate) tag: u8,
    generation: u32,
}

#[derive(Clone, Copy, Default, Debug)]
struct Tag {
    generation: u32,
    /// Whose read; `None` while the tag is free.
    function: Option<FunctionId>,
}

/// A completion, or several that are handed over as one.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    at: Cycle,
    tag_use: TagUse,
    start: u16,
    bytes: u16,
    status: ReadStatus,
    last: bool,
}

/// All reads of the endpoint.
pub(crate) struct Arrivals {
    rtt_cycles: Cycle,
    completion_bytes: u32,
    /// Handed over completion by completion, with the first beat of each.
    first_beats: bool,
    link: LinkTimeline,
    stream: StreamTimeline,
    tags: [Tag; TAGS],
    /// A page for each tag.
    data: Vec<u8>,
    queue: VecDeque<Arrival>,
}

impl Arrivals {
    pub(crate) fn new(options: &HostOptions, first_beats: bool) -> Self {
        Self {
            rtt_cycles: options.rtt_cycles,
            completion_bytes: options.completion_bytes(),
            first_beats,
            link: LinkTimeline::new(options.link_bytes_per_cycle),
            stream: StreamTimeline::new(options.port_beat_bytes),
            tags: [Tag::default(); TAGS],
            data: vec![0; TAGS * PAGE_BYTES as usize],
            queue: VecDeque::new(),
        }
    }

    /// From a read at RQ to its first completion at RC.
    pub(crate) const fn rtt_cycles(&self) -> Cycle {
        self.rtt_cycles
    }

    /// Starts a read; `None` when the tag is in use or there is no such tag, or the read is longer
    /// than a page, all of which are mistakes of the endpoint.
    pub(crate) fn start(&mut self, read: &MemoryRead) -> Option<TagUse> {
        let tag = self.tags.get_mut(usize::from(read.tag))?;
        if tag.function.is_some() || u64::from(read.length_bytes) > PAGE_BYTES {
            return None;
        }
        tag.generation = tag.generation.wrapping_add(1);
        tag.function = Some(read.function);
        Some(TagUse {
            tag: read.tag,
            generation: tag.generation,
        })
    }

    /// Where the data of a read go; `None` when it has been ended meanwhile.
    #[inline]
    pub(crate) fn data_mut(&mut self, tag_use: TagUse, bytes: usize) -> Option<&mut [u8]> {
        if !self.lasts(tag_use) {
            return None;
        }
        let start = usize::from(tag_use.tag) * PAGE_BYTES as usize;
        self.data.get_mut(start..start + bytes)
    }

    fn lasts(&self, tag_use: TagUse) -> bool {
        let tag = &self.tags[usize::from(tag_use.tag)];
        tag.function.is_some() && tag.generation == tag_use.generation
    }

    /// The host has the data of a read in cycle `at`, which left the endpoint half a round trip ago.
    #[inline]
    pub(crate) fn send_data(&mut self, at: Cycle, tag_use: TagUse, address: u64, bytes: u32) {
        let ready = at + self.rtt_cycles;
        let most = u64::from(self.completion_bytes);
        let (mut sent, mut start) = (0, 0);
        while sent < bytes {
            let room = most - ((address + u64::from(sent)) & (most - 1));
            let length = (bytes - sent).min(room as u32);
            let tlp_bytes = COMPLETION_HEADER_BYTES + u64::from(length);
            let arrived = self.link.pass(ready, tlp_bytes + FRAMING_BYTES);
            let end = self.stream.pass(ready, arrived, tlp_bytes);
            sent += length;
            let last = sent == bytes;
            if !self.first_beats && !last {
                continue;
            }
            let at = if self.first_beats {
                end + 1 - self.stream.beats(tlp_bytes)
            } else {
                end
            };
            self.queue.push_back(Arrival {
                at,
                tag_use,
                start: start as u16,
                bytes: (sent - start) as u16,
                status: ReadStatus::Success,
                last,
            });
            start = sent;
        }
    }

    /// A read ends without data, a round trip after `at`.
    pub(crate) fn send_error(&mut self, at: Cycle, tag_use: TagUse, status: ReadStatus) {
        self.end(at + self.rtt_cycles, tag_use, status);
    }

    fn end(&mut self, ready: Cycle, tag_use: TagUse, status: ReadStatus) {
        let at = self.stream.pass(ready, ready, COMPLETION_HEADER_BYTES);
        self.queue.push_back(Arrival {
            at,
            tag_use,
            start: 0,
            bytes: 0,
            status,
            last: true,
        });
    }

    /// The function is reset: the hard block ends its reads, whatever was on its way for them.
    pub(crate) fn end_reads_of(&mut self, now: Cycle, function: FunctionId) {
        for tag in 0..TAGS {
            if self.tags[tag].function == Some(function) {
                let generation = self.tags[tag].generation.wrapping_add(1);
                self.tags[tag].generation = generation;
                let tag_use = TagUse {
                    tag: tag as u8,
                    generation,
                };
                self.end(now + 1, tag_use, ReadStatus::FunctionReset);
            }
        }
    }

    /// When the next completion is at RC.
    #[inline]
    pub(crate) fn next(&self) -> Option<Cycle> {
        self.queue.front().map(|arrival| arrival.at)
    }

    /// Hands over what is due in `now`.
    #[inline]
    pub(crate) fn deliver(&mut self, now: Cycle, endpoint: &mut dyn Endpoint) {
        while let Some(&arrival) = self.queue.front()
            && arrival.at <= now
        {
            self.queue.pop_front();
            let Arrival {
                tag_use,
                start,
                bytes,
                status,
                last,
                ..
            } = arrival;
            if !self.lasts(tag_use) {
                continue;
            }
            let index = usize::from(tag_use.tag);
            if last {
                self.tags[index].function = None;
            }
            let start = index * PAGE_BYTES as usize + usize::from(start);
            endpoint.receive(
                now,
                Inbound::ReadData {
                    tag: tag_use.tag,
                    data: &self.data[start..start + usize::from(bytes)],
                    status,
                    last,
                },
            );
        }
    }
}
