//! Fair by bytes: what one function does takes nothing from another.

use nvme_spec::{Status, SubmissionEntry};
use pcie_host::HostOptions;
use pcie_host::endpoint::{Cycle, FunctionId};

use crate::rig::{Buffer, Controller, DeviceOptions, Factory, Rig};
use crate::scale;

/// What a function does all the time.
#[derive(Clone, Copy)]
struct Load {
    queues: u16,
    depth: usize,
    bytes: u32,
    write: bool,
}

impl Load {
    const SMALL_READS: Self = Self {
        queues: 1,
        depth: 32,
        bytes: 4096,
        write: false,
    };
    const SMALL_WRITES: Self = Self {
        write: true,
        ..Self::SMALL_READS
    };
}

/// A function that keeps its queues at their depth.
struct Client {
    controller: Controller,
    load: Load,
    /// Commands that this function repeats, block ranges of its own.
    commands: Vec<SubmissionEntry>,
    next: usize,
    bytes: u64,
    _buffer: Buffer,
}

impl Client {
    fn new(rig: &Rig, function: u8, load: Load) -> Self {
        let mut controller = rig.controller(FunctionId(function));
        for queue_id in 1..=load.queues {
            controller.create_queue_pair(queue_id, 2 * load.depth as u32);
        }
        let buffer = controller.buffer(load.bytes as usize);
        let blocks = load.bytes / rig.device.block_bytes;
        let own_blocks = rig.blocks() / 8;
        let commands = (0..own_blocks / u64::from(blocks))
            .map(|number| {
                let lba = u64::from(function) * own_blocks + number * u64::from(blocks);
                if load.write {
                    controller.write(lba, blocks, &buffer)
                } else {
                    controller.read(lba, blocks, &buffer)
                }
            })
            .collect();
        Self {
            controller,
            load,
            commands,
            next: 0,
            bytes: 0,
            _buffer: buffer,
        }
    }

    fn post(&mut self, queue_id: u16) {
        let command = self.commands[self.next];
        self.next = (self.next + 1) % self.commands.len();
        self.controller.submit(queue_id, &[command]);
    }

    fn start(&mut self) {
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
            self.bytes += u64::from(self.load.bytes);
            self.post(entry.submission_queue_id);
        }
    }
}

/// Bytes of each client in `cycles`, after a warm-up.
fn measure(rig: &Rig, clients: &mut [Client], cycles: Cycle) -> Vec<u64> {
    clients.iter_mut().for_each(Client::start);
    run(rig, clients, cycles / 5);
    let begin: Vec<u64> = clients.iter().map(|client| client.bytes).collect();
    run(rig, clients, cycles);
    clients
        .iter()
        .zip(begin)
        .map(|(client, begin)| client.bytes - begin)
        .collect()
}

fn run(rig: &Rig, clients: &mut [Client], cycles: Cycle) {
    let end = rig.host.now() + cycles;
    while rig.host.now() < end {
        assert!(rig.host.step(), "nothing left to happen under full load");
        clients.iter_mut().for_each(Client::turn);
    }
}

fn seven_functions(factory: Factory) -> Rig {
    let device = DeviceOptions {
        virtual_functions: 6,
        medium_bytes: 64 << 20,
        ..DeviceOptions::default()
    };
    Rig::build(factory, device, HostOptions::default())
}

fn window() -> Cycle {
    scale(400_000, 4_000_000)
}

/// Where one command of 128 KiB must not be a few per cent of all that is measured.
fn long_window() -> Cycle {
    scale(2_500_000, 10_000_000)
}

fn assert_within(bytes: &[u64], share: f64, what: &str) {
    let mean = bytes.iter().sum::<u64>() as f64 / bytes.len() as f64;
    for &own in bytes {
        let deviation = own as f64 / mean - 1.0;
        assert!(
            deviation.abs() <= share,
            "{what}: {bytes:?} bytes, {deviation:+.3} from the mean"
        );
    }
}

/// Seven equal functions get equal shares.
pub fn equal_loads(device: Factory) {
    for load in [Load::SMALL_READS, Load::SMALL_WRITES] {
        let rig = seven_functions(device);
        let mut clients: Vec<Client> = (0..7).map(|f| Client::new(&rig, f, load)).collect();
        let bytes = measure(&rig, &mut clients, window());
        assert_within(&bytes, 0.05, "equal loads");
    }
}

