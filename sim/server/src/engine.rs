//! The endpoint and simulated time: what reaches it, and when it runs.

use std::collections::VecDeque;

use pcie_host::endpoint::{Cycle, Endpoint, FunctionId, Inbound};

use crate::host::HostSide;
use crate::options::{Pace, ServerOptions};
use crate::pace::{NO_LIMIT, Pacer};

/// Something for the endpoint; in order, none overtakes another.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Request {
    /// BAR0, 1 to 8 bytes.
    Write {
        function: FunctionId,
        offset: u64,
        data: [u8; 8],
        bytes: u8,
    },
    /// BAR0, 4 or 8 bytes.
    Read {
        function: FunctionId,
        offset: u64,
        bytes: u32,
        tag: u16,
    },
    /// Bus-master enable has changed.
    BusMaster { function: FunctionId, enabled: bool },
    /// MSI-X enable has changed.
    Msix { function: FunctionId, enabled: bool },
    /// Function level reset.
    Reset { function: FunctionId },
}

/// The device, its host and their clock.
pub(crate) struct Engine {
    endpoint: Box<dyn Endpoint>,
    pub(crate) host: HostSide,
    pacer: Pacer,
    rtt_cycles: Cycle,
    requests: VecDeque<(Cycle, Request)>,
    /// First cycle without a request at CQ.
    request_free: Cycle,
    /// The register read under way; clients take turns.
    register_tag: Option<u16>,
    last_tag: u16,
    now: Cycle,
    /// The endpoint has run up to here.
    advanced: Cycle,
}

impl Engine {
    pub(crate) fn new(mut endpoint: Box<dyn Endpoint>, options: &ServerOptions) -> Self {
        let functions = usize::from(endpoint.virtual_functions()) + 1;
        let first_beats = endpoint.receives_first_beats();
        let vectors = endpoint.vectors_per_function();
        endpoint.receive(0, Inbound::Link(options.host.link_settings()));
        // The server is the one who owns the PF's SR-IOV capability: all its VFs are there.
        let count = endpoint.virtual_functions();
        endpoint.receive(0, Inbound::VirtualFunctions { count });
        Self {
            host: HostSide::new(
                &options.host,
                first_beats,
                functions,
                vectors,
                options.interrupt_gap,
            ),
            endpoint,
            pacer: Pacer::new(options.pace),
            rtt_cycles: match options.pace {
                Pace::Fast => 0,
                Pace::Real | Pace::Media => options.host.rtt_cycles,
            },
            requests: VecDeque::new(),
            request_free: 1,
            register_tag: None,
            last_tag: 0,
            now: 0,
            advanced: 0,
        }
    }

    /// Vectors of each function.
    pub(crate) fn vectors(&self) -> u16 {
        self.endpoint.vectors_per_function()
    }

    /// The current cycle.
    pub(crate) const fn now(&self) -> Cycle {
        self.now
    }

    /// Sends something to the endpoint. In real time it is there a round trip later: half of that
    /// is the way down, and the other half stands for the way up, which the endpoint's writes do
    /// not spend here.
    #[inline]
    pub(crate) fn post(&mut self, request: Request) {
        let ready = self.now.max(self.advanced + 1) + self.rtt_cycles;
        let at = ready.max(self.request_free);
        self.request_free = at + 1;
        self.requests.push_back((at, request));
    }

    /// Writes BAR0, in the pieces that a processor would use: at most 8 bytes, aligned.
    pub(crate) fn write_registers(&mut self, function: FunctionId, offset: u64, data: &[u8]) {
        let (mut offset, mut rest) = (offset, data);
        while !rest.is_empty() {
            let bytes = piece(offset, rest.len());
            let (piece, more) = rest.split_at(bytes);
            let mut data = [0; 8];
            data[..bytes].copy_from_slice(piece);
            self.post(Request::Write {
                function,
                offset,
                data,
                bytes: bytes as u8,
            });
            offset += bytes as u64;
            rest = more;
        }
    }

    /// A tag for a register read; `None` while one is under way.
    pub(crate) fn take_register_tag(&mut self) -> Option<u16> {
        if self.register_tag.is_some() {
            return None;
        }
        self.last_tag = self.last_tag.wrapping_add(1);
        self.register_tag = Some(self.last_tag);
        self.register_tag
    }

