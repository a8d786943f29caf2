//! What a run can be asked to keep: cycles of each command at the port, the range lock's steps.

use nvme_spec::Status;
use pcie_host::endpoint::{Cycle, FunctionId};

/// What to keep. Nothing by default: it costs time and memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TraceOptions {
    /// One [`CommandTrace`] for each completion. Commands whose doorbell came before count from the
    /// cycle in which this was set.
    pub commands: bool,
    /// Three [`LockEvent`]s for each request of the range lock (two for one that is withdrawn).
    pub locks: bool,
}

/// A command's cycles at the port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandTrace {
    /// Whose command.
    pub function: FunctionId,
    /// Its submission queue; 0 is the admin queue.
    pub queue_id: u16,
    /// Its identifier.
    pub command_id: u16,
    /// How it ended.
    pub status: Status,
    /// Cycle in which the doorbell that handed it over was on CQ.
    pub doorbell_at: Cycle,
    /// Cycle in which its CQE was taken from RQ.
    pub completion_at: Cycle,
}

/// What happens to a row of the range lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LockStep {
    /// A request has taken the row.
    Requested,
    /// Nothing is in its way any more.
    Granted,
    /// The row goes: done, or withdrawn.
    Released,
}

/// A step of a row of the range lock. Those of one cycle stand in the order in which they took effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LockEvent {
    /// When.
    pub at: Cycle,
    /// What.
    pub step: LockStep,
    /// Whose command.
    pub function: FunctionId,
    /// Its submission queue.
    pub queue_id: u16,
    /// Its identifier (of a pair, the Compare's).
    pub command_id: u16,
    /// First byte of the medium.
    pub start: u64,
    /// First byte after the range.
    pub end: u64,
    /// A Write or pair, not a Read or Compare.
    pub exclusive: bool,
}

/// What was kept.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) options: TraceOptions,
    pub(crate) commands: Vec<CommandTrace>,
    pub(crate) locks: Vec<LockEvent>,
}
