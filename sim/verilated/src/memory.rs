//! The memory behind the AXI4 master: every burst after its latency, bursts one behind the other
//! without a gap, in order in each direction.
//!
//! An atomic unit may be several bursts of writes, each of which but the last has AWUSER set. The medium
//! changes with the last one's B, by all of the unit at once: whatever instant this process is killed at,
//! an image file holds the unit as it was or as it became. Until then nobody reads those blocks, as their
//! writer holds their lock.

use std::collections::VecDeque;
use std::ops::Range;

use nvme_model::medium::{ATOMIC_UNIT_BYTES, Medium};
use pcie_host::endpoint::Cycle;

use crate::design::{Design, NarrowPin, Pin};
use crate::stall::Stalls;
use crate::tlp::BEAT_DWORDS;

/// Bytes of a beat.
const BEAT_BYTES: usize = 4 * BEAT_DWORDS;
/// No AXI4 burst crosses this.
const BOUNDARY_BYTES: u64 = 4096;
/// log2 of a beat, as AxSIZE has it.
const BEAT_SIZE: u8 = 5;
/// AxBURST of an incrementing burst.
const INCREMENTING: u8 = 1;
/// RRESP and BRESP: done, and the memory has failed.
const OKAY: u8 = 0;
const SLAVE_ERROR: u8 = 2;

/// Latencies in cycles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    /// AR taken to the first beat of R.
    pub(crate) read_cycles: Cycle,
    /// The last beat of W taken to B.
    pub(crate) write_cycles: Cycle,
}

/// AR or AW.
struct AddressChannel {
    id: NarrowPin,
    address: Pin<u64>,
    length: Pin<u8>,
    size: Pin<u8>,
    burst: Pin<u8>,
    valid: Pin<u8>,
    ready: Pin<u8>,
    /// AWUSER: the next burst belongs to the same unit.
    more: Option<Pin<u8>>,
    is_ready: bool,
    stalls: Stalls,
}

/// A burst that was asked for.
#[derive(Clone, Copy, Debug)]
struct Burst {
    id: u32,
    offset: u64,
    beats: u32,
    /// The next burst belongs to the same unit.
    more: bool,
    /// Cycle of the handshake.
    at: Cycle,
}

impl AddressChannel {
    fn new(design: &Design, name: &str, stalls: Stalls) -> Self {
        let ready: Pin<u8> = design.pin(&format!("{name}ready"));
        ready.set(1);
        Self {
            id: design.narrow_pin(&format!("{name}id")),
            address: design.pin(&format!("{name}addr")),
            length: design.pin(&format!("{name}len")),
            size: design.pin(&format!("{name}size")),
            burst: design.pin(&format!("{name}burst")),
            valid: design.pin(&format!("{name}valid")),
            ready,
            more: design.optional_pin(&format!("{name}user")),
            is_ready: true,
            stalls,
        }
    }

    #[inline]
    fn drive(&mut self) {
        if self.stalls.is_on() {
            self.is_ready = !self.stalls.now();
            self.ready.set(self.is_ready.into());
        }
    }

    /// The burst that is asked for in this cycle.
    ///
    /// # Panics
    /// It is none that AXI4 or this memory has.
    #[inline]
    fn sample(&self, now: Cycle, medium_bytes: u64) -> Option<Burst> {
        if self.valid.get() == 0 || !self.is_ready {
            return None;
        }
        let offset = self.address.get();
        let beats = u32::from(self.length.get()) + 1;
        let bytes = u64::from(beats) * BEAT_BYTES as u64;
        assert!(
            offset.is_multiple_of(BEAT_BYTES as u64)
                && offset % BOUNDARY_BYTES + bytes <= BOUNDARY_BYTES,
            "AXI: a burst of {beats} beats at {offset:#x} is not aligned or crosses 4 KiB"
        );
        assert!(
            offset + bytes <= medium_bytes,
            "AXI: {bytes} bytes at {offset:#x} are beyond the medium's {medium_bytes}"
        );
        assert!(
            self.size.get() == BEAT_SIZE && self.burst.get() == INCREMENTING,
            "AXI: not a burst of whole beats: size {}, burst {}",
            self.size.get(),
            self.burst.get()
        );
        Some(Burst {
            id: self.id.get(),
            offset,
            beats,
            more: self.more.as_ref().is_some_and(|more| more.get() != 0),
            at: now,
        })
    }
}

