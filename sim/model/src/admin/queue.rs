//! Creation and deletion of I/O queues (§5.3 to §5.6).

use nvme_spec::{Status, SubmissionEntry};

use super::decoder::{CDW10_BYTE, CDW11_BYTE, ControllerView, Rejection};
use super::{AdminAction, AdminConfig, prp};

/// CDW11 bit 0 of both Create commands: Physically Contiguous.
const CONTIGUOUS: u32 = 1 << 0;
/// CDW11 bit 1 of Create I/O Completion Queue: Interrupts Enabled.
const INTERRUPTS_ENABLED: u32 = 1 << 1;
/// Byte of the upper half of CDW10 and CDW11, from the first of the dword.
const UPPER_HALF: u8 = 2;

/// §5.3.
pub(super) fn create_completion_queue(
    config: &AdminConfig,
    view: &impl ControllerView,
    sqe: &SubmissionEntry,
) -> Result<AdminAction, Rejection> {
    let queue_id = new_queue_id(config, sqe, |id| view.completion_queue_exists(id))?;
    let entries = queue_entries(config, sqe)?;
    let address = contiguous_address(sqe)?;
    let vector = (sqe.cdw11 >> 16) as u16;
    let interrupt_vector = (sqe.cdw11 & INTERRUPTS_ENABLED != 0).then_some(vector);
    if interrupt_vector.is_some_and(|vector| vector >= config.vectors) {
        return Err(Rejection::at(
            Status::INVALID_INTERRUPT_VECTOR,
            CDW11_BYTE + UPPER_HALF,
        ));
    }
    Ok(AdminAction::CreateCompletionQueue {
        queue_id,
        entries,
        address,
        interrupt_vector,
    })
}

/// §5.4. The queue's priority is ignored: arbitration is round robin (CAP.AMS = 0).
pub(super) fn create_submission_queue(
    config: &AdminConfig,
    view: &impl ControllerView,
    sqe: &SubmissionEntry,
) -> Result<AdminAction, Rejection> {
    let queue_id = new_queue_id(config, sqe, |id| view.submission_queue_exists(id))?;
    let entries = queue_entries(config, sqe)?;
    let address = contiguous_address(sqe)?;
    let completion_queue_id = (sqe.cdw11 >> 16) as u16;
    // An identifier that could never be one differs from one that is not in use yet.
    if completion_queue_id == 0 || completion_queue_id > config.io_queues {
        return Err(Rejection::at(
            Status::INVALID_QUEUE_ID,
            CDW11_BYTE + UPPER_HALF,
        ));
    }
    if !view.completion_queue_exists(completion_queue_id) {
        return Err(Rejection::at(
            Status::COMPLETION_QUEUE_INVALID,
            CDW11_BYTE + UPPER_HALF,
        ));
    }
    Ok(AdminAction::CreateSubmissionQueue {
        queue_id,
        entries,
        address,
        completion_queue_id,
    })
}

/// §5.6.
pub(super) fn delete_submission_queue(
    view: &impl ControllerView,
    sqe: &SubmissionEntry,
) -> Result<AdminAction, Rejection> {
    let queue_id = sqe.cdw10 as u16;
    if queue_id == 0 || !view.submission_queue_exists(queue_id) {
        return Err(Rejection::at(Status::INVALID_QUEUE_ID, CDW10_BYTE));
    }
    Ok(AdminAction::DeleteSubmissionQueue { queue_id })
}

/// §5.5.
pub(super) fn delete_completion_queue(
    view: &impl ControllerView,
    sqe: &SubmissionEntry,
) -> Result<AdminAction, Rejection> {
    let queue_id = sqe.cdw10 as u16;
    if queue_id == 0 || !view.completion_queue_exists(queue_id) {
        return Err(Rejection::at(Status::INVALID_QUEUE_ID, CDW10_BYTE));
    }
    if view.completion_queue_in_use(queue_id) {
        return Err(Rejection::at(Status::INVALID_QUEUE_DELETION, CDW10_BYTE));
    }
    Ok(AdminAction::DeleteCompletionQueue { queue_id })
}

fn new_queue_id(
    config: &AdminConfig,
    sqe: &SubmissionEntry,
    exists: impl Fn(u16) -> bool,
) -> Result<u16, Rejection> {
    let queue_id = sqe.cdw10 as u16;
    if queue_id == 0 || queue_id > config.io_queues || exists(queue_id) {
        return Err(Rejection::at(Status::INVALID_QUEUE_ID, CDW10_BYTE));
    }
    Ok(queue_id)
}

/// A queue has at least two slots (§4.1.3) and at most CAP.MQES + 1.
fn queue_entries(config: &AdminConfig, sqe: &SubmissionEntry) -> Result<u32, Rejection> {
    let entries = (sqe.cdw10 >> 16) + 1;
    if entries < 2 || entries > config.maximum_queue_entries {
        return Err(Rejection::at(
            Status::MAXIMUM_QUEUE_SIZE_EXCEEDED,
            CDW10_BYTE + UPPER_HALF,
        ));
    }
    Ok(entries)
}

/// CAP.CQR = 1: PRP1 is the queue itself, never a list.
fn contiguous_address(sqe: &SubmissionEntry) -> Result<u64, Rejection> {
    if sqe.cdw11 & CONTIGUOUS == 0 {
        return Err(Rejection::at(Status::INVALID_FIELD, CDW11_BYTE));
    }
    prp::queue_address(sqe)
}
