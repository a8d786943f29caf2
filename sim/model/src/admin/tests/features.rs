//! Set Features and Get Features (§5.12, §5.9).

use nvme_spec::feature as id;
use nvme_spec::{Status, SubmissionEntry};

use super::Bench;

const ALL: [u8; 9] = [
    id::ARBITRATION,
    id::POWER_MANAGEMENT,
    id::TEMPERATURE_THRESHOLD,
    id::ERROR_RECOVERY,
    id::NUMBER_OF_QUEUES,
    id::INTERRUPT_COALESCING,
    id::INTERRUPT_VECTOR_CONFIGURATION,
    id::WRITE_ATOMICITY,
    id::ASYNC_EVENT_CONFIGURATION,
];

fn set(feature: u8, value: u32) -> SubmissionEntry {
    SubmissionEntry::set_features(feature, value)
}

fn get(feature: u8) -> SubmissionEntry {
    SubmissionEntry::get_features(feature)
}

fn select(feature: u8, select: u32) -> SubmissionEntry {
    let mut sqe = get(feature);
    sqe.cdw10 |= select << 8;
    sqe
}

#[test]
fn every_feature_has_its_default_takes_a_value_and_loses_it_at_a_reset() {
    // (feature, default, set, then current)
    let cases = [
        (id::ARBITRATION, 0, 0x0403_0205, 0x0403_0205),
        (id::ARBITRATION, 0, 0xffff_ffff, 0xffff_ff07),
        (id::POWER_MANAGEMENT, 0, 0, 0),
        (id::TEMPERATURE_THRESHOLD, 358, 400, 400),
        (id::ERROR_RECOVERY, 0, 0x0001_1234, 0x1234),
        (id::NUMBER_OF_QUEUES, 0x0003_0003, 0x0000_0000, 0x0003_0003),
        (id::NUMBER_OF_QUEUES, 0x0003_0003, 0xfffe_fffe, 0x0003_0003),
        (id::INTERRUPT_COALESCING, 0, 0x0001_0a1f, 0x0a1f),
        (id::WRITE_ATOMICITY, 0, 0xffff_ffff, 1),
        (id::ASYNC_EVENT_CONFIGURATION, 0, 0xffff_ffff, 0x1f),
    ];
    for (feature, default, set_to, expected) in cases {
        let mut bench = Bench::new();
        assert_eq!(
            bench.value(get(feature)),
            default,
            "default of {feature:#x}"
        );
        bench.value(set(feature, set_to));
        assert_eq!(
            bench.value(get(feature)),
            expected,
            "{feature:#x} set to {set_to:#x}"
        );
        assert_eq!(bench.value(select(feature, 0)), expected, "current");
        assert_eq!(bench.value(select(feature, 1)), default, "default");
        assert_eq!(
            bench.value(select(feature, 2)),
            default,
            "saved: nothing is"
        );
        assert_eq!(
            bench.value(select(feature, 3)),
            0b100,
            "changeable, not saveable"
        );
        bench.state.reset();
        assert_eq!(
            bench.value(get(feature)),
            default,
            "{feature:#x} after a reset"
        );
    }
}

#[test]
fn no_feature_can_be_saved() {
    let mut bench = Bench::new();
    for feature in ALL {
        let mut sqe = set(feature, 0);
        sqe.cdw10 |= id::SET_SAVE;
        bench.rejects(sqe, Status::FEATURE_NOT_SAVEABLE, 43);
    }
}

#[test]
fn other_features_do_not_exist() {
    let mut bench = Bench::new();
    for feature in (0..=255).filter(|feature| !ALL.contains(feature)) {
        bench.rejects(get(feature), Status::INVALID_FIELD, 40);
        bench.rejects(set(feature, 0), Status::INVALID_FIELD, 40);
    }
}

#[test]
fn reserved_selections_are_invalid() {
    let mut bench = Bench::new();
    for feature in ALL {
        for selection in 4..=7 {
            bench.rejects(select(feature, selection), Status::INVALID_FIELD, 41);
        }
    }
}

