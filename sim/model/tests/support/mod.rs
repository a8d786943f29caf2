//! Raw queues on a simulated host, as lean as they get: for cycles at the port and wall-clock rates.

use nvme_driver::transport::{DmaMemory, DmaPurpose, Transport};
use nvme_model::medium::Medium;
use nvme_model::{CommandTrace, Model, ModelOptions, TraceOptions};
use nvme_spec::register::{self, AdminQueueAttributes, Configuration};
use nvme_spec::{CompletionEntry, Fuse, Status, SubmissionEntry, doorbell};
use pcie_host::endpoint::FunctionId;
use pcie_host::{Host, HostOptions, Shared, SimDma, SimTransport};
use zerocopy::{FromBytes, IntoBytes};

/// What a load does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Reads.
    Read,
    /// Writes.
    Write,
    /// Fused pairs whose compare succeeds (all data are zero).
    Pair,
    /// Fused pairs whose compare fails in its last byte.
    FailingPair,
}

/// A device behind a host.
pub(crate) struct Device {
    /// The host.
    pub(crate) host: Host,
    /// The model behind it.
    pub(crate) model: Shared<Model>,
}

impl Device {
    /// A device with a medium of 64 MiB in memory.
    pub(crate) fn new(host: HostOptions, adjust: impl FnOnce(&mut ModelOptions)) -> Self {
        let medium = Medium::in_memory(64 << 20, 4096).expect("memory");
        let mut options = ModelOptions::new(medium);
        adjust(&mut options);
        let model = Shared::new(Model::new(options).expect("a device"));
        let host = Host::new(host, Box::new(model.clone())).expect("a host");
        let functions = host.virtual_functions();
        host.enable_virtual_functions(functions)
            .expect("virtual functions");
        Self { host, model }
    }
}

/// A submission queue and its completion queue in host memory.
struct Ring {
    id: u16,
    submission: SimDma,
    completion: SimDma,
    entries: u32,
    tail: u32,
    head: u32,
    phase: bool,
}

impl Ring {
    fn new(transport: &mut SimTransport, id: u16, entries: u32) -> Self {
        let mut memory = |bytes| {
            transport
                .allocate_dma(bytes, DmaPurpose::Queue)
                .expect("memory")
        };
        Self {
            id,
            submission: memory(entries as usize * 64),
            completion: memory(entries as usize * 16),
            entries,
            tail: 0,
            head: 0,
            phase: true,
        }
    }

    fn push(&mut self, command: &SubmissionEntry) {
        self.submission
            .buffer()
            .write(self.tail as usize * 64, command.as_bytes());
        self.tail = (self.tail + 1) % self.entries;
    }

    fn ring_tail(&self, transport: &mut SimTransport) {
        transport
            .write_u32(doorbell::submission_tail_offset(self.id), self.tail)
            .expect("a doorbell");
    }

    fn take(&mut self) -> Option<CompletionEntry> {
        let mut bytes = [0; 16];
        self.completion
            .buffer()
            .read(self.head as usize * 16, &mut bytes);
        let entry = CompletionEntry::read_from_bytes(&bytes).expect("16 bytes");
        if entry.phase() != self.phase {
            return None;
        }
        self.head += 1;
        if self.head == self.entries {
            self.head = 0;
            self.phase = !self.phase;
        }
        Some(entry)
    }

    fn ring_head(&self, transport: &mut SimTransport) {
        transport
            .write_u32(doorbell::completion_head_offset(self.id), self.head)
            .expect("a doorbell");
    }
}

/// A function with one I/O queue pair that repeats one kind of command.
pub(crate) struct Client {
    transport: SimTransport,
    ring: Ring,
    kind: Kind,
    /// Bytes of a command.
    bytes: u32,
    /// The load's own data buffers, one for each command in flight (of a pair, two).
    data: Vec<SimDma>,
    /// PRP lists of commands above two pages.
    lists: Vec<SimDma>,
    in_flight: usize,
    pub(crate) depth: usize,
    next: u64,
    /// Commands (or pairs) that have ended.
    pub(crate) ended: u64,
    _admin: Ring,
}

