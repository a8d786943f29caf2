//! The decoder: from opcode to the family of commands, and what a rejection leaves behind.

use nvme_spec::log_page::ErrorLocation;
use nvme_spec::opcode::admin;
use nvme_spec::{Fuse, MEMORY_PAGE_BYTES, Status, SubmissionEntry};

use super::error_log::CommandError;
use super::{AdminAction, AdminConfig, FunctionAdmin, IoCounters};
use super::{abort, feature, identify, log, queue};

/// The one buffer of the admin engine: what a command returns to the host.
pub type AdminBuffer = [u8; MEMORY_PAGE_BYTES];

/// What the admin engine asks the core about the function whose command it has, and about counters.
pub trait ControllerView {
    /// Does I/O completion queue `queue_id` (1 and up) exist?
    fn completion_queue_exists(&self, queue_id: u16) -> bool;
    /// Does I/O submission queue `queue_id` (1 and up) exist?
    fn submission_queue_exists(&self, queue_id: u16) -> bool;
    /// Does a submission queue post to I/O completion queue `queue_id`?
    fn completion_queue_in_use(&self, queue_id: u16) -> bool;
    /// Does the function have any I/O queue?
    fn any_io_queue_exists(&self) -> bool;
    /// Counters of a function, 0 (the PF) to the number of VFs.
    fn counters(&self, function: u8) -> IoCounters;
    /// Has the admin completion queue a slot that nobody has been promised?
    fn has_admin_slot(&self) -> bool;
    /// Cycles since power-on.
    fn now_cycles(&self) -> u64;
}

// Bytes of the SQE (§4.2 Figure 11), for Parameter Error Location.
pub(super) const OPCODE_BYTE: u8 = 0;
pub(super) const FUSE_BYTE: u8 = 1;
pub(super) const NAMESPACE_BYTE: u8 = 4;
pub(super) const PRP1_BYTE: u8 = 24;
pub(super) const PRP2_BYTE: u8 = 32;
pub(super) const CDW10_BYTE: u8 = 40;
pub(super) const CDW11_BYTE: u8 = 44;

/// Why a command does nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rejection {
    status: Status,
    location: ErrorLocation,
}

impl Rejection {
    /// With the mistake in byte `byte` of the command.
    pub(super) const fn at(status: Status, byte: u8) -> Self {
        Self::at_bit(status, byte, 0)
    }

    /// With the mistake in bit `bit` of byte `byte` of the command.
    pub(super) const fn at_bit(status: Status, byte: u8, bit: u8) -> Self {
        Self {
            status,
            location: ErrorLocation::new().with_byte(byte).with_bit(bit),
        }
    }
}

/// Every status an admin command of this controller can end with.
pub const ADMIN_STATUSES: &[Status] = &[
    Status::SUCCESS,
    Status::INVALID_OPCODE,
    Status::INVALID_FIELD,
    Status::INVALID_NAMESPACE,
    Status::COMMAND_SEQUENCE_ERROR,
    Status::COMPLETION_QUEUE_INVALID,
    Status::INVALID_QUEUE_ID,
    Status::MAXIMUM_QUEUE_SIZE_EXCEEDED,
    Status::ASYNC_EVENT_LIMIT_EXCEEDED,
    Status::INVALID_INTERRUPT_VECTOR,
    Status::INVALID_LOG_PAGE,
    Status::INVALID_QUEUE_DELETION,
    Status::FEATURE_NOT_SAVEABLE,
    Status::FEATURE_NOT_NAMESPACE_SPECIFIC,
];

/// Checks one admin command and says what is to happen. A rejected command is in the error log when
/// this returns, and has changed nothing else.
///
/// `buffer` is written when the answer is [`AdminAction::TransferToHost`].
pub fn execute(
    state: &mut FunctionAdmin,
    config: &AdminConfig,
    view: &impl ControllerView,
    sqe: &SubmissionEntry,
    buffer: &mut AdminBuffer,
) -> AdminAction {
    match dispatch(state, config, view, sqe, buffer) {
        Ok(action) => action,
        Err(Rejection { status, location }) => {
            state.record_error(CommandError {
                submission_queue_id: 0,
                command_id: sqe.command_id(),
                status,
                location: Some(location),
                lba: 0,
                namespace_id: sqe.namespace_id,
            });
            AdminAction::Complete {
                status,
                dword0: 0,
                do_not_retry: fails_again(status),
            }
        }
    }
}

fn dispatch(
    state: &mut FunctionAdmin,
    config: &AdminConfig,
    view: &impl ControllerView,
    sqe: &SubmissionEntry,
    buffer: &mut AdminBuffer,
) -> Result<AdminAction, Rejection> {
    // Fused admin commands and SGLs do not exist (§4.2).
    if sqe.fuse() != Fuse::Normal {
        return Err(Rejection::at(Status::INVALID_FIELD, FUSE_BYTE));
    }
    if sqe.data_pointer_type() != 0 {
        return Err(Rejection::at_bit(Status::INVALID_FIELD, FUSE_BYTE, 6));
    }
    match sqe.opcode() {
        admin::DELETE_SUBMISSION_QUEUE => queue::delete_submission_queue(view, sqe),
        admin::CREATE_SUBMISSION_QUEUE => queue::create_submission_queue(config, view, sqe),
        admin::GET_LOG_PAGE => log::get_log_page(state, config, view, sqe, buffer),
        admin::DELETE_COMPLETION_QUEUE => queue::delete_completion_queue(view, sqe),
        admin::CREATE_COMPLETION_QUEUE => queue::create_completion_queue(config, view, sqe),
        admin::IDENTIFY => identify::identify(state, config, sqe, buffer),
        admin::ABORT => abort::abort(state, view, sqe),
        admin::SET_FEATURES => feature::set_features(state, config, view, sqe),
        admin::GET_FEATURES => feature::get_features(state, config, sqe),
        admin::ASYNC_EVENT_REQUEST => abort::hold_event_request(state, sqe),
        _ => Err(Rejection::at(Status::INVALID_OPCODE, OPCODE_BYTE)),
    }
}

/// Success with this dword 0.
pub(super) const fn completed(dword0: u32) -> AdminAction {
    AdminAction::Complete {
        status: Status::SUCCESS,
        dword0,
        do_not_retry: false,
    }
}

/// Would the same command fail again (CQE bit DNR)? Not when a place may become free.
fn fails_again(status: Status) -> bool {
    status != Status::ASYNC_EVENT_LIMIT_EXCEEDED
}
