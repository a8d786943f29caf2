//! A function's row: registers, queues, what of it is ready for which arbiter.

use std::collections::VecDeque;

use nvme_spec::Status;
use nvme_spec::register::{AdminQueueAttributes, Configuration, ControllerStatus};
use pcie_host::endpoint::Cycle;

use crate::admin::IoCounters;
use crate::drr::Drr;
use crate::msix::Vector;
use crate::queue::{CompletionQueue, SubmissionQueue};
use crate::schedule::NEVER;
use crate::timing::Geometry;

/// A completion of the admin queue that no context stands for: an Asynchronous Event Request's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeferredCompletion {
    pub(crate) command_id: u16,
    pub(crate) dword0: u32,
    pub(crate) status: Status,
}

/// What an admin command in the admin context waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AdminWait {
    Nothing,
    /// The submission queue's commands in flight.
    QueueEmpty(u16),
    /// The end of the context an Abort has hit.
    ContextEnds(u16),
}

/// One function.
#[derive(Debug)]
pub(crate) struct Function {
    /// The PF, or a VF that VF Enable and NumVFs have made.
    pub(crate) exists: bool,
    /// Bus-master enable.
    pub(crate) bus_master: bool,
    pub(crate) msix_enabled: bool,
    pub(crate) msix_masked: bool,

    pub(crate) configuration: Configuration,
    pub(crate) status: ControllerStatus,
    pub(crate) interrupt_mask: u32,
    pub(crate) admin_queue_attributes: AdminQueueAttributes,
    pub(crate) admin_submission_address: u64,
    pub(crate) admin_completion_address: u64,
    /// CC.EN was set: CSTS.RDY is due in this cycle.
    pub(crate) enable_at: Cycle,
    /// Everything it had is being ended; it answers no doorbell until that is done.
    pub(crate) draining: bool,
    /// At the drain's end CSTS begins anew.
    pub(crate) clears_status: bool,
    /// The drain is that of a function reset, whose end the hard block waits for.
    pub(crate) reset_in_process: bool,

    pub(crate) submission: Vec<SubmissionQueue>,
    pub(crate) completion: Vec<CompletionQueue>,
    pub(crate) vectors: Vec<Vector>,
    pub(crate) deferred: VecDeque<DeferredCompletion>,
    pub(crate) admin_wait: AdminWait,

    /// Queues whose first SQE is in the FIFO.
    pub(crate) ready_queues: u64,
    /// Queues that want SQEs fetched.
    pub(crate) fetch_queues: u32,
    /// The queue to fetch for first.
    pub(crate) fetch_next: u32,
    /// Whose turn it is to dispatch, by bytes.
    pub(crate) dispatch_turns: Drr,
    /// By queue, contexts that wait for buffers, in order, and whose turn it is, by bytes.
    pub(crate) buffer_wait: Vec<VecDeque<u16>>,
    pub(crate) buffer_turns: Drr,
    /// Reads and segments that want a row of the range lock, in order: from which cycle on, context,
    /// segment.
    pub(crate) lock_reads: VecDeque<(Cycle, u16, u8)>,
    pub(crate) lock_segments: VecDeque<(Cycle, u16, u8)>,
    /// Contexts that have ended and wait for a slot of their completion queue.
    pub(crate) completion_wait: u32,
    pub(crate) free_buffers: u32,

    pub(crate) counters: IoCounters,
    /// Coalescing as the features say: completions in an interrupt, cycles.
    pub(crate) aggregation_threshold: u32,
    pub(crate) aggregation_cycles: Cycle,
}

impl Function {
    pub(crate) fn new(exists: bool, queues: usize, geometry: &Geometry) -> Self {
        Self {
            exists,
            bus_master: false,
            msix_enabled: false,
            msix_masked: false,
            configuration: Configuration::new(),
            status: ControllerStatus::new(),
            interrupt_mask: 0,
            admin_queue_attributes: AdminQueueAttributes::new(),
            admin_submission_address: 0,
            admin_completion_address: 0,
            enable_at: NEVER,
            draining: false,
            clears_status: false,
            reset_in_process: false,
            submission: (0..queues)
                .map(|_| SubmissionQueue::new(geometry.sqe_fifo_entries))
                .collect(),
            completion: vec![CompletionQueue::default(); queues],
            vectors: vec![Vector::default(); queues],
            deferred: VecDeque::new(),
            admin_wait: AdminWait::Nothing,
            ready_queues: 0,
            fetch_queues: 0,
            fetch_next: 0,
            dispatch_turns: Drr::new(queues, geometry.quantum_bytes),
            buffer_wait: vec![VecDeque::new(); queues],
            buffer_turns: Drr::new(queues, geometry.quantum_bytes),
            lock_reads: VecDeque::new(),
            lock_segments: VecDeque::new(),
            completion_wait: 0,
            free_buffers: geometry.buffers_per_function,
            counters: IoCounters::default(),
            aggregation_threshold: 1,
            aggregation_cycles: 0,
        }
    }

    /// Takes new commands: enabled, healthy, allowed to use the bus, not shut down.
    pub(crate) const fn runs(&self) -> bool {
        self.status.ready()
            && !self.status.fatal()
            && !self.draining
            && self.bus_master
            && self.status.shutdown() == 0
    }

    /// Answers register accesses.
    pub(crate) const fn answers(&self) -> bool {
        self.exists && !self.reset_in_process
    }

    /// Registers as after a function reset.
    pub(crate) fn reset_registers(&mut self) {
        self.configuration = Configuration::new();
        self.status = ControllerStatus::new();
        self.interrupt_mask = 0;
        self.admin_queue_attributes = AdminQueueAttributes::new();
        self.admin_submission_address = 0;
        self.admin_completion_address = 0;
        self.vectors.fill(Vector::default());
    }
}
