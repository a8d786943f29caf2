//! Tests of the admin engine, against a controller whose queues are two sets of numbers.

mod events;
mod features;
mod fields;
mod identify;
mod logs;
mod printed;
mod queues;
mod random;

use std::collections::{BTreeMap, BTreeSet};

use nvme_spec::log_page::{ErrorLocation, ErrorLogEntry, FunctionCounters};
use nvme_spec::{Status, SubmissionEntry};
use zerocopy::FromBytes;

use super::{
    AdminAction, AdminBuffer, AdminConfig, ControllerView, FunctionAdmin, IoCounters, execute,
};

/// The core, as far as the admin engine sees it.
#[derive(Default)]
struct View {
    completion_queues: BTreeSet<u16>,
    /// Submission queue → its completion queue.
    submission_queues: BTreeMap<u16, u16>,
    counters: Vec<IoCounters>,
    now_cycles: u64,
}

impl ControllerView for View {
    fn completion_queue_exists(&self, queue_id: u16) -> bool {
        self.completion_queues.contains(&queue_id)
    }
    fn submission_queue_exists(&self, queue_id: u16) -> bool {
        self.submission_queues.contains_key(&queue_id)
    }
    fn completion_queue_in_use(&self, queue_id: u16) -> bool {
        self.submission_queues
            .values()
            .any(|completion_queue| *completion_queue == queue_id)
    }
    fn any_io_queue_exists(&self) -> bool {
        !self.completion_queues.is_empty() || !self.submission_queues.is_empty()
    }
    fn counters(&self, function: u8) -> IoCounters {
        self.counters
            .get(usize::from(function))
            .copied()
            .unwrap_or_default()
    }
    fn has_admin_slot(&self) -> bool {
        true
    }
    fn now_cycles(&self) -> u64 {
        self.now_cycles
    }
}

/// One function's admin engine with its surroundings.
struct Bench {
    config: AdminConfig,
    state: FunctionAdmin,
    view: View,
    buffer: AdminBuffer,
}

/// Where data goes unless a test says otherwise: a whole page.
const PAGE: u64 = 0x7000;

impl Bench {
    fn new() -> Self {
        Self::of_function(0)
    }

    fn of_function(function: u8) -> Self {
        let config = AdminConfig::default();
        Self {
            state: FunctionAdmin::new(function, &config),
            config,
            view: View::default(),
            buffer: [0xee; 4096],
        }
    }

    /// Executes, and does what the core would do with the queues.
    fn run(&mut self, sqe: &SubmissionEntry) -> AdminAction {
        let action = execute(
            &mut self.state,
            &self.config,
            &self.view,
            sqe,
            &mut self.buffer,
        );
        match action {
            AdminAction::CreateCompletionQueue { queue_id, .. } => {
                self.view.completion_queues.insert(queue_id);
            }
            AdminAction::CreateSubmissionQueue {
                queue_id,
                completion_queue_id,
                ..
            } => {
                self.view
                    .submission_queues
                    .insert(queue_id, completion_queue_id);
            }
            AdminAction::DeleteSubmissionQueue { queue_id } => {
                self.view.submission_queues.remove(&queue_id);
            }
            AdminAction::DeleteCompletionQueue { queue_id } => {
                self.view.completion_queues.remove(&queue_id);
            }
            _ => {}
        }
        action
    }

    /// Dword 0 of a command that must succeed at once.
    #[track_caller]
    fn value(&mut self, sqe: SubmissionEntry) -> u32 {
        match self.run(&sqe) {
            AdminAction::Complete {
                status: Status::SUCCESS,
                dword0,
                do_not_retry: false,
            } => dword0,
            other => panic!("{sqe:?} led to {other:?}"),
        }
    }

    /// The bytes a command returns, which must go to one whole page.
    #[track_caller]
    fn data<T: FromBytes>(&mut self, sqe: SubmissionEntry) -> T {
        let sqe = sqe.with_prps(PAGE, 0);
        match self.run(&sqe) {
            AdminAction::TransferToHost { pieces, .. } if pieces[0].address == PAGE => {
                T::read_from_prefix(&self.buffer).unwrap().0
            }
            other => panic!("{sqe:?} led to {other:?}"),
        }
    }

    /// The command must be rejected with `status`, at byte `byte` of it, and be in the error log.
    #[track_caller]
    fn rejects(&mut self, sqe: SubmissionEntry, status: Status, byte: u8) {
        let sqe = sqe.with_command_id(0xabcd);
        let action = self.run(&sqe);
        let retry = status == Status::ASYNC_EVENT_LIMIT_EXCEEDED;
        let expected = AdminAction::Complete {
            status,
            dword0: 0,
            do_not_retry: !retry,
        };
        assert_eq!(action, expected, "{sqe:?}");
        let entry = *self.state.errors.newest_first().next().unwrap();
        assert_eq!((entry.submission_queue_id, entry.command_id), (0, 0xabcd));
        assert_eq!(entry.status_field, ErrorLogEntry::status_field_of(status));
        let location = ErrorLocation::from_bits(entry.parameter_error_location);
        assert_eq!(location.byte(), byte, "location of the mistake in {sqe:?}");
    }
}

fn row(seed: u64) -> IoCounters {
    IoCounters {
        row: FunctionCounters {
            reads: seed,
            writes: seed + 1,
            compares: seed + 2,
            pairs: seed + 3,
            bytes_read: seed + 4,
            bytes_written: seed + 5,
            miscompares: seed + 6,
            lock_waits: seed + 7,
        },
        ..IoCounters::default()
    }
}
