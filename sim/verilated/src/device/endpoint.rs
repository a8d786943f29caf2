//! What comes down the link, into the streams and side-bands of the design; and when it has to be clocked.

use pcie_host::endpoint::{Cycle, Endpoint, Inbound, Port, ReadStatus};

use super::RtlDevice;
use crate::reads::Data;
use crate::registers::{self, RegisterRead};

impl Endpoint for RtlDevice {
    fn next_event(&self) -> Option<Cycle> {
        self.is_busy().then_some(self.now)
    }

    fn advance(&mut self, until: Cycle, port: &mut dyn Port) {
        while self.now <= until && self.is_busy() {
            self.cycle(port);
        }
        // Idle time is not evaluated.
        self.now = self.now.max(until + 1);
    }

    fn receive(&mut self, at: Cycle, inbound: Inbound<'_>) {
        debug_assert!(at >= self.now, "time goes back: {at} after {}", self.now);
        self.now = self.now.max(at);
        self.active = self.now;
        match inbound {
            Inbound::MemoryWrite {
                function,
                offset,
                data,
            } => {
                self.watch.register_write(at, function, offset, data);
                registers::write(&mut self.cq.beats, at, function, offset, data);
            }
            Inbound::MemoryRead {
                function,
                offset,
                length_bytes,
                tag,
            } => {
                let read = RegisterRead {
                    tag,
                    function,
                    length_bytes,
                    skipped_bytes: (offset & 3) as u32,
                };
                self.registers.read(&mut self.cq.beats, at, read, offset);
            }
            Inbound::ReadData {
                tag,
                data,
                status,
                last,
            } => {
                if status == ReadStatus::Success
                    && let Some((function, address)) = self.reads.next(tag)
                {
                    self.watch.read_data(function, address, data);
                }
                let data = Data {
                    tag,
                    bytes: data,
                    status,
                    last,
                };
                self.reads.receive(at, &data, &mut self.rc.beats);
            }
            Inbound::FunctionReset { function } => {
                self.watch.reset(function.index());
                self.side_band.reset(function);
            }
            Inbound::BusMaster { function, enabled } => {
                self.side_band.set_bus_master(function, enabled);
            }
            Inbound::MsixControl {
                function,
                enabled,
                masked,
            } => self.side_band.set_msix(function, enabled, masked),
            Inbound::VirtualFunctions { count } => {
                for gone in usize::from(count)..usize::from(self.virtual_functions) {
                    self.watch.reset(gone + 1);
                }
                self.side_band.set_virtual_functions(count);
            }
            Inbound::Link(link) => {
                self.reads.max_payload_bytes = link.max_payload_bytes;
                self.side_band.set_link(link);
            }
            Inbound::HotReset => self.hot_reset(at),
        }
    }

    fn receives_first_beats(&self) -> bool {
        true
    }

    fn virtual_functions(&self) -> u8 {
        self.virtual_functions
    }

    fn vectors_per_function(&self) -> u16 {
        self.io_queues + 1
    }

    fn peek_medium(&self, offset: u64, into: &mut [u8]) {
        let bytes = self.memory.medium.len();
        if offset < bytes {
            let length = (bytes - offset).min(into.len() as u64) as usize;
            self.memory.medium.read(offset, &mut into[..length]);
        }
    }
}

impl RtlDevice {
    fn hot_reset(&mut self, at: Cycle) {
        self.cq.clear();
        self.rc.clear();
        self.cc.clear();
        self.rq.clear();
        self.requests.clear();
        self.answers.clear();
        self.reads.clear();
        self.registers.clear();
        for function in 0..=self.virtual_functions {
            self.watch.reset(function.into());
        }
        self.side_band.hot_reset(at);
    }
}
