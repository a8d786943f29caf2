//! Rings in host memory.

use nvme_spec::{COMPLETION_ENTRY_BYTES, CompletionEntry, SUBMISSION_ENTRY_BYTES, SubmissionEntry};
use zerocopy::{FromBytes, IntoBytes};

use super::Buffer;

/// A submission queue as the host sees it.
pub struct SubmissionQueue {
    /// The ring.
    pub memory: Buffer,
    /// Slots.
    pub entries: u32,
    /// Where the next entry goes.
    pub tail: u32,
    /// What the controller has told of its head.
    pub head: u32,
    /// Completion queue of its completions.
    pub completion_queue_id: u16,
}

impl SubmissionQueue {
    /// Free slots, as far as the controller has told.
    pub fn free(&self) -> u32 {
        (self.head + self.entries - self.tail - 1) % self.entries
    }

    /// Stores an entry in the next slot; the doorbell is another call.
    pub fn push(&mut self, command: &SubmissionEntry) {
        assert!(
            self.free() > 0,
            "the test overfills a submission queue of {}",
            self.entries
        );
        self.store(self.tail, command);
        self.tail = (self.tail + 1) % self.entries;
    }

    /// Stores an entry in any slot.
    pub fn store(&self, slot: u32, command: &SubmissionEntry) {
        self.memory
            .write(slot as usize * SUBMISSION_ENTRY_BYTES, command.as_bytes());
    }
}

/// A completion queue as the host sees it.
pub struct CompletionQueue {
    /// The ring.
    pub memory: Buffer,
    /// Slots.
    pub entries: u32,
    /// Next slot to look at.
    pub head: u32,
    /// Phase tag of a new entry in that slot.
    pub phase: bool,
    /// While set, the head doorbell is not rung: a host that never moves its head.
    pub stuck: bool,
}

impl CompletionQueue {
    /// The entry in a slot, whether it is new or not.
    pub fn slot(&self, slot: u32) -> CompletionEntry {
        let bytes = self.memory.read(
            slot as usize * COMPLETION_ENTRY_BYTES,
            COMPLETION_ENTRY_BYTES,
        );
        CompletionEntry::read_from_bytes(&bytes).expect("16 bytes are an entry")
    }

    /// Takes the next new entry.
    pub fn take(&mut self) -> Option<CompletionEntry> {
        let entry = self.slot(self.head);
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
}
