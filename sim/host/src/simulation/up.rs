//! What arrives at the host.

use super::{Simulation, Timer};
use crate::downlink::ReadAnswer;
use crate::endpoint::{Cycle, FunctionId, MemoryRead, ReadStatus};
use crate::fault::ReadFault;
use crate::hard_block::Up;
use crate::interrupt;
use crate::payload::Slot;
use crate::report::{DmaFault, DmaFaultReason};
use crate::tag::TagUse;

impl Simulation {
    pub(super) fn arrive(&mut self, up: Up) {
        match up {
            Up::Write {
                function,
                address,
                slot,
                bytes,
            } => {
                self.arrive_write(function, address, slot, bytes);
                self.block.payloads.free(slot);
            }
            Up::Read {
                read,
                tag_use,
                sent,
                fault,
                refused,
            } => {
                self.arrive_read(read, tag_use, sent, fault, refused);
            }
            Up::Answer { tag, data } => {
                if self.awaited == Some(tag) {
                    self.answer = Some(data);
                }
            }
            Up::ResetDone { function } => self.reset_done(function),
        }
    }

    fn arrive_write(&mut self, function: FunctionId, address: u64, slot: Slot, bytes: u32) {
        let data = self.block.payloads.get(slot, 0, bytes as usize);
        if interrupt::is_message(address) {
            match self.interrupts.arrive(function, address, data) {
                Ok(new) => {
                    self.block.reports.statistics.interrupts += 1;
                    self.wakes += u64::from(new);
                }
                Err(reason) => self.dma_fault(function, address, bytes, true, reason),
            }
            return;
        }
        match self.iommus[function.index()].translate(address, bytes, true) {
            Ok(target) => {
                self.arena.store(target.offset, data);
                let statistics = &mut self.block.reports.statistics;
                statistics.writes += 1;
                statistics.write_bytes += u64::from(bytes);
                self.wakes += u64::from(target.queue);
            }
            Err(reason) => self.dma_fault(function, address, bytes, true, reason),
        }
    }

    fn arrive_read(
        &mut self,
        read: MemoryRead,
        tag_use: TagUse,
        sent: Cycle,
        fault: Option<ReadFault>,
        refused: bool,
    ) {
        let MemoryRead {
            function,
            address,
            length_bytes: bytes,
            ..
        } = read;
        let mut delay = 0;
        let mut status = ReadStatus::Success;
        match fault {
            None => {}
            Some(ReadFault::Lost) => {
                // Nothing of it will ever take room in the completion buffer; its tag stays in use.
                return self
                    .block
                    .tags
                    .hand_over(tag_use, u32::MAX, u32::MAX, false);
            }
            Some(ReadFault::Timeout { after_cycles }) => {
                let cycle = sent.saturating_add(after_cycles).max(self.now);
                return self.timers.push(cycle, Timer::Timeout(tag_use));
            }
            Some(ReadFault::Delayed { by_cycles }) => delay = by_cycles,
            Some(ReadFault::Poisoned) => status = ReadStatus::Poisoned,
            Some(ReadFault::UnsupportedRequest) => status = ReadStatus::UnsupportedRequest,
            Some(ReadFault::CompleterAbort) => status = ReadStatus::CompleterAbort,
        }
        if refused {
            status = ReadStatus::UnsupportedRequest;
        }
        if !matches!(status, ReadStatus::Success | ReadStatus::Poisoned) {
            return self.downlink.send_error(self.now, tag_use, status);
        }
        let target = if interrupt::is_message(address) {
            Err(DmaFaultReason::InvalidInterrupt)
        } else {
            self.iommus[function.index()].translate(address, bytes, false)
        };
        let target = match target {
            Ok(target) => target,
            Err(reason) => {
                self.dma_fault(function, address, bytes, false, reason);
                let status = ReadStatus::UnsupportedRequest;
                return self.downlink.send_error(self.now, tag_use, status);
            }
        };
        // The data are those of now: what software stores later does not change them on their way.
        let slot = self.block.payloads.take();
        self.arena.load(
            target.offset,
            self.block.payloads.get_mut(slot, bytes as usize),
        );
        let statistics = &mut self.block.reports.statistics;
        statistics.reads += 1;
        statistics.read_bytes += u64::from(bytes);
        let answer = ReadAnswer {
            tag_use,
            status,
            slot,
            address,
            bytes,
        };
        if delay > 0 {
            return self
                .timers
                .push(self.now.saturating_add(delay), Timer::Delayed(answer));
        }
        self.downlink.send_data(self.now, &self.block, answer);
    }

    fn dma_fault(
        &mut self,
        function: FunctionId,
        address: u64,
        length_bytes: u32,
        write: bool,
        reason: DmaFaultReason,
    ) {
        let cycle = self.now;
        self.block.reports.dma_fault(DmaFault {
            cycle,
            function,
            address,
            length_bytes,
            write,
            reason,
        });
    }
}
