//! The endpoint's way out: what the PCIe hard block does with RQ and CC before it reaches the host.

mod port;

use crate::calendar::Channel;
use crate::endpoint::{Cycle, FunctionId, LinkSettings, MemoryRead};
use crate::fault::ReadFault;
use crate::fault_engine::FaultEngine;
use crate::interrupt;
use crate::link::LinkTimeline;
use crate::options::{COMPLETION_HEADER_BYTES, FRAMING_BYTES, HostOptions, REQUEST_HEADER_BYTES};
use crate::payload::{Payloads, Slot};
use crate::report::{DmaFaultReason, Reports, Violation, ViolationKind};
use crate::tag::{TagUse, Tags};

/// Bytes of a register on the link.
const REGISTER_BYTES: u64 = 4;
/// No request crosses a multiple of this (PCIe 2.1 §2.2.7).
const REQUEST_BOUNDARY_BYTES: u64 = 4096;

/// What is on its way up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Up {
    /// A posted write, an interrupt among them.
    Write {
        function: FunctionId,
        address: u64,
        slot: Slot,
        bytes: u32,
    },
    /// A read, with what is to go wrong with it.
    Read {
        read: MemoryRead,
        tag_use: TagUse,
        sent: Cycle,
        fault: Option<ReadFault>,
        refused: bool,
    },
    /// The answer to a register or configuration access of the host.
    Answer { tag: u16, data: Option<u64> },
    /// A function's reset is done.
    ResetDone { function: FunctionId },
}

/// Whether a function may send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Permission {
    /// It may.
    Granted,
    /// Bus-master enable went off in this cycle; what was offered before goes through.
    Revoked(Cycle),
    /// The function went away in this cycle.
    NoFunction(Cycle),
}

/// The sending half of the hard block, with what it shares with the receiving half.
pub(crate) struct HardBlock {
    up_cycles: Cycle,
    beat_bytes: u64,
    completion_split_bytes: u32,
    link: LinkTimeline,
    queue: Channel<Up>,
    last_call: Cycle,
    /// When the next request was offered, if it had to wait.
    offered: Option<Cycle>,
    permissions: Vec<Permission>,
    pub(crate) settings: LinkSettings,
    pub(crate) link_up: bool,
    /// The register read the endpoint has to answer.
    pub(crate) register_read: Option<u16>,
    /// Functions whose reset the endpoint has to report done.
    pub(crate) resetting: Vec<bool>,
    pub(crate) payloads: Payloads,
    pub(crate) tags: Tags,
    pub(crate) faults: FaultEngine,
    pub(crate) reports: Reports,
}

impl HardBlock {
    pub(crate) fn new(options: &HostOptions, functions: usize, faults: FaultEngine) -> Self {
        Self {
            up_cycles: options.up_cycles(),
            beat_bytes: options.port_beat_bytes.into(),
            completion_split_bytes: options.completion_split_bytes,
            link: LinkTimeline::new(options.link_bytes_per_cycle),
            queue: Channel::new(),
            last_call: 0,
            offered: None,
            permissions: vec![Permission::NoFunction(0); functions],
            settings: options.link_settings(),
            link_up: true,
            register_read: None,
            resetting: vec![false; functions],
            payloads: Payloads::default(),
            tags: Tags::new(functions),
            faults,
            reports: Reports {
                trace: options.trace.then(Vec::new),
                ..Reports::default()
            },
        }
    }

    /// When the next thing reaches the host.
    #[inline]
    pub(crate) fn next_arrival(&self) -> Option<Cycle> {
        self.queue.next()
    }

    /// Takes what reaches the host in `cycle`.
    #[inline]
    pub(crate) fn take_arrival(&mut self, cycle: Cycle) -> Option<Up> {
        self.queue.take(cycle)
    }

    pub(crate) fn set_permission(&mut self, function: FunctionId, permission: Permission) {
        self.permissions[function.index()] = permission;
    }

    /// The hard block itself answers an access of the host.
    pub(crate) fn answer(&mut self, at: Cycle, tag: u16, data: Option<u64>) {
        let bytes = COMPLETION_HEADER_BYTES + FRAMING_BYTES + REGISTER_BYTES;
        self.send(at, 1, bytes, Up::Answer { tag, data });
    }

    /// Length of the completion that starts at `address` when `bytes` are still to come.
    #[inline]
    pub(crate) fn completion_length(&self, address: u64, bytes: u32) -> u32 {
        let most = self
            .completion_split_bytes
            .min(self.settings.max_payload_bytes);
        bytes.min(most - (address & u64::from(most - 1)) as u32)
    }

