//! What an RTL device is made from.

use std::path::PathBuf;

use nvme_model::Timing;
use nvme_model::medium::Medium;
use pcie_host::endpoint::Cycle;
use thiserror::Error;

use crate::design::{VARIANTS, Variant};

/// What an RTL device is made from. [`RtlOptions::new`] gives the VC709's numbers.
#[derive(Debug)]
pub struct RtlOptions {
    /// VFs beside the PF, at most as many as a variant of this build has.
    pub virtual_functions: u8,
    /// I/O queue pairs of each function, as a variant of this build has them.
    pub io_queues: u16,
    /// What the namespace's blocks are kept in; its block size is the controller's.
    pub medium: Medium,
    /// AWUN, AWUPF and ACWU in bytes, as a variant of this build has them.
    pub atomic_unit_bytes: u32,
    /// Outstanding host reads, as a variant of this build has them.
    pub tags: u8,
    /// Serial number: ASCII, at most 20 characters.
    pub serial_number: String,
    /// AXI AR to the first beat of R.
    pub mem_cycles: Cycle,
    /// The last beat of AXI W to B.
    pub write_response_cycles: Cycle,
    /// Seed of random back-pressure on every port; `None`: every port is always ready.
    pub stalls: Option<u64>,
    /// File to record FST waves in; needs a build with the cargo feature `waves`.
    pub waves: Option<PathBuf>,
}

impl RtlOptions {
    /// The controller of the VC709 (6 VFs, 4 I/O queues) over `medium`, with the model's memory.
    pub fn new(medium: Medium) -> Self {
        let timing = Timing::default();
        Self {
            virtual_functions: 6,
            io_queues: 4,
            medium,
            atomic_unit_bytes: 16384,
            tags: 64,
            serial_number: String::from("RDS00000001"),
            mem_cycles: timing.mem_cycles,
            write_response_cycles: timing.write_response_cycles,
            stalls: None,
            waves: None,
        }
    }

    /// The smallest variant of this name that fits.
    pub(crate) fn variant(&self, name: &str) -> Result<&'static Variant, RtlError> {
        if self.serial_number.len() > 20 || !self.serial_number.is_ascii() {
            return Err(RtlError::SerialNumber {
                serial_number: self.serial_number.clone(),
            });
        }
        let block_bytes = self.medium.block_bytes();
        VARIANTS
            .iter()
            .filter(|variant| {
                variant.name == name
                    && variant.virtual_functions >= self.virtual_functions
                    && variant.io_queues == self.io_queues
                    && variant.atomic_unit_bytes == self.atomic_unit_bytes
                    && variant.tags == self.tags
                    && 1 << variant.lba_shift == block_bytes
            })
            .min_by_key(|variant| variant.virtual_functions)
            .ok_or_else(|| RtlError::NoVariant {
                virtual_functions: self.virtual_functions,
                io_queues: self.io_queues,
                block_bytes,
                atomic_unit_bytes: self.atomic_unit_bytes,
                tags: self.tags,
                there: variants_of(name),
            })
    }
}

fn variants_of(name: &str) -> String {
    let there = VARIANTS.iter().filter(|variant| variant.name == name);
    let named = there.map(|variant| {
        format!(
            "{} VFs, {} I/O queues, blocks of {} bytes, ACWU of {} bytes, {} tags",
            variant.virtual_functions,
            variant.io_queues,
            1_u32 << variant.lba_shift,
            variant.atomic_unit_bytes,
            variant.tags
        )
    });
    named.collect::<Vec<_>>().join("; ")
}

/// Parameters of a controller that this build holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// VFs beside the PF.
    pub virtual_functions: u8,
    /// I/O queue pairs of each function.
    pub io_queues: u16,
    /// Bytes of a logical block.
    pub block_bytes: u32,
    /// AWUN, AWUPF and ACWU in bytes.
    pub atomic_unit_bytes: u32,
    /// Outstanding host reads.
    pub tags: u8,
}

impl Shape {
    /// The controllers that this build holds.
    pub fn all() -> Vec<Self> {
        let controllers = VARIANTS
            .iter()
            .filter(|variant| variant.name == "nvme_controller");
        let shapes = controllers.map(|variant| Self {
            virtual_functions: variant.virtual_functions,
            io_queues: variant.io_queues,
            block_bytes: 1 << variant.lba_shift,
            atomic_unit_bytes: variant.atomic_unit_bytes,
            tags: variant.tags,
        });
        shapes.collect()
    }
}

/// Why an RTL device could not be made.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum RtlError {
    /// Parameters of the Verilog that were not compiled.
    #[error(
        "this build has no controller with {virtual_functions} VFs, {io_queues} I/O queues, blocks of \
         {block_bytes} bytes, ACWU of {atomic_unit_bytes} bytes and {tags} tags. It has: {there} \
         (fewer VFs fit, too). Others are compiled where NVME_RTL_VARIANTS names them: see \
         sim/verilated/build.rs"
    )]
    NoVariant {
        /// VFs that were asked for.
        virtual_functions: u8,
        /// I/O queues that were asked for.
        io_queues: u16,
        /// Block size of the medium.
        block_bytes: u32,
        /// ACWU that was asked for.
        atomic_unit_bytes: u32,
        /// Tags that were asked for.
        tags: u8,
        /// What there is.
        there: String,
    },
    /// A serial number that Identify Controller cannot hold.
    #[error("serial_number is {serial_number:?}: it must be ASCII, at most 20 characters")]
    SerialNumber {
        /// What it was.
        serial_number: String,
    },
    /// Waves, in a build without them.
    #[error(
        "{path}: this build records no waves, which make every cycle slower; one with `--features \
         waves` does"
    )]
    NoWaves {
        /// The file.
        path: String,
    },
    /// Waves that cannot be recorded.
    #[error("{path}: waves cannot be recorded there; its folder must exist and be writable")]
    Waves {
        /// The file.
        path: String,
    },
}
