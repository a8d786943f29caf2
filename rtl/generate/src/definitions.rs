//! `nvme_defs.vh`: opcodes, statuses, registers, features, log pages, layouts, latencies, counts.

use nvme_model::{Geometry, Timing};
use nvme_spec::async_event::AsyncEvent;
use nvme_spec::field::{DataStructure, FieldKind};
use nvme_spec::log_page::{ErrorLogEntry, FunctionCounters, HealthLog, LogPageId};
use nvme_spec::msix::TableEntry;
use nvme_spec::{
    ALL_NAMESPACES, CompletionEntry, Fuse, NAMESPACE_ID, Status, SubmissionEntry, command, feature,
    identify, msix, opcode, register,
};

use crate::verilog::{Constants, GENERATED, LICENCE, mask_of};

/// Rows of [`Geometry`] that are parameters of `nvme_controller`.
pub(crate) const PARAMETERS: [&str; 2] = ["atomic_unit_bytes", "tags"];

/// Constants of a module of the spec, each under its own name behind a prefix.
macro_rules! constants {
    ($to:ident, $width:literal, $module:path, $prefix:literal, $suffix:literal: $($name:ident)*) => {{
        use $module as from;
        $($to.bits(concat!($prefix, stringify!($name), $suffix), $width, u64::from(from::$name));)*
    }};
}

/// Associated constants, turned into a number.
macro_rules! values {
    ($to:ident, $width:literal, $type:ident, $prefix:literal, $number:expr; $($name:ident)*) => {
        $($to.bits(concat!($prefix, stringify!($name)), $width, u64::from($number($type::$name)));)*
    };
}

/// Fields of a register, under the standard's abbreviations.
macro_rules! fields {
    ($to:ident, $width:literal, $type:ty, $prefix:literal: $($name:ident = $getter:ident $($zero:literal)?;)*) => {
        $({
            let mask = mask_of($width, |value| {
                <$type>::from_bits(value.try_into().unwrap_or_default()).$getter() != fields!(@ $($zero)?)
            });
            $to.field(concat!($prefix, stringify!($name)), mask);
        })*
    };
    (@) => { false };
    (@ $zero:literal) => { $zero };
}

pub(crate) fn file() -> String {
    let mut to = Constants::default();
    registers(&mut to);
    commands(&mut to);
    statuses(&mut to);
    features_and_logs(&mut to);
    layouts(&mut to);
    table(&mut to);
    format!(
        "{LICENCE}\
         // The numbers of NVMe 1.1 and of the controller's timing table, for use inside a module.\n\
         {GENERATED}\
         //\n\
         // A field of one bit is its bit number; a wider one its lowest bit, and NAME_WIDTH. Places in an\n\
         // SQE, a CQE or a log page are bit numbers from byte 0 on.\n{}",
        to.into_text()
    )
}

fn registers(to: &mut Constants) {
    to.heading("Registers: offsets in BAR0 (§3.1)");
    constants!(to, 14, register, "", "_OFFSET": CAP VS INTMS INTMC CC CSTS NSSR AQA ASQ ACQ DOORBELLS);
    to.bits("MSIX_TABLE_OFFSET", 14, msix::TABLE_OFFSET);
    to.bits("MSIX_PENDING_OFFSET", 14, msix::PENDING_OFFSET);

    to.heading("Their values and fields");
    let capabilities = nvme_model::capabilities(&Geometry::default());
    to.bits("CAP_VALUE", 64, capabilities.into_bits());
    to.bits("VERSION_1_1", 32, register::VERSION_1_1.into());
    fields! { to, 32, register::Configuration, "CC_":
        EN = enable;
        CSS = command_set 0;
        MPS = page_size 0;
        AMS = arbitration 0;
        SHN = shutdown 0;
        IOSQES = submission_entry_size 0;
        IOCQES = completion_entry_size 0;
    }
    fields! { to, 32, register::ControllerStatus, "CSTS_":
        RDY = ready;
        CFS = fatal;
        SHST = shutdown 0;
        NSSRO = subsystem_reset_occurred;
    }
    fields! { to, 32, register::AdminQueueAttributes, "AQA_":
        ASQS = submission_entries 0;
        ACQS = completion_entries 0;
    }
    constants!(to, 2, register, "", "": SHUTDOWN_NOTIFY_NONE SHUTDOWN_NOTIFY_NORMAL SHUTDOWN_NOTIFY_ABRUPT
        SHUTDOWN_STATUS_NONE SHUTDOWN_STATUS_OCCURRING SHUTDOWN_STATUS_COMPLETE);
}

