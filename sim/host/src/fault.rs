//! What goes wrong, as an input: named events and rates by seed.

use crate::endpoint::{Cycle, FunctionId};

/// How a read of the endpoint goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadFault {
    /// No completion ever comes and the hard block says nothing: the endpoint's own timeout acts.
    Lost,
    /// No completion comes; the hard block ends the tag with
    /// [`ReadStatus::Timeout`](crate::endpoint::ReadStatus::Timeout) after this many cycles.
    Timeout {
        /// From the RQ beat.
        after_cycles: Cycle,
    },
    /// The data come this much later; those of other reads pass.
    Delayed {
        /// Beyond the undisturbed time.
        by_cycles: Cycle,
    },
    /// The data carry the EP bit.
    Poisoned,
    /// Completed as an Unsupported Request.
    UnsupportedRequest,
    /// Completed as a Completer Abort.
    CompleterAbort,
}

/// Which reads a scripted fault hits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadSelect {
    /// The n-th read request of the function from now on, counted from 0.
    Nth(u64),
    /// The next read request of the function that touches bus addresses `start..end`.
    Address {
        /// First bus address.
        start: u64,
        /// One beyond the last.
        end: u64,
    },
}

/// Something that happens to the device as a whole or to a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkEvent {
    /// The link goes down: all in flight is lost, registers read as all ones, transports answer
    /// [`DeviceGone`](nvme_driver::transport::TransportError::DeviceGone).
    Down,
    /// The link comes up again: the endpoint gets
    /// [`HotReset`](crate::endpoint::Inbound::HotReset), configuration space is as after power-up.
    Up,
    /// Somebody else resets the function; bus-master and memory enable are restored after it.
    FunctionReset(FunctionId),
}

/// One fault of a script; each happens once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A read goes wrong.
    Read {
        /// Of this function.
        function: FunctionId,
        /// Which one.
        select: ReadSelect,
        /// How.
        fault: ReadFault,
    },
    /// The n-th MSI-X message of the function from now on (counted from 0) is dropped.
    InterruptDropped {
        /// Of this function.
        function: FunctionId,
        /// Which one.
        nth: u64,
    },
    /// At a cycle (or now, when that has passed).
    At {
        /// When.
        cycle: Cycle,
        /// What.
        event: LinkEvent,
    },
}

/// Random faults, in events a million reads (or messages); drawn from the host's seed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct FaultRates {
    /// [`ReadFault::Lost`].
    pub lost_per_million: u32,
    /// [`ReadFault::Timeout`] after [`timeout_cycles`](Self::timeout_cycles).
    pub timeout_per_million: u32,
    /// [`ReadFault::Delayed`] by 1 to [`delay_cycles`](Self::delay_cycles).
    pub delayed_per_million: u32,
    /// [`ReadFault::Poisoned`].
    pub poisoned_per_million: u32,
    /// [`ReadFault::UnsupportedRequest`].
    pub unsupported_per_million: u32,
    /// [`ReadFault::CompleterAbort`].
    pub abort_per_million: u32,
    /// MSI-X messages dropped.
    pub interrupts_dropped_per_million: u32,
    /// Longest random delay.
    pub delay_cycles: Cycle,
    /// The hard block's completion timeout for random ones.
    pub timeout_cycles: Cycle,
}

/// All that is to go wrong. The default is nothing.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct FaultPlan {
    /// Named events.
    pub script: Vec<Fault>,
    /// By chance.
    pub rates: FaultRates,
}
