//! An endpoint without a mind of its own: sends what a test has put into its calendar, logs what it
//! receives, answers register reads with what was written there, and can copy memory by DMA.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use nvme_spec::msix;
use pcie_host::endpoint::{
    Cycle, Endpoint, FunctionId, Inbound, LinkSettings, MemoryRead, MemoryWrite, Port, ReadStatus,
};
use pcie_host::{Host, HostBuffer, HostOptions, SimTransport};

use crate::copying::CopyEngine;

/// VFs and vectors of the test endpoint.
pub(crate) const VFS: u8 = 4;
pub(crate) const VECTORS: u16 = 5;
/// Cycles from a register read at CQ to its answer at CC, and from a reset to its end.
pub(crate) const ANSWER_CYCLES: Cycle = 4;
pub(crate) const RESET_CYCLES: Cycle = 30;

/// What reached the endpoint.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Seen {
    Write(FunctionId, u64, Vec<u8>),
    Read(FunctionId, u64, u32),
    Data(u8, Vec<u8>, ReadStatus, bool),
    Reset(FunctionId),
    BusMaster(FunctionId, bool),
    Msix(FunctionId, bool, bool),
    Functions(u8),
    Link(LinkSettings),
    HotReset,
}

/// What it sends.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Read(MemoryRead),
    Write(FunctionId, u64, Vec<u8>),
    /// The next request has waited since this cycle.
    Offered(Cycle),
    Answer(u16, Option<u64>),
    ResetDone(FunctionId),
}

/// Its state, shared with the test.
pub(crate) struct Echo {
    calendar: BTreeMap<(Cycle, u64), Action>,
    sequence: u64,
    pub(crate) seen: Vec<(Cycle, Seen)>,
    registers: Vec<Vec<u8>>,
    /// MSI-X Enable and Function Mask of each function, and what waits for them.
    msix: Vec<(bool, bool)>,
    pending: BTreeSet<(FunctionId, u16)>,
    /// Register reads and resets are answered.
    pub(crate) answers: bool,
    pub(crate) resets: bool,
    pub(crate) copying: Option<CopyEngine>,
    advanced: Option<Cycle>,
    /// It is an endpoint that takes beats.
    first_beats: bool,
}

impl Echo {
    pub(crate) fn at(&mut self, cycle: Cycle, action: Action) {
        self.sequence += 1;
        self.calendar.insert((cycle, self.sequence), action);
    }

    pub(crate) fn read_at(&mut self, cycle: Cycle, tag: u8, address: u64, length_bytes: u32) {
        let function = FunctionId::PF;
        self.at(
            cycle,
            Action::Read(MemoryRead {
                function,
                address,
                length_bytes,
                tag,
            }),
        );
    }

    pub(crate) fn write_at(&mut self, cycle: Cycle, address: u64, data: &[u8]) {
        self.at(cycle, Action::Write(FunctionId::PF, address, data.to_vec()));
    }

    /// Read data that came, as cycle, tag, bytes, status.
    pub(crate) fn data(&self) -> Vec<(Cycle, u8, usize, ReadStatus)> {
        let data = |(cycle, seen): &(Cycle, Seen)| match seen {
            Seen::Data(tag, data, status, _) => Some((*cycle, *tag, data.len(), *status)),
            _ => None,
        };
        self.seen.iter().filter_map(data).collect()
    }

    /// Everything but register accesses and data, since the last call.
    pub(crate) fn take_sideband(&mut self) -> Vec<Seen> {
        let seen = self.seen.drain(..).map(|(_, seen)| seen);
        seen.filter(|s| !matches!(s, Seen::Write(..) | Seen::Read(..) | Seen::Data(..)))
            .collect()
    }

    /// Raises a vector in cycle `at`, or keeps it until it is unmasked.
    pub(crate) fn raise(&mut self, at: Cycle, function: FunctionId, vector: u16) {
        match self.message(function, vector) {
            Some((address, data)) => self.at(at, Action::Write(function, address, data)),
            None => drop(self.pending.insert((function, vector))),
        }
    }

