//! What the endpoint calls: requests on RQ, answers on CC, the sideband.

use super::{HardBlock, Permission, Up};
use crate::endpoint::{Cycle, FunctionId, MemoryRead, MemoryWrite, Port};
use crate::interrupt;
use crate::options::{FRAMING_BYTES, REQUEST_HEADER_BYTES};
use crate::report::{DmaFault, TraceEvent, ViolationKind};

impl Port for HardBlock {
    fn request_offered(&mut self, since: Cycle) {
        self.offered = Some(since);
    }

    fn memory_write(&mut self, at: Cycle, write: MemoryWrite<'_>) {
        let offered = self.offered.take();
        let MemoryWrite {
            function,
            address,
            data,
        } = write;
        let bytes = data.len() as u64;
        if !self.accepts(at, function, address) || !self.well_formed(at, function, address, bytes) {
            return;
        }
        let message = interrupt::is_message(address);
        let event = if message {
            TraceEvent::Interrupt
        } else {
            TraceEvent::MemoryWrite
        };
        self.reports
            .event(at, event, function, address, bytes as u32);
        let first = (at + 1).saturating_sub(self.write_beats(bytes));
        if let Some(reason) = self.refusal(function, offered.unwrap_or(first)) {
            self.reports.dma_fault(DmaFault {
                cycle: at,
                function,
                address,
                length_bytes: bytes as u32,
                write: true,
                reason,
            });
            return;
        }
        if message && self.faults.drops_interrupt(function) {
            return;
        }
        let slot = self.payloads.put(data);
        self.send_write(
            at,
            bytes,
            Up::Write {
                function,
                address,
                slot,
                bytes: bytes as u32,
            },
        );
    }

    fn memory_read(&mut self, at: Cycle, read: MemoryRead) {
        let offered = self.offered.take();
        let MemoryRead {
            function,
            address,
            length_bytes,
            tag,
        } = read;
        if !self.accepts(at, function, address)
            || !self.well_formed(at, function, address, length_bytes.into())
        {
            return;
        }
        self.reports
            .event(at, TraceEvent::MemoryRead, function, address, length_bytes);
        if length_bytes > self.settings.max_read_request_bytes {
            self.violation(at, function, ViolationKind::ReadTooLong, address);
        }
        let reason = self.refusal(function, offered.unwrap_or(at));
        if let Some(reason) = reason {
            self.reports.dma_fault(DmaFault {
                cycle: at,
                function,
                address,
                length_bytes,
                write: false,
                reason,
            });
        }
        if function.index() >= self.permissions.len() {
            return;
        }
        let headers = self.completions(address, length_bytes);
        let Some(tag_use) = self.tags.start(tag, function, length_bytes, headers) else {
            self.violation(at, function, ViolationKind::TagInUse, address);
            return;
        };
        let (claimed_bytes, claimed_headers) = self.tags.claimed();
        if claimed_bytes > self.settings.completion_space_bytes {
            self.violation(at, function, ViolationKind::CompletionSpaceBytes, address);
        }
        if claimed_headers > self.settings.completion_space_headers {
            self.violation(at, function, ViolationKind::CompletionSpaceHeaders, address);
        }
        let refused = reason.is_some();
        let fault = if refused {
            None
        } else {
            self.faults.read(&read)
        };
        let link_bytes = REQUEST_HEADER_BYTES + FRAMING_BYTES;
        self.send(
            at,
            1,
            link_bytes,
            Up::Read {
                read,
                tag_use,
                sent: at,
                fault,
                refused,
            },
        );
    }

    fn read_completion(&mut self, at: Cycle, tag: u16, data: Option<u64>) {
        if !self.accepts(at, FunctionId::PF, 0) {
            return;
        }
        self.reports
            .event(at, TraceEvent::RegisterAnswer, FunctionId::PF, 0, 0);
        if self.register_read != Some(tag) {
            self.violation(at, FunctionId::PF, ViolationKind::UnexpectedCompletion, 0);
            return;
        }
        self.register_read = None;
        self.answer(at, tag, data);
    }

    fn function_reset_done(&mut self, at: Cycle, function: FunctionId) {
        if !self.accepts(at, function, 0) {
            return;
        }
        self.reports
            .event(at, TraceEvent::ResetDone, function, 0, 0);
        let index = function.index();
        if self.resetting.get(index) == Some(&true) {
            self.resetting[index] = false;
            self.send(at, 1, 0, Up::ResetDone { function });
        } else if self
            .permission(function)
            .is_none_or(|p| !matches!(p, Permission::NoFunction(_)))
        {
            // Of a VF that was switched off meanwhile, nobody waits for it any more.
            self.violation(at, function, ViolationKind::UnexpectedResetDone, 0);
        }
    }
}
