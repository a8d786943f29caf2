//! The host's side of the endpoint's port: what it writes goes straight into the clients' memory,
//! what it reads comes straight out of it.

use std::time::Duration;

use pcie_host::HostOptions;
use pcie_host::endpoint::{Cycle, FunctionId, MemoryRead, MemoryWrite, Port, ReadStatus};
use pcie_host::interrupt::is_message;

use crate::ahead;
use crate::arrivals::{Arrivals, TagUse};
use crate::dma::{DmaRanges, PAGE_BYTES, Target};
use crate::interrupts::Interrupts;
use crate::remote::{Held, Remote};
use crate::streaming;

/// What a function reaches.
pub(crate) struct FunctionSide {
    pub(crate) ranges: DmaRanges,
    pub(crate) remote: Remote,
    pub(crate) interrupts: Interrupts,
    /// May it send memory requests?
    pub(crate) bus_master: bool,
}

/// Everything the endpoint can call.
pub(crate) struct HostSide {
    pub(crate) functions: Vec<FunctionSide>,
    pub(crate) arrivals: Arrivals,
    /// The answer to the register read under way.
    pub(crate) register_answer: Option<(u16, Option<u64>)>,
    pub(crate) resets_done: Vec<FunctionId>,
    /// Accesses of the endpoint to what no client has given it.
    pub(crate) faults: u64,
    /// Data were stored that later stores could overtake.
    streamed: bool,
    /// Something of the above wants to be looked at, or an outbox holds messages.
    pub(crate) noticed: bool,
    /// There are interrupts of which a client has not been told.
    raised: bool,
}

impl HostSide {
    pub(crate) fn new(
        options: &HostOptions,
        first_beats: bool,
        functions: usize,
        vectors: u16,
        interrupt_gap: Duration,
    ) -> Self {
        Self {
            functions: (0..functions)
                .map(|index| FunctionSide {
                    ranges: DmaRanges::default(),
                    remote: Remote::default(),
                    interrupts: Interrupts::new(FunctionId(index as u8), vectors, interrupt_gap),
                    bus_master: false,
                })
                .collect(),
            arrivals: Arrivals::new(options, first_beats),
            register_answer: None,
            resets_done: vec![],
            faults: 0,
            streamed: false,
            noticed: false,
            raised: false,
        }
    }

    /// A client has to answer before the endpoint can go on.
    pub(crate) fn waits_for_clients(&self) -> bool {
        self.functions.iter().any(|side| !side.remote.is_idle())
    }

    /// Tells clients what interrupts there have been.
    #[inline]
    pub(crate) fn signal_interrupts(&mut self) {
        if !self.raised {
            return;
        }
        self.raised = false;
        for side in &mut self.functions {
            self.raised |= side.interrupts.signal();
        }
    }

    /// How long until a client may be told of an interrupt that it has not been told of yet.
    pub(crate) fn next_interrupt(&self) -> Option<Duration> {
        let sides = self.functions.iter();
        sides.filter_map(|side| side.interrupts.next_signal()).min()
    }

    /// Lets go on what was held behind a write that the client has answered now.
    pub(crate) fn release(&mut self, now: Cycle, function: FunctionId) {
        while self.functions[function.index()].remote.can_release() {
            match self.functions[function.index()].remote.held.pop_front() {
                Some(Held::Write { address, data }) => self.store(function, address, &data),
                Some(Held::Read { read, tag_use }) => self.load(now, &read, tag_use),
                None => break,
            }
        }
    }

    /// Lets clients see the data stored so far before whatever they are told next: nothing overtakes a
    /// posted write.
    #[inline]
    fn settle(&mut self) {
        if std::mem::take(&mut self.streamed) {
            streaming::settle();
        }
    }