/// Four queues of one function gain nothing over one queue of another.
pub fn one_queue_against_four(device: Factory) {
    for load in [Load::SMALL_READS, Load::SMALL_WRITES] {
        let rig = Rig::new(device);
        let mut clients = vec![
            Client::new(&rig, 0, load),
            Client::new(&rig, 1, Load { queues: 4, ..load }),
        ];
        let bytes = measure(&rig, &mut clients, window());
        assert_within(&bytes, 0.05, "1 queue against 4");
    }
}

/// 128 KiB commands gain nothing over 4 KiB commands.
pub fn small_commands_against_large(device: Factory) {
    for write in [false, true] {
        let rig = Rig::new(device);
        let small = Load {
            write,
            ..Load::SMALL_READS
        };
        let large = Load {
            bytes: 128 << 10,
            depth: 8,
            ..small
        };
        let mut clients = vec![Client::new(&rig, 0, small), Client::new(&rig, 1, large)];
        let bytes = measure(&rig, &mut clients, long_window());
        assert_within(&bytes, 0.05, if write { "Writes" } else { "Reads" });
    }
}

/// One function with four queues of 128 KiB against six with one queue of 4 KiB each.
pub fn one_greedy_function(device: Factory) {
    for write in [false, true] {
        let rig = seven_functions(device);
        let small = Load {
            write,
            ..Load::SMALL_READS
        };
        let greedy = Load {
            bytes: 128 << 10,
            queues: 4,
            depth: 8,
            ..small
        };
        let mut clients: Vec<Client> = (0..7)
            .map(|f| Client::new(&rig, f, if f == 3 { greedy } else { small }))
            .collect();
        let bytes = measure(&rig, &mut clients, long_window());
        assert_within(&bytes, 0.05, if write { "Writes" } else { "Reads" });
    }
}

/// A host that never moves its completion queue head stops itself only: the six others lose at most
/// 3 % of what they have without it.
pub fn stuck_completion_queue(device: Factory) {
    for load in [Load::SMALL_READS, Load::SMALL_WRITES] {
        let six =
            |rig: &Rig| -> Vec<Client> { (0..6).map(|f| Client::new(rig, f, load)).collect() };
        let rig = seven_functions(device);
        let alone: u64 = measure(&rig, &mut six(&rig), window()).iter().sum();

        let rig = seven_functions(device);
        let mut stuck = Client::new(
            &rig,
            6,
            Load {
                queues: 4,
                depth: 16,
                ..load
            },
        );
        for queue_id in 1..=4 {
            stuck.controller.delete_queue_pair(queue_id);
            stuck.controller.create_completion_queue(queue_id, 4, None);
            stuck
                .controller
                .create_submission_queue(queue_id, 64, queue_id);
            stuck
                .controller
                .completion
                .get_mut(&queue_id)
                .expect("just made")
                .stuck = true;
        }
        stuck.start();
        rig.run(50_000);
        let mut clients = six(&rig);
        let beside: u64 = measure(&rig, &mut clients, window()).iter().sum();
        assert!(
            beside as f64 >= 0.97 * alone as f64,
            "the six have {beside} bytes beside a stuck function, {alone} without it"
        );
        // It stopped when its completion queues were full, and goes on when the host takes entries.
        assert_eq!(stuck.controller.poll(), 4 * 3);
        rig.run(50_000);
        assert_eq!(stuck.controller.poll(), 0);
        for queue in stuck.controller.completion.values_mut() {
            queue.stuck = false;
        }
        for queue_id in 1..=4 {
            let head = stuck.controller.completion[&queue_id].head;
            let offset = nvme_spec::doorbell::completion_head_offset(queue_id);
            stuck.controller.write32(offset, head);
        }
        let deadline = rig.host.now() + 2_000_000;
        while stuck.controller.outstanding() > 0 {
            stuck.controller.poll();
            assert!(
                rig.host.step() && rig.host.now() < deadline,
                "it does not go on"
            );
        }
    }
}
