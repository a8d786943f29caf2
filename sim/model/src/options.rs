//! What a model is made from.

use pcie_host::endpoint::Cycle;
use thiserror::Error;

use crate::medium::Medium;
use crate::timing::{Geometry, Timing};

/// Most VFs of a device.
pub const MAXIMUM_VIRTUAL_FUNCTIONS: u8 = 8;
/// Most I/O queue pairs of a function.
pub const MAXIMUM_IO_QUEUES: u16 = 31;

/// Longest latency a [`Timing`] may have, in cycles (2.4 hours): sums of them stay far from overflow.
const MAXIMUM_CYCLES: u64 = 1 << 40;

/// How commands move their data.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum DataPath {
    /// In the Verilog's cycles.
    #[default]
    Timed,
    /// In the cycle in which they are decoded, where the host can be read at once
    /// ([`Port::read_at_once`](pcie_host::endpoint::Port::read_at_once)): the same results, but cycles
    /// say nothing. For a device that is served to hosts in real time.
    AtOnce,
}

/// What a model is made from. [`ModelOptions::new`] gives the VC709's numbers.
#[derive(Debug)]
pub struct ModelOptions {
    /// VFs beside the PF: 0 to 8.
    pub virtual_functions: u8,
    /// I/O queue pairs of each function: 1 to 31.
    pub io_queues: u16,
    /// Bytes of a logical block: 512 or 4,096; the medium's.
    pub block_bytes: u32,
    /// What the namespace's blocks are kept in.
    pub medium: Medium,
    /// Cycle at which the power goes: AXI writes under way have put down the beats so far, and
    /// nothing answers any more.
    pub crash_at_cycle: Option<Cycle>,
    /// Latencies; [`Timing::media_cycles`] makes a slower medium.
    pub timing: Timing,
    /// Widths, depths and counts.
    pub geometry: Geometry,
    /// How commands move their data.
    pub data_path: DataPath,
    /// Serial number: ASCII, at most 20 characters.
    pub serial_number: String,
}

impl ModelOptions {
    /// The controller of the VC709 (6 VFs, 4 I/O queues) over `medium`.
    pub fn new(medium: Medium) -> Self {
        Self {
            virtual_functions: 6,
            io_queues: 4,
            block_bytes: medium.block_bytes(),
            medium,
            crash_at_cycle: None,
            timing: Timing::default(),
            geometry: Geometry::default(),
            data_path: DataPath::default(),
            serial_number: String::from("RDS00000001"),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ModelError> {
        let geometry = &self.geometry;
        let functions = u32::from(self.virtual_functions) + 1;
        let within = |name, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(ModelError::OutOfRange {
                    name,
                    value,
                    least,
                    most,
                })
            }
        };
        within(
            "virtual_functions",
            self.virtual_functions.into(),
            0,
            MAXIMUM_VIRTUAL_FUNCTIONS.into(),
        )?;
        within(
            "io_queues",
            self.io_queues.into(),
            1,
            MAXIMUM_IO_QUEUES.into(),
        )?;
        if !matches!(self.block_bytes, 512 | 4096) {
            return Err(ModelError::BlockBytes {
                block_bytes: self.block_bytes,
            });
        }
        if self.medium.block_bytes() != self.block_bytes {
            return Err(ModelError::MediumBlockBytes {
                block_bytes: self.block_bytes,
                medium_block_bytes: self.medium.block_bytes(),
            });
        }
        for (name, cycles) in self.timing.values() {
            within(name, cycles, 0, MAXIMUM_CYCLES)?;
        }
        let row = |name, value: u32, least: u64, most: u64| within(name, value.into(), least, most);
        row("geometry.beat_bytes", geometry.beat_bytes, 4, 128)?;
        row("geometry.rq_header_bytes", geometry.rq_header_bytes, 0, 128)?;
        row(
            "geometry.maximum_queue_entries",
            geometry.maximum_queue_entries,
            2,
            65_536,
        )?;
        row(
            "geometry.sqe_fifo_entries",
            geometry.sqe_fifo_entries,
            2,
            64,
        )?;
        row(
            "geometry.contexts_per_function",
            geometry.contexts_per_function,
            1,
            31,
        )?;
        row(
            "geometry.lock_rows_per_function",
            geometry.lock_rows_per_function,
            1,
            u64::from(64 / functions),
        )?;
        row(
            "geometry.read_staging_buffers",
            geometry.read_staging_buffers,
            1,
            64,
        )?;
        row("geometry.axi_read_bursts", geometry.axi_read_bursts, 1, 64)?;
        row("geometry.tags", geometry.tags, 1, 64)?;
        row(
            "geometry.quantum_bytes",
            geometry.quantum_bytes,
            512,
            1 << 20,
        )?;
        power_of_two("geometry.quantum_bytes", geometry.quantum_bytes)?;
        let atomic = geometry.atomic_unit_bytes;
        row("geometry.atomic_unit_bytes", atomic, 4096, 16_384)?;
        if !atomic.is_multiple_of(4096) {
            return Err(ModelError::NotWholePages {
                name: "geometry.atomic_unit_bytes",
                bytes: atomic,
            });
        }
        // A pair of the largest size: both halves at once, or it never starts.
        let least_buffers = 2 * u64::from(atomic) / 4096;
        row(
            "geometry.buffers_per_function",
            geometry.buffers_per_function,
            least_buffers,
            256,
        )?;
        let transfer = geometry.maximum_transfer_bytes;
        row(
            "geometry.maximum_transfer_bytes",
            transfer,
            atomic.into(),
            1 << 20,
        )?;
        power_of_two("geometry.maximum_transfer_bytes", transfer)?;
        if self.serial_number.len() > 20 || !self.serial_number.is_ascii() {
            return Err(ModelError::SerialNumber {
                serial_number: self.serial_number.clone(),
            });
        }
        Ok(())
    }
}

const fn power_of_two(name: &'static str, bytes: u32) -> Result<(), ModelError> {
    if bytes.is_power_of_two() {
        Ok(())
    } else {
        Err(ModelError::NotAPowerOfTwo { name, bytes })
    }
}

/// Why a model could not be made.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ModelError {
    /// A number that this controller cannot be built with.
    #[error("{name} is {value}: it must be {least} to {most}")]
    OutOfRange {
        /// Which option.
        name: &'static str,
        /// What it was.
        value: u64,
        /// Smallest value.
        least: u64,
        /// Largest value.
        most: u64,
    },
    /// A block size that no LBA format has.
    #[error("block_bytes is {block_bytes}: it must be 512 or 4096")]
    BlockBytes {
        /// What it was.
        block_bytes: u32,
    },
    /// The medium was made for other blocks.
    #[error(
        "block_bytes is {block_bytes}, but the medium was made for blocks of {medium_block_bytes}: \
         leave the option out, or use another medium"
    )]
    MediumBlockBytes {
        /// The option.
        block_bytes: u32,
        /// The medium's.
        medium_block_bytes: u32,
    },
    /// A size that must be a multiple of 4 KiB.
    #[error("{name} is {bytes}: it must be a multiple of 4096")]
    NotWholePages {
        /// Which option.
        name: &'static str,
        /// What it was.
        bytes: u32,
    },
    /// A size that must be a power of two.
    #[error("{name} is {bytes}: it must be a power of two")]
    NotAPowerOfTwo {
        /// Which option.
        name: &'static str,
        /// What it was.
        bytes: u32,
    },
    /// A serial number that Identify Controller cannot hold.
    #[error("serial_number is {serial_number:?}: it must be ASCII, at most 20 characters")]
    SerialNumber {
        /// What it was.
        serial_number: String,
    },
}
