//! Identify (§5.11), and where its data go.

use nvme_spec::identify::{IdentifyController, IdentifyNamespace};
use nvme_spec::{Status, SubmissionEntry};

use super::{Bench, PAGE};
use crate::admin::{AdminAction, AdminConfig, HostPiece, identify_controller, identify_namespace};

#[test]
fn the_controller_says_what_it_is() {
    let data: IdentifyController = Bench::new().data(SubmissionEntry::identify(1, 0));
    assert_eq!(&data.serial_number, b"RDS00000001         ");
    assert_eq!(&data.model_number[..24], b"RDStore NVMe controller ");
    assert_eq!(&data.firmware_revision, b"0.1.0   ");
    assert_eq!(data.maximum_data_transfer, 5, "128 KiB");
    assert_eq!(
        (data.submission_entry_sizes, data.completion_entry_sizes),
        (0x66, 0x44)
    );
    assert_eq!(data.namespaces, 1);
    assert_eq!(data.fused_operations, 1, "Compare-and-Write");
    assert_eq!(
        data.optional_nvm_commands, 0b1_0001,
        "Compare; Save and Select"
    );
    assert_eq!(data.volatile_write_cache, 0);
    assert_eq!(
        (data.abort_command_limit, data.async_event_request_limit),
        (3, 3)
    );
    assert_eq!(data.error_log_entries, 63);
    assert_eq!(
        (
            data.power_states,
            data.sgl_support,
            data.optional_admin_commands
        ),
        (0, 0, 0)
    );
}

#[test]
fn sixteen_kib_are_atomic_at_either_block_size() {
    for (block_bytes, blocks_zero_based) in [(4096, 3), (512, 31)] {
        let config = AdminConfig {
            block_bytes,
            ..AdminConfig::default()
        };
        let data = identify_controller(0, &config);
        assert_eq!(data.atomic_write_unit_normal, blocks_zero_based);
        assert_eq!(data.atomic_write_unit_power_fail, blocks_zero_based);
        assert_eq!(data.atomic_compare_and_write_unit, blocks_zero_based);
    }
}

#[test]
fn a_virtual_function_is_another_controller_of_the_same_subsystem() {
    let physical = identify_controller(0, &AdminConfig::default());
    assert_eq!((physical.multi_path, physical.controller_id), (0b010, 0));
    let virtual_function: IdentifyController =
        Bench::of_function(6).data(SubmissionEntry::identify(1, 0));
    assert_eq!(
        (virtual_function.multi_path, virtual_function.controller_id),
        (0b110, 6)
    );
    let same = IdentifyController {
        multi_path: 0b010,
        controller_id: 0,
        ..virtual_function
    };
    assert_eq!(same, physical, "nothing else differs");
}

#[test]
fn a_device_without_virtual_functions_shares_nothing() {
    let config = AdminConfig {
        virtual_functions: 0,
        ..AdminConfig::default()
    };
    assert_eq!(identify_controller(0, &config).multi_path, 0);
    assert_eq!(identify_namespace(&config).multi_path, 0);
}

#[test]
fn the_namespace_says_its_size_and_that_it_is_shared() {
    let data: IdentifyNamespace = Bench::of_function(3).data(SubmissionEntry::identify(0, 1));
    assert_eq!(data.size_blocks, 262_144);
    assert_eq!(
        (data.capacity_blocks, data.utilization_blocks),
        (262_144, 262_144)
    );
    assert_eq!(data.block_bytes(), 4096);
    assert_eq!((data.lba_formats, data.formatted_lba_size), (0, 0));
    assert_eq!(data.multi_path, 1);

    let config = AdminConfig {
        block_bytes: 512,
        ..AdminConfig::default()
    };
    assert_eq!(identify_namespace(&config).block_bytes(), 512);
}

#[test]
fn there_is_no_other_namespace() {
    let mut bench = Bench::new();
    for namespace_id in [0, 2, 0xffff_fffe, 0xffff_ffff] {
        bench.rejects(
            SubmissionEntry::identify(0, namespace_id),
            Status::INVALID_NAMESPACE,
            4,
        );
    }
}

#[test]
fn the_list_of_namespaces_begins_behind_the_one_named() {
    let mut bench = Bench::new();
    let mut first_two = |namespace_id| -> [u32; 2] {
        let list: [u32; 1024] = bench.data(SubmissionEntry::identify(2, namespace_id));
        assert!(list[2..].iter().all(|entry| *entry == 0));
        [list[0], list[1]]
    };
    assert_eq!(first_two(0), [1, 0]);
    assert_eq!(first_two(1), [0, 0]);
    assert_eq!(first_two(0xffff_fffd), [0, 0]);
    for none in [0xffff_fffe, 0xffff_ffff] {
        bench.rejects(
            SubmissionEntry::identify(2, none),
            Status::INVALID_NAMESPACE,
            4,
        );
    }
}

#[test]
fn structures_of_later_versions_are_invalid_fields() {
    let mut bench = Bench::new();
    for cns in 3..=255 {
        bench.rejects(SubmissionEntry::identify(cns, 1), Status::INVALID_FIELD, 40);
    }
}

#[test]
fn data_go_to_one_page_or_two() {
    let mut bench = Bench::new();
    let piece = |address, length_bytes| HostPiece {
        address,
        length_bytes,
    };
    let sqe = SubmissionEntry::identify(1, 0);
    for (prp1, prp2, pieces) in [
        // PRP2 is not looked at when PRP1 takes all.
        (PAGE, 0x9999, [piece(PAGE, 4096), HostPiece::default()]),
        (PAGE + 4, 0x2000, [piece(PAGE + 4, 4092), piece(0x2000, 4)]),
        (
            PAGE + 4092,
            0x2000,
            [piece(PAGE + 4092, 4), piece(0x2000, 4092)],
        ),
    ] {
        assert_eq!(
            bench.run(&sqe.with_prps(prp1, prp2)),
            AdminAction::TransferToHost {
                length_bytes: 4096,
                pieces
            }
        );
    }
    for misaligned in [PAGE + 1, PAGE + 2, PAGE + 4095] {
        bench.rejects(sqe.with_prps(misaligned, 0), Status::INVALID_FIELD, 24);
    }
    for misaligned in [0x2004, 0x2800] {
        bench.rejects(
            sqe.with_prps(PAGE + 4, misaligned),
            Status::INVALID_FIELD,
            32,
        );
    }
}

#[test]
fn a_serial_number_is_ascii_of_twenty_characters() {
    let config = AdminConfig {
        serial_number: String::from("naïve\u{7f} and a good deal too long"),
        ..AdminConfig::default()
    };
    assert_eq!(
        &identify_controller(0, &config).serial_number,
        b"na?ve? and a good de"
    );
}
