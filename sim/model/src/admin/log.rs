//! Get Log Page (§5.10).

use nvme_spec::log_page::{
    CriticalWarning, ErrorLogEntry, FirmwareSlotLog, FunctionCounters, HealthLog, LogPageId,
};
use nvme_spec::{ALL_NAMESPACES, MEMORY_PAGE_BYTES, NAMESPACE_ID, Status, SubmissionEntry};
use zerocopy::{FromZeros, IntoBytes};

use super::decoder::{AdminBuffer, CDW10_BYTE, ControllerView, NAMESPACE_BYTE, Rejection};
use super::identify::FIRMWARE_REVISION;
use super::{AdminAction, AdminConfig, FunctionAdmin, prp};

/// Cycles of the core clock in an hour.
const CYCLES_AN_HOUR: u64 = 125_000_000 * 3600;

/// §5.10. Bytes beyond the end of a page are zero; of a request of more than 4 KiB the first 4 KiB
/// are transferred (no page is longer, and the standard leaves the rest undefined).
pub(super) fn get_log_page(
    state: &mut FunctionAdmin,
    config: &AdminConfig,
    view: &impl ControllerView,
    sqe: &SubmissionEntry,
    buffer: &mut AdminBuffer,
) -> Result<AdminAction, Rejection> {
    let page = LogPageId(sqe.cdw10 as u8);
    let known = [
        LogPageId::ERROR_INFORMATION,
        LogPageId::HEALTH,
        LogPageId::FIRMWARE_SLOT,
        LogPageId::COUNTERS,
    ];
    if !known.contains(&page) {
        return Err(Rejection::at(Status::INVALID_LOG_PAGE, CDW10_BYTE));
    }
    // All pages are the controller's as a whole (LPA bit 0 clear).
    match sqe.namespace_id {
        0 | ALL_NAMESPACES => {}
        NAMESPACE_ID => return Err(Rejection::at(Status::INVALID_FIELD, NAMESPACE_BYTE)),
        _ => return Err(Rejection::at(Status::INVALID_NAMESPACE, NAMESPACE_BYTE)),
    }
    let requested_bytes = 4 * (((sqe.cdw10 >> 16) & 0xfff) + 1);
    let length_bytes = requested_bytes.min(MEMORY_PAGE_BYTES as u32);
    let pieces = prp::pieces(sqe, length_bytes, requested_bytes)?;

    buffer.fill(0);
    match page {
        LogPageId::ERROR_INFORMATION => error_information(state, buffer),
        LogPageId::HEALTH => put(buffer, health(state, config, view).as_bytes()),
        LogPageId::FIRMWARE_SLOT => put(buffer, firmware_slot().as_bytes()),
        _ => counters(state.function, config, view, buffer),
    }
    state.log_page_was_read(page);
    Ok(AdminAction::TransferToHost {
        length_bytes,
        pieces,
    })
}

fn put(buffer: &mut AdminBuffer, page: &[u8]) {
    buffer[..page.len()].copy_from_slice(page);
}

fn error_information(state: &FunctionAdmin, buffer: &mut AdminBuffer) {
    let places = buffer.chunks_exact_mut(size_of::<ErrorLogEntry>());
    for (place, entry) in places.zip(state.errors.newest_first()) {
        place.copy_from_slice(entry.as_bytes());
    }
}

fn health(state: &FunctionAdmin, config: &AdminConfig, view: &impl ControllerView) -> HealthLog {
    let io = view.counters(state.function);
    let data_units = |bytes: u64| wide(bytes.div_ceil(HealthLog::DATA_UNIT_BYTES));
    let mut page = HealthLog::new_zeroed();
    page.critical_warning = CriticalWarning::new()
        .with_temperature(state.is_too_hot(config))
        .into_bits();
    page.temperature_kelvin = config.temperature_kelvin.to_le_bytes();
    // DRAM does not wear: all of its spare is there, nothing of its life is used.
    page.available_spare_percent = 100;
    page.data_units_read = data_units(io.media_bytes_read);
    page.data_units_written = data_units(io.media_bytes_written);
    page.host_reads = wide(io.host_reads);
    page.host_writes = wide(io.host_writes);
    page.power_cycles = wide(1);
    page.power_on_hours = wide(view.now_cycles() / CYCLES_AN_HOUR);
    page.media_errors = wide(io.media_errors);
    page.error_log_entries = wide(state.errors.error_count());
    page
}

/// A 128-bit field of the health log.
fn wide(value: u64) -> [u8; 16] {
    u128::from(value).to_le_bytes()
}

fn firmware_slot() -> FirmwareSlotLog {
    let mut page = FirmwareSlotLog::new_zeroed();
    page.active_firmware = 1;
    page.revision[0] = [b' '; 8];
    for (place, byte) in page.revision[0].iter_mut().zip(FIRMWARE_REVISION.bytes()) {
        *place = byte;
    }
    page
}

/// The asking function's row, then the rows of all functions.
fn counters(
    function: u8,
    config: &AdminConfig,
    view: &impl ControllerView,
    buffer: &mut AdminBuffer,
) {
    let functions = std::iter::once(function).chain(0..=config.virtual_functions);
    let places = buffer.chunks_exact_mut(size_of::<FunctionCounters>());
    for (place, function) in places.zip(functions) {
        place.copy_from_slice(view.counters(function).row.as_bytes());
    }
}
