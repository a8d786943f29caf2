//! The register file of each function: BAR0 accesses on CQ, answers on CC (NVMe 1.1 §3.1).

use nvme_spec::msix;
use nvme_spec::register::{self, AdminQueueAttributes, Capabilities, Configuration};
use pcie_host::endpoint::{Cycle, Port};

use crate::model::Model;
use crate::schedule::{Engine, NEVER};
use crate::timing::Geometry;

/// Address bits of the admin queues that registers keep: they are page aligned (§3.1.9).
const QUEUE_ADDRESS: u64 = !0xfff;

/// CAP: what this controller can do (§3.1.1).
pub const fn capabilities(geometry: &Geometry) -> Capabilities {
    Capabilities::new()
        .with_maximum_queue_entries((geometry.maximum_queue_entries - 1) as u16)
        .with_contiguous_queues_required(true)
        .with_timeout_500_ms(1)
        .with_command_sets(1)
}

impl Model {
    /// A posted write to BAR0. Writes of other sizes than 4 and 8 bytes, unaligned ones, and those beyond
    /// the BAR do nothing.
    pub(crate) fn write_registers(&mut self, function: usize, offset: u64, data: &[u8]) {
        if !self.functions[function].answers()
            || offset >= msix::BAR0_BYTES
            || !offset.is_multiple_of(4)
        {
            return;
        }
        let dword =
            |at: usize| u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]);
        match data.len() {
            4 => {
                self.cq_wait = self.pass_cq(1);
                self.write_dword(function, offset, dword(0));
            }
            8 => {
                self.cq_wait = self.pass_cq(2);
                self.write_dword(function, offset, dword(0));
                self.cq_wait += 1;
                self.write_dword(function, offset + 4, dword(4));
            }
            _ => {}
        }
    }

    /// An access takes CQ for so many cycles, a dword a cycle; how long it waits for those before it.
    pub(crate) fn pass_cq(&mut self, cycles: Cycle) -> Cycle {
        let start = self.cq_free_from.max(self.now);
        self.cq_free_from = start + cycles;
        start - self.now
    }

    fn write_dword(&mut self, function: usize, offset: u64, value: u32) {
        match offset {
            register::DOORBELLS..msix::TABLE_OFFSET => return self.ring(function, offset, value),
            msix::TABLE_OFFSET..msix::PENDING_OFFSET => {
                let index = (offset - msix::TABLE_OFFSET) / msix::ENTRY_BYTES;
                if let Some(vector) = self.functions[function].vectors.get_mut(index as usize) {
                    vector.set_dword(offset % msix::ENTRY_BYTES / 4, value);
                    self.send_pending_interrupts(function);
                }
                return;
            }
            register::CC => {
                return self.write_configuration(function, Configuration::from_bits(value));
            }
            _ => {}
        }
        let row = &mut self.functions[function];
        match offset {
            register::INTMS => row.interrupt_mask |= value,
            register::INTMC => row.interrupt_mask &= !value,
            // The admin queue stands still while the controller is enabled (§3.1.8).
            _ if row.configuration.enable() => {}
            register::AQA => {
                row.admin_queue_attributes = AdminQueueAttributes::from_bits(value & 0x0fff_0fff);
            }
            register::ASQ => set_low(&mut row.admin_submission_address, value),
            0x2c => set_high(&mut row.admin_submission_address, value),
            register::ACQ => set_low(&mut row.admin_completion_address, value),
            0x34 => set_high(&mut row.admin_completion_address, value),
            _ => {}
        }
    }

    fn write_configuration(&mut self, function: usize, new: Configuration) {
        let row = &mut self.functions[function];
        let old = row.configuration;
        row.configuration = new;
        if old.enable() && !new.enable() {
            self.disable(function);
        } else if !old.enable() && new.enable() {
            // While a reset is being drained, its end looks at CC.EN again.
            if !row.draining {
                row.enable_at = self.now + self.cq_wait + self.timing.enable_cycles;
                self.schedule.no_later_than(Engine::Enable, row.enable_at);
            }
        }
        let row = &mut self.functions[function];
        if new.shutdown() != 0 && row.status.shutdown() == 0 {
            row.status.set_shutdown(1);
            self.check_shut_down(function);
        }
    }

    /// A read of BAR0: 4 or 8 bytes, aligned, or none, which is answered with a dword (PCIe 2.1 §2.2.5);
    /// `None` (Unsupported Request) for anything else.
    pub(crate) fn read_registers(
        &self,
        function: usize,
        offset: u64,
        length_bytes: u32,
    ) -> Option<u64> {
        if !self.functions[function].answers()
            || offset >= msix::BAR0_BYTES
            || !offset.is_multiple_of(4)
        {
            return None;
        }
        match length_bytes {
            0 | 4 => Some(u64::from(self.read_dword(function, offset))),
            8 => {
                let low = self.read_dword(function, offset);
                let high = self.read_dword(function, offset + 4);
                Some(u64::from(low) | u64::from(high) << 32)
            }
            _ => None,
        }
    }

    fn read_dword(&self, function: usize, offset: u64) -> u32 {
        let row = &self.functions[function];
        let half = |value: u64| (value >> (8 * (offset & 4))) as u32;
        match offset {
            0x00 | 0x04 => half(capabilities(&self.geometry).into_bits()),
            register::VS => register::VERSION_1_1,
            register::INTMS | register::INTMC => row.interrupt_mask,
            register::CC => row.configuration.into_bits(),
            register::CSTS => row.status.into_bits(),
            register::AQA => row.admin_queue_attributes.into_bits(),
            0x28 | 0x2c => half(row.admin_submission_address),
            0x30 | 0x34 => half(row.admin_completion_address),
            msix::TABLE_OFFSET..msix::PENDING_OFFSET => {
                let index = (offset - msix::TABLE_OFFSET) / msix::ENTRY_BYTES;
                let vector = row.vectors.get(index as usize);
                vector.map_or(0, |vector| vector.dword(offset % msix::ENTRY_BYTES / 4))
            }
            msix::PENDING_OFFSET.. => {
                let first = (offset - msix::PENDING_OFFSET) as usize * 8;
                (0..32).fold(0, |bits, bit| {
                    let pending = row
                        .vectors
                        .get(first + bit)
                        .is_some_and(|vector| vector.pending);
                    bits | u32::from(pending) << bit
                })
            }
            // Reserved registers, and doorbells, which cannot be read (§3.1.11).
            _ => 0,
        }
    }

    /// Answers on CC that are due.
    pub(crate) fn run_register_reads(&mut self, port: &mut dyn Port) {
        while let Some((at, tag, value)) = self.answers.front().copied() {
            if at > self.now {
                break;
            }
            self.answers.pop_front();
            port.read_completion(self.now, tag, value);
        }
        let next = self.answers.front().map_or(NEVER, |answer| answer.0);
        self.schedule.set(Engine::RegisterReads, next);
    }
}

const fn set_low(register: &mut u64, value: u32) {
    *register = (*register & !0xffff_ffff) | (value as u64 & QUEUE_ADDRESS);
}

const fn set_high(register: &mut u64, value: u32) {
    *register = (*register & 0xffff_ffff) | ((value as u64) << 32);
}