    /// The message of a vector as the MSI-X table has it, unless masked or disabled.
    fn message(&self, function: FunctionId, vector: u16) -> Option<(u64, Vec<u8>)> {
        let entry = (msix::TABLE_OFFSET + u64::from(vector) * msix::ENTRY_BYTES) as usize;
        let entry = &self.registers[function.index()][entry..entry + 16];
        let masked = entry[12] & msix::VECTOR_MASKED as u8 != 0;
        let address = u64::from_le_bytes(entry[..8].try_into().expect("8 bytes"));
        let ready = self.msix[function.index()] == (true, false) && !masked;
        ready.then(|| (address, entry[8..12].to_vec()))
    }

    /// Raises again what may not be masked any more.
    fn raise_pending(&mut self, at: Cycle) {
        for (function, vector) in std::mem::take(&mut self.pending) {
            self.raise(at + 1, function, vector);
        }
    }

    fn receive(&mut self, at: Cycle, inbound: &Inbound<'_>) {
        assert!(
            self.advanced.is_none_or(|advanced| at > advanced),
            "cycle {at} is in the past"
        );
        let seen = match *inbound {
            Inbound::MemoryWrite {
                function,
                offset,
                data,
            } => {
                let start = offset as usize;
                self.registers[function.index()][start..start + data.len()].copy_from_slice(data);
                Seen::Write(function, offset, data.to_vec())
            }
            Inbound::MemoryRead {
                function,
                offset,
                length_bytes,
                tag,
            } => {
                let mut value = [0; 8];
                let (start, bytes) = (offset as usize, length_bytes as usize);
                value[..bytes]
                    .copy_from_slice(&self.registers[function.index()][start..start + bytes]);
                if self.answers {
                    let answer = Action::Answer(tag, Some(u64::from_le_bytes(value)));
                    self.at(at + ANSWER_CYCLES, answer);
                }
                Seen::Read(function, offset, length_bytes)
            }
            Inbound::ReadData {
                tag,
                data,
                status,
                last,
            } => Seen::Data(tag, data.to_vec(), status, last),
            Inbound::FunctionReset { function } => {
                if self.resets {
                    self.at(at + RESET_CYCLES, Action::ResetDone(function));
                }
                Seen::Reset(function)
            }
            Inbound::BusMaster { function, enabled } => Seen::BusMaster(function, enabled),
            Inbound::MsixControl {
                function,
                enabled,
                masked,
            } => {
                self.msix[function.index()] = (enabled, masked);
                Seen::Msix(function, enabled, masked)
            }
            Inbound::VirtualFunctions { count } => Seen::Functions(count),
            Inbound::Link(settings) => Seen::Link(settings),
            Inbound::HotReset => Seen::HotReset,
        };
        if let Some(mut copying) = self.copying.take() {
            copying.receive(at, &seen, self);
            self.copying = Some(copying);
        }
        if matches!(
            seen,
            Seen::Msix(..) | Seen::Write(_, msix::TABLE_OFFSET.., _)
        ) {
            self.raise_pending(at);
        }
        self.seen.push((at, seen));
    }

    fn advance(&mut self, until: Cycle, port: &mut dyn Port) {
        assert!(
            self.advanced.is_none_or(|advanced| until > advanced),
            "advance goes forward"
        );
        self.advanced = Some(until);
        while let Some(entry) = self.calendar.first_entry()
            && entry.key().0 <= until
        {
            let ((at, _), action) = entry.remove_entry();
            match action {
                Action::Offered(since) => port.request_offered(since),
                Action::Read(read) => port.memory_read(at, read),
                Action::Write(function, address, data) => {
                    port.memory_write(
                        at,
                        MemoryWrite {
                            function,
                            address,
                            data: &data,
                        },
                    );
                }
                Action::Answer(tag, data) => port.read_completion(at, tag, data),
                Action::ResetDone(function) => port.function_reset_done(at, function),
            }
        }
    }
}

