//! One function's controller: registers, bring-up, queues, commands.

use std::collections::BTreeMap;

use nvme_driver::transport::{DmaPurpose, Transport};
use nvme_spec::register::{
    self, AdminQueueAttributes, Capabilities, Configuration, ControllerStatus,
};
use nvme_spec::{CompletionEntry, SubmissionEntry};
use pcie_host::endpoint::FunctionId;
use pcie_host::{Access, Host, SimTransport};

use super::{Buffer, CompletionQueue, DeviceOptions, PATIENCE_CYCLES, SubmissionQueue};

/// CC of an enabled controller: 4 KiB pages, 64-byte SQEs, 16-byte CQEs.
pub fn enabled_configuration() -> Configuration {
    Configuration::new()
        .with_enable(true)
        .with_submission_entry_size(6)
        .with_completion_entry_size(4)
}

/// An odd number whose multiples look like noise: the golden ratio's fraction of 2^64.
const SCATTER: u64 = 0x9e37_79b9_7f4a_7c15;

/// A function's controller and what its host keeps about it.
pub struct Controller {
    /// The host.
    pub host: Host,
    /// Which function.
    pub function: FunctionId,
    /// Bytes of a logical block.
    pub block_bytes: u32,
    /// Submission queues by identifier, the admin queue (0) included.
    pub submission: BTreeMap<u16, SubmissionQueue>,
    /// Completion queues by identifier, the admin queue (0) included.
    pub completion: BTreeMap<u16, CompletionQueue>,
    pub(super) transport: SimTransport,
    pub(crate) prp_lists: Vec<Buffer>,
    kept: Vec<Buffer>,
    next_buffer: u64,
    pub(super) next_command_id: u16,
    /// By queue and identifier: the opcode.
    pub(super) outstanding: BTreeMap<(u16, u16), u8>,
    pub(super) arrived: Vec<CompletionEntry>,
}

impl Controller {
    pub(super) fn new(host: &Host, function: FunctionId, device: &DeviceOptions) -> Self {
        Self {
            transport: host.transport(function).expect("the function exists"),
            host: host.clone(),
            function,
            block_bytes: device.block_bytes,
            submission: BTreeMap::new(),
            completion: BTreeMap::new(),
            prp_lists: Vec::new(),
            kept: Vec::new(),
            next_buffer: (u64::from(function.0) + 1) << 32,
            next_command_id: 0x100 + 0x1357 * u16::from(function.0),
            outstanding: BTreeMap::new(),
            arrived: Vec::new(),
        }
    }

    /// Reads a 32-bit register.
    pub fn read32(&mut self, offset: u64) -> u32 {
        self.transport
            .read_u32(offset)
            .expect("the function answers")
    }

    /// Reads a 64-bit register.
    pub fn read64(&mut self, offset: u64) -> u64 {
        self.transport
            .read_u64(offset)
            .expect("the function answers")
    }

    /// Writes a 32-bit register (posted).
    pub fn write32(&mut self, offset: u64, value: u32) {
        self.raw_write(offset, &value.to_le_bytes());
    }

    /// Writes a 64-bit register (posted).
    pub fn write64(&mut self, offset: u64, value: u64) {
        self.raw_write(offset, &value.to_le_bytes());
    }

    /// A posted write of any shape to BAR0.
    pub fn raw_write(&mut self, offset: u64, data: &[u8]) {
        self.host
            .bar_write(self.function, offset, data)
            .expect("a write inside the BAR");
    }

    /// CAP.
    pub fn capabilities(&mut self) -> Capabilities {
        Capabilities::from(self.read64(register::CAP))
    }

    /// CSTS.
    pub fn status(&mut self) -> ControllerStatus {
        ControllerStatus::from(self.read32(register::CSTS))
    }

    /// Most entries of an I/O queue.
    pub fn maximum_queue_entries(&mut self) -> u32 {
        u32::from(self.capabilities().maximum_queue_entries()) + 1
    }

    /// Host memory that this function can read and write; a guard page follows it.
    pub fn buffer(&mut self, bytes: usize) -> Buffer {
        self.map_new(bytes, DmaPurpose::Data)
    }

    /// Host memory for a ring.
    pub fn ring(&mut self, bytes: usize) -> Buffer {
        self.map_new(bytes, DmaPurpose::Queue)
    }

    /// Keeps a buffer mapped as long as the controller lives.
    pub fn keep(&mut self, buffer: Buffer) {
        self.kept.push(buffer);
    }

    fn map_new(&mut self, bytes: usize, purpose: DmaPurpose) -> Buffer {
        let memory = self.host.allocate(bytes).expect("host memory");
        // Anywhere in 64 bits, each function elsewhere: an address that loses a bit on its way, or goes to
        // another function, is found.
        let address = self.next_buffer.wrapping_mul(SCATTER) & !0xfff;
        self.next_buffer += 1;
        self.host
            .map(self.function, address, &memory, Access::ReadWrite, purpose)
            .expect("an unused bus address");
        Buffer {
            host: self.host.clone(),
            function: self.function,
            memory,
            address,
        }
    }

