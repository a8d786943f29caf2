//! Set Features and Get Features (NVMe 1.1 §5.12, §5.9).

use nvme_spec::feature::{self, SET_SAVE};
use nvme_spec::{Status, SubmissionEntry};
use pcie_host::endpoint::FunctionId;

use crate::rig::{Factory, Rig};

/// Values that can be set and are to be read again.
const SETTABLE: [(u8, u32); 6] = [
    (feature::ARBITRATION, 0x0304_0507),
    (feature::TEMPERATURE_THRESHOLD, 350),
    (feature::ERROR_RECOVERY, 7),
    (feature::INTERRUPT_COALESCING, 0x0203),
    (feature::WRITE_ATOMICITY, 1),
    (feature::ASYNC_EVENT_CONFIGURATION, 0x1f),
];

/// Capabilities of a feature that can be changed, not saved, and is the controller's (§5.9.1).
const CHANGEABLE: u32 = 0b100;

/// What was set is read again, is each function's own, and a reset takes it back.
pub fn values_stay_until_a_reset(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    let mut other = rig.controller(FunctionId(1));
    let get = SubmissionEntry::get_features;
    for (id, value) in SETTABLE {
        let default = controller.admin_ok(get(id));
        assert_ne!(default, value, "feature {id:#x}: the test shows nothing");
        controller.admin_ok(SubmissionEntry::set_features(id, value));
        assert_eq!(controller.admin_ok(get(id)), value, "feature {id:#x}");
        assert_eq!(
            other.admin_ok(get(id)),
            default,
            "feature {id:#x} of another function"
        );
    }
    controller.disable();
    controller.enable(32, 32);
    for (id, _) in SETTABLE {
        assert_eq!(
            controller.admin_ok(get(id)),
            other.admin_ok(get(id)),
            "feature {id:#x}"
        );
    }
}

/// Get Features' Select (§5.9): the current value, the default one, the saved one, which is the
/// default where nothing can be saved, and that it can be changed. More there is not.
pub fn select_says_which_value(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId(1));
    let get = |id, select: u32| {
        let mut command = SubmissionEntry::get_features(id);
        command.cdw10 |= select << 8;
        command
    };
    for (id, value) in SETTABLE {
        let default = controller.admin_ok(get(id, 0));
        controller.admin_ok(SubmissionEntry::set_features(id, value));
        for (select, expected) in [(0, value), (1, default), (2, default), (3, CHANGEABLE)] {
            let found = controller.admin_ok(get(id, select));
            assert_eq!(found, expected, "feature {id:#x}, select {select}");
        }
        for select in 4..8 {
            let status = controller.admin(get(id, select)).status();
            assert_eq!(status, Status::INVALID_FIELD, "select {select}");
        }
        assert_eq!(controller.admin_ok(get(id, 0)), value, "feature {id:#x}");
    }
    // Of vectors too, if there is one of that number.
    for (vector, expected) in [(1, Status::SUCCESS), (0xffff, Status::INVALID_FIELD)] {
        for select in [0, 1] {
            let mut command = get(feature::INTERRUPT_VECTOR_CONFIGURATION, select);
            command.cdw11 = vector;
            assert_eq!(controller.admin(command).status(), expected, "{vector:#x}");
        }
    }
}

/// All mandatory features can be read.
pub fn mandatory_features_answer(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId(2));
    for id in feature::MANDATORY {
        controller.admin_ok(SubmissionEntry::get_features(id));
    }
}

/// Identifiers that are none.
pub fn unknown_features(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    for id in [0x00, 0x03, 0x06, 0x0c, 0x0d, 0x7f, 0x80, 0xc0, 0xff] {
        for command in [
            SubmissionEntry::get_features(id),
            SubmissionEntry::set_features(id, 0),
        ] {
            assert_eq!(
                controller.admin(command).status(),
                Status::INVALID_FIELD,
                "{id:#x}"
            );
        }
    }
}

/// Nothing can be saved.
pub fn saving_is_refused(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    let before = controller.admin_ok(SubmissionEntry::get_features(feature::ERROR_RECOVERY));
    let mut set = SubmissionEntry::set_features(feature::ERROR_RECOVERY, before + 1);
    set.cdw10 |= SET_SAVE;
    assert_eq!(controller.admin(set).status(), Status::FEATURE_NOT_SAVEABLE);
    let after = controller.admin_ok(SubmissionEntry::get_features(feature::ERROR_RECOVERY));
    assert_eq!(after, before);
}

/// None of the features belongs to a namespace.
pub fn namespaces_have_no_features(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    let mut set = SubmissionEntry::set_features(feature::ERROR_RECOVERY, 1);
    for (namespace_id, expected) in [
        (1, Status::FEATURE_NOT_NAMESPACE_SPECIFIC),
        (2, Status::INVALID_NAMESPACE),
    ] {
        set.namespace_id = namespace_id;
        assert_eq!(controller.admin(set).status(), expected);
    }
}

/// Values that select what is not there.
pub fn invalid_values(device: Factory) {
    let rig = Rig::new(device);
    let vectors = u32::from(
        rig.host
            .with_endpoint(|endpoint| endpoint.vectors_per_function()),
    );
    let mut controller = rig.controller(FunctionId::PF);
    for (id, value) in [
        (feature::POWER_MANAGEMENT, 1),
        (feature::POWER_MANAGEMENT, 31),
        (feature::INTERRUPT_VECTOR_CONFIGURATION, vectors),
        (feature::INTERRUPT_VECTOR_CONFIGURATION, 0xffff),
    ] {
        let set = SubmissionEntry::set_features(id, value);
        assert_eq!(
            controller.admin(set).status(),
            Status::INVALID_FIELD,
            "{id:#x} = {value:#x}"
        );
    }
}

/// Coalescing can be disabled for each vector.
pub fn vector_configuration(device: Factory) {
    let rig = Rig::new(device);
    let vectors = u32::from(
        rig.host
            .with_endpoint(|endpoint| endpoint.vectors_per_function()),
    );
    let mut controller = rig.controller(FunctionId::PF);
    let id = feature::INTERRUPT_VECTOR_CONFIGURATION;
    let disable = feature::VECTOR_COALESCING_DISABLE;
    controller.admin_ok(SubmissionEntry::set_features(id, disable | 1));
    for vector in 0..vectors {
        let mut get = SubmissionEntry::get_features(id);
        get.cdw11 = vector;
        let expected = if vector == 1 { disable | 1 } else { vector };
        assert_eq!(controller.admin_ok(get), expected, "vector {vector}");
    }
}
