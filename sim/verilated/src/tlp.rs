//! TLPs as the Virtex-7 Gen3 block hands them over: descriptors, side information, beats of 32 bytes.
//!
//! Dword-aligned mode, no straddling; the layouts are those of PG023. Dwords count from bit 0.

mod inbound;
mod outbound;

use pcie_host::endpoint::FunctionId;

pub(crate) use inbound::{Beat, ReadCompletion, RegisterRequest};
pub(crate) use outbound::{Answer, Collector, OutBeat, Request};

/// Dwords of a beat.
pub(crate) const BEAT_DWORDS: usize = 8;
/// Dwords of a descriptor on CQ and RQ.
const REQUEST_DWORDS: usize = 4;
/// Dwords of a descriptor on CC and RC.
const COMPLETION_DWORDS: usize = 3;
/// First VF offset of the block.
const FIRST_VF: u32 = 64;
const MEMORY_READ: u32 = 0;
const MEMORY_WRITE: u32 = 1;

/// Requests do not cross this.
pub(crate) const PAGE_BYTES: u64 = 4096;

/// How the block numbers a function: the PF is 0, VFs begin at 64.
const fn block_function(function: FunctionId) -> u32 {
    match function.0 {
        0 => 0,
        n => FIRST_VF + n as u32 - 1,
    }
}

const fn function_of(number: u32) -> Option<FunctionId> {
    match number {
        0 => Some(FunctionId::PF),
        FIRST_VF..=0x7f => Some(FunctionId((number - FIRST_VF + 1) as u8)),
        _ => None,
    }
}