fn commands(to: &mut Constants) {
    to.heading("Admin commands (§5)");
    constants!(to, 8, opcode::admin, "ADMIN_", "": DELETE_SUBMISSION_QUEUE CREATE_SUBMISSION_QUEUE GET_LOG_PAGE
        DELETE_COMPLETION_QUEUE CREATE_COMPLETION_QUEUE IDENTIFY ABORT SET_FEATURES GET_FEATURES ASYNC_EVENT_REQUEST);
    to.heading("NVM commands (§6)");
    constants!(to, 8, opcode::nvm, "NVM_", "": FLUSH WRITE READ COMPARE);

    to.heading("Fields of commands (§4.2, §5, §6)");
    let entry = |cdw0: u64| SubmissionEntry {
        cdw0: cdw0 as u32,
        ..SubmissionEntry::default()
    };
    to.field("CDW0_OPCODE", mask_of(32, |bits| entry(bits).opcode() != 0));
    to.field(
        "CDW0_FUSE",
        mask_of(32, |bits| entry(bits).fuse() != Fuse::Normal),
    );
    to.field(
        "CDW0_PSDT",
        mask_of(32, |bits| entry(bits).data_pointer_type() != 0),
    );
    to.field(
        "CDW0_COMMAND_ID",
        mask_of(32, |bits| entry(bits).command_id() != 0),
    );
    for (name, fuse) in [
        ("FUSE_NORMAL", Fuse::Normal),
        ("FUSE_FIRST", Fuse::First),
        ("FUSE_SECOND", Fuse::Second),
        ("FUSE_RESERVED", Fuse::Reserved),
    ] {
        let cdw0 = SubmissionEntry::default().with_fuse(fuse).cdw0;
        to.bits(name, 2, (cdw0 >> 8).into());
    }
    for (name, mask) in [
        ("CDW12_FORCE_UNIT_ACCESS", command::CDW12_FORCE_UNIT_ACCESS),
        ("CDW12_PROTECTION", command::CDW12_PROTECTION_MASK),
        ("CDW11_CREATE_CONTIGUOUS", command::CREATE_CONTIGUOUS),
        (
            "CDW11_CREATE_INTERRUPTS_ENABLED",
            command::CREATE_INTERRUPTS_ENABLED,
        ),
        ("CDW11_CREATE_PRIORITY", command::CREATE_PRIORITY_MASK),
        ("CDW10_SET_SAVE", feature::SET_SAVE),
        ("CDW10_GET_SELECT", feature::GET_SELECT_MASK),
    ] {
        to.field(name, mask.into());
    }
    constants!(to, 8, identify, "", "": CNS_NAMESPACE CNS_CONTROLLER CNS_ACTIVE_NAMESPACES);
    to.bits("NAMESPACE_ID", 32, NAMESPACE_ID.into());
    to.bits("ALL_NAMESPACES", 32, ALL_NAMESPACES.into());
}

fn statuses(to: &mut Constants) {
    to.heading("Status code type and status code, bits 27:17 of CQE dword 3 (§4.6.1)");
    let number = |status: Status| status.to_dword3() >> 17;
    values!(to, 11, Status, "STATUS_", number; SUCCESS INVALID_OPCODE INVALID_FIELD COMMAND_ID_CONFLICT
        DATA_TRANSFER_ERROR ABORTED_POWER_LOSS INTERNAL_ERROR ABORT_REQUESTED ABORTED_QUEUE_DELETION
        ABORTED_FAILED_FUSED ABORTED_MISSING_FUSED INVALID_NAMESPACE COMMAND_SEQUENCE_ERROR LBA_OUT_OF_RANGE
        CAPACITY_EXCEEDED NAMESPACE_NOT_READY COMPLETION_QUEUE_INVALID INVALID_QUEUE_ID
        MAXIMUM_QUEUE_SIZE_EXCEEDED ABORT_LIMIT_EXCEEDED ASYNC_EVENT_LIMIT_EXCEEDED INVALID_INTERRUPT_VECTOR
        INVALID_LOG_PAGE INVALID_QUEUE_DELETION FEATURE_NOT_SAVEABLE FEATURE_NOT_CHANGEABLE
        FEATURE_NOT_NAMESPACE_SPECIFIC CONFLICTING_ATTRIBUTES WRITE_FAULT UNRECOVERED_READ_ERROR COMPARE_FAILURE);
    let status = mask_of(32, |bits| {
        Status::from_dword3(bits as u32) != Status::SUCCESS
    });
    to.field("CQE_DW3_STATUS", status);
    let entry = |dword3: u64| CompletionEntry {
        dword3: dword3 as u32,
        ..CompletionEntry::default()
    };
    to.field("CQE_DW3_PHASE", mask_of(32, |bits| entry(bits).phase()));
    to.field("CQE_DW3_MORE", mask_of(32, |bits| entry(bits).more()));
    let do_not_retry = mask_of(32, |bits| entry(bits).do_not_retry());
    to.field("CQE_DW3_DO_NOT_RETRY", do_not_retry);
}

