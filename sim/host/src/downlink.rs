//! The host's way to the endpoint: register accesses of software, read data, and their order.

use crate::calendar::{Calendar, Channel};
use crate::endpoint::{Cycle, FunctionId, ReadStatus};
use crate::hard_block::HardBlock;
use crate::link::{LinkTimeline, StreamTimeline};
use crate::options::{
    COMPLETION_HEADER_BYTES, Delivery, FRAMING_BYTES, HostOptions, REQUEST_HEADER_BYTES,
};
use crate::payload::Slot;
use crate::tag::TagUse;

/// An access of the host's software.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Request {
    /// BAR0, posted, at most 8 bytes.
    Write {
        function: FunctionId,
        offset: u64,
        data: [u8; 8],
        bytes: u8,
    },
    /// BAR0, posted, any length.
    LongWrite {
        function: FunctionId,
        offset: u64,
        slot: Slot,
        bytes: u32,
    },
    /// BAR0.
    Read {
        function: FunctionId,
        offset: u64,
        bytes: u32,
        tag: u16,
    },
    /// Configuration space.
    ConfigRead {
        function: FunctionId,
        offset: u16,
        bytes: u8,
        tag: u16,
    },
    /// Configuration space; not answered when nobody waits.
    ConfigWrite {
        function: FunctionId,
        offset: u16,
        bytes: u8,
        value: u32,
        tag: Option<u16>,
    },
}

impl Request {
    /// Bytes after the header.
    fn payload_bytes(&self) -> u64 {
        match *self {
            Self::Write { bytes, .. } => bytes.into(),
            Self::LongWrite { bytes, .. } => bytes.into(),
            Self::Read { .. } | Self::ConfigRead { .. } => 0,
            Self::ConfigWrite { .. } => 4,
        }
    }
}

/// Read data, or how a read failed, at RC.
#[derive(Debug)]
pub(crate) struct ReadCompletion {
    pub(crate) tag_use: TagUse,
    pub(crate) status: ReadStatus,
    /// Where the data are, the first byte within the slot, and how many.
    pub(crate) data: Option<(Slot, u32, u32)>,
    /// Completion headers this value stands for.
    pub(crate) headers: u32,
    /// Ends the read; the slot is free afterwards.
    pub(crate) last: bool,
}

/// The data of a read, as the host has them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadAnswer {
    pub(crate) tag_use: TagUse,
    /// Success or Poisoned.
    pub(crate) status: ReadStatus,
    pub(crate) slot: Slot,
    pub(crate) address: u64,
    pub(crate) bytes: u32,
}

/// The downstream direction.
pub(crate) struct Downlink {
    down_cycles: Cycle,
    delivery: Delivery,
    /// Hand over with the first beat, not the last.
    first_beats: bool,
    link: LinkTimeline,
    request_stream: StreamTimeline,
    completion_stream: StreamTimeline,
    /// Accesses that have not left the host, by the cycle in which software makes them.
    pub(crate) software: Calendar<Request>,
    /// On their way to CQ (and the hard block).
    requests: Channel<Request>,
    /// On their way to RC.
    completions: Channel<ReadCompletion>,
}

impl Downlink {
    pub(crate) fn new(options: &HostOptions, first_beats: bool) -> Self {
        Self {
            down_cycles: options.down_cycles(),
            delivery: if first_beats {
                Delivery::EachCompletion
            } else {
                options.delivery
            },
            first_beats,
            link: LinkTimeline::new(options.link_bytes_per_cycle),
            request_stream: StreamTimeline::new(options.port_beat_bytes),
            completion_stream: StreamTimeline::new(options.port_beat_bytes),
            software: Calendar::new(),
            requests: Channel::new(),
            completions: Channel::new(),
        }
    }

    #[inline]
    pub(crate) fn next_request(&self) -> Option<Cycle> {
        self.requests.next()
    }

    #[inline]
    pub(crate) fn next_completion(&self) -> Option<Cycle> {
        self.completions.next()
    }

    #[inline]
    pub(crate) fn take_request(&mut self, cycle: Cycle) -> Option<Request> {
        self.requests.take(cycle)
    }

