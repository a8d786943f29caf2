//! One function and its host's memory, written without asking whether anybody listens.

use nvme_conformance::Rig;
use nvme_conformance::rig::{Buffer, enabled_configuration};
use nvme_spec::{SubmissionEntry, doorbell, register};
use pcie_host::Host;
use pcie_host::endpoint::FunctionId;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use zerocopy::IntoBytes;

/// Bytes of host memory for each ring, whatever its size.
pub(crate) const RING_BYTES: usize = 64 << 10;
/// Pages of a PRP list that chain in a circle.
const LIST_PAGES: u64 = 4;

/// One function's memory, and where its host stands. It stays mapped, so no DMA of the function is
/// ever outside it.
pub(crate) struct Side {
    pub(crate) function: FunctionId,
    pub(crate) submission: Buffer,
    pub(crate) completion: Buffer,
    pub(crate) data: Buffer,
    pub(crate) list: Buffer,
    pub(crate) tails: Vec<u32>,
    pub(crate) entries: Vec<u32>,
}

impl Side {
    pub(crate) fn new(rig: &Rig, function: FunctionId, queues: u16) -> Self {
        let mut controller = rig.disabled_controller(function);
        let rings = RING_BYTES * (usize::from(queues) + 1);
        let (submission, completion) = (controller.ring(rings), controller.ring(rings));
        let data = controller.buffer(2 << 20);
        let list = controller.buffer(LIST_PAGES as usize * 4096);
        for index in 0..512 * LIST_PAGES {
            let entry = if index % 512 == 511 {
                list.address + (index / 512 + 1) % LIST_PAGES * 4096
            } else {
                data.address + index % 500 * 4096
            };
            list.write_u64s(index as usize * 8, &[entry]);
        }
        Self {
            function,
            submission,
            completion,
            data,
            list,
            tails: vec![0; usize::from(queues) + 1],
            entries: vec![16; usize::from(queues) + 1],
        }
    }

    /// A posted write, lost when the function is not there.
    pub(crate) fn write(&self, host: &Host, offset: u64, data: &[u8]) {
        let _ = host.bar_write(self.function, offset, data);
    }

    /// Enables the controller and asks for two queue pairs, in the time it takes when all goes well.
    pub(crate) fn bring_up(&mut self, rig: &Rig, entries: u32) {
        let host = &rig.host;
        if host.transport(self.function).is_err() {
            return;
        }
        self.write(host, register::CC, &[0; 4]);
        rig.run(4_000);
        let attributes = (entries - 1) | (entries - 1) << 16;
        self.write(host, register::AQA, &attributes.to_le_bytes());
        self.write(host, register::ASQ, &self.submission.address.to_le_bytes());
        self.write(host, register::ACQ, &self.completion.address.to_le_bytes());
        let enabled: u32 = enabled_configuration().into();
        self.write(host, register::CC, &enabled.to_le_bytes());
        rig.run(400);
        self.tails.fill(0);
        self.entries.fill(entries);
        for id in 1..self.tails.len().min(3) {
            let at = (RING_BYTES * id) as u64;
            let (completion, submission) =
                (self.completion.address + at, self.submission.address + at);
            let (id, vector) = (id as u16, Some(id as u16));
            self.push(
                0,
                &SubmissionEntry::create_completion_queue(id, entries, completion, vector),
            );
            self.push(
                0,
                &SubmissionEntry::create_submission_queue(id, entries, submission, id),
            );
        }
        self.ring(host, 0);
        rig.run(1_000);
    }

    pub(crate) fn push(&mut self, queue: usize, command: &SubmissionEntry) {
        let slot = queue * RING_BYTES + self.tails[queue] as usize * 64;
        self.submission.write(slot, command.as_bytes());
        self.tails[queue] = (self.tails[queue] + 1) % self.entries[queue];
    }

    pub(crate) fn ring(&self, host: &Host, queue: usize) {
        let tail = self.tails[queue].to_le_bytes();
        self.write(host, doorbell::submission_tail_offset(queue as u16), &tail);
    }

    /// Moves a completion queue's head somewhere, rightly or not.
    pub(crate) fn consume(&self, host: &Host, queue: usize, random: &mut Pcg64Mcg) {
        let head = random.random_range(0..=self.entries[queue]);
        let offset = doorbell::completion_head_offset(queue as u16);
        self.write(host, offset, &head.to_le_bytes());
    }
}
