//! The controller as a whole: its tables, and the loop that runs its engines in the order of time.

use std::collections::VecDeque;
use std::fmt;

use pcie_host::endpoint::{Cycle, Endpoint, Inbound, LinkSettings, Port};

use crate::admin::{AdminConfig, FunctionAdmin};
use crate::axi::Axi;
use crate::buffers::HandOut;
use crate::completion::Completer;
use crate::context::Contexts;
use crate::dispatch::Choice;
use crate::doorbells::PendingDoorbell;
use crate::fair_turns::FairTurns;
use crate::function::Function;
use crate::heads::Heads;
use crate::lock_stage::LockStage;
use crate::medium::Medium;
use crate::options::{DataPath, ModelError, ModelOptions};
use crate::pipeline::Pipeline;
use crate::prp::Walker;
use crate::range_lock::RangeLock;
use crate::reads::{DataJob, EntriesRead};
use crate::receive::Arrivals;
use crate::room::Room;
use crate::rq::Rq;
use crate::schedule::{Engine, NEVER, Schedule};
use crate::segments::Events;
use crate::tags::Tags;
use crate::timing::{Geometry, Timing};
use crate::trace::{CommandTrace, LockEvent, Trace, TraceOptions};
use crate::write_path::WriteQueues;

/// Bytes of a staging or data buffer, and of the largest piece that moves as one: a host page.
pub(crate) const PAGE: u32 = 4096;

/// The cycle model of the controller.
pub struct Model {
    pub(crate) timing: Timing,
    pub(crate) geometry: Geometry,
    pub(crate) link: LinkSettings,
    pub(crate) virtual_functions: u8,
    pub(crate) block_bytes: u32,
    pub(crate) data_path: DataPath,
    pub(crate) medium: Medium,
    pub(crate) medium_bytes: u64,
    crash_at_cycle: Option<Cycle>,
    /// The power is gone.
    pub(crate) dead: bool,

    pub(crate) now: Cycle,
    pub(crate) schedule: Schedule,
    pub(crate) functions: Vec<Function>,
    pub(crate) admins: Vec<FunctionAdmin>,
    pub(crate) admin_config: AdminConfig,
    /// The admin engine's buffer of each function, one after the other.
    pub(crate) admin_buffers: Vec<[u8; PAGE as usize]>,
    pub(crate) contexts: Contexts,
    /// PRP entries: two sets of each context.
    pub(crate) prp_entries: Vec<u64>,
    /// Data of Writes and Compares: two halves of an atomic unit for each context.
    pub(crate) buffers: Vec<u8>,
    /// Data of Reads between AXI R and RQ.
    pub(crate) staging: Vec<u8>,
    pub(crate) free_staging: u64,

    pub(crate) tags: Tags,
    pub(crate) lock: RangeLock,
    pub(crate) rq: Rq,
    pub(crate) axi: Axi,

    /// The first cycle in which CQ takes an access, and how long the one under way has waited for it.
    pub(crate) cq_free_from: Cycle,
    pub(crate) cq_wait: Cycle,
    // Delay lines: what comes out of each, in order.
    pub(crate) arrivals: Arrivals,
    pub(crate) doorbells: VecDeque<PendingDoorbell>,
    pub(crate) answers: VecDeque<(Cycle, u16, Option<u64>)>,
    pub(crate) decoding: VecDeque<(Cycle, u16)>,
    pub(crate) in_media: VecDeque<(Cycle, u16)>,
    pub(crate) pipeline: Pipeline,
    pub(crate) in_admin: VecDeque<(Cycle, u16)>,
    /// Functions whose reset is done and not yet reported.
    pub(crate) resets_done: VecDeque<u8>,

