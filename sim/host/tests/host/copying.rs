//! The test endpoint as a DMA engine: copies memory to memory, posts a completion, interrupts.

use std::collections::BTreeMap;

use nvme_driver::transport::{DmaMemory, DmaPurpose, Transport, Wake};
use pcie_host::endpoint::{Cycle, FunctionId, MemoryRead, ReadStatus};
use pcie_host::{
    Fault, FaultPlan, FaultRates, HostOptions, LinkEvent, SimDma, SimTransport, TraceRecord,
};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::echo::{Action, Bench, Echo, Seen};

/// A write of 8 bytes here starts the copy whose descriptor is at that bus address: source,
/// destination, bytes. The completion is written 64 bytes behind it.
const START: u64 = 0x1000;
const DESCRIPTOR_BYTES: u32 = 32;
const CHUNK_BYTES: u32 = 512;

#[derive(Clone, Debug)]
enum Read {
    Descriptor {
        address: u64,
    },
    Chunk {
        descriptor: u64,
        destination: u64,
        offset: usize,
    },
}

/// Copies under way.
pub(crate) struct CopyEngine {
    reads: BTreeMap<u8, (FunctionId, Read)>,
    /// Data so far, chunks to come, and how it goes, by descriptor.
    jobs: BTreeMap<u64, (Vec<u8>, u32, ReadStatus)>,
}

impl CopyEngine {
    pub(crate) fn new() -> Self {
        Self {
            reads: BTreeMap::new(),
            jobs: BTreeMap::new(),
        }
    }

    fn read(
        &mut self,
        at: Cycle,
        function: FunctionId,
        address: u64,
        bytes: u32,
        read: Read,
        echo: &mut Echo,
    ) {
        let tag = (0..64)
            .find(|tag| !self.reads.contains_key(tag))
            .expect("a free tag");
        self.reads.insert(tag, (function, read));
        echo.at(
            at,
            Action::Read(MemoryRead {
                function,
                address,
                length_bytes: bytes,
                tag,
            }),
        );
    }

