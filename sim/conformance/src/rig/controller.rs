//! One function's controller: registers, bring-up, queues, commands.

use std::collections::BTreeMap;

use nvme_driver::transport::{DmaPurpose, Transport};
use nvme_spec::register::{
    self, AdminQueueAttributes, Capabilities, Configuration, ControllerStatus,
};
use nvme_spec::{CompletionEntry, Status, SubmissionEntry, doorbell};
use pcie_host::endpoint::{Cycle, FunctionId};
use pcie_host::{Access, Host, SimTransport};

use super::{Buffer, CompletionQueue, DeviceOptions, PATIENCE_CYCLES, SubmissionQueue};

/// CC of an enabled controller: 4 KiB pages, 64-byte SQEs, 16-byte CQEs.
pub fn enabled_configuration() -> Configuration {
    Configuration::new()
        .with_enable(true)
        .with_submission_entry_size(6)
        .with_completion_entry_size(4)
}

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
    next_address: u64,
    next_command_id: u16,
    /// By queue and identifier: the opcode.
    outstanding: BTreeMap<(u16, u16), u8>,
    arrived: Vec<CompletionEntry>,
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
            // Each function's own window, above 4 GiB so that the upper address halves count.
            next_address: (u64::from(function.0) + 1) << 40,
            next_command_id: 0x100,
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
        let address = self.next_address;
        self.next_address += memory.len() as u64 + 0x1000;
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

    /// Stores a command under a fresh identifier in a queue, without ringing; returns the identifier.
    pub fn post(&mut self, queue_id: u16, command: SubmissionEntry) -> u16 {
        let command_id = self.next_command_id;
        self.next_command_id = self.next_command_id.wrapping_add(1) & 0x7fff;
        self.post_as(queue_id, command, command_id);
        command_id
    }

    /// Stores a command under an identifier of the test's choice.
    pub fn post_as(&mut self, queue_id: u16, command: SubmissionEntry, command_id: u16) {
        self.outstanding
            .insert((queue_id, command_id), command.opcode());
        self.submission
            .get_mut(&queue_id)
            .expect("the test created the queue")
            .push(&command.with_command_id(command_id));
    }

    /// Rings a queue's tail doorbell with what was posted.
    pub fn ring_doorbell(&mut self, queue_id: u16) {
        let tail = self.submission[&queue_id].tail;
        self.write32(doorbell::submission_tail_offset(queue_id), tail);
    }

    /// Posts commands and rings once; their identifiers.
    pub fn submit(&mut self, queue_id: u16, commands: &[SubmissionEntry]) -> Vec<u16> {
        let ids = commands
            .iter()
            .map(|&command| self.post(queue_id, command))
            .collect();
        self.ring_doorbell(queue_id);
        ids
    }

    /// Collects what has arrived in all completion queues, and tells the controller.
    ///
    /// Each entry must belong to a command that is outstanding, exactly once, and name a slot of its
    /// submission queue.
    pub fn poll(&mut self) -> usize {
        let before = self.arrived.len();
        let mut doorbells = Vec::new();
        for (&queue_id, queue) in &mut self.completion {
            let mut moved = false;
            while let Some(entry) = queue.take() {
                moved = true;
                let id = (entry.submission_queue_id, entry.command_id());
                assert!(
                    self.outstanding.remove(&id).is_some(),
                    "{}: completion queue {queue_id} answers what nobody asked, or again: {entry:x?}",
                    self.function
                );
                let submission = self.submission.get_mut(&id.0).expect("outstanding on it");
                assert_eq!(
                    submission.completion_queue_id, queue_id,
                    "in the wrong queue"
                );
                assert!(
                    u32::from(entry.submission_head) < submission.entries,
                    "{entry:x?}"
                );
                submission.head = entry.submission_head.into();
                self.arrived.push(entry);
            }
            if moved && !queue.stuck {
                doorbells.push((queue_id, queue.head));
            }
        }
        for (queue_id, head) in doorbells {
            self.write32(doorbell::completion_head_offset(queue_id), head);
        }
        self.arrived.len() - before
    }

    /// What has arrived and nobody has claimed yet, in order of arrival; claims it.
    pub fn take_arrived(&mut self) -> Vec<CompletionEntry> {
        self.poll();
        std::mem::take(&mut self.arrived)
    }

    /// Commands without an answer.
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// The identifier given last.
    pub fn last_command_id(&self) -> u16 {
        self.next_command_id.wrapping_sub(1)
    }

    /// Commands without an answer, those of one opcode of the admin queue not counted.
    pub fn outstanding_but(&self, admin_opcode: u8) -> usize {
        let excepted =
            |(&(queue_id, _), &opcode): (&(u16, u16), &u8)| queue_id == 0 && opcode == admin_opcode;
        self.outstanding.len()
            - self
                .outstanding
                .iter()
                .filter(|&entry| excepted(entry))
                .count()
    }

    /// Claims the completion of a command, when it has arrived.
    pub fn take(&mut self, queue_id: u16, command_id: u16) -> Option<CompletionEntry> {
        self.poll();
        let found = self.arrived.iter().position(|entry| {
            (entry.submission_queue_id, entry.command_id()) == (queue_id, command_id)
        })?;
        Some(self.arrived.remove(found))
    }

    /// Waits for the completion of one command.
    pub fn wait(&mut self, queue_id: u16, command_id: u16) -> CompletionEntry {
        self.wait_for(PATIENCE_CYCLES, |controller| {
            controller.take(queue_id, command_id)
        })
        .unwrap_or_else(|| {
            panic!(
                "{}: command {command_id:#x} of queue {queue_id} has no answer at cycle {}",
                self.function,
                self.host.now()
            )
        })
    }

    /// Runs until `ready` has something to give, at most for `patience_cycles`.
    pub fn wait_for<R>(
        &mut self,
        patience_cycles: Cycle,
        mut ready: impl FnMut(&mut Self) -> Option<R>,
    ) -> Option<R> {
        let deadline = self.host.now() + patience_cycles;
        loop {
            if let Some(result) = ready(self) {
                return Some(result);
            }
            if self.host.now() >= deadline || !self.host.step() {
                return ready(self);
            }
        }
    }

    /// Sends commands with one doorbell and waits for all of them; entries in order of sending.
    pub fn complete(
        &mut self,
        queue_id: u16,
        commands: &[SubmissionEntry],
    ) -> Vec<CompletionEntry> {
        let ids = self.submit(queue_id, commands);
        ids.into_iter().map(|id| self.wait(queue_id, id)).collect()
    }

    /// Sends commands with one doorbell; their statuses in order of sending.
    pub fn statuses(&mut self, queue_id: u16, commands: &[SubmissionEntry]) -> Vec<Status> {
        self.complete(queue_id, commands)
            .iter()
            .map(CompletionEntry::status)
            .collect()
    }

    /// Sends one admin command and waits.
    pub fn admin(&mut self, command: SubmissionEntry) -> CompletionEntry {
        self.complete(0, &[command]).remove(0)
    }

    /// Sends one admin command that must succeed; dword 0 of its completion.
    pub fn admin_ok(&mut self, command: SubmissionEntry) -> u32 {
        let entry = self.admin(command);
        assert_eq!(entry.status(), Status::SUCCESS, "{command:x?}");
        entry.dword0
    }

    /// Sends one command to I/O queue 1 and waits for its status.
    pub fn io(&mut self, command: SubmissionEntry) -> Status {
        self.complete(1, &[command])[0].status()
    }
}