    /// Earliest cycle of the dispatcher's next choice, the function to look at first, and the choice that
    /// is under way.
    pub(crate) dispatch_from: Cycle,
    pub(crate) dispatch_function: usize,
    pub(crate) dispatch_choice: Choice,
    /// Functions with an SQE at the head of a FIFO.
    pub(crate) ready_functions: u32,
    pub(crate) heads: Heads,
    pub(crate) room: Room,
    /// The function to fetch SQEs for first, and those with queues that want some.
    pub(crate) fetch_function: usize,
    pub(crate) fetch_functions: u32,
    pub(crate) walker: Walker,
    /// Reads that are asked for: of SQEs, of a context's PRP list from a cycle on, of data.
    pub(crate) entries_read: Option<EntriesRead>,
    pub(crate) list_read: Option<(Cycle, u16)>,
    pub(crate) data_job: Option<DataJob>,
    /// The last cycle in which a read of data has ended.
    pub(crate) read_ended_at: Option<Cycle>,
    pub(crate) data_turns: FairTurns,
    pub(crate) events: Events,
    pub(crate) hand_out: HandOut,
    pub(crate) lock_stage: LockStage,
    pub(crate) read_turns: FairTurns,
    /// Staging buffers that are free again from a cycle on.
    pub(crate) staging_back: VecDeque<(Cycle, u8)>,
    pub(crate) writes: WriteQueues,
    pub(crate) completer: Completer,
    pub(crate) trace: Trace,
}

impl Model {
    /// Makes a device, powered on and out of reset.
    ///
    /// # Errors
    /// An option that is out of its range, named.
    pub fn new(options: ModelOptions) -> Result<Self, ModelError> {
        options.check()?;
        let ModelOptions {
            virtual_functions,
            io_queues,
            block_bytes,
            medium,
            crash_at_cycle,
            timing,
            geometry,
            data_path,
            serial_number,
        } = options;
        let functions = usize::from(virtual_functions) + 1;
        let queues = usize::from(io_queues) + 1;
        let link = LinkSettings {
            max_payload_bytes: 128,
            max_read_request_bytes: 512,
            read_completion_boundary_bytes: 64,
            completion_space_bytes: 15_872,
            completion_space_headers: 64,
        };
        let admin_config = AdminConfig {
            block_bytes,
            namespace_blocks: medium.len() / u64::from(block_bytes),
            virtual_functions,
            io_queues,
            vectors: io_queues + 1,
            maximum_queue_entries: geometry.maximum_queue_entries,
            maximum_transfer_bytes: geometry.maximum_transfer_bytes,
            atomic_unit_bytes: geometry.atomic_unit_bytes,
            serial_number,
            ..AdminConfig::default()
        };
        let contexts = Contexts::new(functions, geometry.contexts_per_function);
        let rows = contexts.rows.len();
        let mut model = Self {
            link,
            virtual_functions,
            block_bytes,
            data_path,
            medium_bytes: medium.len(),
            medium,
            crash_at_cycle,
            dead: false,
            now: 0,
            schedule: Schedule::new(),
            functions: (0..functions)
                .map(|index| Function::new(index == 0, queues, &geometry))
                .collect(),
            admins: (0..=virtual_functions)
                .map(|index| FunctionAdmin::new(index, &admin_config))
                .collect(),
            admin_config,
            admin_buffers: vec![[0; PAGE as usize]; functions],
            contexts,
            prp_entries: vec![0; rows * 2 * Self::prp_stride(&geometry)],
            buffers: vec![0; rows * 2 * geometry.atomic_unit_bytes as usize],
            staging: vec![0; (geometry.read_staging_buffers * PAGE) as usize],
            free_staging: u64::MAX >> (64 - geometry.read_staging_buffers),
            tags: Tags::new(geometry.tags, functions, link),
            lock: RangeLock::new(functions, geometry.lock_rows_per_function as usize),
            rq: Rq::new(
                geometry.beat_bytes,
                geometry.rq_header_bytes,
                link.max_payload_bytes,
            ),
            axi: Axi::new(geometry.beat_bytes),
            cq_free_from: 0,
            cq_wait: 0,
            arrivals: Arrivals::default(),
            doorbells: VecDeque::new(),
            answers: VecDeque::new(),
            decoding: VecDeque::new(),
            in_media: VecDeque::new(),
            pipeline: Pipeline::default(),
            in_admin: VecDeque::new(),
            resets_done: VecDeque::new(),
            dispatch_from: 0,
            dispatch_function: 0,
            dispatch_choice: Choice::default(),
            ready_functions: 0,
            heads: Heads::default(),
            room: Room::default(),
            fetch_function: 0,
            fetch_functions: 0,
            walker: Walker::default(),
            entries_read: None,
            list_read: None,
            data_job: None,
            read_ended_at: None,
            data_turns: FairTurns::new(functions, queues, geometry.quantum_bytes),
            events: Events::default(),
            hand_out: HandOut::default(),
            lock_stage: LockStage::default(),
            read_turns: FairTurns::new(functions, queues, geometry.quantum_bytes),
            staging_back: VecDeque::new(),
            writes: WriteQueues::default(),
            completer: Completer::default(),
            trace: Trace::default(),
            timing,
            geometry,
        };
        model
            .schedule
            .set(Engine::Crash, crash_at_cycle.unwrap_or(NEVER));
        model.schedule.settle();
        Ok(model)
    }

