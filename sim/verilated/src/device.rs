//! The device: the design, and the user's side of the PCIe block around it, cycle by cycle.
//!
//! A cycle is: drive the inputs, look at what passes before the rising edge, the edge. All outputs
//! are registers, so they stand from the edge before. What passes is stamped with the cycle, so a
//! stamp means the same as the model's.

mod endpoint;

use std::fmt;
use std::ops::Range;

use nvme_model::{CommandTrace, LockEvent};
use pcie_host::endpoint::{Cycle, FunctionId, MemoryRead, MemoryWrite, Port};

use crate::design::{Design, Pin};
use crate::locks::Locks;
use crate::memory::{Latency, Memory};
use crate::options::{RtlError, RtlOptions};
use crate::reads::Reads;
use crate::registers::Registers;
use crate::side_band::SideBand;
use crate::stall::Stalls;
use crate::stream::{Sink, Source};
use crate::tlp::{Collector, OutBeat, Request};
use crate::watch::Watch;

/// Cycles of reset after power-on.
const RESET_CYCLES: u32 = 32;
/// Cycles without anything at any port after which the controller is taken to be waiting for its
/// host, where it does not say so itself.
const LINGER_CYCLES: Cycle = 4096;

/// The controller's Verilog as an endpoint.
pub struct RtlDevice {
    // Pins first: they are dropped before what they point into.
    cq: Source,
    rc: Source,
    cc: Sink,
    rq: Sink,
    idle: Option<Pin<u8>>,
    locks: Option<Locks>,
    side_band: SideBand,
    memory: Memory,
    design: Design,

    virtual_functions: u8,
    io_queues: u16,
    /// The next cycle to evaluate.
    now: Cycle,
    /// Cycles evaluated since it was made.
    evaluated: u64,
    /// The last cycle in which anything passed a port.
    active: Cycle,
    reads: Reads,
    registers: Registers,
    requests: Collector,
    answers: Collector,
    payload: Vec<u8>,
    watch: Watch,
}

impl RtlDevice {
    /// Makes a device, powered on and out of reset.
    ///
    /// # Errors
    /// Options that this build has no Verilog for, or that it cannot have, named.
    pub fn new(options: RtlOptions) -> Result<Self, RtlError> {
        Self::of_variant("nvme_controller", options)
    }

    /// The module that sends back what it gets, behind the same ports: for tests of this crate.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[doc(hidden)]
    pub fn loop_back(options: RtlOptions) -> Result<Self, RtlError> {
        Self::of_variant("loop_back", options)
    }

    /// The controller with its range lock taken out: the test that no page is ever torn shows with this
    /// that it would notice.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[cfg(feature = "range-lock-removed")]
    #[doc(hidden)]
    pub fn range_lock_removed(options: RtlOptions) -> Result<Self, RtlError> {
        Self::of_variant("range_lock_removed", options)
    }

    fn of_variant(name: &str, options: RtlOptions) -> Result<Self, RtlError> {
        let variant = options.variant(name)?;
        let mut design = Design::open(variant);
        if let Some(path) = &options.waves {
            let named = path.display().to_string();
            if !cfg!(feature = "waves") {
                return Err(RtlError::NoWaves { path: named });
            }
            // Verilator's writer is silent about a file that it cannot make.
            if std::fs::File::create(path).is_err() || !design.record(path) {
                return Err(RtlError::Waves { path: named });
            }
        }
        let stalls = |port| Stalls::new(options.stalls, port);
        let blocks = options.medium.len() >> variant.lba_shift;
        let latency = Latency {
            read_cycles: options.mem_cycles,
            write_cycles: options.write_response_cycles,
        };
        let mut device = Self {
            cq: Source::new(&design, "m_axis_cq", stalls(0), Some("pcie_cq_np_req")),
            rc: Source::new(&design, "m_axis_rc", stalls(1), None),
            cc: Sink::new(&design, "s_axis_cc", stalls(2)),
            rq: Sink::new(&design, "s_axis_rq", stalls(3)),
            idle: design.optional_pin("idle"),
            locks: Locks::new(&design),
            side_band: SideBand::new(&design),
            memory: Memory::new(&design, options.medium, latency, options.stalls),
            design,
            virtual_functions: options.virtual_functions,
            io_queues: options.io_queues,
            now: 0,
            evaluated: 0,
            active: 0,
            reads: Reads::new(),
            registers: Registers::new(),
            requests: Collector::default(),
            answers: Collector::default(),
            payload: Vec::new(),
            watch: Watch::new(usize::from(options.virtual_functions) + 1),
        };
        let namespace_blocks: Pin<u64> = device.design.pin("namespace_blocks");
        let serial_number: Pin<[u32; 5]> = device.design.pin("serial_number");
        let reset: Pin<u8> = device.design.pin("rst");
        reset.set(1);
        // They hold from the end of reset on; before, they are anything.
        for (blocks, serial) in [
            (u64::MAX, [u32::MAX; 5]),
            (0, [0; 5]),
            (blocks, serial_words(&options.serial_number)),
        ] {
            namespace_blocks.set(blocks);
            serial_number.set(serial);
            for _ in 0..RESET_CYCLES {
                device.design.cycle();
            }
        }
        reset.set(0);
        Ok(device)
    }

