//! Log pages and features, at a moment when nothing is under way.

use nvme_spec::log_page::{ErrorLogEntry, FunctionCounters, LogPageId};
use nvme_spec::{SubmissionEntry, feature};
use zerocopy::FromBytes;

use super::function::Function;
use crate::outcome::Look;
use crate::script::Setup;

/// Entries of the error log.
const ERROR_LOG_ENTRIES: u32 = 64;
/// Bytes of the health page.
const HEALTH_BYTES: u32 = 512;

impl Function {
    /// Everything that the function tells about what has been.
    pub(super) fn look(&mut self, setup: &Setup) -> Look {
        let controller = &mut self.controller;
        let entry_bytes = size_of::<ErrorLogEntry>();
        let errors = controller.log_page(
            LogPageId::ERROR_INFORMATION,
            ERROR_LOG_ENTRIES * entry_bytes as u32,
        );
        let mut errors: Vec<ErrorLogEntry> = errors
            .chunks(entry_bytes)
            .filter_map(|bytes| ErrorLogEntry::read_from_bytes(bytes).ok())
            .collect();
        let error_count = errors.iter().map(|entry| entry.error_count).max();
        for entry in &mut errors {
            entry.error_count = 0;
        }
        errors.sort_by_key(|entry| {
            (
                entry.submission_queue_id,
                entry.command_id,
                entry.status_field,
                entry.lba,
            )
        });
        let row_bytes = size_of::<FunctionCounters>();
        // Its own row, then those of all functions.
        let rows = row_bytes * (1 + setup.functions.len());
        let counters = controller.log_page(LogPageId::COUNTERS, rows as u32);
        let health = controller.log_page(LogPageId::HEALTH, HEALTH_BYTES);
        let features = feature::MANDATORY
            .iter()
            .map(|id| controller.admin(SubmissionEntry::get_features(*id)).dword0)
            .collect();
        Look {
            function: controller.function.0,
            errors,
            error_count: error_count.unwrap_or(0),
            health,
            counters: counters.chunks(row_bytes).map(<[u8]>::to_vec).collect(),
            features,
        }
    }
}
