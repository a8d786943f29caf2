//! Identify (§5.11).

use nvme_spec::identify::{
    CNS_ACTIVE_NAMESPACES, CNS_CONTROLLER, CNS_NAMESPACE, IDENTIFY_BYTES, IdentifyController,
    IdentifyNamespace, LbaFormat,
};
use nvme_spec::{MEMORY_PAGE_BYTES, NAMESPACE_ID, Status, SubmissionEntry};
use zerocopy::{FromZeros, IntoBytes};

use super::async_event::EVENT_REQUESTS;
use super::decoder::{AdminBuffer, CDW10_BYTE, NAMESPACE_BYTE, Rejection};
use super::error_log::ERROR_LOG_ENTRIES;
use super::{AdminAction, AdminConfig, FunctionAdmin, prp};

/// FR: the firmware revision that Identify and the firmware slot log report.
pub const FIRMWARE_REVISION: &str = env!("CARGO_PKG_VERSION");

/// PCI vendor of the VC709's configuration (Xilinx).
const VENDOR_ID: u16 = 0x10ee;
const MODEL_NUMBER: &str = "RDStore NVMe controller";
/// Aborts at a time that a host may count on, 0's based. They are executed one after the other.
const ABORT_LIMIT: u8 = 3;
/// FRMW: one slot, read only.
const FIRMWARE_UPDATES: u8 = (1 << 1) | 1;
/// Maximum power of the board, in 10 mW.
const MAXIMUM_POWER_10_MW: u16 = 2500;
/// Namespace identifiers that no list can begin behind.
const LAST_LISTABLE: u32 = 0xffff_fffd;

/// §5.11.
pub(super) fn identify(
    state: &FunctionAdmin,
    config: &AdminConfig,
    sqe: &SubmissionEntry,
    buffer: &mut AdminBuffer,
) -> Result<AdminAction, Rejection> {
    let invalid_namespace = Rejection::at(Status::INVALID_NAMESPACE, NAMESPACE_BYTE);
    match sqe.cdw10 as u8 {
        CNS_NAMESPACE if sqe.namespace_id == NAMESPACE_ID => {
            buffer.copy_from_slice(namespace(config).as_bytes());
        }
        // There is one namespace and it is always active: anything else is no namespace at all.
        CNS_NAMESPACE => return Err(invalid_namespace),
        CNS_CONTROLLER => {
            buffer.copy_from_slice(controller(state.function, config).as_bytes());
        }
        CNS_ACTIVE_NAMESPACES if sqe.namespace_id > LAST_LISTABLE => return Err(invalid_namespace),
        CNS_ACTIVE_NAMESPACES => {
            buffer.fill(0);
            // Namespaces above the one named.
            if sqe.namespace_id < NAMESPACE_ID {
                buffer[..4].copy_from_slice(&NAMESPACE_ID.to_le_bytes());
            }
        }
        _ => return Err(Rejection::at(Status::INVALID_FIELD, CDW10_BYTE)),
    }
    let length_bytes = IDENTIFY_BYTES as u32;
    let pieces = prp::pieces(sqe, length_bytes, length_bytes)?;
    Ok(AdminAction::TransferToHost {
        length_bytes,
        pieces,
    })
}

/// Identify Controller of a function (0 is the PF).
pub fn controller(function: u8, config: &AdminConfig) -> IdentifyController {
    let atomic_blocks = atomic_blocks_zero_based(config);
    let mut data = IdentifyController::new_zeroed();
    data.vendor_id = VENDOR_ID;
    data.subsystem_vendor_id = VENDOR_ID;
    data.serial_number = padded(&config.serial_number);
    data.model_number = padded(MODEL_NUMBER);
    data.firmware_revision = padded(FIRMWARE_REVISION);
    if config.virtual_functions > 0 {
        data.multi_path |= IdentifyController::MULTI_PATH_CONTROLLERS;
    }
    if function > 0 {
        data.multi_path |= IdentifyController::MULTI_PATH_VIRTUAL_FUNCTION;
    }
    let pages = config.maximum_transfer_bytes / MEMORY_PAGE_BYTES as u32;
    data.maximum_data_transfer = pages.max(1).ilog2() as u8;
    data.controller_id = u16::from(function);
    data.abort_command_limit = ABORT_LIMIT;
    data.async_event_request_limit = (EVENT_REQUESTS - 1) as u8;
    data.firmware_updates = FIRMWARE_UPDATES;
    data.error_log_entries = (ERROR_LOG_ENTRIES - 1) as u8;
    data.submission_entry_sizes = 0x66;
    data.completion_entry_sizes = 0x44;
    data.namespaces = 1;
    data.optional_nvm_commands =
        IdentifyController::SUPPORTS_COMPARE | IdentifyController::SUPPORTS_SAVE_AND_SELECT;
    data.fused_operations = IdentifyController::SUPPORTS_COMPARE_AND_WRITE;
    data.atomic_write_unit_normal = atomic_blocks;
    data.atomic_write_unit_power_fail = atomic_blocks;
    data.atomic_compare_and_write_unit = atomic_blocks;
    data.power_state_descriptors[0].maximum_power_10_mw = MAXIMUM_POWER_10_MW;
    data
}

/// Identify Namespace of the one namespace.
pub fn namespace(config: &AdminConfig) -> IdentifyNamespace {
    let mut data = IdentifyNamespace::new_zeroed();
    data.size_blocks = config.namespace_blocks;
    data.capacity_blocks = config.namespace_blocks;
    data.utilization_blocks = config.namespace_blocks;
    if config.virtual_functions > 0 {
        data.multi_path = IdentifyNamespace::MULTI_PATH_SHARED;
    }
    data.lba_format[0] = LbaFormat {
        metadata_bytes: 0,
        data_size: config.block_bytes.ilog2() as u8,
        relative_performance: 0,
    };
    data
}

fn atomic_blocks_zero_based(config: &AdminConfig) -> u16 {
    (config.atomic_unit_bytes / config.block_bytes - 1) as u16
}

/// ASCII, padded with spaces, cut off when too long; what is not printable becomes `?`.
fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut field = [b' '; N];
    for (place, character) in field.iter_mut().zip(text.chars()) {
        *place = if character == ' ' || character.is_ascii_graphic() {
            character as u8
        } else {
            b'?'
        };
    }
    field
}
