//! The features there are, a row each.

use nvme_spec::feature as id;

/// One feature, as the controller keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// Feature identifier.
    pub id: u8,
    /// Value after reset.
    pub default: u32,
    /// Bits that are stored; the other bits are reserved and not looked at, but for:
    pub stored: u32,
    /// Bits that select what this controller does not have.
    pub must_be_zero: u32,
}

/// Number of rows.
pub(super) const FEATURES: usize = 9;

const ROWS: [Row; FEATURES] = [
    // Arbitration burst of one command, which is what the dispatcher does; a larger one is recorded
    // but not obeyed, as it would let one queue go before the others. The weights belong to weighted
    // round robin, which there is not; they are recorded.
    Row {
        id: id::ARBITRATION,
        default: 0,
        stored: 0xffff_ff07,
        must_be_zero: 0,
    },
    // The only power state is 0.
    Row {
        id: id::POWER_MANAGEMENT,
        default: 0,
        stored: 0,
        must_be_zero: 0x1f,
    },
    // 358 K = 85 °C, the end of the FPGA's commercial range. 1.1 has no sensor selection; a host of a
    // later version that asks for another sensor must not change the one there is.
    Row {
        id: id::TEMPERATURE_THRESHOLD,
        default: 358,
        stored: 0xffff,
        must_be_zero: 0xffff_0000,
    },
    // Time limit for retries of the medium: DRAM has none, so any limit holds.
    Row {
        id: id::ERROR_RECOVERY,
        default: 0,
        stored: 0xffff,
        must_be_zero: 0,
    },
    // Value made of the configuration.
    Row {
        id: id::NUMBER_OF_QUEUES,
        default: 0,
        stored: 0,
        must_be_zero: 0,
    },
    Row {
        id: id::INTERRUPT_COALESCING,
        default: 0,
        stored: 0xffff,
        must_be_zero: 0,
    },
    // A bit a vector, kept apart.
    Row {
        id: id::INTERRUPT_VECTOR_CONFIGURATION,
        default: 0,
        stored: 0,
        must_be_zero: 0,
    },
    Row {
        id: id::WRITE_ATOMICITY,
        default: 0,
        stored: id::WRITE_ATOMICITY_DISABLE_NORMAL,
        must_be_zero: 0,
    },
    // The critical warnings that 1.1 defines.
    Row {
        id: id::ASYNC_EVENT_CONFIGURATION,
        default: 0,
        stored: 0x1f,
        must_be_zero: 0,
    },
];

/// The features there are, in the order of their identifiers.
pub const fn rows() -> &'static [Row] {
    &ROWS
}

impl Row {
    /// The row of a feature identifier.
    pub(super) fn find(id: u8) -> Option<&'static Self> {
        ROWS.iter().find(|row| row.id == id)
    }

    /// Its place in the table.
    pub(super) const fn index(&self) -> usize {
        index_of(self.id)
    }

    /// Defaults of all features, in the order of the table.
    pub(super) fn defaults() -> [u32; FEATURES] {
        ROWS.map(|row| row.default)
    }
}

/// The place of a feature that has a row; known at compile time where the feature is.
pub(super) const fn index_of(id: u8) -> usize {
    let mut index = 0;
    while ROWS[index].id != id {
        index += 1;
    }
    index
}
