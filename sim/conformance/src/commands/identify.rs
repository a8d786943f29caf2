//! Identify (NVMe 1.1 §5.11): the device says what the other tests rely on.

use nvme_spec::identify::{CNS_ACTIVE_NAMESPACES, IdentifyController, IdentifyNamespace};
use nvme_spec::{Status, SubmissionEntry};
use pcie_host::endpoint::FunctionId;

use crate::rig::{Factory, Rig};

/// Fused Compare-and-Write and the atomic units are there, of at least 16 KiB.
pub fn controller_fields(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    let data = controller.identify();
    let block_bytes = rig.device.block_bytes;
    let bytes = |zero_based: u16| (u32::from(zero_based) + 1) * block_bytes;
    assert_eq!(
        data.fused_operations & 1,
        IdentifyController::SUPPORTS_COMPARE_AND_WRITE
    );
    assert_eq!(
        data.optional_nvm_commands & 1,
        IdentifyController::SUPPORTS_COMPARE
    );
    assert!(
        bytes(data.atomic_compare_and_write_unit) >= 16 << 10,
        "ACWU"
    );
    assert!(
        bytes(data.atomic_write_unit_power_fail) >= 16 << 10,
        "AWUPF"
    );
    assert!(
        data.atomic_write_unit_power_fail <= data.atomic_write_unit_normal,
        "AWUPF <= AWUN"
    );
    assert!(4096u64 << data.maximum_data_transfer >= 128 << 10, "MDTS");
    assert_eq!(
        (data.submission_entry_sizes, data.completion_entry_sizes),
        (0x66, 0x44)
    );
    assert_eq!((data.namespaces, data.volatile_write_cache), (1, 0));
}

/// Each function is a controller of one subsystem: same names, its own identifier.
pub fn controllers_differ_in_their_identifier(device: Factory) {
    let rig = Rig::new(device);
    let all: Vec<IdentifyController> = (0..=rig.device.virtual_functions)
        .map(|function| rig.controller(FunctionId(function)).identify())
        .collect();
    for (function, data) in all.iter().enumerate() {
        assert_eq!(data.serial_number, all[0].serial_number);
        assert_eq!(data.model_number, all[0].model_number);
        assert!(data.multi_path & IdentifyController::MULTI_PATH_CONTROLLERS != 0);
        let is_virtual = data.multi_path & IdentifyController::MULTI_PATH_VIRTUAL_FUNCTION != 0;
        assert_eq!(is_virtual, function > 0);
        for other in &all[..function] {
            assert_ne!(data.controller_id, other.controller_id);
        }
    }
}

/// The namespace is shared, and as large as the medium.
pub fn namespace_fields(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId(1));
    let data = controller.identify_namespace();
    assert_eq!(data.size_blocks, rig.blocks());
    assert_eq!(data.capacity_blocks, rig.blocks());
    assert_eq!(data.block_bytes(), u64::from(rig.device.block_bytes));
    assert_eq!(data.multi_path & 1, IdentifyNamespace::MULTI_PATH_SHARED);
    assert_eq!(data.lba_format[0].metadata_bytes, 0);
}

/// The active namespaces above a given one.
pub fn active_namespaces(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    let list = controller.identify_bytes(CNS_ACTIVE_NAMESPACES, 0);
    assert_eq!(list[..4], [1, 0, 0, 0]);
    assert!(list[4..].iter().all(|&byte| byte == 0));
    let list = controller.identify_bytes(CNS_ACTIVE_NAMESPACES, 1);
    assert!(list.iter().all(|&byte| byte == 0));
}

/// Structures that 1.1 does not have, and namespaces that are none.
pub fn invalid_structures(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    let buffer = controller.buffer(4096);
    for (cns, namespace_id, expected) in [
        (3, 1, Status::INVALID_FIELD),
        (0x10, 0, Status::INVALID_FIELD),
        (0xff, 0, Status::INVALID_FIELD),
        (0, 0, Status::INVALID_NAMESPACE),
        (0, 2, Status::INVALID_NAMESPACE),
        (0, 0xffff_ffff, Status::INVALID_NAMESPACE),
    ] {
        let command = SubmissionEntry::identify(cns, namespace_id).with_prps(buffer.address, 0);
        assert_eq!(
            controller.admin(command).status(),
            expected,
            "CNS {cns}, NSID {namespace_id}"
        );
    }
    assert!(buffer.read(0, 4096).iter().all(|&byte| byte == 0));
}
