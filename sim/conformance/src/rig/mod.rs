//! The tests' own raw host: entries built by hand, doorbells rung one by one, completions read
//! where they stand in host memory. Not the driver: what a driver would never send must be sendable.

mod buffer;
mod commands;
mod controller;
mod interrupt;
mod io;
mod queue;

pub use buffer::{Buffer, pattern};
pub use controller::{Controller, enabled_configuration};
pub use interrupt::{MessageTable, set_bus_master, set_msix};
pub use queue::{CompletionQueue, SubmissionQueue};

use std::ops::Range;

use pcie_host::endpoint::{Cycle, Endpoint, FunctionId};
use pcie_host::{DmaFault, Fault, Host, HostOptions, LinkEvent, ReadFault, ReadSelect};

/// Builds the device under test.
pub type Factory = fn(&DeviceOptions) -> Box<dyn Endpoint>;

/// What a test asks of the device; everything else the rig reads from CAP and Identify.
#[derive(Clone, Debug)]
pub struct DeviceOptions {
    /// Virtual functions beside the PF.
    pub virtual_functions: u8,
    /// I/O queue pairs of each function.
    pub queues_per_function: u16,
    /// Bytes of a logical block.
    pub block_bytes: u32,
    /// Bytes of the namespace.
    pub medium_bytes: u64,
}

impl Default for DeviceOptions {
    fn default() -> Self {
        Self {
            virtual_functions: 2,
            queues_per_function: 4,
            block_bytes: 4096,
            medium_bytes: 16 << 20,
        }
    }
}

/// How long a test waits for anything at all, in cycles: 80 ms of simulated time.
pub const PATIENCE_CYCLES: Cycle = 10_000_000;

/// A host with the device under test behind its link. When it is dropped it checks that the device
/// broke no rule of the link and made no DMA that the test did not account for.
pub struct Rig {
    /// The simulated host.
    pub host: Host,
    /// What the device was built with.
    pub device: DeviceOptions,
}

impl Rig {
    /// The usual device at the usual link.
    pub fn new(factory: Factory) -> Self {
        Self::build(factory, DeviceOptions::default(), HostOptions::default())
    }

    /// The usual device at a link whose host has completion space for one read of 512 bytes.
    pub fn narrow(factory: Factory) -> Self {
        let host = HostOptions {
            completion_space_bytes: 512,
            ..HostOptions::default()
        };
        Self::build(factory, DeviceOptions::default(), host)
    }

    /// A device and a link of the test's choice.
    pub fn build(factory: Factory, device: DeviceOptions, options: HostOptions) -> Self {
        let host = Host::new(options, factory(&device)).expect("the host takes the device");
        host.enable_virtual_functions(device.virtual_functions)
            .expect("the device has the virtual functions it was built with");
        Self { host, device }
    }

    /// A function whose controller is enabled, with an admin queue pair of 32 entries.
    pub fn controller(&self, function: FunctionId) -> Controller {
        let mut controller = self.disabled_controller(function);
        controller.enable(32, 32);
        controller
    }

    /// A function with an enabled controller and one I/O queue pair, number 1, of 64 entries.
    pub fn io_controller(&self, function: FunctionId) -> Controller {
        let mut controller = self.controller(function);
        controller.create_queue_pair(1, 64);
        controller
    }

    /// A function as it is after a reset: memory space and bus-master on, controller off.
    pub fn disabled_controller(&self, function: FunctionId) -> Controller {
        Controller::new(&self.host, function, &self.device)
    }

    /// The medium's bytes of a range of blocks.
    pub fn medium(&self, lba: u64, blocks: u32) -> Vec<u8> {
        let block_bytes = u64::from(self.device.block_bytes);
        let mut bytes = vec![0; (block_bytes * u64::from(blocks)) as usize];
        self.host.peek_medium(lba * block_bytes, &mut bytes);
        bytes
    }

    /// Blocks of the namespace.
    pub fn blocks(&self) -> u64 {
        self.device.medium_bytes / u64::from(self.device.block_bytes)
    }

    /// Lets `cycles` pass.
    pub fn run(&self, cycles: Cycle) {
        self.host.run_until(self.host.now() + cycles);
    }

    /// Adds a fault to what is to go wrong.
    pub fn inject(&self, fault: Fault) {
        self.host.inject(fault);
    }

    /// The function's next read of any of these addresses goes wrong.
    pub fn spoil_read(&self, function: FunctionId, addresses: Range<u64>, fault: ReadFault) {
        self.inject(Fault::Read {
            function,
            select: ReadSelect::Address {
                start: addresses.start,
                end: addresses.end,
            },
            fault,
        });
    }

    /// The link will be down in these cycles, counted from now.
    pub fn lose_link(&self, cycles: Range<Cycle>) {
        let now = self.host.now();
        for (cycle, event) in [(cycles.start, LinkEvent::Down), (cycles.end, LinkEvent::Up)] {
            self.inject(Fault::At {
                cycle: now + cycle,
                event,
            });
        }
    }

    /// The DMA faults so far; those left at the end fail the test.
    pub fn take_dma_faults(&self) -> Vec<DmaFault> {
        self.host.take_dma_faults()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let faults = self.host.take_dma_faults();
            assert!(
                faults.is_empty(),
                "{} DMAs outside what the test mapped, the first of them {:x?}",
                faults.len(),
                &faults[..faults.len().min(4)]
            );
            let violations = self.host.take_violations();
            assert!(
                violations.is_empty(),
                "rules of the link broken: {violations:?}"
            );
        }
    }
}
