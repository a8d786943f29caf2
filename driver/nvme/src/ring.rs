//! Submission and completion rings in DMA memory (NVMe 1.1 §4.1).

use nvme_spec::{COMPLETION_ENTRY_BYTES, CompletionEntry, SUBMISSION_ENTRY_BYTES, SubmissionEntry};

use crate::memory::DmaRegion;
use crate::transport::{DmaMemory, DmaPurpose, Transport, TransportError};

/// The host's end of a submission queue. The slots of a queue pair's command table bound the
/// entries in use, so the ring itself never has to ask whether it is full.
pub(crate) struct SubmissionRing<D> {
    memory: DmaRegion<D>,
    entries: u32,
    /// Next slot to fill.
    tail: u32,
    /// Tail as the controller knows it.
    rung: u32,
    /// Head as the controller last reported it.
    head: u32,
    doorbell: u64,
}

impl<D: DmaMemory> SubmissionRing<D> {
    pub(crate) fn allocate<T: Transport<Dma = D>>(
        transport: &mut T,
        entries: u32,
        doorbell: u64,
    ) -> Result<Self, TransportError> {
        let bytes = entries as usize * SUBMISSION_ENTRY_BYTES;
        Ok(Self {
            memory: DmaRegion::new(transport.allocate_dma(bytes, DmaPurpose::Queue)?),
            entries,
            tail: 0,
            rung: 0,
            head: 0,
            doorbell,
        })
    }

    /// Posts an entry without telling the controller.
    #[inline]
    pub(crate) fn post(&mut self, entry: SubmissionEntry) {
        self.memory.write_submission_entry(self.tail, entry);
        self.tail = next(self.tail, self.entries);
    }

    /// Tells the controller about everything posted since the last call.
    #[inline]
    pub(crate) fn ring<T: Transport<Dma = D>>(
        &mut self,
        transport: &mut T,
    ) -> Result<(), TransportError> {
        if self.rung == self.tail {
            return Ok(());
        }
        self.rung = self.tail;
        transport.write_u32(self.doorbell, self.tail)
    }

    /// Takes the head pointer out of a completion; false when it lies outside what was submitted.
    #[inline]
    pub(crate) const fn accept_head(&mut self, head: u16) -> bool {
        let head = head as u32;
        if head >= self.entries
            || distance(self.head, head, self.entries)
                > distance(self.head, self.rung, self.entries)
        {
            return false;
        }
        self.head = head;
        true
    }

    pub(crate) fn bus_address(&self) -> u64 {
        self.memory.bus_address()
    }

    pub(crate) const fn entries(&self) -> u32 {
        self.entries
    }

    /// As after allocation. The controller must have been reset.
    pub(crate) fn clear(&mut self) {
        self.memory.clear();
        (self.tail, self.rung, self.head) = (0, 0, 0);
    }
}

/// The host's end of a completion queue.
pub(crate) struct CompletionRing<D> {
    memory: DmaRegion<D>,
    entries: u32,
    head: u32,
    phase: bool,
    /// Entries taken since the controller was last told.
    unreported: u32,
    /// How many entries may stay unreported: what the ring has more than commands can be in flight.
    slack: u32,
    doorbell: u64,
}

impl<D: DmaMemory> CompletionRing<D> {
    /// A ring for at most `in_flight` commands.
    pub(crate) fn allocate<T: Transport<Dma = D>>(
        transport: &mut T,
        entries: u32,
        in_flight: u32,
        doorbell: u64,
    ) -> Result<Self, TransportError> {
        let bytes = entries as usize * COMPLETION_ENTRY_BYTES;
        Ok(Self {
            memory: DmaRegion::new(transport.allocate_dma(bytes, DmaPurpose::Queue)?),
            entries,
            head: 0,
            phase: true,
            unreported: 0,
            // A ring of n entries holds n - 1 (§4.1.1).
            slack: entries.saturating_sub(1 + in_flight),
            doorbell,
        })
    }

    /// Takes the next completion, if the controller has posted one.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<CompletionEntry> {
        let entry = self.memory.read_completion_entry(self.head, self.phase)?;
        self.head = next(self.head, self.entries);
        self.phase ^= self.head == 0;
        self.unreported += 1;
        Some(entry)
    }

    /// Gives the slots taken back to the controller once it could run out of them.
    #[inline]
    pub(crate) fn report<T: Transport<Dma = D>>(
        &mut self,
        transport: &mut T,
    ) -> Result<(), TransportError> {
        if self.unreported <= self.slack {
            return Ok(());
        }
        self.unreported = 0;
        transport.write_u32(self.doorbell, self.head)
    }

    /// The slot of an entry that carries the phase the controller writes now, although the one
    /// before it does not: a completion that was written to the wrong place.
    pub(crate) fn misplaced(&self) -> Option<u32> {
        let (mut index, mut phase) = (self.head, self.phase);
        for _ in 1..self.entries {
            index = next(index, self.entries);
            phase ^= index == 0;
            if self.memory.read_completion_entry(index, phase).is_some() {
                return Some(index);
            }
        }
        None
    }

    pub(crate) fn bus_address(&self) -> u64 {
        self.memory.bus_address()
    }

    pub(crate) const fn entries(&self) -> u32 {
        self.entries
    }

    /// As after allocation. The controller must have been reset.
    pub(crate) fn clear(&mut self) {
        self.memory.clear();
        (self.head, self.phase, self.unreported) = (0, true, 0);
    }
}

#[inline]
const fn next(index: u32, entries: u32) -> u32 {
    if index + 1 == entries { 0 } else { index + 1 }
}

#[inline]
const fn distance(from: u32, to: u32, entries: u32) -> u32 {
    if to >= from {
        to - from
    } else {
        to + entries - from
    }
}
