//! Functions that keep their queues full.
//!
//! Public beside the tests: benches print the figures that the tests hold to their limits.

use nvme_spec::{Status, SubmissionEntry};
use pcie_host::endpoint::{Cycle, FunctionId};
use pcie_host::{HostOptions, TraceEvent, TraceRecord};

use crate::rig::{Buffer, Controller, DeviceOptions, Factory, Rig};

/// What a command is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Reads.
    Read,
    /// Writes.
    Write,
    /// Fused Compare-and-Writes whose compare succeeds.
    Pair,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Pair];

    /// Bytes of the largest command: of a pair, the atomic unit.
    pub const fn largest_bytes(self) -> u32 {
        match self {
            Self::Read | Self::Write => 128 << 10,
            Self::Pair => 16 << 10,
        }
    }

    /// Submission and completion entries of a command.
    pub const fn entries(self) -> usize {
        match self {
            Self::Read | Self::Write => 1,
            Self::Pair => 2,
        }
    }
}

/// What a function does all the time.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// What a command is.
    pub kind: Kind,
    /// Queue pairs.
    pub queues: u16,
    /// Commands (or pairs) in flight in each.
    pub depth: usize,
    /// Bytes of a command.
    pub bytes: u32,
}

impl Load {
    /// One queue of 4 KiB commands, deep enough for the full rate.
    pub const fn small(kind: Kind) -> Self {
        Self {
            kind,
            queues: 1,
            depth: 32,
            bytes: 4096,
        }
    }

    /// One queue of the largest commands.
    pub const fn large(kind: Kind) -> Self {
        Self {
            kind,
            queues: 1,
            depth: 8,
            bytes: kind.largest_bytes(),
        }
    }

    /// The same on so many queues.
    pub const fn on_queues(self, queues: u16) -> Self {
        Self { queues, ..self }
    }
}

/// A function that keeps its queues at their depth.
pub struct Client {
    pub(super) controller: Controller,
    pub(super) load: Load,
    /// Entries of the commands that this function repeats, block ranges of its own.
    entries: Vec<SubmissionEntry>,
    next: usize,
    /// Completions so far, by queue.
    ended: Vec<u64>,
    buffer: Buffer,
}

impl Client {
    /// Brings the function up with its queues; nothing is sent yet.
    pub fn new(rig: &Rig, function: u8, load: Load) -> Self {
        let mut controller = rig.controller(FunctionId(function));
        let entries_a_queue = 2 * load.depth * load.kind.entries();
        for queue_id in 1..=load.queues {
            controller.create_queue_pair(queue_id, entries_a_queue as u32);
        }
        let buffer = controller.buffer(load.bytes as usize);
        let blocks = load.bytes / rig.device.block_bytes;
        let own_blocks = rig.blocks() / 8;
        let mut entries = Vec::new();
        for number in 0..own_blocks / u64::from(blocks) {
            let lba = u64::from(function) * own_blocks + number * u64::from(blocks);
            match load.kind {
                Kind::Read => entries.push(controller.read(lba, blocks, &buffer)),
                Kind::Write => entries.push(controller.write(lba, blocks, &buffer)),
                // All are zeros, before and after.
                Kind::Pair => entries.extend(controller.pair(lba, blocks, &buffer, &buffer)),
            }
        }
        Self {
            controller,
            load,
            entries,
            next: 0,
            ended: vec![0; usize::from(load.queues) + 1],
            buffer,
        }
    }

    /// One function for each load, from the PF on.
    pub fn all(rig: &Rig, loads: &[Load]) -> Vec<Self> {
        (0..)
            .zip(loads)
            .map(|(function, &load)| Self::new(rig, function, load))
            .collect()
    }

    fn post(&mut self, queue_id: u16) {
        let next = self.next + self.load.kind.entries();
        self.controller
            .submit(queue_id, &self.entries[self.next..next]);
        self.next = next % self.entries.len();
    }

    pub(super) fn start(&mut self) {
        for queue_id in 1..=self.load.queues {
            for _ in 0..self.load.depth {
                self.post(queue_id);
            }
        }
    }

    fn turn(&mut self) {
        if self.controller.poll() == 0 {
            return;
        }
        for entry in self.controller.take_arrived() {
            assert_eq!(entry.status(), Status::SUCCESS);
            let queue_id = entry.submission_queue_id;
            let ended = &mut self.ended[usize::from(queue_id)];
            *ended += 1;
            // The halves of a pair end one after the other.
            if ended.is_multiple_of(self.load.kind.entries() as u64) {
                self.post(queue_id);
            }
        }
    }

    /// Bytes of data that have passed the port; of a pair, those of one half.
    fn bytes(&self, passed: &[TraceRecord]) -> u64 {
        let buffer = self.buffer.address..self.buffer.address + self.buffer.len() as u64;
        let is_data = |record: &&TraceRecord| {
            matches!(
                record.event,
                TraceEvent::MemoryRead | TraceEvent::MemoryWrite
            ) && record.function == self.controller.function
                && buffer.contains(&record.address)
        };
        let bytes = passed.iter().filter(is_data);
        let bytes: u64 = bytes.map(|record| u64::from(record.length_bytes)).sum();
        bytes / self.load.kind.entries() as u64
    }
}

/// Bytes that each client moves in `cycles` under full load, after a warm-up. They are counted as they
/// pass the port: large commands side by side end in groups, so their completions would tell of a
/// share that nobody has.
pub fn measure(rig: &Rig, clients: &mut [Client], cycles: Cycle) -> Vec<u64> {
    clients.iter_mut().for_each(Client::start);
    run(rig, clients, cycles / 5);
    rig.host.take_trace();
    run(rig, clients, cycles);
    let passed = rig.host.take_trace();
    clients.iter().map(|client| client.bytes(&passed)).collect()
}

fn run(rig: &Rig, clients: &mut [Client], cycles: Cycle) {
    let end = rig.host.now() + cycles;
    while rig.host.now() < end {
        assert!(rig.host.step(), "nothing left to happen under full load");
        clients.iter_mut().for_each(Client::turn);
    }
}

/// A device with seven functions, at the usual link.
pub fn seven_functions(factory: Factory) -> Rig {
    let device = DeviceOptions {
        virtual_functions: 6,
        medium_bytes: 64 << 20,
        ..DeviceOptions::default()
    };
    let options = HostOptions {
        trace: true,
        ..HostOptions::default()
    };
    Rig::build(factory, device, options)
}