fn features_and_logs(to: &mut Constants) {
    to.heading("Features (§5.12.1)");
    constants!(to, 8, feature, "FEATURE_", "": ARBITRATION POWER_MANAGEMENT TEMPERATURE_THRESHOLD ERROR_RECOVERY
        VOLATILE_WRITE_CACHE NUMBER_OF_QUEUES INTERRUPT_COALESCING INTERRUPT_VECTOR_CONFIGURATION
        WRITE_ATOMICITY ASYNC_EVENT_CONFIGURATION);
    for row in nvme_model::admin::feature_rows() {
        let Some(name) = feature_name(row.id) else {
            panic!("feature {:02x}h has no name here", row.id);
        };
        to.bits(&format!("{name}_DEFAULT"), 32, row.default.into());
        to.bits(&format!("{name}_STORED"), 32, row.stored.into());
        to.bits(&format!("{name}_MUST_BE_ZERO"), 32, row.must_be_zero.into());
    }
    to.field(
        "VECTOR_COALESCING_DISABLE",
        feature::VECTOR_COALESCING_DISABLE.into(),
    );

    to.heading("Log pages (§5.10.1)");
    values!(to, 8, LogPageId, "LOG_PAGE_", |page: LogPageId| page.0;
        ERROR_INFORMATION HEALTH FIRMWARE_SLOT COUNTERS);
    to.number(
        "ERROR_LOG_ENTRIES",
        nvme_model::admin::ERROR_LOG_ENTRIES as u64,
    );
    to.bits("ERROR_LOG_NO_COMMAND", 16, ErrorLogEntry::NO_COMMAND.into());
    to.bits(
        "ERROR_LOG_NO_LOCATION",
        16,
        ErrorLogEntry::NO_LOCATION.into(),
    );
    to.quantity("HEALTH_DATA_UNIT_BYTES", HealthLog::DATA_UNIT_BYTES);
    let config = nvme_model::admin::AdminConfig::default();
    to.quantity("TEMPERATURE_KELVIN", config.temperature_kelvin.into());
    let mut revision = [b' '; 8];
    for (place, byte) in revision
        .iter_mut()
        .zip(nvme_model::admin::FIRMWARE_REVISION.bytes())
    {
        *place = byte;
    }
    to.bits("FIRMWARE_REVISION", 64, u64::from_le_bytes(revision));

    to.heading("Asynchronous events: dword 0 of the completion (§5.2)");
    values!(to, 32, AsyncEvent, "EVENT_", AsyncEvent::to_dword0; INVALID_DOORBELL_REGISTER
        INVALID_DOORBELL_VALUE DIAGNOSTIC_FAILURE PERSISTENT_INTERNAL_ERROR TRANSIENT_INTERNAL_ERROR
        RELIABILITY TEMPERATURE_THRESHOLD SPARE_THRESHOLD);
    to.number("EVENT_REQUESTS", nvme_model::admin::EVENT_REQUESTS as u64);
}

fn feature_name(id: u8) -> Option<&'static str> {
    Some(match id {
        feature::ARBITRATION => "FEATURE_ARBITRATION",
        feature::POWER_MANAGEMENT => "FEATURE_POWER_MANAGEMENT",
        feature::TEMPERATURE_THRESHOLD => "FEATURE_TEMPERATURE_THRESHOLD",
        feature::ERROR_RECOVERY => "FEATURE_ERROR_RECOVERY",
        feature::NUMBER_OF_QUEUES => "FEATURE_NUMBER_OF_QUEUES",
        feature::INTERRUPT_COALESCING => "FEATURE_INTERRUPT_COALESCING",
        feature::INTERRUPT_VECTOR_CONFIGURATION => "FEATURE_INTERRUPT_VECTOR_CONFIGURATION",
        feature::WRITE_ATOMICITY => "FEATURE_WRITE_ATOMICITY",
        feature::ASYNC_EVENT_CONFIGURATION => "FEATURE_ASYNC_EVENT_CONFIGURATION",
        _ => return None,
    })
}