impl Client {
    /// Brings a function up, with MSI-X on all vectors when `interrupts`.
    pub(crate) fn new(
        device: &Device,
        function: u8,
        kind: Kind,
        depth: usize,
        bytes: u32,
        interrupts: bool,
    ) -> Self {
        let mut transport = device
            .host
            .transport(FunctionId(function))
            .expect("a function");
        let mut admin = Ring::new(&mut transport, 0, 16);
        let attributes = AdminQueueAttributes::new()
            .with_submission_entries(15)
            .with_completion_entries(15);
        transport
            .write_u32(register::AQA, attributes.into())
            .expect("AQA");
        transport
            .write_u64(register::ASQ, admin.submission.bus_address())
            .expect("ASQ");
        transport
            .write_u64(register::ACQ, admin.completion.bus_address())
            .expect("ACQ");
        let configuration = Configuration::new()
            .with_enable(true)
            .with_submission_entry_size(6)
            .with_completion_entry_size(4);
        transport
            .write_u32(register::CC, configuration.into())
            .expect("CC");
        while transport.read_u32(register::CSTS).expect("CSTS") & 1 == 0 {}
        if interrupts {
            (0..2).for_each(|vector| transport.enable_interrupt(vector).expect("a vector"));
        }
        let ring = Ring::new(&mut transport, 1, 256);
        let vector = interrupts.then_some(1);
        let create = [
            SubmissionEntry::create_completion_queue(1, 256, ring.completion.bus_address(), vector),
            SubmissionEntry::create_submission_queue(1, 256, ring.submission.bus_address(), 1),
        ];
        for command in create {
            admin.push(&command);
            admin.ring_tail(&mut transport);
            let entry = loop {
                if let Some(entry) = admin.take() {
                    break entry;
                }
                assert!(device.host.step(), "no answer");
            };
            assert_eq!(entry.status(), Status::SUCCESS);
            admin.ring_head(&mut transport);
        }
        let pages = (bytes as usize).div_ceil(4096) * 4096;
        let buffers = depth * 2;
        let mut memory = |bytes| {
            transport
                .allocate_dma(bytes, DmaPurpose::Data)
                .expect("memory")
        };
        let data: Vec<SimDma> = (0..buffers).map(|_| memory(pages)).collect();
        let lists: Vec<SimDma> = (0..buffers).map(|_| memory(4096)).collect();
        for (list, data) in lists.iter().zip(&data) {
            let entries: Vec<u64> = (1..pages as u64 / 4096)
                .map(|page| data.bus_address() + page * 4096)
                .collect();
            list.buffer().write(0, entries.as_bytes());
        }
        if kind == Kind::FailingPair {
            for buffer in data.iter().step_by(2) {
                buffer.buffer().write(bytes as usize - 1, &[1]);
            }
        }
        Self {
            transport,
            ring,
            kind,
            bytes,
            data,
            lists,
            in_flight: 0,
            depth,
            next: 0,
            ended: 0,
            _admin: admin,
        }
    }

    fn with_buffer(&self, command: SubmissionEntry, index: usize) -> SubmissionEntry {
        let address = self.data[index].bus_address();
        let second = match self.bytes.div_ceil(4096) {
            1 => 0,
            2 => address + 4096,
            _ => self.lists[index].bus_address(),
        };
        command.with_prps(address, second)
    }

