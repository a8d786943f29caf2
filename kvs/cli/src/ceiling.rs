//! The most that a controller behind this port and link could do: cycles a command that no design
//! gets under, from what must pass the port, the link, and the completion buffer.
//!
//! Four things bound the rate of a saturated device, and the slowest decides:
//!
//! 1. **RQ**, the port's way up: the data of Reads, read requests, a CQE and an MSI-X message a
//!    command. A posted write of n bytes takes ⌈(16 + n) / 32⌉ beats (16-byte descriptor, 256-bit
//!    stream, no straddling), a read request one.
//! 2. **RC**, the port's way down: the data of Writes and Compares, SQEs, PRP lists. A completion of
//!    n bytes takes ⌈(12 + n) / 32⌉ beats.
//! 3. **The link**, each way: header (16 bytes up, 12 down) and 8 bytes of framing a TLP.
//! 4. **The round trip**: reads in flight are bounded by tags, completion data space and completion
//!    headers; each holds its share from its request until its last completion.
//!
//! SQEs come 16 in one fetch, which is split at MRRS. Base setting (MPS 256, MRRS 512, completions of
//! 256 bytes, MSI-X armed), 4 KiB: Read 16×9 + 1/8 + 1 + 1 = 146.1; Write 16×9 + 36/16 = 146.3; pair
//! twice the Write.

use pcie_host::HostOptions;

/// What bounds the rate, beside the command itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortConditions {
    /// Maximum Payload Size.
    pub max_payload_bytes: u32,
    /// Maximum Read Request Size.
    pub max_read_request_bytes: u32,
    /// Most bytes of one completion.
    pub completion_bytes: u32,
    /// Read Completion Boundary: what a read must reserve headers for.
    pub read_completion_boundary_bytes: u32,
    /// Completion data space.
    pub completion_space_bytes: u32,
    /// Completion headers.
    pub completion_space_headers: u32,
    /// Tags for reads in flight.
    pub tags: u32,
    /// From a read's request at RQ to its first data at RC.
    pub rtt_cycles: u64,
    /// Bytes the link moves a cycle, each way.
    pub link_bytes_per_cycle: u32,
    /// One MSI-X message a completion.
    pub msix: bool,
}

impl PortConditions {
    /// Those of a device behind this host.
    pub fn new(options: &HostOptions, msix: bool) -> Self {
        let link = options.link_settings();
        Self {
            max_payload_bytes: options.max_payload_bytes,
            max_read_request_bytes: options.max_read_request_bytes,
            completion_bytes: options.completion_bytes(),
            read_completion_boundary_bytes: link.read_completion_boundary_bytes,
            completion_space_bytes: link.completion_space_bytes,
            completion_space_headers: link.completion_space_headers,
            tags: pcie_host::TAGS as u32,
            rtt_cycles: options.rtt_cycles,
            link_bytes_per_cycle: options.link_bytes_per_cycle,
            msix,
        }
    }
}

/// What is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommandShape {
    /// Data to the host.
    Read,
    /// Data from the host.
    Write,
    /// A fused pair: twice the data from the host, two SQEs, two CQEs.
    CompareAndWrite,
}

/// The bounds, each in cycles a command (a pair is one).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Ceiling {
    /// What must pass RQ.
    pub request_port_cycles: f64,
    /// What must pass RC.
    pub completion_port_cycles: f64,
    /// What must pass the link, the busier way.
    pub link_cycles: f64,
    /// What the reads in flight allow.
    pub round_trip_cycles: f64,
}

impl Ceiling {
    /// The bound that decides.
    pub fn cycles(&self) -> f64 {
        self.request_port_cycles
            .max(self.completion_port_cycles)
            .max(self.link_cycles)
            .max(self.round_trip_cycles)
    }
}

const BEAT_BYTES: u32 = 32;
const REQUEST_HEADER_BYTES: u32 = 16;
const COMPLETION_HEADER_BYTES: u32 = 12;
const FRAMING_BYTES: u32 = 8;
const PAGE_BYTES: u64 = 4096;
const SQE_BYTES: u64 = 64;
const SQES_A_FETCH: u64 = 16;
const CQE_BYTES: u32 = 16;
const MSIX_BYTES: u32 = 4;
const PRP_BYTES: u64 = 8;

