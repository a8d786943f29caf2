//! What leaves the controller: TLPs that were taken from the RQ, handed to the port in their cycle.

use pcie_host::endpoint::{FunctionId, MemoryRead, MemoryWrite, Port};

use crate::model::{Model, PAGE};
use crate::rq::{DataBurst, SmallTlp, Source, Taken};

impl Model {
    /// Delivers what was taken from the RQ.
    pub(crate) fn run_rq(&mut self, port: &mut dyn Port) {
        while let Some(taken) = self.rq.take(self.now) {
            match taken {
                Taken::Small(booked) => self.send_small(booked.function, booked.tlp, port),
                Taken::Part(part) => {
                    self.send_data(part.burst, part.from_byte, part.length_bytes, port);
                }
                Taken::Data(burst, from_byte) => {
                    let length = burst.length_bytes - from_byte.min(burst.length_bytes);
                    self.send_data(burst, from_byte, length, port);
                    self.end_data_burst(burst);
                }
            }
            self.rq.settle(self.now);
        }
    }

    fn send_small(&mut self, index: u8, tlp: SmallTlp, port: &mut dyn Port) {
        let function = FunctionId(index);
        let row = &self.functions[function.index()];
        if row.draining || !row.bus_master {
            // Its owner is gone: the TLP is not sent.
            if let SmallTlp::Read { tag, .. } = tlp {
                self.end_unsent_read(tag);
            }
            self.check_drained(function.index());
            return;
        }
        match tlp {
            SmallTlp::Read {
                address,
                length_bytes,
                tag,
            } => {
                port.memory_read(
                    self.now,
                    MemoryRead {
                        function,
                        address,
                        length_bytes,
                        tag,
                    },
                );
            }
            SmallTlp::Completion { address, entry } => {
                port.memory_write(
                    self.now,
                    MemoryWrite {
                        function,
                        address,
                        data: &entry,
                    },
                );
            }
            SmallTlp::Interrupt { address, data } => {
                let data = data.to_le_bytes();
                port.memory_write(
                    self.now,
                    MemoryWrite {
                        function,
                        address,
                        data: &data,
                    },
                );
            }
        }
    }

    fn send_data(
        &mut self,
        burst: DataBurst,
        from_byte: u32,
        length_bytes: u32,
        port: &mut dyn Port,
    ) {
        let context = &self.contexts[burst.context];
        let function = FunctionId(context.function);
        if context.doomed || length_bytes == 0 {
            return;
        }
        let (from, length) = (from_byte as usize, length_bytes as usize);
        let data = match burst.source {
            Source::Staging(buffer) => {
                &self.staging[usize::from(buffer) * PAGE as usize + from..][..length]
            }
            Source::Admin { offset } => {
                &self.admin_buffers[function.index()][usize::from(offset) + from..][..length]
            }
        };
        port.memory_write(
            self.now,
            MemoryWrite {
                function,
                address: burst.address + u64::from(from_byte),
                data,
            },
        );
    }
}
