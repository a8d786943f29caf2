//! What is handed to the endpoint.

use super::Simulation;
use crate::config::{COMMAND, DEVICE_STATUS, Written, bits};
use crate::downlink::{ReadCompletion, Request};
use crate::endpoint::{FunctionId, Inbound, ReadStatus};
use crate::report::TraceEvent;

impl Simulation {
    pub(super) fn deliver_request(&mut self, request: Request) {
        match request {
            Request::Write {
                function,
                offset,
                data,
                bytes,
            } => {
                if self.reaches(function, TraceEvent::RegisterWrite, offset, bytes.into()) {
                    let data = &data[..usize::from(bytes)];
                    self.endpoint.receive(
                        self.now,
                        Inbound::MemoryWrite {
                            function,
                            offset,
                            data,
                        },
                    );
                }
            }
            Request::LongWrite {
                function,
                offset,
                slot,
                bytes,
            } => {
                if self.reaches(function, TraceEvent::RegisterWrite, offset, bytes) {
                    let data = self.block.payloads.get(slot, 0, bytes as usize);
                    self.endpoint.receive(
                        self.now,
                        Inbound::MemoryWrite {
                            function,
                            offset,
                            data,
                        },
                    );
                }
                self.block.payloads.free(slot);
            }
            Request::Read {
                function,
                offset,
                bytes,
                tag,
            } => {
                if self.reaches(function, TraceEvent::RegisterRead, offset, bytes) {
                    self.block.register_read = Some(tag);
                    let length_bytes = bytes;
                    let read = Inbound::MemoryRead {
                        function,
                        offset,
                        length_bytes,
                        tag,
                    };
                    self.endpoint.receive(self.now, read);
                } else {
                    self.block.answer(self.now, tag, None);
                }
            }
            Request::ConfigRead {
                function,
                offset,
                bytes,
                tag,
            } => {
                let value = self.read_registers(function, offset, bytes);
                self.block.answer(self.now, tag, Some(value.into()));
            }
            Request::ConfigWrite {
                function,
                offset,
                bytes,
                value,
                tag,
            } => {
                match self.config.write(function, offset, bytes, value) {
                    Written::Registers => {
                        if offset == COMMAND {
                            self.command_written(function);
                        }
                        self.apply_registers();
                    }
                    Written::FunctionReset => self.start_reset(function, false),
                }
                if let Some(tag) = tag {
                    self.block.answer(self.now, tag, Some(0));
                }
            }
        }
    }

    /// Does the hard block pass a register access on? What it passes is counted.
    fn reaches(
        &mut self,
        function: FunctionId,
        event: TraceEvent,
        offset: u64,
        bytes: u32,
    ) -> bool {
        if !self.states[function.index()].memory {
            return false;
        }
        let statistics = &mut self.block.reports.statistics;
        if event == TraceEvent::RegisterWrite {
            statistics.register_writes += 1;
        } else {
            statistics.register_reads += 1;
        }
        self.block
            .reports
            .event(self.now, event, function, offset, bytes);
        true
    }

    /// Configuration registers, with Transactions Pending as it is now.
    fn read_registers(&self, function: FunctionId, offset: u16, bytes: u8) -> u32 {
        let value = self.config.read(function, offset, bytes);
        let covered = (offset..offset + u16::from(bytes)).contains(&DEVICE_STATUS);
        if covered && self.config.exists(function) && self.block.tags.outstanding(function) > 0 {
            return value | bits::TRANSACTIONS_PENDING << (8 * (DEVICE_STATUS - offset));
        }
        value
    }

    pub(super) fn deliver_completion(&mut self, completion: &ReadCompletion) {
        let &ReadCompletion {
            tag_use,
            status,
            data,
            headers,
            last,
        } = completion;
        if self.block.tags.lasts(tag_use) {
            let payloads = &self.block.payloads;
            let bytes = data.map_or(&[][..], |(slot, start, bytes)| {
                payloads.get(slot, start as usize, bytes as usize)
            });
            let length_bytes = bytes.len() as u32;
            debug_assert!(last || status == ReadStatus::Success);
            let tag = tag_use.tag;
            self.endpoint.receive(
                self.now,
                Inbound::ReadData {
                    tag,
                    data: bytes,
                    status,
                    last,
                },
            );
            let function = self.block.tags.function(tag_use);
            let event = TraceEvent::ReadData;
            self.block
                .reports
                .event(self.now, event, function, tag.into(), length_bytes);
            self.block
                .tags
                .hand_over(tag_use, length_bytes, headers, last);
        }
        if let Some((slot, ..)) = data
            && last
        {
            self.block.payloads.free(slot);
        }
    }
}
