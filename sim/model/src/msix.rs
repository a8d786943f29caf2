//! MSI-X: the table, the pending bits, coalescing, and the message behind its CQE.

use nvme_spec::msix::VECTOR_MASKED;
use pcie_host::endpoint::Cycle;

use crate::model::Model;
use crate::rq::SmallTlp;
use crate::schedule::{Engine, NEVER};

/// A row of a function's MSI-X table (PCI 3.0 §6.8.2), its pending bit, and what is coalesced in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vector {
    pub(crate) address: u64,
    pub(crate) data: u32,
    pub(crate) control: u32,
    pub(crate) pending: bool,
    /// Completions since the last message.
    coalesced: u32,
    /// When the oldest of them has waited long enough.
    deadline: Cycle,
}

impl Default for Vector {
    fn default() -> Self {
        Self {
            address: 0,
            data: 0,
            control: VECTOR_MASKED,
            pending: false,
            coalesced: 0,
            deadline: NEVER,
        }
    }
}

impl Vector {
    /// Reads one of the row's four dwords.
    pub(crate) const fn dword(&self, index: u64) -> u32 {
        match index {
            0 => self.address as u32,
            1 => (self.address >> 32) as u32,
            2 => self.data,
            _ => self.control,
        }
    }

    /// Writes one of the row's four dwords.
    pub(crate) const fn set_dword(&mut self, index: u64, value: u32) {
        match index {
            0 => self.address = (self.address & !0xffff_ffff) | (value & !0b11) as u64,
            1 => self.address = (self.address & 0xffff_ffff) | ((value as u64) << 32),
            2 => self.data = value,
            _ => self.control = value & VECTOR_MASKED,
        }
    }

    const fn is_masked(&self) -> bool {
        self.control & VECTOR_MASKED != 0
    }

    /// Forgets what is coalesced and pending (controller reset).
    pub(crate) const fn clear(&mut self) {
        self.pending = false;
        self.coalesced = 0;
        self.deadline = NEVER;
    }
}

impl Model {
    /// `completions` CQEs of a queue with this vector have just been handed to the RQ.
    pub(crate) fn interrupt(&mut self, function: usize, queue: u16, vector: u16, completions: u32) {
        let row = &mut self.functions[function];
        if !row.msix_enabled {
            return;
        }
        // Coalescing is for I/O queues (NVMe 1.1 §5.12.1.8); no time means no delay.
        let coalesces = queue != 0
            && row.aggregation_threshold > 1
            && row.aggregation_cycles > 0
            && self.admins[function].features().coalescing_disabled(vector) == Some(false);
        let Some(entry) = row.vectors.get_mut(usize::from(vector)) else {
            return;
        };
        if coalesces {
            entry.coalesced += completions;
            if entry.coalesced < row.aggregation_threshold {
                if entry.deadline == NEVER {
                    entry.deadline = self.now + row.aggregation_cycles;
                    self.schedule
                        .no_later_than(Engine::Coalescing, entry.deadline);
                }
                return;
            }
        }
        self.send_interrupt(function, usize::from(vector));
    }

    /// Sends the vector's message, or sets its pending bit while it is masked.
    fn send_interrupt(&mut self, function: usize, vector: usize) {
        let row = &mut self.functions[function];
        let entry = &mut row.vectors[vector];
        let was_pending = entry.pending;
        entry.clear();
        if !row.msix_enabled {
            // Switched off while completions were coalesced: nobody is to be told.
            entry.pending = was_pending;
            return;
        }
        if row.msix_masked || entry.is_masked() {
            entry.pending = true;
            return;
        }
        let message = SmallTlp::Interrupt {
            address: entry.address,
            data: entry.data,
        };
        self.rq.push(function as u8, message, self.now);
    }

    /// A mask has changed: sends what is pending and no longer masked.
    pub(crate) fn send_pending_interrupts(&mut self, function: usize) {
        let row = &self.functions[function];
        if !row.msix_enabled || row.msix_masked || row.draining {
            return;
        }
        for vector in 0..row.vectors.len() {
            let entry = &self.functions[function].vectors[vector];
            if entry.pending && !entry.is_masked() {
                self.send_interrupt(function, vector);
            }
        }
    }

    /// MSI-X Message Control of a function has changed.
    pub(crate) fn set_msix_control(&mut self, function: usize, enabled: bool, masked: bool) {
        let row = &mut self.functions[function];
        row.msix_enabled = enabled;
        row.msix_masked = masked;
        self.send_pending_interrupts(function);
    }

    /// Sends the messages whose aggregation time is up.
    pub(crate) fn run_coalescing(&mut self) {
        let mut next = NEVER;
        for function in 0..self.functions.len() {
            for vector in 0..self.functions[function].vectors.len() {
                let deadline = self.functions[function].vectors[vector].deadline;
                if deadline <= self.now {
                    self.send_interrupt(function, vector);
                } else {
                    next = next.min(deadline);
                }
            }
        }
        self.schedule.set(Engine::Coalescing, next);
    }
}
