//! What passes the port, read as NVMe: when each command was handed over and when it was completed.
//!
//! The Verilog tells nothing of itself; a logic analyzer at its pins would see as much. Rings are
//! learnt from the admin queue's registers and from the Create commands that succeed.

use std::collections::BTreeMap;

use nvme_model::CommandTrace;
use nvme_spec::doorbell::{self, Doorbell};
use nvme_spec::register::{self, AdminQueueAttributes, Configuration};
use nvme_spec::{
    COMPLETION_ENTRY_BYTES, CompletionEntry, SUBMISSION_ENTRY_BYTES, SubmissionEntry, opcode::admin,
};
use pcie_host::endpoint::{Cycle, FunctionId};
use zerocopy::FromBytes;

/// A submission ring, as far as the endpoint has read it.
#[derive(Debug)]
struct Submission {
    base: u64,
    /// A copy of the ring: what the endpoint has read last of each slot.
    ring: Vec<u8>,
    tail: u32,
    /// Of each slot: when the doorbell came that handed it over.
    doorbell_at: Vec<Cycle>,
    /// Commands read and not completed, by identifier. The host may use their slots again.
    pending: BTreeMap<u16, (Cycle, SubmissionEntry)>,
}

impl Submission {
    fn new(base: u64, entries: u32, now: Cycle) -> Self {
        Self {
            base,
            ring: vec![0; entries as usize * SUBMISSION_ENTRY_BYTES],
            tail: 0,
            doorbell_at: vec![now; entries as usize],
            pending: BTreeMap::new(),
        }
    }

    fn ring_doorbell(&mut self, at: Cycle, tail: u32) {
        let entries = self.doorbell_at.len() as u32;
        if tail >= entries {
            return;
        }
        while self.tail != tail {
            self.doorbell_at[self.tail as usize] = at;
            self.tail = (self.tail + 1) % entries;
        }
    }

    /// Data that the endpoint has read from host memory, if they are of this ring.
    fn take(&mut self, address: u64, data: &[u8]) {
        let Some(start) = address.checked_sub(self.base).map(|start| start as usize) else {
            return;
        };
        let end = start.saturating_add(data.len());
        if end > self.ring.len() {
            return;
        }
        self.ring[start..end].copy_from_slice(data);
        // Entries whose last byte is there now.
        for slot in start / SUBMISSION_ENTRY_BYTES..end / SUBMISSION_ENTRY_BYTES {
            let bytes = &self.ring[slot * SUBMISSION_ENTRY_BYTES..][..SUBMISSION_ENTRY_BYTES];
            if let Ok(entry) = SubmissionEntry::read_from_bytes(bytes) {
                let command = (self.doorbell_at[slot], entry);
                self.pending.insert(entry.command_id(), command);
            }
        }
    }
}

/// A completion ring: where it is.
#[derive(Clone, Copy, Debug)]
struct Completion {
    base: u64,
    bytes: u64,
}

/// A function's queues.
#[derive(Debug, Default)]
struct Function {
    attributes: AdminQueueAttributes,
    submission_base: u64,
    completion_base: u64,
    submissions: BTreeMap<u16, Submission>,
    completions: BTreeMap<u16, Completion>,
}

impl Function {
    fn reset(&mut self) {
        self.submissions.clear();
        self.completions.clear();
    }

    fn set_register(&mut self, at: Cycle, offset: u64, value: u32) {
        let low =
            |register: &mut u64| *register = *register & !0xffff_ffff | u64::from(value & !0xfff);
        let high =
            |register: &mut u64| *register = *register & 0xffff_ffff | u64::from(value) << 32;
        match offset {
            register::AQA => self.attributes = AdminQueueAttributes::from_bits(value),
            register::ASQ => low(&mut self.submission_base),
            0x2c => high(&mut self.submission_base),
            register::ACQ => low(&mut self.completion_base),
            0x34 => high(&mut self.completion_base),
            register::CC if !Configuration::from_bits(value).enable() => self.reset(),
            register::CC if self.submissions.is_empty() => {
                let entries = u32::from(self.attributes.submission_entries()) + 1;
                let queue = Submission::new(self.submission_base, entries, at);
                self.submissions.insert(0, queue);
                let entries = u32::from(self.attributes.completion_entries()) + 1;
                self.add_completions(0, self.completion_base, entries);
            }
            _ => {}
        }
    }

