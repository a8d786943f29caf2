//! What the device says about itself at first (NVMe 1.1 §5.11).

use nvme_spec::identify::{IdentifyController, IdentifyNamespace, LbaFormat};
use zerocopy::FromZeros;

use crate::options::InstantOptions;

pub(crate) fn identify_controller(number: u8, options: &InstantOptions) -> Box<IdentifyController> {
    let mut identify = IdentifyController::new_zeroed();
    let atomic = options.atomic_blocks - 1;
    pad(&mut identify.serial_number, "INSTANT0001");
    pad(&mut identify.model_number, "Controller without time");
    pad(&mut identify.firmware_revision, "1");
    identify.multi_path = IdentifyController::MULTI_PATH_CONTROLLERS;
    if number > 0 {
        identify.multi_path |= IdentifyController::MULTI_PATH_VIRTUAL_FUNCTION;
    }
    identify.maximum_data_transfer = options.maximum_data_transfer;
    identify.controller_id = u16::from(number);
    identify.abort_command_limit = 3;
    identify.async_event_request_limit = 3;
    identify.submission_entry_sizes = 0x66;
    identify.completion_entry_sizes = 0x44;
    identify.namespaces = 1;
    identify.optional_nvm_commands = IdentifyController::SUPPORTS_COMPARE;
    identify.fused_operations = IdentifyController::SUPPORTS_COMPARE_AND_WRITE;
    identify.atomic_write_unit_normal = atomic;
    identify.atomic_write_unit_power_fail = atomic;
    identify.atomic_compare_and_write_unit = atomic;
    Box::new(identify)
}

pub(crate) fn identify_namespace(options: &InstantOptions) -> Box<IdentifyNamespace> {
    let mut identify = IdentifyNamespace::new_zeroed();
    identify.size_blocks = options.blocks;
    identify.capacity_blocks = options.blocks;
    identify.utilization_blocks = options.blocks;
    identify.multi_path = IdentifyNamespace::MULTI_PATH_SHARED;
    identify.lba_format[0] = LbaFormat {
        metadata_bytes: 0,
        data_size: options.block_bytes.trailing_zeros() as u8,
        relative_performance: 0,
    };
    Box::new(identify)
}

fn pad(field: &mut [u8], text: &str) {
    field.fill(b' ');
    field[..text.len()].copy_from_slice(text.as_bytes());
}