    #[inline]
    pub(crate) fn take_completion(&mut self, cycle: Cycle) -> Option<ReadCompletion> {
        self.completions.take(cycle)
    }

    /// An access leaves the host in cycle `now`.
    pub(crate) fn send_request(&mut self, now: Cycle, request: Request) {
        let ready = now + self.down_cycles;
        let bytes = REQUEST_HEADER_BYTES + request.payload_bytes();
        let arrived = self.link.pass(ready, bytes + FRAMING_BYTES);
        let at = self.request_stream.pass(ready, arrived, bytes);
        let at = self.handed_over(at, bytes);
        self.requests.push(at, request);
    }

    /// When a TLP is handed over whose last beat is in cycle `last`.
    fn handed_over(&self, last: Cycle, bytes: u64) -> Cycle {
        if self.first_beats {
            last + 1 - self.request_stream.beats(bytes)
        } else {
            last
        }
    }

    /// The host answers a read in cycle `now`, with completions split by their addresses.
    pub(crate) fn send_data(&mut self, now: Cycle, block: &HardBlock, answer: ReadAnswer) {
        let ReadAnswer {
            tag_use,
            status,
            slot,
            mut address,
            bytes,
        } = answer;
        let ready = now + self.down_cycles;
        let (mut sent, mut headers) = (0, 0);
        while sent < bytes {
            let length = block.completion_length(address, bytes - sent);
            let tlp_bytes = COMPLETION_HEADER_BYTES + u64::from(length);
            let arrived = self.link.pass(ready, tlp_bytes + FRAMING_BYTES);
            let at = self.completion_stream.pass(ready, arrived, tlp_bytes);
            let at = self.handed_over(at, tlp_bytes);
            let start = sent;
            sent += length;
            headers += 1;
            address = address.wrapping_add(length.into());
            let last = sent == bytes;
            let completion = match self.delivery {
                Delivery::EachCompletion => ReadCompletion {
                    tag_use,
                    status: if last { status } else { ReadStatus::Success },
                    data: Some((slot, start, length)),
                    headers: 1,
                    last,
                },
                Delivery::WholeReads if last => ReadCompletion {
                    tag_use,
                    status,
                    data: Some((slot, 0, bytes)),
                    headers,
                    last,
                },
                Delivery::WholeReads => continue,
            };
            self.completions.push(at, completion);
        }
    }

    /// The host answers a read in cycle `now` without data.
    pub(crate) fn send_error(&mut self, now: Cycle, tag_use: TagUse, status: ReadStatus) {
        let ready = now + self.down_cycles;
        let arrived = self
            .link
            .pass(ready, COMPLETION_HEADER_BYTES + FRAMING_BYTES);
        self.end_read(ready, arrived, tag_use, status);
    }

    /// The hard block ends a read by itself, at the earliest in cycle `now + 1`.
    pub(crate) fn end_in_block(&mut self, now: Cycle, tag_use: TagUse, status: ReadStatus) {
        self.end_read(now + 1, now + 1, tag_use, status);
    }

    fn end_read(&mut self, ready: Cycle, arrived: Cycle, tag_use: TagUse, status: ReadStatus) {
        let at = self
            .completion_stream
            .pass(ready, arrived, COMPLETION_HEADER_BYTES);
        let completion = ReadCompletion {
            tag_use,
            status,
            data: None,
            headers: 1,
            last: true,
        };
        self.completions.push(at, completion);
    }

    /// Link down: all that is on its way is lost.
    pub(crate) fn drop_all(&mut self, block: &mut HardBlock) {
        let waiting = self
            .software
            .drain()
            .into_iter()
            .map(|(_, request)| request);
        for request in waiting.chain(self.requests.drain()) {
            if let Request::LongWrite { slot, .. } = request {
                block.payloads.free(slot);
            }
        }
        for completion in self.completions.drain() {
            if let Some((slot, ..)) = completion.data
                && completion.last
            {
                block.payloads.free(slot);
            }
        }
    }
}
