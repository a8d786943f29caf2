//! The device's side of the link: what arrives at a PCIe endpoint, and what it sends.
//!
//! Both twins (the cycle model, the Verilog through Verilator) implement [`Endpoint`]; the host
//! drives it and implements [`Port`]. Time is the core clock (125 MHz, 8 ns a cycle). Stamps are
//! port times: an inbound value is stamped with the cycle in which its last beat is on CQ or RC, an
//! outbound one with the cycle in which its last beat was taken from RQ or CC.

use std::fmt;

/// A point in simulated time, in cycles of the core clock.
pub type Cycle = u64;

/// Picoseconds are not needed: one cycle of the core clock is 8 ns.
pub const NANOSECONDS_PER_CYCLE: u64 = 8;

/// A function of the endpoint: 0 is the PF, 1..=N are the VFs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FunctionId(pub u8);

impl FunctionId {
    /// The physical function.
    pub const PF: Self = Self(0);

    /// As an index into tables of functions.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for FunctionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("PF"),
            n => write!(f, "VF{}", n - 1),
        }
    }
}

/// How a memory read of the endpoint ended (PCIe 2.1 §2.2.9, and the hard block's error codes).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadStatus {
    /// Data, free of error.
    Success,
    /// Data with the EP bit set.
    Poisoned,
    /// Unsupported Request: nothing is mapped there.
    UnsupportedRequest,
    /// Completer Abort.
    CompleterAbort,
    /// The hard block's completion timeout; the tag is free again.
    Timeout,
    /// The hard block ended the tag because the function was reset.
    FunctionReset,
}

/// What the PCIe hard block tells the user logic beside its streams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkSettings {
    /// Maximum Payload Size in bytes: 128 to 4,096.
    pub max_payload_bytes: u32,
    /// Maximum Read Request Size in bytes: 128 to 4,096.
    pub max_read_request_bytes: u32,
    /// Read Completion Boundary in bytes, 64 or 128 (`cfg_rcb_status`): the smallest piece the
    /// completer may use, so what a request must reserve of the completion headers.
    pub read_completion_boundary_bytes: u32,
    /// Completion buffer of the receiver, data, in bytes.
    pub completion_space_bytes: u32,
    /// Completion buffer of the receiver, headers.
    pub completion_space_headers: u32,
}

/// What reaches the endpoint.
#[derive(Debug)]
pub enum Inbound<'a> {
    /// CQ: a posted write to BAR0 of a function; `data` has 4 or 8 bytes (anything else is a
    /// host's mistake that the endpoint must survive).
    MemoryWrite {
        /// Target function.
        function: FunctionId,
        /// Offset within BAR0.
        offset: u64,
        /// Bytes written.
        data: &'a [u8],
    },
    /// CQ: a read of BAR0, answered by [`Port::read_completion`] with the same tag.
    MemoryRead {
        /// Target function.
        function: FunctionId,
        /// Offset within BAR0.
        offset: u64,
        /// Bytes asked for: 4 or 8.
        length_bytes: u32,
        /// The host's tag.
        tag: u16,
    },
    /// RC: some or all data of the endpoint's read `tag`. Pieces of one read come in address order.
    ReadData {
        /// The endpoint's tag.
        tag: u8,
        /// Bytes of this piece; empty unless `status` is Success or Poisoned.
        data: &'a [u8],
        /// How it went; anything but Success ends the read as a whole (`last` is true).
        status: ReadStatus,
        /// Nothing more comes for this tag (Request Completed).
        last: bool,
    },
    /// Function level reset of one function: answered by [`Port::function_reset_done`].
    FunctionReset {
        /// The function to reset.
        function: FunctionId,
    },
    /// Bus-master enable of a function changed.
    BusMaster {
        /// Which function.
        function: FunctionId,
        /// May it send memory requests?
        enabled: bool,
    },
    /// MSI-X Message Control of a function changed.
    MsixControl {
        /// Which function.
        function: FunctionId,
        /// MSI-X Enable.
        enabled: bool,
        /// Function Mask.
        masked: bool,
    },
    /// The number of VFs that exist now (VF Enable and NumVFs); VFs beyond it are as after a reset.
    VirtualFunctions {
        /// VFs 1..=`count` answer.
        count: u8,
    },
    /// Link settings changed.
    Link(LinkSettings),
    /// The whole device is reset (link down, hot reset): every function, every tag, all in flight.
    HotReset,
}

