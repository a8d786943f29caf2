//! One function's controller: registers and queues.

use std::collections::VecDeque;

use nvme_spec::SubmissionEntry;
use nvme_spec::identify::IdentifyController;
use nvme_spec::log_page::FunctionCounters;
use nvme_spec::register::{
    AdminQueueAttributes, Capabilities, Configuration, ControllerStatus, SHUTDOWN_STATUS_COMPLETE,
};

use crate::completion::Posting;
use crate::fault::{Fault, Presence};
use crate::options::InstantOptions;

pub(crate) struct SubmissionQueue {
    pub(crate) address: u64,
    pub(crate) entries: u32,
    pub(crate) head: u32,
    pub(crate) tail: u32,
    pub(crate) completion_queue: u16,
    /// The first of a fused pair, waiting for its second.
    pub(crate) first: Option<(SubmissionEntry, Option<Fault>)>,
}

pub(crate) struct CompletionQueue {
    pub(crate) address: u64,
    pub(crate) entries: u32,
    pub(crate) tail: u32,
    pub(crate) head: u32,
    pub(crate) phase: bool,
    pub(crate) vector: Option<u16>,
    /// Completions that wait for a free slot.
    pub(crate) waiting: VecDeque<Posting>,
}

/// A command that was taken and is not executed until somebody aborts it; of a pair, both.
#[derive(Clone, Copy)]
pub(crate) struct Held {
    pub(crate) queue: u16,
    pub(crate) command_ids: [Option<u16>; 2],
}

pub(crate) struct Controller {
    pub(crate) number: u8,
    pub(crate) presence: Presence,
    pub(crate) configuration: Configuration,
    pub(crate) status: ControllerStatus,
    pub(crate) admin_attributes: AdminQueueAttributes,
    pub(crate) admin_addresses: (u64, u64),
    pub(crate) submission: Vec<Option<SubmissionQueue>>,
    pub(crate) completion: Vec<Option<CompletionQueue>>,
    pub(crate) features: [u32; 256],
    pub(crate) event_requests: VecDeque<u16>,
    pub(crate) events: VecDeque<u32>,
    pub(crate) held: Vec<Held>,
    pub(crate) identify: Box<IdentifyController>,
    pub(crate) counters: FunctionCounters,
    /// Programmed vectors, and those that have fired.
    pub(crate) vectors: Vec<(bool, bool)>,
    /// CSTS.RDY does not follow CC.EN until a function level reset.
    pub(crate) stuck: bool,
    /// Function level reset does not work.
    pub(crate) unresettable: bool,
    /// Aborts are taken and never answered.
    pub(crate) ignores_aborts: bool,
    pub(crate) ignored_aborts: u32,
    pub(crate) controller_resets: u32,
    pub(crate) function_resets: u32,
    pub(crate) doorbell_writes: u64,
}

impl Controller {
    pub(crate) fn new(
        number: u8,
        options: &InstantOptions,
        identify: Box<IdentifyController>,
    ) -> Self {
        let queues = usize::from(options.queue_pairs) + 1;
        Self {
            number,
            presence: Presence::Present,
            configuration: Configuration::new(),
            status: ControllerStatus::new(),
            admin_attributes: AdminQueueAttributes::new(),
            admin_addresses: (0, 0),
            submission: (0..queues).map(|_| None).collect(),
            completion: (0..queues).map(|_| None).collect(),
            features: [0; 256],
            event_requests: VecDeque::new(),
            events: VecDeque::new(),
            held: Vec::new(),
            identify,
            counters: FunctionCounters::default(),
            vectors: vec![(false, false); queues],
            stuck: false,
            unresettable: false,
            ignores_aborts: false,
            ignored_aborts: 0,
            controller_resets: 0,
            function_resets: 0,
            doorbell_writes: 0,
        }
    }

    pub(crate) fn capabilities(options: &InstantOptions) -> Capabilities {
        Capabilities::new()
            .with_maximum_queue_entries((options.queue_entries - 1) as u16)
            .with_contiguous_queues_required(true)
            .with_timeout_500_ms(4)
            .with_doorbell_stride(options.doorbell_stride)
            .with_command_sets(1)
    }

    /// CC (NVMe 1.1 §3.1.5).
    pub(crate) fn configure(&mut self, configuration: Configuration) {
        let before = std::mem::replace(&mut self.configuration, configuration);
        if self.stuck {
            return;
        }
        if configuration.enable() && !before.enable() {
            self.enable();
        } else if before.enable() && !configuration.enable() {
            self.controller_resets += 1;
            self.disable();
        } else if configuration.shutdown() != 0 {
            self.status.set_shutdown(SHUTDOWN_STATUS_COMPLETE);
        }
    }

    fn enable(&mut self) {
        self.submission[0] = Some(SubmissionQueue {
            address: self.admin_addresses.0,
            entries: u32::from(self.admin_attributes.submission_entries()) + 1,
            head: 0,
            tail: 0,
            completion_queue: 0,
            first: None,
        });
        self.completion[0] = Some(CompletionQueue::new(
            self.admin_addresses.1,
            u32::from(self.admin_attributes.completion_entries()) + 1,
            Some(0),
        ));
        self.status = ControllerStatus::new().with_ready(true);
    }

    fn disable(&mut self) {
        self.submission.iter_mut().for_each(|queue| *queue = None);
        self.completion.iter_mut().for_each(|queue| *queue = None);
        self.event_requests.clear();
        self.events.clear();
        self.held.clear();
        self.status = ControllerStatus::new();
    }

    /// Function level reset.
    pub(crate) fn reset(&mut self) {
        self.function_resets += 1;
        self.stuck = false;
        self.configuration = Configuration::new();
        self.vectors
            .iter_mut()
            .for_each(|vector| *vector = (false, false));
        self.disable();
    }

    /// Does it work on commands?
    pub(crate) fn runs(&self) -> bool {
        self.presence == Presence::Present && self.status.ready() && !self.status.fatal()
    }
}

impl CompletionQueue {
    pub(crate) const fn new(address: u64, entries: u32, vector: Option<u16>) -> Self {
        Self {
            address,
            entries,
            tail: 0,
            head: 0,
            phase: true,
            vector,
            waiting: VecDeque::new(),
        }
    }

    pub(crate) const fn is_full(&self) -> bool {
        let next = if self.tail + 1 == self.entries {
            0
        } else {
            self.tail + 1
        };
        next == self.head
    }
}
