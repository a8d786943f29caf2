//! `device identify`: what a device says of itself, under the standard's names.

use nvme_spec::feature;
use nvme_spec::field::{DataStructure, Field};
use serde::Serialize;

use crate::args::IdentifyArgs;
use crate::machine::{Machine, MachineOptions, MissingFile};
use crate::outcome::Outcome;
use crate::output::{print_json, print_text};
use crate::store::single_device;

#[derive(Serialize)]
struct FieldJson {
    field: String,
    name: &'static str,
    first_byte: usize,
    bytes: usize,
    /// A number where the field is one and JSON can hold it, else text.
    value: serde_json::Value,
}

#[derive(Serialize)]
struct IdentifyJson {
    device: String,
    function: u8,
    controller: Vec<FieldJson>,
    namespace: Vec<FieldJson>,
    features: Vec<FeatureJson>,
}

#[derive(Serialize)]
struct FeatureJson {
    feature: &'static str,
    name: &'static str,
    value: u32,
}

const FEATURES: [(u8, &str, &str); 9] = [
    (feature::ARBITRATION, "01h", "Arbitration"),
    (feature::POWER_MANAGEMENT, "02h", "Power Management"),
    (
        feature::TEMPERATURE_THRESHOLD,
        "04h",
        "Temperature Threshold",
    ),
    (feature::ERROR_RECOVERY, "05h", "Error Recovery"),
    (feature::NUMBER_OF_QUEUES, "07h", "Number of Queues"),
    (feature::INTERRUPT_COALESCING, "08h", "Interrupt Coalescing"),
    (
        feature::INTERRUPT_VECTOR_CONFIGURATION,
        "09h",
        "Interrupt Vector Configuration",
    ),
    (feature::WRITE_ATOMICITY, "0Ah", "Write Atomicity"),
    (
        feature::ASYNC_EVENT_CONFIGURATION,
        "0Bh",
        "Asynchronous Event Configuration",
    ),
];

fn fields_of<S: DataStructure>(structure: &S) -> Vec<FieldJson> {
    structure
        .shown_fields()
        .map(|field| {
            let number = field.number().and_then(|number| u64::try_from(number).ok());
            FieldJson {
                field: field.label().to_string(),
                name: field.name(),
                first_byte: field.bytes().start,
                bytes: field.bytes().len(),
                value: match (number, field.text()) {
                    (Some(number), _) => number.into(),
                    (None, Some(text)) => text.into(),
                    (None, None) => field.display_value().to_string().into(),
                },
            }
        })
        .collect()
}

/// `rdstore device identify`
pub(super) fn run(args: &IdentifyArgs, json: bool) -> anyhow::Result<Outcome> {
    let uri = single_device(&args.device.devices)?;
    let options = MachineOptions {
        missing_file: MissingFile::Refuse,
        functions: usize::from(args.function) + 1,
        trace: false,
    };
    let machine = Machine::open(uri, options)?;
    let controller = machine.controller(usize::from(args.function))?;
    let identify = controller.identify_controller()?;
    let namespace = controller.identify_namespace()?;
    let features = FEATURES
        .into_iter()
        .map(|(id, feature, name)| {
            Ok(FeatureJson {
                feature,
                name,
                value: controller.get_features(id)?,
            })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    if json {
        print_json(&IdentifyJson {
            device: machine.name().to_owned(),
            function: args.function,
            controller: fields_of(&*identify),
            namespace: fields_of(&*namespace),
            features,
        })?;
        return Ok(Outcome::Done);
    }
    let mut text = String::from("Identify Controller (bytes, field, value)\n");
    let lines = |fields: &mut dyn Iterator<Item = Field<'_>>| -> String {
        fields.map(|field| format!("  {field}\n")).collect()
    };
    text.push_str(&lines(&mut identify.shown_fields()));
    text.push_str("\nIdentify Namespace 1\n");
    text.push_str(&lines(&mut namespace.shown_fields()));
    text.push_str("\nFeatures\n");
    for feature in &features {
        let FeatureJson {
            feature,
            name,
            value,
        } = feature;
        text.push_str(&format!("  {feature} {name}: {value:#010x}\n"));
    }
    print_text(&text)?;
    Ok(Outcome::Done)
}