/// A posted write of the endpoint, inside one 4 KiB page of the host; a burst of TLPs of at most
/// MPS bytes each is one value, and `at` is the cycle of the last beat of the last TLP.
#[derive(Clone, Copy, Debug)]
pub struct MemoryWrite<'a> {
    /// Whose requester ID it carries.
    pub function: FunctionId,
    /// Bus address, a multiple of 4.
    pub address: u64,
    /// Bytes, a multiple of 4.
    pub data: &'a [u8],
}

/// A memory read of the endpoint: at most MRRS bytes, inside one 4 KiB page of the host.
#[derive(Clone, Copy, Debug)]
pub struct MemoryRead {
    /// Whose requester ID it carries.
    pub function: FunctionId,
    /// Bus address, a multiple of 4.
    pub address: u64,
    /// Bytes, a multiple of 4.
    pub length_bytes: u32,
    /// Tag, unique among outstanding reads of all functions; 0 to 63.
    pub tag: u8,
}

/// What the endpoint sends. Calls must come in the order of their cycles.
pub trait Port {
    /// RQ: the request of the next call has been offered since cycle `since`, and the block may have
    /// let it wait. What is offered stays (AXI4-Stream §2.2.1), so whether its function may send it is
    /// decided by that cycle. Without this call its beats came one a cycle.
    fn request_offered(&mut self, since: Cycle) {
        let _ = since;
    }
    /// RQ: a posted write (data, a CQE, an MSI-X message).
    fn memory_write(&mut self, at: Cycle, write: MemoryWrite<'_>);
    /// RQ: a read; data comes back as [`Inbound::ReadData`].
    fn memory_read(&mut self, at: Cycle, read: MemoryRead);
    /// Reads host memory at once into `into`, at most 4 KiB inside one page: for an endpoint that keeps no
    /// time. False, and `into` means nothing, when this host cannot do that (here, now, or ever): then
    /// [`memory_read`](Self::memory_read) is the way, and finds out why.
    fn read_at_once(&mut self, function: FunctionId, address: u64, into: &mut [u8]) -> bool {
        let _ = (function, address, into);
        false
    }
    /// CC: the answer to [`Inbound::MemoryRead`]; `None` is an Unsupported Request.
    fn read_completion(&mut self, at: Cycle, tag: u16, data: Option<u64>);
    /// Sideband: the function's queues and DMA are drained and cleared.
    fn function_reset_done(&mut self, at: Cycle, function: FunctionId);
}

/// A PCIe endpoint that is driven by simulated cycles.
///
/// The host calls [`receive`](Endpoint::receive) and [`advance`](Endpoint::advance) with cycles that
/// never go back. Within one cycle everything inbound comes first, then the endpoint's own events.
pub trait Endpoint {
    /// The earliest cycle at which the endpoint will do something by itself; `None` while it only
    /// waits for the host. Must be later than the last `advance`.
    fn next_event(&self) -> Option<Cycle>;

    /// Runs everything that is due up to and including cycle `until`.
    fn advance(&mut self, until: Cycle, port: &mut dyn Port);

    /// Something arrives in cycle `at`.
    fn receive(&mut self, at: Cycle, inbound: Inbound<'_>);

    /// Is it simulated beat by beat? Then register accesses and read data come in the cycle of their
    /// first beat and not of their last, and read data completion by completion whatever the host's
    /// [`Delivery`](crate::Delivery): the endpoint takes the beats one a cycle, and so the last in the
    /// same cycle as any other endpoint.
    fn receives_first_beats(&self) -> bool {
        false
    }

    /// Do its cycles mean anything? One that executes commands as they come has none to speak of, and nothing
    /// under way for long.
    fn keeps_time(&self) -> bool {
        true
    }

    /// Number of virtual functions it was built with.
    fn virtual_functions(&self) -> u8;

    /// MSI-X vectors of each function.
    fn vectors_per_function(&self) -> u16;

    /// The medium's content at a byte offset, for checks by tests and for null-device benches:
    /// not a path that hosts have. Bytes beyond the end are left alone.
    fn peek_medium(&self, offset: u64, into: &mut [u8]);
}