/// R.
struct ReadChannel {
    id: NarrowPin,
    data: Pin<[u32; BEAT_DWORDS]>,
    last: Pin<u8>,
    response: Pin<u8>,
    valid: Pin<u8>,
    ready: Pin<u8>,
    offered: bool,
    stalls: Stalls,
}

/// W and B.
struct WriteChannels {
    data: Pin<[u32; BEAT_DWORDS]>,
    strobe: Pin<u32>,
    last: Pin<u8>,
    valid: Pin<u8>,
    ready: Pin<u8>,
    is_ready: bool,
    id: NarrowPin,
    answer: Pin<u8>,
    answer_response: Pin<u8>,
    answer_ready: Pin<u8>,
    offered: bool,
    stalls: Stalls,
    answer_stalls: Stalls,
}

/// The data of a burst on W, complete with its last beat.
#[derive(Debug, Default)]
struct WriteData {
    bytes: Vec<u8>,
    /// Cycle of its last beat.
    complete: Option<Cycle>,
}

/// The memory.
pub(crate) struct Memory {
    pub(crate) medium: Medium,
    latency: Latency,
    ar: AddressChannel,
    r: ReadChannel,
    aw: AddressChannel,
    w: WriteChannels,
    reads: VecDeque<Burst>,
    /// Beats of the first read that were taken.
    read_beats: u32,
    writes: VecDeque<Burst>,
    write_data: VecDeque<WriteData>,
    /// The beginning of a unit whose last burst is to come: where it goes, and its bytes.
    unit_offset: u64,
    unit: Vec<u8>,
    /// A burst of it has failed.
    unit_failed: bool,
    /// Bytes that fail.
    bad: Range<u64>,
    /// Buffers of bursts that are done.
    spare: Vec<Vec<u8>>,
}

impl Memory {
    pub(crate) fn new(
        design: &Design,
        medium: Medium,
        latency: Latency,
        seed: Option<u64>,
    ) -> Self {
        let w_ready: Pin<u8> = design.pin("m_axi_wready");
        w_ready.set(1);
        Self {
            medium,
            latency,
            ar: AddressChannel::new(design, "m_axi_ar", Stalls::new(seed, 4)),
            r: ReadChannel {
                id: design.narrow_pin("m_axi_rid"),
                data: design.pin("m_axi_rdata"),
                last: design.pin("m_axi_rlast"),
                response: design.pin("m_axi_rresp"),
                valid: design.pin("m_axi_rvalid"),
                ready: design.pin("m_axi_rready"),
                offered: false,
                stalls: Stalls::new(seed, 5),
            },
            aw: AddressChannel::new(design, "m_axi_aw", Stalls::new(seed, 6)),
            w: WriteChannels {
                data: design.pin("m_axi_wdata"),
                strobe: design.pin("m_axi_wstrb"),
                last: design.pin("m_axi_wlast"),
                valid: design.pin("m_axi_wvalid"),
                ready: w_ready,
                is_ready: true,
                id: design.narrow_pin("m_axi_bid"),
                answer: design.pin("m_axi_bvalid"),
                answer_response: design.pin("m_axi_bresp"),
                answer_ready: design.pin("m_axi_bready"),
                offered: false,
                stalls: Stalls::new(seed, 7),
                answer_stalls: Stalls::new(seed, 8),
            },
            reads: VecDeque::new(),
            read_beats: 0,
            writes: VecDeque::new(),
            write_data: VecDeque::new(),
            unit_offset: 0,
            unit: Vec::with_capacity(ATOMIC_UNIT_BYTES),
            unit_failed: false,
            bad: 0..0,
            spare: Vec::new(),
        }
    }

    /// Reads and writes of these bytes fail from now on, those of no others.
    pub(crate) fn set_bad(&mut self, bytes: Range<u64>) {
        self.bad = bytes;
    }

    /// What is said of an access.
    #[inline]
    fn response(&self, offset: u64, bytes: usize) -> u8 {
        if offset < self.bad.end && offset + bytes as u64 > self.bad.start {
            SLAVE_ERROR
        } else {
            OKAY
        }
    }

    /// Is a burst under way?
    #[inline]
    pub(crate) fn is_busy(&self) -> bool {
        !(self.reads.is_empty() && self.writes.is_empty() && self.write_data.is_empty())
    }

