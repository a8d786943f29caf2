//! What the host saw: DMA faults, protocol violations, counts, and the trace.

use crate::endpoint::{Cycle, FunctionId};

/// Why a DMA of the endpoint was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DmaFaultReason {
    /// Nothing is mapped there, or the mapping ends inside the access.
    NotMapped,
    /// Mapped, but not for this direction.
    NotPermitted,
    /// The function's bus-master enable is off.
    NotBusMaster,
    /// The function does not exist (now).
    NoFunction,
    /// Interrupt window, but not this function's, no vector of it, or not a 4-byte write.
    InvalidInterrupt,
}

/// A DMA that touched nothing. A read is answered with Unsupported Request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DmaFault {
    /// When it reached the host (refused ones of a function that may not send: when it was sent).
    pub cycle: Cycle,
    /// Requester.
    pub function: FunctionId,
    /// Bus address.
    pub address: u64,
    /// Bytes.
    pub length_bytes: u32,
    /// A write, not a read.
    pub write: bool,
    /// Why.
    pub reason: DmaFaultReason,
}

/// A rule of the link that the endpoint broke. Always a bug of the endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ViolationKind {
    /// A port call earlier than the one before.
    TimeWentBack,
    /// Address or length is zero, not a multiple of 4, or beyond 4,096 bytes.
    Malformed,
    /// The request crosses a 4 KiB boundary (PCIe 2.1 §2.2.7).
    CrossesPage,
    /// A read above the Maximum Read Request Size.
    ReadTooLong,
    /// A read with a tag beyond 63 or in use.
    TagInUse,
    /// More outstanding than the completion buffer's data space.
    CompletionSpaceBytes,
    /// More outstanding than the completion buffer's header space.
    CompletionSpaceHeaders,
    /// An answer to a register read that nobody asked for.
    UnexpectedCompletion,
    /// A function reset reported done that was not asked for.
    UnexpectedResetDone,
}

/// When which rule was broken by which function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Port time.
    pub cycle: Cycle,
    /// Requester.
    pub function: FunctionId,
    /// Which rule.
    pub kind: ViolationKind,
    /// Bus address, or 0.
    pub address: u64,
}

/// Counts since the host was made.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Statistics {
    /// Posted writes of the endpoint that reached memory (bursts count once).
    pub writes: u64,
    /// Their bytes.
    pub write_bytes: u64,
    /// Reads of the endpoint.
    pub reads: u64,
    /// Their bytes.
    pub read_bytes: u64,
    /// MSI-X messages that arrived.
    pub interrupts: u64,
    /// Register writes that reached the endpoint.
    pub register_writes: u64,
    /// Register reads that reached the endpoint.
    pub register_reads: u64,
    /// Values passed in either direction: the unit of the simulation's cost.
    pub events: u64,
    /// DMA faults, also those beyond the ones that are kept.
    pub dma_faults: u64,
    /// Violations, also those beyond the ones that are kept.
    pub violations: u64,
    /// Faults injected.
    pub injected: u64,
    /// Values with data that are on their way now; 0 when idle.
    pub in_flight: u64,
}

/// What passed the endpoint's port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TraceEvent {
    /// CQ: register write; address is the BAR0 offset.
    RegisterWrite,
    /// CQ: register read; address is the BAR0 offset.
    RegisterRead,
    /// CC: its answer.
    RegisterAnswer,
    /// RQ: memory write (data, CQE).
    MemoryWrite,
    /// RQ: MSI-X message; address is the window's.
    Interrupt,
    /// RQ: memory read.
    MemoryRead,
    /// RC: data, or an error, for a read; address is the tag.
    ReadData,
    /// Sideband: reset, bus-master, MSI-X control, number of functions, link.
    Sideband,
    /// Sideband: the endpoint reports a function reset done.
    ResetDone,
}

/// One line of the trace; cycles are port times.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TraceRecord {
    /// Port time of the last beat.
    pub cycle: Cycle,
    /// What.
    pub event: TraceEvent,
    /// Whose.
    pub function: FunctionId,
    /// Bus address, BAR0 offset or tag.
    pub address: u64,
    /// Bytes.
    pub length_bytes: u32,
}

/// Faults and violations that are kept until somebody takes them.
const KEPT: usize = 1024;

/// Everything that was seen.
#[derive(Default)]
pub(crate) struct Reports {
    pub(crate) dma_faults: Vec<DmaFault>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) statistics: Statistics,
    pub(crate) trace: Option<Vec<TraceRecord>>,
}

impl Reports {
    pub(crate) fn dma_fault(&mut self, fault: DmaFault) {
        self.statistics.dma_faults += 1;
        if self.dma_faults.len() < KEPT {
            self.dma_faults.push(fault);
        }
    }

    pub(crate) fn violation(&mut self, violation: Violation) {
        self.statistics.violations += 1;
        if self.violations.len() < KEPT {
            self.violations.push(violation);
        }
    }

    /// Counts an event, and writes it down when there is a trace.
    #[inline]
    pub(crate) fn event(
        &mut self,
        cycle: Cycle,
        event: TraceEvent,
        function: FunctionId,
        address: u64,
        length_bytes: u32,
    ) {
        self.statistics.events += 1;
        if let Some(trace) = &mut self.trace {
            trace.push(TraceRecord {
                cycle,
                event,
                function,
                address,
                length_bytes,
            });
        }
    }
}