    fn add_completions(&mut self, id: u16, base: u64, entries: u32) {
        let bytes = u64::from(entries) * COMPLETION_ENTRY_BYTES as u64;
        self.completions.insert(id, Completion { base, bytes });
    }

    /// An admin command has succeeded.
    fn carry_out(&mut self, at: Cycle, entry: &SubmissionEntry) {
        let id = entry.queue_id();
        match entry.opcode() {
            admin::CREATE_SUBMISSION_QUEUE => {
                let queue = Submission::new(entry.prp1, entry.queue_entries(), at);
                self.submissions.insert(id, queue);
            }
            admin::CREATE_COMPLETION_QUEUE => {
                self.add_completions(id, entry.prp1, entry.queue_entries());
            }
            admin::DELETE_SUBMISSION_QUEUE => drop(self.submissions.remove(&id)),
            admin::DELETE_COMPLETION_QUEUE => drop(self.completions.remove(&id)),
            _ => {}
        }
    }
}

/// The watcher.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    functions: Vec<Function>,
    /// Keep traces?
    pub(crate) keeps: bool,
    pub(crate) traces: Vec<CommandTrace>,
}

impl Watch {
    pub(crate) fn new(functions: usize) -> Self {
        Self {
            functions: std::iter::repeat_with(Function::default)
                .take(functions)
                .collect(),
            ..Self::default()
        }
    }

    /// Keeps traces from now on, or no longer; commands whose doorbell came before count from now.
    pub(crate) fn keep(&mut self, keep: bool, now: Cycle) {
        self.keeps = keep;
        let functions = self.functions.iter_mut();
        for queue in functions.flat_map(|function| function.submissions.values_mut()) {
            queue.doorbell_at.fill(now);
            for (doorbell_at, _) in queue.pending.values_mut() {
                *doorbell_at = now;
            }
        }
    }

    /// A write to BAR0.
    pub(crate) fn register_write(
        &mut self,
        at: Cycle,
        function: FunctionId,
        offset: u64,
        data: &[u8],
    ) {
        let Some(function) = self.functions.get_mut(function.index()) else {
            return;
        };
        for (dword, offset) in data.chunks_exact(4).zip((offset..).step_by(4)) {
            let value = u32::from_le_bytes([dword[0], dword[1], dword[2], dword[3]]);
            if let Some(Doorbell::SubmissionTail(id)) = doorbell::at_offset(offset) {
                if let Some(queue) = function.submissions.get_mut(&id) {
                    queue.ring_doorbell(at, value & 0xffff);
                }
            } else {
                function.set_register(at, offset, value);
            }
        }
    }

    /// Data of a read of the endpoint, free of error.
    pub(crate) fn read_data(&mut self, function: FunctionId, address: u64, data: &[u8]) {
        if let Some(function) = self.functions.get_mut(function.index()) {
            for queue in function.submissions.values_mut() {
                queue.take(address, data);
            }
        }
    }

    /// A write of the endpoint to host memory.
    pub(crate) fn memory_write(&mut self, at: Cycle, id: FunctionId, address: u64, data: &[u8]) {
        let Some(function) = self.functions.get_mut(id.index()) else {
            return;
        };
        let is_entry = |queue: &Completion| address.wrapping_sub(queue.base) < queue.bytes;
        if data.len() != COMPLETION_ENTRY_BYTES || !function.completions.values().any(is_entry) {
            return;
        }
        let Ok(completion) = CompletionEntry::read_from_bytes(data) else {
            return;
        };
        let queue_id = completion.submission_queue_id;
        let command_id = completion.command_id();
        let Some(queue) = function.submissions.get_mut(&queue_id) else {
            return;
        };
        let Some((doorbell_at, entry)) = queue.pending.remove(&command_id) else {
            return;
        };
        let status = completion.status();
        if queue_id == 0 && status.is_success() {
            function.carry_out(at, &entry);
        }
        if self.keeps {
            self.traces.push(CommandTrace {
                function: id,
                queue_id,
                command_id,
                status,
                doorbell_at,
                completion_at: at,
            });
        }
    }

    /// A function begins anew.
    pub(crate) fn reset(&mut self, function: usize) {
        if let Some(function) = self.functions.get_mut(function) {
            *function = Function::default();
        }
    }
}
