//! What a person sees of the Identify data: byte numbers, abbreviations, names, values.

use nvme_spec::identify::{IdentifyController, IdentifyNamespace, LbaFormat};
use nvme_spec::log_page::{CriticalWarning, FirmwareSlotLog, HealthLog};
use nvme_spec::{DataStructure, FieldKind};
use zerocopy::FromZeros;

fn print<S: DataStructure>(structure: &S) -> String {
    let mut text = format!("{}\n", S::NAME);
    for field in structure.shown_fields() {
        text += &format!("{field}\n");
    }
    text
}

fn text<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [b' '; N];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    bytes
}

fn controller() -> IdentifyController {
    let mut data = IdentifyController::new_zeroed();
    data.vendor_id = 0x10ee;
    data.serial_number = text("0123456789");
    data.model_number = text("A model with spaces");
    data.firmware_revision = text("1.0");
    data.ieee_oui = [0x01, 0x02, 0x03];
    data.multi_path = IdentifyController::MULTI_PATH_CONTROLLERS
        | IdentifyController::MULTI_PATH_VIRTUAL_FUNCTION;
    data.maximum_data_transfer = 5;
    data.controller_id = 3;
    data.submission_entry_sizes = 0x66;
    data.completion_entry_sizes = 0x44;
    data.namespaces = 1;
    data.optional_nvm_commands = IdentifyController::SUPPORTS_COMPARE;
    data.fused_operations = IdentifyController::SUPPORTS_COMPARE_AND_WRITE;
    data.atomic_compare_and_write_unit = 3;
    data.power_state_descriptors[0].maximum_power_10_mw = 2500;
    data.power_state_descriptors[0].relative = [1, 2, 3, 4];
    data
}

fn namespace() -> IdentifyNamespace {
    let mut data = IdentifyNamespace::new_zeroed();
    data.size_blocks = 262_144;
    data.capacity_blocks = 262_144;
    data.utilization_blocks = 262_144;
    data.multi_path = IdentifyNamespace::MULTI_PATH_SHARED;
    data.eui64 = [1, 2, 3, 4, 5, 6, 7, 8];
    data.lba_format[0] = LbaFormat {
        metadata_bytes: 0,
        data_size: 12,
        relative_performance: 0,
    };
    data
}

#[test]
fn identify_controller() {
    insta::assert_snapshot!(print(&controller()));
}

#[test]
fn identify_namespace() {
    insta::assert_snapshot!(print(&namespace()));
}

#[test]
fn health_and_firmware_logs() {
    let mut health = HealthLog::new_zeroed();
    health.critical_warning = CriticalWarning::new().with_temperature(true).into_bits();
    health.temperature_kelvin = 313u16.to_le_bytes();
    health.host_reads = 123_456_789_012u128.to_le_bytes();
    let mut firmware = FirmwareSlotLog::new_zeroed();
    firmware.active_firmware = 1;
    firmware.revision[0] = text("1.0");
    insta::assert_snapshot!(print(&health) + &print(&firmware));
}

#[test]
fn arrays_come_element_by_element_with_their_own_bytes() {
    let data = namespace();
    let formats: Vec<_> = data
        .fields()
        .filter(|f| f.abbreviation() == "LBAF")
        .collect();
    assert_eq!(formats.len(), 16);
    assert_eq!(formats[0].bytes(), 128..132);
    assert_eq!(formats[15].bytes(), 188..192);
    assert_eq!(formats[15].label().to_string(), "LBAF15");
    let size = formats[0]
        .fields()
        .find(|f| f.abbreviation() == "LBADS")
        .unwrap();
    assert_eq!((size.number(), size.bytes()), (Some(12), 2..3));
}

#[test]
fn a_value_is_read_as_its_kind_says() {
    let mut data = controller();
    let field = |data: &IdentifyController, abbreviation: &str| {
        let field = data
            .fields()
            .find(|f| f.abbreviation() == abbreviation)
            .unwrap();
        (
            field.number(),
            field.text().map(str::to_owned),
            field.display_value().to_string(),
        )
    };
    assert_eq!(field(&data, "VID"), (Some(0x10ee), None, "0x10ee".into()));
    assert_eq!(field(&data, "NN"), (Some(1), None, "1".into()));
    let model = "A model with spaces";
    assert_eq!(
        field(&data, "MN"),
        (None, Some(model.into()), format!("{model:?}"))
    );
    // Text that is not text must not reach a terminal as it is.
    data.model_number[0] = 0x1b;
    let (_, text, shown) = field(&data, "MN");
    assert_eq!(text, None);
    assert!(shown.starts_with("1b206d6f"), "{shown}");
}

#[test]
fn iterates_over_every_byte_of_a_value() {
    let data = controller();
    let bytes: usize = data.fields().map(|field| field.value.len()).sum();
    assert_eq!(bytes, 4096);
    let reserved = data
        .fields()
        .filter(|f| f.info.kind == FieldKind::Reserved)
        .count();
    assert!(reserved > 0);
}
