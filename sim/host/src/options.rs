//! What the host and the link are like: every figure a parameter, checked once.

use crate::endpoint::{Cycle, LinkSettings};
use crate::error::HostError;
use crate::fault::FaultPlan;

/// Bytes of TLP framing on the link beside the header: sequence number, LCRC, STP and END
/// (PCIe 2.1 §3.5, §4.2; 8b/10b is in the link rate already, DLLPs are not charged).
pub const FRAMING_BYTES: u64 = 8;
/// Descriptor of a request at RQ and CQ, and its header on the link when the address has 64 bits.
pub const REQUEST_HEADER_BYTES: u64 = 16;
/// Descriptor of a completion at RC and CC, and its header on the link.
pub const COMPLETION_HEADER_BYTES: u64 = 12;
/// Most virtual functions the SR-IOV capability of this host's devices can show.
pub const MAX_VIRTUAL_FUNCTIONS: u8 = 8;
/// Tags an endpoint has (6 bits).
pub const TAGS: usize = 64;

/// How read data reaches [`Endpoint::receive`](crate::endpoint::Endpoint::receive).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// All data of a read as one value at its last beat; the completions still cost what they cost.
    WholeReads,
    /// One value for each completion TLP.
    EachCompletion,
}

/// Parameters of a [`Host`](crate::Host). The default is the VC709's link: Gen2 x8, 125 MHz, 256-bit
/// streams, 560 ns host read round trip.
#[derive(Clone, PartialEq, Debug)]
pub struct HostOptions {
    /// How error messages name the device, such as `model:x.img`.
    pub name: String,
    /// From the RQ beat of a read to the first RC beat of its data, unloaded; half of it is the way
    /// up, the rest the way down. 2 to 1,000,000 cycles.
    pub rtt_cycles: u64,
    /// Maximum Payload Size of the link: 128, 256, 512 (the VC709's most), 1,024, 2,048 or 4,096 bytes.
    pub max_payload_bytes: u32,
    /// Maximum Read Request Size: 128, 256, 512, 1,024, 2,048 or 4,096 bytes.
    pub max_read_request_bytes: u32,
    /// The host ends a completion at each address that is a multiple of this: a power of two, 64 to
    /// 4,096 bytes. No completion carries more than the Maximum Payload Size, whatever this says.
    pub completion_split_bytes: u32,
    /// Data bytes the endpoint's completion buffer holds. An endpoint that has more outstanding is
    /// reported as a [`Violation`](crate::Violation).
    pub completion_space_bytes: u32,
    /// Completion headers the endpoint's completion buffer holds.
    pub completion_space_headers: u32,
    /// Bytes the link moves in a cycle, each direction: 32 is Gen2 x8 (4.0 GB/s at 125 MHz).
    pub link_bytes_per_cycle: u32,
    /// Bytes of a beat of the endpoint's streams.
    pub port_beat_bytes: u32,
    /// What one register access costs the host's software, per function: accesses of a function
    /// leave the host at least this far apart.
    pub software_cycles: u64,
    /// After how many cycles a register read without an answer is given up (all ones).
    pub register_timeout_cycles: Cycle,
    /// After how many cycles a function level reset must be done (PCIe 2.1 §6.6.2: 100 ms).
    pub reset_timeout_cycles: Cycle,
    /// A function's reads in flight end with
    /// [`ReadStatus::FunctionReset`](crate::endpoint::ReadStatus::FunctionReset) when it is reset, as
    /// the hard block does it; with `false` their data still come.
    pub reset_ends_reads: bool,
    /// How read data is handed over.
    pub delivery: Delivery,
    /// Host memory that can be allocated, in bytes. Costs nothing until it is touched.
    pub memory_bytes: u64,
    /// Seed of everything random (faults by rate).
    pub seed: u64,
    /// What goes wrong.
    pub faults: FaultPlan,
    /// Keep a record of everything that passes the port ([`Host::take_trace`](crate::Host::take_trace)).
    pub trace: bool,
}

