//! What a controller says about itself, in the units the driver and the store count in.

use nvme_spec::identify::{IdentifyController, IdentifyNamespace};
use nvme_spec::register::Capabilities;

use crate::pool::MAXIMUM_BUFFER_BYTES;

/// Result of bring-up. Counts that the standard gives 0's based are real counts here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ControllerInfo {
    /// How messages name the device.
    pub name: String,
    /// VS (§3.1.2), such as 0x0001_0100 for 1.1.
    pub version: u32,
    /// VID.
    pub vendor_id: u16,
    /// SN, without padding.
    pub serial_number: String,
    /// MN, without padding.
    pub model_number: String,
    /// FR, without padding.
    pub firmware_revision: String,
    /// CNTLID: tells the controllers of one subsystem apart.
    pub controller_id: u16,
    /// CMIC bit 2: the controller belongs to an SR-IOV virtual function.
    pub is_virtual_function: bool,
    /// Largest transfer of one command in bytes: MDTS, or the driver's own limit where that is lower.
    pub maximum_transfer_bytes: u32,
    /// MDTS as the controller gives it: 2^n pages; 0 is no limit.
    pub maximum_data_transfer: u8,
    /// ONCS bit 0.
    pub supports_compare: bool,
    /// FUSES bit 0.
    pub supports_compare_and_write: bool,
    /// FUSES (§5.11).
    pub fused_operations: u16,
    /// ACWU in blocks: largest Compare-and-Write.
    pub atomic_compare_and_write_blocks: u32,
    /// AWUN in blocks: largest Write that no reader sees in part.
    pub atomic_write_blocks: u32,
    /// AWUPF in blocks: largest Write that a power cut leaves whole.
    pub atomic_write_power_fail_blocks: u32,
    /// Feature 0Ah, Disable Normal: AWUN does not hold, only AWUPF does.
    pub write_atomicity_disabled: bool,
    /// VWC bit 0: a volatile write cache.
    pub volatile_write_cache: bool,
    /// ACL: Aborts the controller takes at a time.
    pub abort_limit: u16,
    /// AERL: Asynchronous Event Requests the controller takes at a time.
    pub async_event_limit: u16,
    /// Bytes of a logical block.
    pub block_bytes: u32,
    /// NSZE: blocks of the namespace.
    pub blocks: u64,
    /// NMIC bit 0: several controllers share the namespace.
    pub namespace_shared: bool,
    /// I/O queue pairs the controller has granted (feature 07h).
    pub io_queue_pairs: u16,
    /// CAP.MQES: most entries of a queue.
    pub maximum_queue_entries: u32,
    /// MSI-X vectors of the transport; 0 when only polling works.
    pub interrupt_vectors: u16,
}

/// What bring-up has read.
pub(crate) struct Discovered<'a> {
    pub(crate) name: &'a str,
    pub(crate) capabilities: Capabilities,
    pub(crate) version: u32,
    pub(crate) controller: &'a IdentifyController,
    pub(crate) namespace: &'a IdentifyNamespace,
    pub(crate) write_atomicity_disabled: bool,
    pub(crate) io_queue_pairs: u16,
    pub(crate) interrupt_vectors: u16,
}

impl ControllerInfo {
    pub(crate) fn new(discovered: &Discovered<'_>) -> Self {
        let Discovered {
            controller,
            namespace,
            ..
        } = discovered;
        let page_shift = 12 + u32::from(discovered.capabilities.page_size_minimum());
        let maximum_transfer = match controller.maximum_data_transfer {
            0 => u64::MAX,
            exponent => 1u64
                .checked_shl(page_shift + u32::from(exponent))
                .unwrap_or(u64::MAX),
        };
        Self {
            name: discovered.name.to_owned(),
            version: discovered.version,
            vendor_id: controller.vendor_id,
            serial_number: text(&controller.serial_number),
            model_number: text(&controller.model_number),
            firmware_revision: text(&controller.firmware_revision),
            controller_id: controller.controller_id,
            is_virtual_function: controller.multi_path
                & IdentifyController::MULTI_PATH_VIRTUAL_FUNCTION
                != 0,
            maximum_transfer_bytes: maximum_transfer.min(MAXIMUM_BUFFER_BYTES as u64) as u32,
            maximum_data_transfer: controller.maximum_data_transfer,
            supports_compare: controller.optional_nvm_commands
                & IdentifyController::SUPPORTS_COMPARE
                != 0,
            supports_compare_and_write: controller.fused_operations
                & IdentifyController::SUPPORTS_COMPARE_AND_WRITE
                != 0,
            fused_operations: controller.fused_operations,
            atomic_compare_and_write_blocks: u32::from(controller.atomic_compare_and_write_unit)
                + 1,
            atomic_write_blocks: u32::from(controller.atomic_write_unit_normal) + 1,
            atomic_write_power_fail_blocks: u32::from(controller.atomic_write_unit_power_fail) + 1,
            write_atomicity_disabled: discovered.write_atomicity_disabled,
            volatile_write_cache: controller.volatile_write_cache & 1 != 0,
            abort_limit: u16::from(controller.abort_command_limit) + 1,
            async_event_limit: u16::from(controller.async_event_request_limit) + 1,
            block_bytes: namespace.block_bytes() as u32,
            blocks: namespace.size_blocks,
            namespace_shared: namespace.multi_path & IdentifyNamespace::MULTI_PATH_SHARED != 0,
            io_queue_pairs: discovered.io_queue_pairs,
            maximum_queue_entries: u32::from(discovered.capabilities.maximum_queue_entries()) + 1,
            interrupt_vectors: discovered.interrupt_vectors,
        }
    }

    /// Bytes of the namespace.
    pub const fn capacity_bytes(&self) -> u64 {
        self.blocks.saturating_mul(self.block_bytes as u64)
    }
}

/// ASCII padded with spaces; what is not printable is shown as `?`.
fn text(field: &[u8]) -> String {
    let shown: String = field
        .iter()
        .map(|&byte| {
            if matches!(byte, b' '..=b'~') {
                char::from(byte)
            } else {
                '?'
            }
        })
        .collect();
    shown.trim_end_matches([' ', '?']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn padding_is_taken_off_and_garbage_shown() {
        assert_eq!(text(b"RD STORE    "), "RD STORE");
        assert_eq!(text(b"A\x07B\0\0"), "A?B");
        assert_eq!(text(b"\0\0"), "");
    }
}
