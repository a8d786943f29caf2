//! Set Features and Get Features (§5.12, §5.9).

mod table;
mod values;

use nvme_spec::feature::{self as id, SET_SAVE};
use nvme_spec::{ALL_NAMESPACES, NAMESPACE_ID, Status, SubmissionEntry};

pub use table::{Row as FeatureRow, rows as feature_rows};
pub use values::Features;

use self::table::Row;
use super::decoder::{
    CDW10_BYTE, CDW11_BYTE, ControllerView, NAMESPACE_BYTE, Rejection, completed,
};
use super::{AdminAction, AdminConfig, FunctionAdmin};

/// Select, CDW10 bits 10:08 of Get Features.
const SELECT_CURRENT: u32 = 0;
const SELECT_DEFAULT: u32 = 1;
/// Nothing is saved, so the saved value is the default.
const SELECT_SAVED: u32 = 2;
const SELECT_CAPABILITIES: u32 = 3;
/// Capabilities bit 2: changeable. Bits 0 (saveable) and 1 (namespace specific) are never set.
const CHANGEABLE: u32 = 1 << 2;
/// Byte of CDW10 that Select stands in; Save is bit 7 of the last one.
const SELECT_BYTE: u8 = CDW10_BYTE + 1;
const SAVE_BYTE: u8 = CDW10_BYTE + 3;

/// §5.12.
pub(super) fn set_features(
    state: &mut FunctionAdmin,
    config: &AdminConfig,
    view: &impl ControllerView,
    sqe: &SubmissionEntry,
) -> Result<AdminAction, Rejection> {
    let row = known_feature(sqe)?;
    if sqe.cdw10 & SET_SAVE != 0 {
        return Err(Rejection::at_bit(
            Status::FEATURE_NOT_SAVEABLE,
            SAVE_BYTE,
            7,
        ));
    }
    match namespace_scope(sqe)? {
        Scope::Controller => {}
        Scope::Namespace => {
            return Err(Rejection::at(
                Status::FEATURE_NOT_NAMESPACE_SPECIFIC,
                NAMESPACE_BYTE,
            ));
        }
    }
    let value = sqe.cdw11;
    let invalid = Rejection::at(Status::INVALID_FIELD, CDW11_BYTE);
    if value & row.must_be_zero != 0 {
        return Err(invalid);
    }
    match row.id {
        id::NUMBER_OF_QUEUES => {
            // 65,535 stands for 65,536 queues, which cannot be; in either half (§5.12.1.7).
            if value & 0xffff == 0xffff || value >> 16 == 0xffff {
                return Err(invalid);
            }
            if view.any_io_queue_exists() {
                return Err(Rejection::at(Status::COMMAND_SEQUENCE_ERROR, CDW10_BYTE));
            }
            return Ok(completed(queues_allocated(config)));
        }
        id::INTERRUPT_VECTOR_CONFIGURATION => {
            let vector = value as u16;
            let disabled = value & id::VECTOR_COALESCING_DISABLE != 0;
            if !state.features.set_coalescing_disabled(vector, disabled) {
                return Err(invalid);
            }
        }
        _ => state.features.set(row, value),
    }
    state.watch_temperature(config);
    Ok(completed(0))
}

/// §5.9.
pub(super) fn get_features(
    state: &FunctionAdmin,
    config: &AdminConfig,
    sqe: &SubmissionEntry,
) -> Result<AdminAction, Rejection> {
    let row = known_feature(sqe)?;
    namespace_scope(sqe)?;
    let select = (sqe.cdw10 >> 8) & 0b111;
    let current = match select {
        SELECT_CURRENT => true,
        SELECT_DEFAULT | SELECT_SAVED => false,
        SELECT_CAPABILITIES => return Ok(completed(CHANGEABLE)),
        _ => return Err(Rejection::at(Status::INVALID_FIELD, SELECT_BYTE)),
    };
    Ok(completed(match row.id {
        id::NUMBER_OF_QUEUES => queues_allocated(config),
        id::INTERRUPT_VECTOR_CONFIGURATION => {
            let vector = sqe.cdw11 as u16;
            let disabled = state
                .features
                .coalescing_disabled(vector)
                .ok_or(Rejection::at(Status::INVALID_FIELD, CDW11_BYTE))?;
            let flag = if current && disabled {
                id::VECTOR_COALESCING_DISABLE
            } else {
                0
            };
            u32::from(vector) | flag
        }
        _ if current => state.features.get(row),
        _ => row.default,
    }))
}

/// The function has all of its queues, whatever the host asks for: both numbers 0's based.
fn queues_allocated(config: &AdminConfig) -> u32 {
    let zero_based = u32::from(config.io_queues - 1);
    (zero_based << 16) | zero_based
}

fn known_feature(sqe: &SubmissionEntry) -> Result<&'static Row, Rejection> {
    Row::find(sqe.cdw10 as u8).ok_or(Rejection::at(Status::INVALID_FIELD, CDW10_BYTE))
}

enum Scope {
    Controller,
    Namespace,
}

fn namespace_scope(sqe: &SubmissionEntry) -> Result<Scope, Rejection> {
    match sqe.namespace_id {
        0 | ALL_NAMESPACES => Ok(Scope::Controller),
        NAMESPACE_ID => Ok(Scope::Namespace),
        _ => Err(Rejection::at(Status::INVALID_NAMESPACE, NAMESPACE_BYTE)),
    }
}