    /// Takes the range lock out: every request for a range is granted at once. The test that no page is
    /// ever torn shows with this that it would notice.
    #[doc(hidden)]
    pub const fn remove_range_lock(&mut self) {
        self.lock.remove();
    }

    /// What to keep from now on; what was kept before stays.
    pub fn set_trace(&mut self, options: TraceOptions) {
        self.trace.options = options;
        if options.commands {
            let now = self.now;
            for queue in self
                .functions
                .iter_mut()
                .flat_map(|function| &mut function.submission)
            {
                queue.doorbell_at.clear();
                queue.doorbell_at.resize(queue.entries as usize, now);
            }
        }
    }

    /// Takes the commands kept so far.
    pub fn take_command_trace(&mut self) -> Vec<CommandTrace> {
        std::mem::take(&mut self.trace.commands)
    }

    /// Takes the steps of the range lock kept so far.
    pub fn take_lock_trace(&mut self) -> Vec<LockEvent> {
        std::mem::take(&mut self.trace.locks)
    }

    /// The table it was built to.
    pub const fn timing(&self) -> &Timing {
        &self.timing
    }

    /// The table it was built to.
    pub const fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The power is gone ([`ModelOptions::crash_at_cycle`]).
    pub const fn has_crashed(&self) -> bool {
        self.dead
    }

    /// Gives the medium back: power off.
    pub fn into_medium(self) -> Medium {
        self.medium
    }

    fn run(&mut self, engine: Engine, port: &mut dyn Port) {
        match engine {
            Engine::Crash => self.crash(),
            Engine::RegisterReads => self.run_register_reads(port),
            Engine::Rq => self.run_rq(port),
            Engine::Arrivals => self.run_arrivals(),
            Engine::Doorbells => self.run_doorbells(),
            Engine::Heads => self.run_heads(),
            Engine::Enable => self.run_enables(port),
            Engine::AxiRead => self.run_axi_reads(),
            Engine::AxiWrite => self.run_axi_writes(),
            Engine::Media => self.run_media(),
            Engine::Pipeline => self.run_pipeline(),
            Engine::Dispatch => self.run_dispatch(),
            Engine::Decode => self.run_decode(port),
            Engine::Admin => self.run_admin(),
            Engine::Moves => self.run_moves(),
            Engine::Segments => self.run_segments(),
            Engine::Buffers => self.run_buffers(),
            Engine::Completions => self.run_completions(),
            Engine::Reads => self.run_reads(),
            Engine::Fetch => self.run_fetch(),
            Engine::Lists => self.run_lists(),
            Engine::ReadPath => self.run_read_path(),
            Engine::WritePath => self.run_write_path(),
            Engine::Lock => self.run_lock(),
            Engine::TagTimeout => self.run_tag_timeouts(),
            Engine::Coalescing => self.run_coalescing(),
        }
    }

