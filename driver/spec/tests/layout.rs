//! Every field of every structure against the byte numbers of the standard, written down a second
//! time here: a wrong type or a forgotten reserved field moves everything behind it.

use nvme_spec::identify::{IdentifyController, IdentifyNamespace, LbaFormat, PowerState};
use nvme_spec::log_page::{ErrorLogEntry, FirmwareSlotLog, FunctionCounters, HealthLog};
use nvme_spec::msix::TableEntry;
use nvme_spec::{CompletionEntry, DataStructure, SubmissionEntry};

/// Checks `field: last byte, first byte` rows, that no field is missing among them, and the size.
macro_rules! layout {
    ($test:ident, $structure:ident, $size:literal: $($field:ident $last:literal : $first:literal;)*) => {
        #[test]
        fn $test() {
            assert_eq!(size_of::<$structure>(), $size);
            $(
                assert_eq!(
                    core::mem::offset_of!($structure, $field),
                    $first,
                    "first byte of {}", stringify!($field)
                );
            )*
            let rows: &[(usize, usize)] = &[$(($first, $last)),*];
            let table: Vec<(usize, usize)> = $structure::FIELDS
                .iter()
                .map(|field| {
                    let bytes = field.element_bytes * field.elements;
                    (field.offset_bytes, field.offset_bytes + bytes - 1)
                })
                .collect();
            assert_eq!(table, rows);
        }
    };
}

layout! { submission_entry, SubmissionEntry, 64:
    cdw0 3:0; namespace_id 7:4; cdw2 11:8; cdw3 15:12; metadata_pointer 23:16; prp1 31:24; prp2 39:32;
    cdw10 43:40; cdw11 47:44; cdw12 51:48; cdw13 55:52; cdw14 59:56; cdw15 63:60;
}

layout! { completion_entry, CompletionEntry, 16:
    dword0 3:0; dword1 7:4; submission_head 9:8; submission_queue_id 11:10; dword3 15:12;
}

layout! { identify_controller, IdentifyController, 4096:
    vendor_id 1:0; subsystem_vendor_id 3:2; serial_number 23:4; model_number 63:24;
    firmware_revision 71:64; recommended_arbitration_burst 72:72; ieee_oui 75:73; multi_path 76:76;
    maximum_data_transfer 77:77; controller_id 79:78; reserved_80 255:80;
    optional_admin_commands 257:256; abort_command_limit 258:258; async_event_request_limit 259:259;
    firmware_updates 260:260; log_page_attributes 261:261; error_log_entries 262:262;
    power_states 263:263; admin_vendor_specific 264:264; autonomous_power_states 265:265;
    reserved_266 511:266; submission_entry_sizes 512:512; completion_entry_sizes 513:513;
    reserved_514 515:514; namespaces 519:516; optional_nvm_commands 521:520; fused_operations 523:522;
    format_attributes 524:524; volatile_write_cache 525:525; atomic_write_unit_normal 527:526;
    atomic_write_unit_power_fail 529:528; nvm_vendor_specific 530:530; reserved_531 531:531;
    atomic_compare_and_write_unit 533:532; reserved_534 535:534; sgl_support 539:536;
    reserved_540 703:540; reserved_704 2047:704; power_state_descriptors 3071:2048;
    vendor_specific 4095:3072;
}

layout! { power_state, PowerState, 32:
    maximum_power_10_mw 1:0; flags 3:2; entry_latency_us 7:4; exit_latency_us 11:8; relative 15:12;
    reserved 31:16;
}

layout! { identify_namespace, IdentifyNamespace, 4096:
    size_blocks 7:0; capacity_blocks 15:8; utilization_blocks 23:16; features 24:24; lba_formats 25:25;
    formatted_lba_size 26:26; metadata_capabilities 27:27; data_protection_capabilities 28:28;
    data_protection 29:29; multi_path 30:30; reservation_capabilities 31:31; reserved_32 119:32;
    eui64 127:120; lba_format 191:128; reserved_192 383:192; vendor_specific 4095:384;
}

layout! { lba_format, LbaFormat, 4: metadata_bytes 1:0; data_size 2:2; relative_performance 3:3; }

layout! { error_log_entry, ErrorLogEntry, 64:
    error_count 7:0; submission_queue_id 9:8; command_id 11:10; status_field 13:12;
    parameter_error_location 15:14; lba 23:16; namespace_id 27:24; vendor_log_page 28:28;
    reserved_29 63:29;
}

layout! { health_log, HealthLog, 512:
    critical_warning 0:0; temperature_kelvin 2:1; available_spare_percent 3:3;
    available_spare_threshold_percent 4:4; percentage_used 5:5; reserved_6 31:6;
    data_units_read 47:32; data_units_written 63:48; host_reads 79:64; host_writes 95:80;
    busy_minutes 111:96; power_cycles 127:112; power_on_hours 143:128; unsafe_shutdowns 159:144;
    media_errors 175:160; error_log_entries 191:176; reserved_192 511:192;
}

layout! { firmware_slot_log, FirmwareSlotLog, 512:
    active_firmware 0:0; reserved_1 7:1; revision 63:8; reserved_64 511:64;
}

layout! { function_counters, FunctionCounters, 64:
    reads 7:0; writes 15:8; compares 23:16; pairs 31:24; bytes_read 39:32; bytes_written 47:40;
    miscompares 55:48; lock_waits 63:56;
}

layout! { msix_table_entry, TableEntry, 16: address 7:0; data 11:8; control 15:12; }

/// Field tables must cover each byte once, or a printed structure hides something.
fn assert_covers_every_byte<S: DataStructure>() {
    let mut next = 0;
    for field in S::FIELDS {
        assert_eq!(
            field.offset_bytes,
            next,
            "{} {}",
            S::NAME,
            field.abbreviation
        );
        assert!(field.elements > 0 && field.element_bytes > 0);
        next += field.element_bytes * field.elements;
    }
    assert_eq!(next, size_of::<S>(), "{}", S::NAME);
}

#[test]
fn field_tables_cover_every_byte_once() {
    assert_covers_every_byte::<SubmissionEntry>();
    assert_covers_every_byte::<CompletionEntry>();
    assert_covers_every_byte::<IdentifyController>();
    assert_covers_every_byte::<PowerState>();
    assert_covers_every_byte::<IdentifyNamespace>();
    assert_covers_every_byte::<LbaFormat>();
    assert_covers_every_byte::<ErrorLogEntry>();
    assert_covers_every_byte::<HealthLog>();
    assert_covers_every_byte::<FirmwareSlotLog>();
    assert_covers_every_byte::<FunctionCounters>();
    assert_covers_every_byte::<TableEntry>();
}