fn layouts(to: &mut Constants) {
    to.heading("Submission queue entry (§4.2)");
    places::<SubmissionEntry>(to, "SQE");
    to.heading("Completion queue entry (§4.6)");
    places::<CompletionEntry>(to, "CQE");
    to.heading("MSI-X table entry (PCI Local Bus 3.0 §6.8.2)");
    places::<TableEntry>(to, "MSIX");
    to.heading("Error Information log entry (§5.10.1.1)");
    places::<ErrorLogEntry>(to, "ERROR_LOG");
    to.heading("SMART / Health Information log (§5.10.1.2)");
    places::<HealthLog>(to, "HEALTH");
    to.heading("Function counters, an entry of log page C0h");
    places::<FunctionCounters>(to, "COUNTERS");
}

/// The first bit of every field of a structure.
fn places<T: DataStructure>(to: &mut Constants, prefix: &str) {
    to.number(&format!("{prefix}_BITS"), 8 * size_of::<T>() as u64);
    for info in T::FIELDS {
        if info.kind != FieldKind::Reserved {
            let name = format!("{prefix}_{}", info.abbreviation);
            to.number(&name, 8 * info.offset_bytes as u64);
        }
    }
}

/// The rows of the timing table; those of which a module has a parameter are left to it.
fn table(to: &mut Constants) {
    to.heading("Latencies and throughputs, in cycles");
    for (name, value) in Timing::default().values() {
        to.quantity(&name.to_uppercase(), value);
    }
    to.heading("Depths and counts");
    for (name, value) in Geometry::default().values() {
        if !PARAMETERS.contains(&name) {
            to.quantity(&name.to_uppercase(), value.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A constant that is added to the spec must not be forgotten here.
    #[test]
    fn every_constant_of_the_spec_is_there() {
        let text = file();
        let sources = [
            include_str!("../../../driver/spec/src/opcode.rs"),
            include_str!("../../../driver/spec/src/register.rs"),
            include_str!("../../../driver/spec/src/async_event.rs"),
        ];
        let constants = sources.iter().flat_map(|source| {
            source
                .lines()
                .filter_map(|line| line.trim().strip_prefix("pub const "))
                .filter_map(|rest| rest.split_once(':'))
                .map(|(name, _)| name)
                .filter(|name| {
                    name.chars()
                        .all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit())
                })
        });
        let mut seen = 0;
        for name in constants {
            seen += 1;
            let there = text.lines().any(|line| {
                line.contains(&format!("_{name} ="))
                    || line.contains(&format!(" {name} ="))
                    || line.contains(&format!(" {name}_OFFSET ="))
            });
            assert!(there, "nvme_defs.vh lacks {name}");
        }
        assert!(seen > 30, "only {seen} constants were found in the spec");
    }

    #[test]
    fn every_status_of_1_1_is_there() {
        let text = file();
        let later = [
            Status::PRP_OFFSET_INVALID,
            Status::ATOMIC_WRITE_UNIT_EXCEEDED,
        ];
        let statuses = text.matches("localparam [10:0] STATUS_").count();
        assert_eq!(statuses, Status::ALL.len() - later.len());
    }

    #[test]
    fn the_modules_own_parameters_have_the_defaults_of_the_table() {
        let top = include_str!("../../nvme_controller.v");
        let geometry: Vec<_> = Geometry::default().values().collect();
        for name in PARAMETERS {
            let value = geometry.iter().find(|row| row.0 == name).map(|row| row.1);
            let line = format!(
                "parameter {} = {},",
                name.to_uppercase(),
                value.unwrap_or(0)
            );
            assert!(top.contains(&line), "nvme_controller.v lacks `{line}`");
        }
    }

    #[test]
    fn no_name_is_given_twice() {
        let text = file();
        let mut names: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("localparam"))
            .filter_map(|line| line.split(" = ").next()?.split(' ').next_back())
            .collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