/// Sums of one direction.
#[derive(Clone, Copy, Default)]
struct Load {
    beats: f64,
    link_bytes: f64,
}

impl Load {
    fn add(&mut self, count: f64, header_bytes: u32, payload_bytes: u32) {
        self.beats += count * f64::from((header_bytes + payload_bytes).div_ceil(BEAT_BYTES));
        self.link_bytes += count * f64::from(header_bytes + payload_bytes + FRAMING_BYTES);
    }
}

/// Everything that one command puts on the port and the link.
struct Traffic<'a> {
    conditions: &'a PortConditions,
    up: Load,
    down: Load,
    /// Reads of host memory, and their bytes, for the round trip.
    reads: f64,
    read_beats: f64,
}

impl Traffic<'_> {
    /// Posted writes of `bytes` bytes that start on a page.
    fn write(&mut self, bytes: u64) {
        for (count, payload) in pieces(bytes, u64::from(self.conditions.max_payload_bytes)) {
            self.up
                .add(count as f64, REQUEST_HEADER_BYTES, payload as u32);
        }
    }

    /// Reads of `bytes` bytes that start on a page, done `times` (a share, for SQEs) a command.
    fn read(&mut self, bytes: u64, times: f64) {
        let conditions = self.conditions;
        for (requests, request_bytes) in pieces(bytes, u64::from(conditions.max_read_request_bytes))
        {
            let requests = requests as f64 * times;
            self.up.add(requests, REQUEST_HEADER_BYTES, 0);
            let beats_before = self.down.beats;
            for (count, payload) in pieces(request_bytes, u64::from(conditions.completion_bytes)) {
                self.down.add(
                    requests * count as f64,
                    COMPLETION_HEADER_BYTES,
                    payload as u32,
                );
            }
            self.reads += requests;
            self.read_beats += self.down.beats - beats_before;
        }
    }
}

/// `bytes` in pieces of at most `most`: how many of which size.
fn pieces(bytes: u64, most: u64) -> impl Iterator<Item = (u64, u64)> {
    let rest = bytes % most;
    [(bytes / most, most), (u64::from(rest > 0), rest)]
        .into_iter()
        .filter(|&(count, _)| count > 0)
}