    /// Cycles that were evaluated: idle time is skipped.
    pub const fn evaluated_cycles(&self) -> u64 {
        self.evaluated
    }

    /// Has the link partner credits for reads? The host model always has; this is for tests of those
    /// that have not.
    pub fn set_read_credits(&mut self, there: bool) {
        self.side_band.set_read_credits(there);
    }

    /// Accesses of these bytes of the medium fail from now on (SLVERR), and those of no others; a write
    /// that fails changes nothing.
    pub fn set_bad_medium(&mut self, bytes: Range<u64>) {
        self.memory.set_bad(bytes);
    }

    /// Keeps the cycles of every command at the port from now on, or no longer. Commands whose doorbell
    /// came before count from the cycle in which this was called.
    pub fn trace_commands(&mut self, keep: bool) {
        self.watch.keep(keep, self.now);
    }

    /// Takes the commands kept so far.
    pub fn take_command_trace(&mut self) -> Vec<CommandTrace> {
        std::mem::take(&mut self.watch.traces)
    }

    /// Keeps the steps of the range lock from now on, or no longer.
    pub fn trace_locks(&mut self, keep: bool) {
        if let Some(locks) = &mut self.locks {
            locks.keeps = keep;
        }
    }

    /// Takes the steps of the range lock kept so far; `None` when the design has no ports for them.
    pub fn take_lock_trace(&mut self) -> Option<Vec<LockEvent>> {
        let locks = self.locks.as_mut()?;
        Some(std::mem::take(&mut locks.events))
    }

    /// Has the design, or what is around it, anything to do before the host does something?
    fn is_busy(&self) -> bool {
        if !(self.cq.beats.is_empty() && self.rc.beats.is_empty())
            || self.memory.is_busy()
            || self.side_band.is_busy()
        {
            return true;
        }
        match &self.idle {
            // What was driven in the last cycle shows in the next one. Reads that it has given up, it
            // does not wait for.
            Some(idle) => idle.get() == 0 || self.now <= self.active + 2,
            None => self.reads.is_busy() || self.now <= self.active + LINGER_CYCLES,
        }
    }

    /// One cycle.
    #[inline]
    fn cycle(&mut self, port: &mut dyn Port) {
        let now = self.now;
        self.cq.drive(now);
        self.rc.drive(now);
        self.cc.drive();
        self.rq.drive();
        self.memory.drive(now);

        let mut active = self.cq.sample() | self.rc.sample() | self.memory.sample(now);
        if self.rq.is_offered() || self.cc.is_offered() {
            active = true;
        }
        if let Some((beat, begins)) = self.cc.sample(now) {
            self.answer(now, &beat, begins, port);
        }
        if let Some((beat, begins)) = self.rq.sample(now) {
            self.request(now, &beat, begins, port);
        }
        if let Some(locks) = &mut self.locks {
            locks.sample(now);
        }
        let done = self.side_band.sample();
        self.design.cycle();
        self.evaluated += 1;

        self.cq.after_edge();
        self.rc.after_edge();
        self.memory.after_edge();
        let mut finished = self.side_band.after_edge(now, done);
        while finished != 0 {
            port.function_reset_done(now, FunctionId(finished.trailing_zeros() as u8));
            finished &= finished - 1;
        }
        if active || done != 0 {
            self.active = now;
        }
        self.now = now + 1;
    }

    fn request(&mut self, now: Cycle, beat: &OutBeat, begins: bool, port: &mut dyn Port) {
        match self.requests.request(beat, begins) {
            None => {}
            Some(Request::Write { function, address }) => {
                self.payload.clear();
                let dwords = self.requests.payload().iter();
                self.payload
                    .extend(dwords.flat_map(|dword| dword.to_le_bytes()));
                let data = &self.payload;
                port.request_offered(self.rq.offered());
                self.watch.memory_write(now, function, address, data);
                port.memory_write(
                    now,
                    MemoryWrite {
                        function,
                        address,
                        data,
                    },
                );
            }
            Some(Request::Read {
                function,
                address,
                length_bytes,
                tag,
            }) => {
                self.reads.start(tag, function, address, length_bytes);
                let read = MemoryRead {
                    function,
                    address,
                    length_bytes,
                    tag,
                };
                port.request_offered(self.rq.offered());
                port.memory_read(now, read);
            }
        }
    }

    fn answer(&mut self, now: Cycle, beat: &OutBeat, begins: bool, port: &mut dyn Port) {
        let Some(answer) = self.answers.answer(beat, begins) else {
            return;
        };
        let (tag, data) = self.registers.answer(&answer);
        port.read_completion(now, tag, data);
    }
}

/// The serial number as its port has it: the first character lowest, filled up with spaces.
fn serial_words(text: &str) -> [u32; 5] {
    let mut bytes = [b' '; 20];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    std::array::from_fn(|word| {
        let bytes = &bytes[4 * word..][..4];
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    })
}

impl fmt::Debug for RtlDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtlDevice")
            .field("now", &self.now)
            .field("evaluated", &self.evaluated)
            .field("virtual_functions", &self.virtual_functions)
            .finish_non_exhaustive()
    }
}