    /// The answer to the register read under way.
    pub(crate) fn take_register_answer(&mut self) -> Option<(u16, Option<u64>)> {
        let answer = self.host.register_answer.take()?;
        self.register_tag = None;
        Some(answer)
    }

    /// How far time may go now.
    pub(crate) fn limit(&mut self) -> Cycle {
        let waits = self.host.waits_for_clients();
        let due = if self.pacer.is_paced() || waits {
            self.next_event()
        } else {
            None
        };
        self.pacer.limit(self.now, due, waits)
    }

    /// Does time follow the real one?
    pub(crate) fn is_paced(&self) -> bool {
        self.pacer.is_paced() || self.host.waits_for_clients()
    }

    /// The next cycle in which anything happens.
    pub(crate) fn next_event(&self) -> Option<Cycle> {
        let device = self.endpoint.next_event();
        [device, self.next_inbound()].into_iter().flatten().min()
    }

    #[inline]
    fn next_inbound(&self) -> Option<Cycle> {
        let request = self.requests.front().map(|&(at, _)| at);
        match (request, self.host.arrivals.next()) {
            (Some(request), Some(arrival)) => Some(request.min(arrival)),
            (request, arrival) => request.or(arrival),
        }
    }

    /// Lets happen what is next, if it is not beyond `limit`; false when there is nothing.
    #[inline]
    pub(crate) fn step(&mut self, limit: Cycle) -> bool {
        let device = self.endpoint.next_event().unwrap_or(Cycle::MAX);
        let inbound = self.next_inbound().unwrap_or(Cycle::MAX);
        let next = device.min(inbound);
        if next == Cycle::MAX || next > limit {
            return false;
        }
        if device < inbound {
            // What it reads comes back a round trip later at the earliest, so it may run ahead.
            let ahead = device + self.rtt_ahead();
            let until = ahead.min(inbound - 1).min(limit);
            self.endpoint.advance(until, &mut self.host);
            self.advanced = until;
            self.now = self.now.max(until);
        } else {
            self.now = self.now.max(inbound);
            self.deliver();
        }
        true
    }

    /// Time has passed without anything happening.
    pub(crate) fn pass_time(&mut self, limit: Cycle) {
        if limit != NO_LIMIT {
            self.now = self.now.max(limit);
        }
    }

    const fn rtt_ahead(&self) -> Cycle {
        self.host.arrivals.rtt_cycles() - 1
    }

    fn deliver(&mut self) {
        let now = self.now;
        while let Some(&(at, request)) = self.requests.front()
            && at <= now
        {
            self.requests.pop_front();
            self.hand_over(request);
        }
        self.host.arrivals.deliver(now, &mut *self.endpoint);
    }

    fn hand_over(&mut self, request: Request) {
        let now = self.now;
        match request {
            Request::Write {
                function,
                offset,
                data,
                bytes,
            } => {
                let data = &data[..usize::from(bytes)];
                let write = Inbound::MemoryWrite {
                    function,
                    offset,
                    data,
                };
                self.endpoint.receive(now, write);
            }
            Request::Read {
                function,
                offset,
                bytes,
                tag,
            } => {
                let read = Inbound::MemoryRead {
                    function,
                    offset,
                    length_bytes: bytes,
                    tag,
                };
                self.endpoint.receive(now, read);
            }
            Request::BusMaster { function, enabled } => {
                let side = &mut self.host.functions[function.index()];
                side.bus_master = enabled;
                self.endpoint
                    .receive(now, Inbound::BusMaster { function, enabled });
            }
            Request::Msix { function, enabled } => {
                let control = Inbound::MsixControl {
                    function,
                    enabled,
                    masked: false,
                };
                self.endpoint.receive(now, control);
            }
            Request::Reset { function } => {
                let side = &mut self.host.functions[function.index()];
                side.bus_master = false;
                side.remote.clear();
                side.interrupts.endpoint_was_reset();
                self.endpoint
                    .receive(now, Inbound::FunctionReset { function });
                self.host.arrivals.end_reads_of(now, function);
            }
        }
    }
}

/// Bytes of the first piece of an access: as many as its alignment and length allow, at most 8.
pub(crate) fn piece(offset: u64, bytes: usize) -> usize {
    [8, 4, 2, 1]
        .into_iter()
        .find(|&size| offset.is_multiple_of(size as u64) && size <= bytes)
        .unwrap_or(1)
}