#[test]
fn features_belong_to_the_controller_and_not_to_a_namespace() {
    let mut bench = Bench::new();
    let of = |mut sqe: SubmissionEntry, namespace_id| {
        sqe.namespace_id = namespace_id;
        sqe
    };
    for feature in ALL {
        let value = bench.value(get(feature));
        for controller in [0, 0xffff_ffff] {
            bench.value(of(set(feature, value), controller));
            assert_eq!(bench.value(of(get(feature), controller)), value);
        }
        bench.rejects(
            of(set(feature, value), 1),
            Status::FEATURE_NOT_NAMESPACE_SPECIFIC,
            4,
        );
        assert_eq!(bench.value(of(get(feature), 1)), value);
        bench.rejects(of(set(feature, value), 2), Status::INVALID_NAMESPACE, 4);
        bench.rejects(of(get(feature), 2), Status::INVALID_NAMESPACE, 4);
    }
}

#[test]
fn there_is_one_power_state_and_one_sensor() {
    let mut bench = Bench::new();
    bench.rejects(set(id::POWER_MANAGEMENT, 1), Status::INVALID_FIELD, 44);
    bench.rejects(set(id::POWER_MANAGEMENT, 31), Status::INVALID_FIELD, 44);
    for other_sensor in [0x0001_0150, 0x0010_0150] {
        bench.rejects(
            set(id::TEMPERATURE_THRESHOLD, other_sensor),
            Status::INVALID_FIELD,
            44,
        );
    }
    assert_eq!(bench.value(get(id::TEMPERATURE_THRESHOLD)), 358);
}

#[test]
fn the_number_of_queues_is_asked_for_before_there_are_any() {
    let mut bench = Bench::new();
    for impossible in [0xffff, 0xffff_0000, 0xffff_ffff] {
        bench.rejects(
            set(id::NUMBER_OF_QUEUES, impossible),
            Status::INVALID_FIELD,
            44,
        );
    }
    assert_eq!(
        bench.value(set(id::NUMBER_OF_QUEUES, 0x0000_0007)),
        0x0003_0003
    );
    bench.run(&SubmissionEntry::create_completion_queue(
        1, 64, 0x1000, None,
    ));
    bench.rejects(
        set(id::NUMBER_OF_QUEUES, 0),
        Status::COMMAND_SEQUENCE_ERROR,
        40,
    );
    assert_eq!(bench.value(get(id::NUMBER_OF_QUEUES)), 0x0003_0003);
    bench.run(&SubmissionEntry::delete_completion_queue(1));
    assert_eq!(bench.value(set(id::NUMBER_OF_QUEUES, 0)), 0x0003_0003);
}

#[test]
fn coalescing_is_configured_for_each_vector() {
    let mut bench = Bench::new();
    let of_vector = |vector: u32, current: u32| {
        let mut sqe = select(id::INTERRUPT_VECTOR_CONFIGURATION, current);
        sqe.cdw11 = vector;
        sqe
    };
    let configure = |vector: u32, disabled: bool| {
        set(
            id::INTERRUPT_VECTOR_CONFIGURATION,
            vector | (u32::from(disabled) << 16),
        )
    };
    bench.value(configure(4, true));
    bench.value(configure(1, true));
    bench.value(configure(1, false));
    let flags: Vec<u32> = (0..5)
        .map(|vector| bench.value(of_vector(vector, 0)))
        .collect();
    assert_eq!(flags, [0, 1, 2, 3, 4 | (1 << 16)]);
    assert_eq!(bench.value(of_vector(4, 1)), 4, "default of vector 4");
    assert_eq!(bench.state.features().coalescing_disabled(4), Some(true));
    assert_eq!(bench.state.features().coalescing_disabled(5), None);

    for vector in [5, 0xffff] {
        bench.rejects(configure(vector, true), Status::INVALID_FIELD, 44);
        bench.rejects(of_vector(vector, 0), Status::INVALID_FIELD, 44);
    }
    bench.state.reset();
    assert_eq!(bench.value(of_vector(4, 0)), 4);
}

#[test]
fn the_core_reads_coalescing_in_completions_and_microseconds() {
    let mut bench = Bench::new();
    let features = bench.state.features();
    assert_eq!(
        (
            features.aggregation_threshold(),
            features.aggregation_time_us()
        ),
        (1, 0)
    );
    bench.value(set(id::INTERRUPT_COALESCING, 0xff07));
    let features = bench.state.features();
    assert_eq!(
        (
            features.aggregation_threshold(),
            features.aggregation_time_us()
        ),
        (8, 25_500)
    );
    assert!(!features.atomicity_disabled());
    bench.value(set(id::WRITE_ATOMICITY, 1));
    assert!(bench.state.features().atomicity_disabled());
}