    /// Programs the admin queues and sets CC.EN; returns when CSTS.RDY is set. A controller that is
    /// enabled already is reset first.
    pub fn enable(&mut self, submission_entries: u32, completion_entries: u32) {
        if Configuration::from(self.read32(register::CC)).enable() {
            self.disable();
        }
        let (submission, completion) = self.admin_rings(submission_entries, completion_entries);
        let attributes = AdminQueueAttributes::new()
            .with_submission_entries((submission_entries - 1) as u16)
            .with_completion_entries((completion_entries - 1) as u16);
        self.write32(register::AQA, attributes.into());
        self.write64(register::ASQ, submission);
        self.write64(register::ACQ, completion);
        self.write32(register::CC, enabled_configuration().into());
        self.wait_ready(true);
    }

    /// New rings for the admin queues, not told to the controller; their bus addresses.
    pub fn admin_rings(&mut self, submission_entries: u32, completion_entries: u32) -> (u64, u64) {
        self.forget_queues();
        let submission = self.new_submission_ring(submission_entries, 0);
        let completion = self.new_completion_ring(completion_entries);
        let addresses = (submission.memory.address, completion.memory.address);
        self.submission.insert(0, submission);
        self.completion.insert(0, completion);
        addresses
    }

    /// Clears CC.EN; returns when CSTS.RDY is clear. The host's rings are gone after it.
    pub fn disable(&mut self) {
        self.write32(register::CC, Configuration::new().into());
        self.wait_ready(false);
        self.forget_queues();
    }

    /// Forgets rings and outstanding commands, as a host does after a reset.
    pub fn forget_queues(&mut self) {
        self.submission.clear();
        self.completion.clear();
        self.outstanding.clear();
        self.arrived.clear();
    }

    /// Waits for CSTS.RDY.
    pub fn wait_ready(&mut self, ready: bool) {
        let deadline = self.host.now() + PATIENCE_CYCLES;
        while self.status().ready() != ready {
            assert!(self.host.now() < deadline, "CSTS.RDY stays {}", !ready);
        }
    }

    /// A ring of zeros for a submission queue, not told to the controller.
    pub fn new_submission_ring(
        &mut self,
        entries: u32,
        completion_queue_id: u16,
    ) -> SubmissionQueue {
        let memory = self.ring(entries as usize * 64);
        Self::submission_ring_in(memory, entries, completion_queue_id)
    }

    /// A submission queue in memory that is there already, whatever it holds.
    pub fn submission_ring_in(
        memory: Buffer,
        entries: u32,
        completion_queue_id: u16,
    ) -> SubmissionQueue {
        SubmissionQueue {
            memory,
            entries,
            tail: 0,
            head: 0,
            completion_queue_id,
        }
    }

    /// A ring of zeros for a completion queue, not told to the controller.
    pub fn new_completion_ring(&mut self, entries: u32) -> CompletionQueue {
        let memory = self.ring(entries as usize * 16);
        Self::completion_ring_in(memory, entries)
    }

    /// A completion queue in memory that is there already: zeroed, as a host must.
    pub fn completion_ring_in(memory: Buffer, entries: u32) -> CompletionQueue {
        memory.write(0, &vec![0; memory.len()]);
        CompletionQueue {
            memory,
            entries,
            head: 0,
            phase: true,
            stuck: false,
        }
    }

    /// Creates a completion queue without interrupts.
    pub fn create_completion_queue(&mut self, queue_id: u16, entries: u32, vector: Option<u16>) {
        let queue = self.new_completion_ring(entries);
        let address = queue.memory.address;
        self.completion.insert(queue_id, queue);
        self.admin_ok(SubmissionEntry::create_completion_queue(
            queue_id, entries, address, vector,
        ));
    }

    /// Creates a submission queue.
    pub fn create_submission_queue(
        &mut self,
        queue_id: u16,
        entries: u32,
        completion_queue_id: u16,
    ) {
        let queue = self.new_submission_ring(entries, completion_queue_id);
        let address = queue.memory.address;
        self.submission.insert(queue_id, queue);
        self.admin_ok(SubmissionEntry::create_submission_queue(
            queue_id,
            entries,
            address,
            completion_queue_id,
        ));
    }

    /// Creates a queue pair of one number, without interrupts.
    pub fn create_queue_pair(&mut self, queue_id: u16, entries: u32) {
        self.create_completion_queue(queue_id, entries, None);
        self.create_submission_queue(queue_id, entries, queue_id);
    }

    /// Deletes a queue pair.
    pub fn delete_queue_pair(&mut self, queue_id: u16) {
        self.admin_ok(SubmissionEntry::delete_submission_queue(queue_id));
        self.forget_submission_queue(queue_id);
        self.admin_ok(SubmissionEntry::delete_completion_queue(queue_id));
        self.poll();
        self.completion.remove(&queue_id);
    }

    /// Forgets a deleted submission queue and what was outstanding on it.
    pub fn forget_submission_queue(&mut self, queue_id: u16) {
        self.poll();
        self.submission.remove(&queue_id);
        self.outstanding.retain(|&(queue, _), _| queue != queue_id);
    }
}