/// The bounds for commands of `block_bytes` bytes (a multiple of 512) in page-aligned buffers.
pub fn ceiling(conditions: &PortConditions, shape: CommandShape, block_bytes: u64) -> Ceiling {
    let mut traffic = Traffic {
        conditions,
        up: Load::default(),
        down: Load::default(),
        reads: 0.0,
        read_beats: 0.0,
    };
    let halves = if shape == CommandShape::CompareAndWrite {
        2
    } else {
        1
    };
    for _ in 0..halves {
        match shape {
            CommandShape::Read => {
                let (pages, rest) = (block_bytes / PAGE_BYTES, block_bytes % PAGE_BYTES);
                (0..pages).for_each(|_| traffic.write(PAGE_BYTES));
                traffic.write(rest);
            }
            CommandShape::Write | CommandShape::CompareAndWrite => {
                let (pages, rest) = (block_bytes / PAGE_BYTES, block_bytes % PAGE_BYTES);
                (0..pages).for_each(|_| traffic.read(PAGE_BYTES, 1.0));
                traffic.read(rest, 1.0);
            }
        }
        let pages = block_bytes.div_ceil(PAGE_BYTES);
        if pages > 2 {
            traffic.read((pages - 1) * PRP_BYTES, 1.0);
        }
        traffic.read(SQE_BYTES * SQES_A_FETCH, 1.0 / SQES_A_FETCH as f64);
        traffic.up.add(1.0, REQUEST_HEADER_BYTES, CQE_BYTES);
        if conditions.msix {
            traffic.up.add(1.0, REQUEST_HEADER_BYTES, MSIX_BYTES);
        }
    }
    let link_bytes = traffic.up.link_bytes.max(traffic.down.link_bytes);
    // A read of MRRS bytes holds its tag, space and headers for the round trip and its own beats.
    let request_bytes = conditions.max_read_request_bytes;
    let headers_a_read = request_bytes.div_ceil(conditions.read_completion_boundary_bytes);
    let in_flight = conditions
        .tags
        .min(conditions.completion_space_bytes / request_bytes)
        .min(conditions.completion_space_headers / headers_a_read)
        .max(1);
    let held_cycles = traffic.reads * conditions.rtt_cycles as f64 + traffic.read_beats;
    Ceiling {
        request_port_cycles: traffic.up.beats,
        completion_port_cycles: traffic.down.beats,
        link_cycles: link_bytes / f64::from(conditions.link_bytes_per_cycle),
        round_trip_cycles: held_cycles / f64::from(in_flight),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The defaults of `device perf`.
    const BASE: PortConditions = PortConditions {
        max_payload_bytes: 256,
        max_read_request_bytes: 512,
        completion_bytes: 256,
        read_completion_boundary_bytes: 128,
        completion_space_bytes: 15_872,
        completion_space_headers: 64,
        tags: 64,
        rtt_cycles: 70,
        link_bytes_per_cycle: 32,
        msix: true,
    };

    fn cycles(conditions: &PortConditions, shape: CommandShape) -> f64 {
        ceiling(conditions, shape, 4096).cycles()
    }

    #[test]
    fn the_published_ceilings_come_out() {
        let small_completions = PortConditions {
            completion_bytes: 64,
            read_completion_boundary_bytes: 64,
            ..BASE
        };
        for (conditions, shape, expected) in [
            (BASE, CommandShape::Read, 146.125),
            (BASE, CommandShape::Write, 146.25),
            (BASE, CommandShape::CompareAndWrite, 292.5),
            (
                PortConditions {
                    max_payload_bytes: 128,
                    ..BASE
                },
                CommandShape::Read,
                162.125,
            ),
            (
                PortConditions {
                    msix: false,
                    ..BASE
                },
                CommandShape::Read,
                145.125,
            ),
            (small_completions, CommandShape::Write, 195.0),
        ] {
            let found = cycles(&conditions, shape);
            assert!(
                (found - expected).abs() < 1e-9,
                "{shape:?} {conditions:?}: {found}"
            );
        }
    }

    #[test]
    fn long_round_trips_bound_writes() {
        // 16 reads in flight (64 headers, four a read): 8 data requests and ⅛ for SQEs a command.
        let far = PortConditions {
            rtt_cycles: 500,
            ..BASE
        };
        let found = ceiling(&far, CommandShape::Write, 4096);
        assert!((found.round_trip_cycles - (8.125 * 500.0 + 146.25) / 16.0).abs() < 1e-9);
        assert_eq!(found.cycles(), found.round_trip_cycles);
        assert!(
            (cycles(&far, CommandShape::Read) - 146.125).abs() < 1e-9,
            "reads do not wait"
        );
    }

    #[test]
    fn little_completion_space_bounds_writes() {
        let small = PortConditions {
            completion_space_bytes: 1024,
            ..BASE
        };
        let found = ceiling(&small, CommandShape::Write, 4096);
        assert!((found.cycles() - (8.125 * 70.0 + 146.25) / 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_narrow_link_bounds_everything() {
        let narrow = PortConditions {
            link_bytes_per_cycle: 16,
            ..BASE
        };
        let found = ceiling(&narrow, CommandShape::Read, 4096);
        // 16 data TLPs, CQE, MSI-X, ⅛ request: header 16, framing 8.
        let bytes = 16.0 * 280.0 + 40.0 + 28.0 + 24.0 / 8.0;
        assert!((found.cycles() - bytes / 16.0).abs() < 1e-9);
    }

    #[test]
    fn large_commands_fetch_a_prp_list() {
        // 128 KiB: 32 pages; a list of 31 entries is one request of 248 bytes, its data 9 beats.
        let found = ceiling(&BASE, CommandShape::Read, 128 << 10);
        assert!((found.request_port_cycles - (32.0 * 144.0 + 1.0 + 2.125)).abs() < 1e-9);
        assert!((found.completion_port_cycles - (9.0 + 36.0 / 16.0)).abs() < 1e-9);
    }
}
