//! What the host's half costs in wall-clock time: an endpoint that does no work of its own goes
//! through the traffic of a 4 KiB Read (doorbell, SQE fetch, data, CQE, interrupt, doorbell), 64 deep.
//!
//! `cargo run --release -p pcie-host --example event_cost`

use std::collections::VecDeque;
use std::time::Instant;

use nvme_driver::transport::{DmaMemory, DmaPurpose, Transport, Wake};
use nvme_spec::msix;
use pcie_host::endpoint::{Cycle, Endpoint, FunctionId, Inbound, MemoryRead, MemoryWrite, Port};
use pcie_host::{Host, HostOptions};

const COMMANDS: u64 = 1_000_000;
const DEPTH: u64 = 64;
const SUBMIT: u64 = 0x1000;
const COMPLETE: u64 = 0x1004;

enum Send {
    Fetch(u8),
    Data,
    Completion,
    Interrupt,
}

/// Sends what a Read makes a controller send, 148 cycles apart.
struct Traffic {
    queue: VecDeque<(Cycle, Send)>,
    busy_until: Cycle,
    fetch_tag: u8,
    /// SQE memory, data buffers, CQE memory.
    addresses: [u64; 3],
    data: Box<[u8; 4096]>,
    next_buffer: u64,
}

impl Endpoint for Traffic {
    fn next_event(&self) -> Option<Cycle> {
        self.queue.front().map(|send| send.0)
    }

    fn advance(&mut self, until: Cycle, port: &mut dyn Port) {
        let function = FunctionId::PF;
        let [entries, buffers, completions] = self.addresses;
        while let Some(&(at, _)) = self.queue.front()
            && at <= until
            && let Some((_, send)) = self.queue.pop_front()
        {
            let mut write = |address, data: &[u8]| {
                port.memory_write(
                    at,
                    MemoryWrite {
                        function,
                        address,
                        data,
                    },
                );
            };
            match send {
                Send::Fetch(tag) => {
                    let read = MemoryRead {
                        function,
                        address: entries,
                        length_bytes: 64,
                        tag,
                    };
                    port.memory_read(at, read);
                }
                Send::Data => {
                    self.next_buffer = (self.next_buffer + 1) % DEPTH;
                    write(buffers + self.next_buffer * 4096, &self.data[..]);
                }
                Send::Completion => write(completions, &at.to_le_bytes()),
                Send::Interrupt => write(0xfee0_0000, &[0; 4]),
            }
        }
    }

    fn receive(&mut self, at: Cycle, inbound: Inbound<'_>) {
        match inbound {
            Inbound::MemoryWrite { offset: SUBMIT, .. } => {
                self.fetch_tag = (self.fetch_tag + 1) % 64;
                let cycle = self.queue.back().map_or(at, |last| last.0).max(at) + 1;
                self.queue.push_back((cycle, Send::Fetch(self.fetch_tag)));
            }
            Inbound::ReadData { .. } => {
                let last = self.queue.back().map_or(at, |last| last.0);
                let end = (self.busy_until + 148).max(at + 150).max(last + 3);
                self.busy_until = end;
                self.queue.push_back((end - 2, Send::Data));
                self.queue.push_back((end - 1, Send::Completion));
                self.queue.push_back((end, Send::Interrupt));
            }
            _ => {}
        }
    }

    fn virtual_functions(&self) -> u8 {
        0
    }

    fn vectors_per_function(&self) -> u16 {
        1
    }

    fn peek_medium(&self, _offset: u64, _into: &mut [u8]) {}
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Bus addresses are given out in order, so they can be told to the endpoint beforehand.
    let first = 0x40_0000_0000;
    let traffic = Traffic {
        queue: VecDeque::new(),
        busy_until: 0,
        fetch_tag: 0,
        addresses: [first, first + 0x2000, first + 0x2000 + (DEPTH + 1) * 4096],
        data: Box::new([7; 4096]),
        next_buffer: 0,
    };
    let host = Host::new(HostOptions::default(), Box::new(traffic))?;
    let mut transport = host.transport(FunctionId::PF)?;
    let entries = transport.allocate_dma(4096, DmaPurpose::Queue)?;
    let buffers = transport.allocate_dma(DEPTH as usize * 4096, DmaPurpose::Data)?;
    let completions = transport.allocate_dma(4096, DmaPurpose::Queue)?;
    let expected = [
        entries.bus_address(),
        buffers.bus_address(),
        completions.bus_address(),
    ];
    assert_eq!(
        expected,
        [first, first + 0x2000, first + 0x2000 + (DEPTH + 1) * 4096]
    );
    assert_eq!(msix::ENTRY_BYTES, 16);

    for _ in 0..DEPTH {
        transport.write_u32(SUBMIT, 0)?;
    }
    let start = Instant::now();
    let mut done = 0;
    let mut seen = 0;
    while done < COMMANDS {
        assert_eq!(transport.wait(u64::MAX)?, Wake::Device);
        let mut stamp = [0; 8];
        completions.buffer().read(0, &mut stamp);
        let stamp = u64::from_le_bytes(stamp);
        if stamp != seen {
            seen = stamp;
            done += 1;
            transport.write_u32(COMPLETE, 0)?;
            transport.write_u32(SUBMIT, 0)?;
        }
    }
    let nanoseconds = start.elapsed().as_nanos() as f64;
    let statistics = host.statistics();
    assert_eq!((statistics.dma_faults, statistics.violations), (0, 0));
    println!(
        "{COMMANDS} commands, {:.1} cycles each: {:.0} ns a command, {} events, {:.0} ns an event",
        host.now() as f64 / COMMANDS as f64,
        nanoseconds / COMMANDS as f64,
        statistics.events,
        nanoseconds / statistics.events as f64,
    );
    Ok(())
}