    pub(crate) fn receive(&mut self, at: Cycle, seen: &Seen, echo: &mut Echo) {
        match seen {
            Seen::Write(function, START, data) => {
                let address = u64::from_le_bytes(data[..].try_into().expect("8 bytes"));
                let read = Read::Descriptor { address };
                self.read(at + 1, *function, address, DESCRIPTOR_BYTES, read, echo);
            }
            Seen::Data(tag, data, status, _) => {
                let (function, read) = self.reads.remove(tag).expect("asked for");
                match read {
                    Read::Descriptor { address } if *status == ReadStatus::Success => {
                        self.start(at, function, address, data, echo);
                    }
                    Read::Descriptor { address } => complete(at, function, address, *status, echo),
                    Read::Chunk {
                        descriptor,
                        destination,
                        offset,
                    } => {
                        let (bytes, left, worst) = self.jobs.get_mut(&descriptor).expect("started");
                        bytes[offset..offset + data.len()].copy_from_slice(data);
                        *left -= 1;
                        if *status != ReadStatus::Success {
                            *worst = *status;
                        }
                        if *left == 0 {
                            let (bytes, _, status) = self.jobs.remove(&descriptor).expect("there");
                            if status == ReadStatus::Success {
                                echo.at(at + 144, Action::Write(function, destination, bytes));
                            }
                            complete(at + 145, function, descriptor, status, echo);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn start(
        &mut self,
        at: Cycle,
        function: FunctionId,
        descriptor: u64,
        data: &[u8],
        echo: &mut Echo,
    ) {
        let word = |at: usize| u64::from_le_bytes(data[at..at + 8].try_into().expect("8 bytes"));
        let (source, destination, bytes) = (word(0), word(8), word(16) as u32);
        let chunks = bytes.div_ceil(CHUNK_BYTES);
        let job = (vec![0; bytes as usize], chunks, ReadStatus::Success);
        assert!(
            self.jobs.insert(descriptor, job).is_none(),
            "one copy at a time of each"
        );
        for chunk in 0..chunks {
            let offset = chunk * CHUNK_BYTES;
            let read = Read::Chunk {
                descriptor,
                destination,
                offset: offset as usize,
            };
            let length = CHUNK_BYTES.min(bytes - offset);
            let cycle = at + 1 + u64::from(chunk);
            self.read(
                cycle,
                function,
                source + u64::from(offset),
                length,
                read,
                echo,
            );
        }
    }
}

fn complete(at: Cycle, function: FunctionId, descriptor: u64, status: ReadStatus, echo: &mut Echo) {
    let word = if status == ReadStatus::Success {
        1
    } else {
        0x100 + status as u32
    };
    echo.at(
        at + 1,
        Action::Write(function, descriptor + 64, word.to_le_bytes().to_vec()),
    );
    echo.raise(at + 2, function, 1);
}

/// One function's client: a page of queue memory, a page to copy from, a page to copy to.
struct Client {
    transport: SimTransport,
    queue: SimDma,
    from: SimDma,
    to: SimDma,
    copies: u32,
    errors: u32,
}

impl Client {
    fn new(mut transport: SimTransport) -> Self {
        let queue = transport
            .allocate_dma(4096, DmaPurpose::Queue)
            .expect("room");
        let from = transport
            .allocate_dma(4096, DmaPurpose::Data)
            .expect("room");
        let to = transport
            .allocate_dma(4096, DmaPurpose::Data)
            .expect("room");
        transport.enable_interrupt(1).expect("it has 5");
        Self {
            transport,
            queue,
            from,
            to,
            copies: 0,
            errors: 0,
        }
    }

    fn start(&mut self, rng: &mut Pcg64Mcg) {
        let bytes = 4 * rng.random_range(1..=1024_u64);
        let data: Vec<u8> = (0..bytes).map(|_| rng.random()).collect();
        self.from.buffer().write(0, &data);
        let descriptor = [self.from.bus_address(), self.to.bus_address(), bytes, 0];
        let descriptor: Vec<u8> = descriptor
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        self.queue.buffer().write(0, &descriptor);
        self.queue.buffer().write(64, &[0; 4]);
        self.transport
            .write_u64(START, self.queue.bus_address())
            .expect("there");
    }

    /// Takes the completion, if there is one; true when it was there.
    fn poll(&mut self) -> bool {
        let mut word = [0; 4];
        self.queue.buffer().read(64, &mut word);
        match u32::from_le_bytes(word) {
            0 => return false,
            1 => {
                let mut length = [0; 8];
                self.queue.buffer().read(16, &mut length);
                let bytes = u64::from_le_bytes(length) as usize;
                let (mut from, mut to) = (vec![0; bytes], vec![1; bytes]);
                self.from.buffer().read(0, &mut from);
                self.to.buffer().read(0, &mut to);
                assert!(from == to, "{:?} copied something else", self.transport);
                self.copies += 1;
            }
            _ => self.errors += 1,
        }
        true
    }
}

/// Copies on three functions until each has ended `rounds`: the trace, copies and errors.
fn run(options: HostOptions, rounds: u32) -> (Vec<TraceRecord>, u32, u32) {
    let mut rng = Pcg64Mcg::seed_from_u64(options.seed);
    let bench = Bench::new(HostOptions {
        trace: true,
        ..options
    });
    bench.echo.borrow_mut().copying = Some(CopyEngine::new());
    bench.host.enable_virtual_functions(2).expect("it has 4");
    let mut clients: Vec<_> = (0..3)
        .map(|function| Client::new(bench.host.transport(FunctionId(function)).expect("enabled")))
        .collect();
    for client in &mut clients {
        client.start(&mut rng);
    }
    while clients
        .iter()
        .any(|client| client.copies + client.errors < rounds)
    {
        for client in &mut clients {
            if client.copies + client.errors < rounds && client.poll() {
                client.start(&mut rng);
            }
        }
        let wake = clients[0]
            .transport
            .wait(u64::MAX)
            .expect("there is always something to do");
        assert_eq!(wake, Wake::Device);
    }
    drop(
        clients
            .iter_mut()
            .map(|client| client.transport.take_interrupt(1))
            .collect::<Vec<_>>(),
    );
    bench.finish();
    bench.assert_clean();
    let copies = clients.iter().map(|client| client.copies).sum();
    (
        bench.host.take_trace(),
        copies,
        clients.iter().map(|client| client.errors).sum(),
    )
}

#[test]
fn copies_what_it_is_told_to() {
    let (trace, copies, errors) = run(HostOptions::default(), 50);
    assert!((150..=153).contains(&copies), "{copies}");
    assert_eq!(errors, 0);
    assert!(
        trace.is_sorted_by_key(|record| record.cycle),
        "the trace is in order of time"
    );
}

#[test]
fn one_seed_is_one_run() {
    let options = |seed| HostOptions {
        seed,
        faults: FaultPlan {
            rates: FaultRates {
                timeout_per_million: 5_000,
                delayed_per_million: 200_000,
                poisoned_per_million: 20_000,
                unsupported_per_million: 5_000,
                abort_per_million: 5_000,
                interrupts_dropped_per_million: 100_000,
                delay_cycles: 900,
                timeout_cycles: 5_000,
                ..FaultRates::default()
            },
            ..FaultPlan::default()
        },
        ..HostOptions::default()
    };
    let first = run(options(3), 200);
    assert!(
        first.1 > 300 && first.2 > 50,
        "{} copies, {} errors",
        first.1,
        first.2
    );
    assert!(first == run(options(3), 200), "seed 3 differs from itself");
    assert!(first.0 != run(options(4), 200).0, "seed 4 is another run");
}

#[test]
fn nobody_is_woken_for_ever_by_a_dead_link() {
    let bench = Bench::new(HostOptions::default());
    bench.echo.borrow_mut().copying = Some(CopyEngine::new());
    let mut client = Client::new(bench.host.transport(FunctionId::PF).expect("there"));
    client.start(&mut Pcg64Mcg::seed_from_u64(1));
    bench.host.inject(Fault::At {
        cycle: bench.host.now() + 150,
        event: LinkEvent::Down,
    });
    let error = client
        .transport
        .wait(u64::MAX)
        .expect_err("the link goes down");
    assert_eq!(
        error.to_string(),
        "simulation PF: the device is gone (the link is down)"
    );
    assert!(!client.poll(), "the copy did not end");
    bench.finish();
    bench.assert_clean();
}