struct Shared(Rc<RefCell<Echo>>);

impl Endpoint for Shared {
    fn next_event(&self) -> Option<Cycle> {
        self.0
            .borrow()
            .calendar
            .first_key_value()
            .map(|(&(cycle, _), _)| cycle)
    }

    fn advance(&mut self, until: Cycle, port: &mut dyn Port) {
        self.0.borrow_mut().advance(until, port);
    }

    fn receive(&mut self, at: Cycle, inbound: Inbound<'_>) {
        self.0.borrow_mut().receive(at, &inbound);
    }

    fn receives_first_beats(&self) -> bool {
        self.0.borrow().first_beats
    }

    fn virtual_functions(&self) -> u8 {
        VFS
    }

    fn vectors_per_function(&self) -> u16 {
        VECTORS
    }

    fn peek_medium(&self, _offset: u64, _into: &mut [u8]) {}
}

/// A host with a test endpoint, the PF enabled, and 64 KiB of its memory mapped at [`BASE`].
pub(crate) struct Bench {
    pub(crate) host: Host,
    pub(crate) echo: Rc<RefCell<Echo>>,
    pub(crate) pf: SimTransport,
    pub(crate) memory: HostBuffer,
}

/// Where the PF's test memory is mapped.
pub(crate) const BASE: u64 = 0x7000_0000_0000;

/// A host with a test endpoint and nothing enabled.
pub(crate) fn bare(options: HostOptions) -> (Host, Rc<RefCell<Echo>>) {
    bare_of(options, false)
}

fn bare_of(options: HostOptions, first_beats: bool) -> (Host, Rc<RefCell<Echo>>) {
    let echo = Rc::new(RefCell::new(Echo {
        calendar: BTreeMap::new(),
        sequence: 0,
        seen: vec![],
        registers: vec![vec![0; msix::BAR0_BYTES as usize]; usize::from(VFS) + 1],
        answers: true,
        resets: true,
        msix: vec![(false, false); usize::from(VFS) + 1],
        pending: BTreeSet::new(),
        copying: None,
        advanced: None,
        first_beats,
    }));
    let host = Host::new(options, Box::new(Shared(Rc::clone(&echo)))).expect("good options");
    (host, echo)
}

impl Bench {
    pub(crate) fn new(options: HostOptions) -> Self {
        Self::over(bare(options))
    }

    /// The same, with an endpoint that takes beats.
    pub(crate) fn with_beats(options: HostOptions) -> Self {
        Self::over(bare_of(options, true))
    }

    fn over((host, echo): (Host, Rc<RefCell<Echo>>)) -> Self {
        use nvme_driver::transport::DmaPurpose::Data;
        let pf = host.transport(FunctionId::PF).expect("the PF is there");
        let memory = host.allocate(1 << 16).expect("room");
        let access = pcie_host::Access::ReadWrite;
        host.map(FunctionId::PF, BASE, &memory, access, Data)
            .expect("free");
        echo.borrow_mut().seen.clear();
        Self {
            host,
            echo,
            pf,
            memory,
        }
    }

    /// A cycle some way ahead, to time things from.
    pub(crate) fn soon(&self) -> Cycle {
        self.host.now() + 1_000
    }

    /// Runs until nothing is left to do.
    pub(crate) fn finish(&self) {
        assert!(self.host.run_until_idle(1 << 40), "goes on for ever");
    }

    /// No fault, no violation, nothing left in flight.
    pub(crate) fn assert_clean(&self) {
        assert_eq!(self.host.take_dma_faults(), []);
        assert_eq!(self.host.take_violations(), []);
        assert_eq!(self.host.statistics().in_flight, 0);
    }
}