    /// Sets what several engines feed: RQ, AXI, timeouts.
    fn settle(&mut self) {
        if self.dead {
            self.schedule.settle();
            return;
        }
        self.schedule.set(Engine::Rq, self.rq.settle(self.now));
        self.schedule.set(Engine::AxiRead, self.axi.next_read_end());
        self.schedule
            .set(Engine::AxiWrite, self.axi.next_write_response());
        let timeout = self.timing.completion_timeout_cycles;
        let due = self
            .tags
            .oldest()
            .map_or(NEVER, |(_, sent_at)| sent_at.saturating_add(timeout));
        self.schedule.set(Engine::TagTimeout, due);
        self.schedule.settle();
    }

    fn receive_alive(&mut self, inbound: &Inbound<'_>) {
        match *inbound {
            Inbound::MemoryWrite {
                function,
                offset,
                data,
            } => {
                if function.index() < self.functions.len() {
                    self.write_registers(function.index(), offset, data);
                }
            }
            Inbound::MemoryRead {
                function,
                offset,
                length_bytes,
                tag,
            } => {
                let value = if function.index() < self.functions.len() {
                    self.read_registers(function.index(), offset, length_bytes)
                } else {
                    None
                };
                self.answer(tag, value);
            }
            Inbound::ReadData {
                tag,
                data,
                status,
                last,
            } => self.receive_data(tag, data, status, last),
            Inbound::FunctionReset { function } => {
                if function.index() < self.functions.len() {
                    self.reset_function(function.index());
                }
            }
            Inbound::BusMaster { function, enabled } => {
                if function.index() < self.functions.len() {
                    self.set_bus_master(function.index(), enabled);
                }
            }
            Inbound::MsixControl {
                function,
                enabled,
                masked,
            } => {
                if function.index() < self.functions.len() {
                    self.set_msix_control(function.index(), enabled, masked);
                }
            }
            Inbound::VirtualFunctions { count } => self.set_virtual_functions(count),
            Inbound::Link(link) => {
                self.link = link;
                self.tags.set_link(link);
                self.rq.set_max_payload(link.max_payload_bytes.max(64));
                self.kick_reads();
            }
            Inbound::HotReset => self.hot_reset(),
        }
    }

    fn answer(&mut self, tag: u16, value: Option<u64>) {
        let reads = self.timing.register_read_cycles;
        let at = self.now + self.pass_cq(reads + 1) + reads;
        self.answers.push_back((at, tag, value));
        self.schedule.no_later_than(Engine::RegisterReads, at);
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("now", &self.now)
            .field("virtual_functions", &self.virtual_functions)
            .field("medium", &self.medium)
            .finish_non_exhaustive()
    }
}

impl Endpoint for Model {
    fn next_event(&self) -> Option<Cycle> {
        self.schedule.first().map(|(at, _)| at)
    }

    fn advance(&mut self, until: Cycle, port: &mut dyn Port) {
        while let Some((at, engine)) = self.schedule.first() {
            if at > until {
                break;
            }
            debug_assert!(
                at >= self.now || engine == Engine::Crash,
                "{engine:?} is late: {at}"
            );
            self.now = self.now.max(at);
            self.run(engine, port);
            self.settle();
        }
        self.now = self.now.max(until);
    }

    fn receive(&mut self, at: Cycle, inbound: Inbound<'_>) {
        debug_assert!(at >= self.now, "time goes back: {at} after {}", self.now);
        self.now = self.now.max(at);
        if self.dead || self.crash_at_cycle.is_some_and(|crash_at| crash_at < at) {
            if let Inbound::MemoryRead { tag, .. } = inbound {
                self.answer(tag, None);
                self.schedule.settle();
            }
            return;
        }
        self.receive_alive(&inbound);
        self.settle();
    }

    fn receives_first_beats(&self) -> bool {
        true
    }

    fn keeps_time(&self) -> bool {
        self.data_path == DataPath::Timed
    }

    fn virtual_functions(&self) -> u8 {
        self.virtual_functions
    }

    fn vectors_per_function(&self) -> u16 {
        self.admin_config.vectors
    }

    fn peek_medium(&self, offset: u64, into: &mut [u8]) {
        if offset < self.medium_bytes {
            let length = (self.medium_bytes - offset).min(into.len() as u64) as usize;
            self.medium.read(offset, &mut into[..length]);
        }
    }
}
