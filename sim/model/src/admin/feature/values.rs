//! Current feature values of one function.

use nvme_spec::feature as id;
use nvme_spec::log_page::CriticalWarning;

use super::table::{FEATURES, Row, index_of};

/// Feature values as the host has set them; defaults after a reset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Features {
    values: [u32; FEATURES],
    /// By vector.
    coalescing_disabled: Vec<bool>,
}

impl Features {
    pub(in crate::admin) fn new(vectors: u16) -> Self {
        Self {
            values: Row::defaults(),
            coalescing_disabled: vec![false; usize::from(vectors)],
        }
    }

    pub(in crate::admin) fn reset(&mut self) {
        self.values = Row::defaults();
        self.coalescing_disabled.fill(false);
    }

    pub(super) fn get(&self, row: &Row) -> u32 {
        self.values[row.index()]
    }

    pub(super) fn set(&mut self, row: &Row, value: u32) {
        self.values[row.index()] = value & row.stored;
    }

    /// 08h Interrupt Coalescing, Aggregation Threshold: completions in one interrupt, 1 to 256.
    pub const fn aggregation_threshold(&self) -> u32 {
        (self.values[const { index_of(id::INTERRUPT_COALESCING) }] & 0xff) + 1
    }

    /// 08h Interrupt Coalescing, Aggregation Time: longest delay in microseconds; 0 is no delay.
    pub const fn aggregation_time_us(&self) -> u32 {
        100 * ((self.values[const { index_of(id::INTERRUPT_COALESCING) }] >> 8) & 0xff)
    }

    /// 09h Interrupt Vector Configuration, Coalescing Disable of a vector; `None` when there is no
    /// such vector.
    pub fn coalescing_disabled(&self, vector: u16) -> Option<bool> {
        self.coalescing_disabled.get(usize::from(vector)).copied()
    }

    /// False when there is no such vector.
    pub(super) fn set_coalescing_disabled(&mut self, vector: u16, disabled: bool) -> bool {
        let place = self.coalescing_disabled.get_mut(usize::from(vector));
        place.map(|place| *place = disabled).is_some()
    }

    /// 0Ah Write Atomicity, Disable Normal. The controller keeps AWUN all the same: it may.
    pub const fn atomicity_disabled(&self) -> bool {
        self.values[const { index_of(id::WRITE_ATOMICITY) }] & id::WRITE_ATOMICITY_DISABLE_NORMAL
            != 0
    }

    pub(in crate::admin) fn temperature_threshold_kelvin(&self) -> u16 {
        self.values[const { index_of(id::TEMPERATURE_THRESHOLD) }] as u16
    }

    /// 0Bh, the bit of the temperature's critical warning.
    pub(in crate::admin) fn temperature_event_enabled(&self) -> bool {
        CriticalWarning::from_bits(
            self.values[const { index_of(id::ASYNC_EVENT_CONFIGURATION) }] as u8,
        )
        .temperature()
    }
}