    /// Makes a posted write.
    #[inline]
    fn store(&mut self, function: FunctionId, address: u64, data: &[u8]) {
        // Data may pass each other, for none of them tells of others.
        let streams = data.len() >= streaming::LEAST_BYTES;
        if !streams {
            self.settle();
        }
        let side = &mut self.functions[function.index()];
        if is_message(address) {
            if side.interrupts.raise(address, data) {
                self.raised = true;
            } else {
                self.faults += 1;
            }
            return;
        }
        match side.ranges.find(address, data.len() as u64, true) {
            Some(Target::File(file, offset)) if streams => {
                file.stream(offset, data);
                self.streamed = true;
            }
            Some(Target::File(file, offset)) => file.store(offset, data),
            Some(Target::Remote) => {
                side.remote.write(address, data.to_vec());
                self.noticed = true;
            }
            None => self.faults += 1,
        }
    }

    /// Makes a read that has its tag.
    #[inline]
    fn load(&mut self, at: Cycle, read: &MemoryRead, tag_use: TagUse) {
        let side = &mut self.functions[read.function.index()];
        let bytes = read.length_bytes;
        match side.ranges.find(read.address, bytes.into(), false) {
            Some(Target::File(file, offset)) => {
                if let Some(into) = self.arrivals.data_mut(tag_use, bytes as usize) {
                    file.load(offset, into);
                    if ahead::could_be_entries(into.len()) {
                        ahead::fetch_data_of(into, &mut side.ranges);
                    }
                    self.arrivals.send_data(at, tag_use, read.address, bytes);
                }
            }
            Some(Target::Remote) => {
                side.remote.read(read, tag_use);
                self.noticed = true;
            }
            None => {
                self.faults += 1;
                self.arrivals
                    .send_error(at, tag_use, ReadStatus::UnsupportedRequest);
            }
        }
    }
}

/// Has a request the shape that every request has: dwords inside one page?
const fn is_well_formed(address: u64, bytes: u64) -> bool {
    address.is_multiple_of(4)
        && bytes.is_multiple_of(4)
        && bytes > 0
        && address % PAGE_BYTES + bytes <= PAGE_BYTES
}

impl Port for HostSide {
    #[inline]
    fn memory_write(&mut self, _at: Cycle, write: MemoryWrite<'_>) {
        let MemoryWrite {
            function,
            address,
            data,
        } = write;
        let Some(side) = self.functions.get_mut(function.index()) else {
            self.faults += 1;
            return;
        };
        if !side.bus_master || !is_well_formed(address, data.len() as u64) {
            self.faults += 1;
            return;
        }
        if side.remote.holds() {
            let data = data.to_vec();
            side.remote.held.push_back(Held::Write { address, data });
            return;
        }
        self.store(function, address, data);
    }

    #[inline]
    fn memory_read(&mut self, at: Cycle, read: MemoryRead) {
        let Some(tag_use) = self.arrivals.start(&read) else {
            self.faults += 1;
            return;
        };
        let allowed = self
            .functions
            .get(read.function.index())
            .is_some_and(|side| side.bus_master)
            && is_well_formed(read.address, read.length_bytes.into());
        if !allowed {
            self.faults += 1;
            self.arrivals
                .send_error(at, tag_use, ReadStatus::UnsupportedRequest);
            return;
        }
        let side = &mut self.functions[read.function.index()];
        if side.remote.holds() {
            side.remote.held.push_back(Held::Read { read, tag_use });
            return;
        }
        self.load(at, &read, tag_use);
    }

    #[inline]
    fn read_at_once(&mut self, function: FunctionId, address: u64, into: &mut [u8]) -> bool {
        let Some(side) = self.functions.get_mut(function.index()) else {
            return false;
        };
        let bytes = into.len() as u64;
        if !side.bus_master || side.remote.holds() || !is_well_formed(address, bytes) {
            return false;
        }
        let Some(Target::File(file, offset)) = side.ranges.find(address, bytes, false) else {
            return false;
        };
        file.load(offset, into);
        true
    }

    fn read_completion(&mut self, _at: Cycle, tag: u16, data: Option<u64>) {
        self.settle();
        self.register_answer = Some((tag, data));
        self.noticed = true;
    }

    fn function_reset_done(&mut self, _at: Cycle, function: FunctionId) {
        self.settle();
        self.resets_done.push(function);
        self.noticed = true;
    }
}
