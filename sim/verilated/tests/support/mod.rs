//! What a device test asks for, as options of the Verilog.

use nvme_conformance::DeviceOptions;
use nvme_model::medium::Medium;
use nvme_rtl::RtlOptions;

/// The device that a rig wants, on a medium in memory.
pub(crate) fn options(wanted: &DeviceOptions) -> RtlOptions {
    let medium = Medium::in_memory(wanted.medium_bytes, wanted.block_bytes).expect("memory");
    RtlOptions {
        virtual_functions: wanted.virtual_functions,
        io_queues: wanted.queues_per_function,
        ..RtlOptions::new(medium)
    }
}