    /// Link down: all that is on its way is lost.
    pub(crate) fn drop_all(&mut self) {
        for up in self.queue.drain() {
            if let Up::Write { slot, .. } = up {
                self.payloads.free(slot);
            }
        }
        self.tags.clear();
        self.register_read = None;
        self.resetting.fill(false);
    }

    /// Puts a value on the link whose last of `beats` beats is in cycle `at`.
    #[inline]
    fn send(&mut self, at: Cycle, beats: u64, link_bytes: u64, up: Up) {
        let passed = self
            .link
            .pass((at + 1).saturating_sub(beats), link_bytes)
            .max(at);
        self.queue.push(passed + self.up_cycles, up);
    }

    /// Common checks of a call; false when the value vanishes.
    fn accepts(&mut self, at: Cycle, function: FunctionId, address: u64) -> bool {
        if at < self.last_call {
            self.violation(at, function, ViolationKind::TimeWentBack, address);
        }
        self.last_call = self.last_call.max(at);
        self.link_up
    }

    /// Checks the shape of a request; false when it cannot be sent.
    fn well_formed(&mut self, at: Cycle, function: FunctionId, address: u64, bytes: u64) -> bool {
        let dwords = address.is_multiple_of(4) && bytes.is_multiple_of(4);
        if !dwords || bytes == 0 || bytes > REQUEST_BOUNDARY_BYTES {
            self.violation(at, function, ViolationKind::Malformed, address);
            return false;
        }
        if address % REQUEST_BOUNDARY_BYTES + bytes > REQUEST_BOUNDARY_BYTES {
            self.violation(at, function, ViolationKind::CrossesPage, address);
        }
        true
    }

    fn permission(&self, function: FunctionId) -> Option<Permission> {
        self.permissions.get(function.index()).copied()
    }

    /// Why a function may not send a value whose first beat was offered in cycle `first`.
    fn refusal(&self, function: FunctionId, first: Cycle) -> Option<DmaFaultReason> {
        match self.permission(function) {
            Some(Permission::Granted) => None,
            Some(Permission::Revoked(since)) => {
                (first > since).then_some(DmaFaultReason::NotBusMaster)
            }
            Some(Permission::NoFunction(since)) if since > 0 && first <= since => None,
            Some(Permission::NoFunction(_)) | None => Some(DmaFaultReason::NoFunction),
        }
    }

    /// May the function read memory without a request on the link? Not while reads are to go wrong.
    pub(crate) fn lets_read_at_once(&self, function: FunctionId, address: u64, bytes: u32) -> bool {
        let bytes = u64::from(bytes);
        self.link_up
            && self.permission(function) == Some(Permission::Granted)
            && !self.faults.has_reads()
            && !interrupt::is_message(address)
            && address.is_multiple_of(4)
            && bytes.is_multiple_of(4)
            && address % REQUEST_BOUNDARY_BYTES + bytes <= REQUEST_BOUNDARY_BYTES
    }

    fn violation(&mut self, cycle: Cycle, function: FunctionId, kind: ViolationKind, address: u64) {
        self.reports.violation(Violation {
            cycle,
            function,
            kind,
            address,
        });
    }

    /// Beats at RQ of a TLP with so many bytes of data.
    fn beats(&self, payload_bytes: u64) -> u64 {
        (REQUEST_HEADER_BYTES + payload_bytes).div_ceil(self.beat_bytes)
    }

    /// Beats at RQ of a posted write, as TLPs of at most MPS bytes.
    #[inline]
    fn write_beats(&self, bytes: u64) -> u64 {
        let payload = u64::from(self.settings.max_payload_bytes);
        let (whole, rest) = (bytes / payload, bytes % payload);
        let rest_beats = if rest > 0 { self.beats(rest) } else { 0 };
        whole * self.beats(payload) + rest_beats
    }

    /// Puts a posted write on the link whose last beat is in cycle `at`: each TLP from its first beat on.
    #[inline]
    fn send_write(&mut self, at: Cycle, bytes: u64, up: Up) {
        let payload = u64::from(self.settings.max_payload_bytes);
        let header = REQUEST_HEADER_BYTES + FRAMING_BYTES;
        let beats = self.beats(payload);
        let mut first = (at + 1).saturating_sub(self.write_beats(bytes));
        let mut left = bytes;
        while left > payload {
            self.link.pass(first, payload + header);
            first += beats;
            left -= payload;
        }
        self.send(at, self.beats(left), left + header, up);
    }

    /// Completions the host makes of a read.
    fn completions(&self, mut address: u64, mut bytes: u32) -> u32 {
        let mut count = 0;
        while bytes > 0 {
            let length = self.completion_length(address, bytes);
            address = address.wrapping_add(length.into());
            bytes -= length;
            count += 1;
        }
        count
    }
}