    /// Posts commands up to the depth and rings once, if there are any.
    pub(crate) fn fill(&mut self) {
        if self.in_flight >= self.depth {
            return;
        }
        let blocks = self.bytes / 4096;
        while self.in_flight < self.depth {
            let slot = (self.next % self.depth as u64) as usize;
            let lba = self.next * u64::from(blocks) % (16_384 - u64::from(blocks));
            self.next += 1;
            self.in_flight += 1;
            match self.kind {
                Kind::Read => {
                    let command = self.with_buffer(SubmissionEntry::read(lba, blocks), 2 * slot);
                    self.ring.push(&command);
                }
                Kind::Write => {
                    let command = self.with_buffer(SubmissionEntry::write(lba, blocks), 2 * slot);
                    self.ring.push(&command);
                }
                Kind::Pair | Kind::FailingPair => {
                    let compare = SubmissionEntry::compare(lba, blocks).with_fuse(Fuse::First);
                    let write = SubmissionEntry::write(lba, blocks).with_fuse(Fuse::Second);
                    let compare = self.with_buffer(compare, 2 * slot);
                    self.ring.push(&compare);
                    let write = self.with_buffer(write, 2 * slot + 1);
                    self.ring.push(&write);
                }
            }
        }
        self.ring.ring_tail(&mut self.transport);
    }

    /// Takes what has arrived, and tells the controller.
    pub(crate) fn collect(&mut self) -> usize {
        let mut taken = 0;
        while let Some(entry) = self.ring.take() {
            let expected = match self.kind {
                Kind::FailingPair if self.ring.head % 2 == 1 => Status::COMPARE_FAILURE,
                Kind::FailingPair => Status::ABORTED_FAILED_FUSED,
                _ => Status::SUCCESS,
            };
            assert_eq!(entry.status(), expected);
            let halves = u64::from(matches!(self.kind, Kind::Pair | Kind::FailingPair));
            // A pair counts when its second half has ended.
            if halves == 0 || self.ring.head.is_multiple_of(2) {
                self.in_flight -= 1;
                self.ended += 1;
                taken += 1;
            }
        }
        if taken > 0 {
            self.ring.ring_head(&mut self.transport);
        }
        taken
    }

    /// Waits for the device.
    pub(crate) fn wait(&mut self) {
        self.transport.wait(u64::MAX).expect("the device works");
    }
}

/// Cycles a command takes at the port in the steady state: from the 200th completion to the last.
pub(crate) fn cycles_per_command(device: &Device, clients: &mut [Client], commands: u64) -> f64 {
    device.model.borrow().set_trace(TraceOptions {
        commands: true,
        locks: false,
    });
    run(clients, commands);
    let trace = completions(device, clients[0].kind);
    let (first, last) = (trace[200], trace[trace.len() - 1]);
    (last.completion_at - first.completion_at) as f64 / (trace.len() - 201) as f64
}

/// Keeps clients at their depth until so many commands have ended.
pub(crate) fn run(clients: &mut [Client], commands: u64) {
    clients.iter_mut().for_each(Client::fill);
    while clients.iter().map(|client| client.ended).sum::<u64>() < commands {
        clients[0].wait();
        for client in clients.iter_mut() {
            if client.collect() > 0 {
                client.fill();
            }
        }
    }
}

/// The trace of I/O commands; of pairs, that of the second half.
pub(crate) fn completions(device: &Device, kind: Kind) -> Vec<CommandTrace> {
    let trace = device.model.borrow().take_command_trace();
    let pairs = matches!(kind, Kind::Pair | Kind::FailingPair);
    let io = trace.into_iter().filter(|command| command.queue_id != 0);
    if pairs {
        io.skip(1).step_by(2).collect()
    } else {
        io.collect()
    }
}

/// Latencies of commands one at a time, doorbell at the port to CQE at the port.
pub(crate) fn latencies(device: &Device, client: &mut Client, commands: u64) -> Vec<u64> {
    device.model.borrow().set_trace(TraceOptions {
        commands: true,
        locks: false,
    });
    client.depth = 1;
    run(std::slice::from_mut(client), commands);
    let trace = completions(device, client.kind);
    trace
        .iter()
        .map(|command| command.completion_at - command.doorbell_at)
        .collect()
}
