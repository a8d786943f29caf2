//! The grammar of `rdstore ycsb`.

use clap::{Args, ValueEnum};

use crate::args::{LayoutArgs, parse_bytes};
use crate::args_device::DeviceArgs;
use crate::ycsb::record::STAMP_BYTES;
use crate::ycsb::workload::Workload;

/// `--workload`: one letter, or all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum WorkloadChoice {
    /// Update heavy: 50 % read, 50 % update
    A,
    /// Read mostly: 95 % read, 5 % update
    B,
    /// Read only
    C,
    /// Read latest: 95 % read, 5 % insert
    D,
    /// Short ranges: 95 % scan, 5 % insert
    E,
    /// Read-modify-write: 50 % read, 50 % read-modify-write
    F,
    /// All six, on one store
    All,
}

impl WorkloadChoice {
    /// The workloads in the order of the output.
    pub fn workloads(self) -> &'static [Workload] {
        match self {
            Self::A => &[Workload::A],
            Self::B => &[Workload::B],
            Self::C => &[Workload::C],
            Self::D => &[Workload::D],
            Self::E => &[Workload::E],
            Self::F => &[Workload::F],
            Self::All => &Workload::ALL,
        }
    }
}

fn parse_value_bytes(text: &str) -> Result<usize, String> {
    let bytes = parse_bytes(text)?;
    if bytes < STAMP_BYTES as u64 {
        return Err(format!(
            "'{text}' is too short: {STAMP_BYTES} bytes of each value say who wrote it"
        ));
    }
    usize::try_from(bytes).map_err(|_| format!("'{text}' is too long"))
}

/// `rdstore ycsb`
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  rdstore ycsb
  rdstore ycsb --workload a --records 1000 --ops 100000 --clients 7 --verify
  rdstore ycsb --workload f --value-size 1000 --page-size 16KiB --json
  rdstore ycsb --device 'model:?rtt_ns=2000&media_us=10'

Records are loaded by puts, then the workloads run on the same store in the order a b c d e f.
Workload e scans in the store's own order, from the page of a random record on: the store has no
order of keys. Latencies are simulated time; of the clients' software they hold register accesses
only (host_ns= each). A store that is there already is used, and keys named user… in it are
overwritten.")]
pub struct YcsbArgs {
    /// Which device.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// How a new store is made.
    #[command(flatten)]
    pub layout: LayoutArgs,
    /// The core workload
    #[arg(long, value_enum, default_value = "all")]
    pub workload: WorkloadChoice,
    /// Records loaded before the run
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    pub records: u64,
    /// Operations of each workload [default: 100000; 10000 for workload e, whose scans read about
    /// a hundred pages each]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    pub ops: Option<u64>,
    /// Bytes of a value
    #[arg(long, value_name = "SIZE", default_value = "3584", value_parser = parse_value_bytes)]
    pub value_size: usize,
    /// Clients; they take the device's functions in turn
    #[arg(long, value_name = "K", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub clients: u16,
    /// Operations that each client keeps in flight
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub outstanding: u16,
    /// Seed of everything random; one seed gives one output, wall-clock fields aside
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Check every result: no lost update, no stale read
    #[arg(long)]
    pub verify: bool,
}