impl Default for HostOptions {
    fn default() -> Self {
        Self {
            name: "simulation".to_owned(),
            rtt_cycles: 70,
            max_payload_bytes: 256,
            max_read_request_bytes: 512,
            completion_split_bytes: 256,
            completion_space_bytes: 15_872,
            completion_space_headers: 64,
            link_bytes_per_cycle: 32,
            port_beat_bytes: 32,
            software_cycles: 25,
            register_timeout_cycles: 6_250_000,
            reset_timeout_cycles: 12_500_000,
            reset_ends_reads: true,
            delivery: Delivery::WholeReads,
            memory_bytes: 1 << 30,
            seed: 1,
            faults: FaultPlan::default(),
            trace: false,
        }
    }
}

impl HostOptions {
    /// Cycles from RQ to host memory.
    pub const fn up_cycles(&self) -> Cycle {
        self.rtt_cycles / 2
    }

    /// Cycles from the host to the first beat at CQ or RC.
    pub const fn down_cycles(&self) -> Cycle {
        self.rtt_cycles - self.up_cycles()
    }

    /// Most bytes one completion TLP of this host carries.
    pub const fn completion_bytes(&self) -> u32 {
        if self.completion_split_bytes < self.max_payload_bytes {
            self.completion_split_bytes
        } else {
            self.max_payload_bytes
        }
    }

    /// What the hard block tells the endpoint: the Read Completion Boundary is 128 bytes where the
    /// completion split allows it, else 64.
    pub const fn link_settings(&self) -> LinkSettings {
        LinkSettings {
            max_payload_bytes: self.max_payload_bytes,
            max_read_request_bytes: self.max_read_request_bytes,
            read_completion_boundary_bytes: if self.completion_split_bytes >= 128 {
                128
            } else {
                64
            },
            completion_space_bytes: self.completion_space_bytes,
            completion_space_headers: self.completion_space_headers,
        }
    }

    /// Checks every parameter against its range.
    pub fn validate(&self) -> Result<(), HostError> {
        let power = |value: u32, low: u32, high: u32| {
            value.is_power_of_two() && (low..=high).contains(&value)
        };
        let checks: [(&'static str, u64, bool, &'static str); 9] = [
            (
                "rtt_cycles",
                self.rtt_cycles,
                (2..=1_000_000).contains(&self.rtt_cycles),
                "2 to 1,000,000",
            ),
            (
                "max_payload_bytes",
                self.max_payload_bytes.into(),
                power(self.max_payload_bytes, 128, 4096),
                "128, 256, 512, 1024, 2048 or 4096",
            ),
            (
                "max_read_request_bytes",
                self.max_read_request_bytes.into(),
                power(self.max_read_request_bytes, 128, 4096),
                "128, 256, 512, 1024, 2048 or 4096",
            ),
            (
                "completion_split_bytes",
                self.completion_split_bytes.into(),
                power(self.completion_split_bytes, 64, 4096),
                "a power of two from 64 to 4096",
            ),
            (
                "completion_space_bytes",
                self.completion_space_bytes.into(),
                self.completion_space_bytes >= self.max_read_request_bytes,
                "at least max_read_request_bytes",
            ),
            (
                "completion_space_headers",
                self.completion_space_headers.into(),
                self.completion_space_headers
                    > self.max_read_request_bytes
                        / self.link_settings().read_completion_boundary_bytes,
                "more than the completions of one read of max_read_request_bytes",
            ),
            (
                "link_bytes_per_cycle",
                self.link_bytes_per_cycle.into(),
                (1..=1024).contains(&self.link_bytes_per_cycle),
                "1 to 1024",
            ),
            (
                "port_beat_bytes",
                self.port_beat_bytes.into(),
                power(self.port_beat_bytes, 8, 64),
                "8, 16, 32 or 64",
            ),
            (
                "memory_bytes",
                self.memory_bytes,
                (1 << 20..=1 << 44).contains(&self.memory_bytes),
                "1 MiB to 16 TiB",
            ),
        ];
        for (option, value, good, expected) in checks {
            if !good {
                return Err(HostError::InvalidOption {
                    option,
                    value,
                    expected,
                });
            }
        }
        Ok(())
    }
}
