//! Abort (§5.1) and Asynchronous Event Request (§5.2).

use nvme_spec::{Status, SubmissionEntry};

use super::decoder::{CDW10_BYTE, ControllerView, OPCODE_BYTE, Rejection};
use super::{AdminAction, FunctionAdmin};

/// §5.1. Admin commands are executed one at a time, so the Abort Command Limit is never exceeded, and
/// the only admin commands an Abort can meet are held Asynchronous Event Requests.
pub(super) fn abort(
    state: &mut FunctionAdmin,
    view: &impl ControllerView,
    sqe: &SubmissionEntry,
) -> Result<AdminAction, Rejection> {
    let queue_id = sqe.cdw10 as u16;
    let command_id = (sqe.cdw10 >> 16) as u16;
    if queue_id == 0 {
        // A request that could not be completed is left alone.
        return Ok(if view.has_admin_slot() && state.events.abort(command_id) {
            AdminAction::AbortAsyncEvent { command_id }
        } else {
            AdminAction::Abort {
                queue_id,
                command_id,
            }
        });
    }
    if !view.submission_queue_exists(queue_id) {
        return Err(Rejection::at(Status::INVALID_FIELD, CDW10_BYTE));
    }
    Ok(AdminAction::Abort {
        queue_id,
        command_id,
    })
}

/// §5.2.
pub(super) fn hold_event_request(
    state: &mut FunctionAdmin,
    sqe: &SubmissionEntry,
) -> Result<AdminAction, Rejection> {
    if state.events.hold(sqe.command_id()) {
        Ok(AdminAction::HoldAsyncEvent)
    } else {
        Err(Rejection::at(
            Status::ASYNC_EVENT_LIMIT_EXCEEDED,
            OPCODE_BYTE,
        ))
    }
}