    /// Drives the pins of this cycle.
    #[inline]
    pub(crate) fn drive(&mut self, now: Cycle) {
        self.ar.drive();
        self.aw.drive();
        if self.w.stalls.is_on() {
            self.w.is_ready = !self.w.stalls.now();
            self.w.ready.set(self.w.is_ready.into());
        }
        if !self.r.offered
            && let Some(burst) = self.reads.front()
            && burst.at + self.latency.read_cycles <= now
            && !self.r.stalls.now()
        {
            let offset = burst.offset + u64::from(self.read_beats) * BEAT_BYTES as u64;
            let mut data = [0; BEAT_DWORDS];
            let bytes = self.medium.bytes(offset, BEAT_BYTES);
            for (dword, bytes) in data.iter_mut().zip(bytes.chunks_exact(4)) {
                *dword = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            }
            self.r.data.set(data);
            self.r.id.set(burst.id);
            self.r.response.set(self.response(offset, BEAT_BYTES));
            self.r.last.set((self.read_beats + 1 == burst.beats).into());
            self.r.valid.set(1);
            self.r.offered = true;
        }
        if !self.w.offered
            && let (Some(burst), Some(data)) = (self.writes.front(), self.write_data.front())
            && let Some(complete) = data.complete
            && complete.max(burst.at) + self.latency.write_cycles <= now
            && !self.w.answer_stalls.now()
        {
            assert!(
                data.bytes.len() == burst.beats as usize * BEAT_BYTES,
                "AXI: a burst of {} beats was ended by wlast after {} bytes",
                burst.beats,
                data.bytes.len()
            );
            if self.unit.is_empty() {
                self.unit_offset = burst.offset;
            }
            assert!(
                self.unit_offset + self.unit.len() as u64 == burst.offset,
                "AXI: a burst at {:#x} goes on with the unit of {} bytes at {:#x}",
                burst.offset,
                self.unit.len(),
                self.unit_offset
            );
            self.unit.extend_from_slice(&data.bytes);
            let response = self.response(burst.offset, data.bytes.len());
            self.unit_failed |= response != OKAY;
            if !burst.more {
                // This is when the medium changes: whole, or not at all if this process dies here.
                if !self.unit_failed {
                    self.medium.write_atomic(self.unit_offset, &self.unit);
                }
                self.unit.clear();
                self.unit_failed = false;
            }
            self.w.answer_response.set(response);
            self.w.id.set(burst.id);
            self.w.answer.set(1);
            self.w.offered = true;
        }
    }

    /// What passed in this cycle, before the edge; true when anything did.
    #[inline]
    pub(crate) fn sample(&mut self, now: Cycle) -> bool {
        let bytes = self.medium.len();
        let mut active = false;
        if let Some(burst) = self.ar.sample(now, bytes) {
            self.reads.push_back(burst);
            active = true;
        }
        if let Some(burst) = self.aw.sample(now, bytes) {
            self.writes.push_back(burst);
            active = true;
        }
        if self.w.valid.get() != 0 {
            active = true;
            if self.w.is_ready {
                self.take_write_beat(now);
            }
        }
        if self.r.offered && self.r.ready.get() != 0 {
            self.r.offered = false;
            self.read_beats += 1;
            if self
                .reads
                .front()
                .is_some_and(|burst| burst.beats == self.read_beats)
            {
                self.reads.pop_front();
                self.read_beats = 0;
            }
            active = true;
        }
        if self.w.offered && self.w.answer_ready.get() != 0 {
            self.w.offered = false;
            self.writes.pop_front();
            if let Some(mut data) = self.write_data.pop_front() {
                data.bytes.clear();
                self.spare.push(data.bytes);
            }
            active = true;
        }
        active
    }

    fn take_write_beat(&mut self, now: Cycle) {
        let strobe = self.w.strobe.get();
        // Blocks are whole beats, so there is nothing to keep of what was there.
        assert!(strobe == u32::MAX, "AXI: wstrb {strobe:#010x}");
        if self
            .write_data
            .back()
            .is_none_or(|data| data.complete.is_some())
        {
            let bytes = self.spare.pop().unwrap_or_default();
            self.write_data.push_back(WriteData {
                bytes,
                complete: None,
            });
        }
        if let Some(data) = self.write_data.back_mut() {
            for dword in self.w.data.get() {
                data.bytes.extend_from_slice(&dword.to_le_bytes());
            }
            if self.w.last.get() != 0 {
                data.complete = Some(now);
            }
        }
    }

    /// After the edge: what was taken is offered no longer.
    #[inline]
    pub(crate) fn after_edge(&self) {
        if !self.r.offered {
            self.r.valid.set(0);
        }
        if !self.w.offered {
            self.w.answer.set(0);
        }
    }
}
