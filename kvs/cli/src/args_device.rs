//! The grammar of `--device` and of `rdstore device …`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::args::{parse_bytes, parse_uri};
use crate::uri::DeviceUri;

/// `--device` of the store's commands.
#[derive(Args, Debug, Clone)]
pub struct StoreDeviceArgs {
    /// The device, such as model:disk.img; repeated for a store on several devices
    #[arg(long = "device", value_name = "URI", required = true, value_parser = parse_uri)]
    pub devices: Vec<DeviceUri>,
}

/// `--device` of what runs on memory alone by default.
#[derive(Args, Debug, Clone)]
pub struct DeviceArgs {
    /// The device, such as model:disk.img
    #[arg(long = "device", value_name = "URI", default_value = "model:", value_parser = parse_uri)]
    pub devices: Vec<DeviceUri>,
}

/// `rdstore device …`
#[derive(Subcommand, Debug)]
pub enum DeviceCommand {
    /// Print what the device says of itself: Identify data and features
    Identify(IdentifyArgs),
    /// Measure the driver and the device, without the store
    Perf(PerfArgs),
    /// Serve a simulated device to other processes and virtual machines, over vfio-user
    Serve(ServeArgs),
}

/// `rdstore device identify`
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  rdstore device identify
  rdstore device identify --device model:disk.img --function 1 --json")]
pub struct IdentifyArgs {
    /// Which device.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// The function to ask: 0 is the PF, 1 the first VF
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub function: u8,
}

/// What `device perf` sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
#[value(rename_all = "lower")]
pub enum RandomPattern {
    /// Reads of random blocks
    RandRead,
    /// Writes of random blocks
    RandWrite,
    /// Fused Compare-and-Write pairs on random blocks, each checked
    Caw,
}

impl RandomPattern {
    /// The name in the output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RandRead => "randread",
            Self::RandWrite => "randwrite",
            Self::Caw => "caw",
        }
    }
}

/// `rdstore device perf`
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  rdstore device perf
  rdstore device perf --rw caw --qd 1
  rdstore device perf --rw caw --miscompare
  rdstore device perf --rw randwrite --functions 7 --queues 4 --qd 16 --json
  rdstore device perf --device 'model:?mps=128&rtt_ns=2000'
  rdstore device perf --device 'vfio-user:DIRECTORY?poll=spin' --qd 1 --ops 1000000

Cycles are those of the device's core clock (8 ns). A fused pair counts as one command. Latency runs
from the doorbell to the completion entry, both at the device's port. Of a device that is not simulated
in this process (vfio-user:, vfio:) it is in nanoseconds, from the submission to the poll that brings the
completion. Writes and pairs go to a device in memory only, unless --destroy says that the device's
content may be lost.")]
pub struct PerfArgs {
    /// Which device.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// What to send
    #[arg(long, value_enum, default_value = "randread")]
    pub rw: RandomPattern,
    /// Commands (or pairs) in flight in each queue
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=511))]
    pub qd: u16,
    /// Bytes of a command
    #[arg(long, value_name = "SIZE", default_value = "4KiB", value_parser = parse_bytes)]
    pub bs: u64,
    /// Commands (or pairs) measured, after the warm-up
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub ops: u64,
    /// Functions that send at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub functions: u8,
    /// Queue pairs of each function
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub queues: u16,
    /// With caw: one byte of what each pair compares with is wrong, so that every compare fails and
    /// nothing may be written
    #[arg(long)]
    pub miscompare: bool,
    /// Leave interrupts out (by default every queue has its MSI-X vector armed)
    #[arg(long)]
    pub no_msix: bool,
    /// Seed of the addresses
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The content of the device may be lost
    #[arg(long)]
    pub destroy: bool,
}

/// How simulated and real time belong together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum ServePace {
    /// As fast as possible
    Fast,
    /// 8 ns a cycle
    Real,
    /// The medium's time (media_us=) in real time, the rest for free
    Media,
}

/// How doorbells come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum ServeDoorbells {
    /// Clients may map the doorbell page, which is polled then
    Mapped,
    /// By messages only
    Trapped,
}

/// `rdstore device serve`
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  rdstore device serve --device model:disk.img --vfio-user /run/nvme
  rdstore device serve --vfio-user /run/nvme --functions 3 --json
  rdstore device serve --device 'model:?media_us=10' --vfio-user /run/nvme --pace media

Sockets are DIR/pf/cntrl, DIR/vf0/cntrl and so on. QEMU 11.1 or later takes one with
  -device '{\"driver\":\"vfio-user-pci\",\"socket\":{\"type\":\"unix\",\"path\":\"DIR/pf/cntrl\"}}'
SPDK with trtype VFIOUSER and traddr DIR/pf, this program with --device vfio-user:DIR. A FILE that does
not exist is created. SIGINT or SIGTERM ends the server; with --json one line says when it is ready.")]
pub struct ServeArgs {
    /// Which device.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Directory of the sockets, made if it is not there
    #[arg(long, value_name = "DIR")]
    pub vfio_user: PathBuf,
    /// Functions served: the PF and the first VFs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub functions: u8,
    /// How fast simulated time goes
    #[arg(long, value_enum, default_value = "fast")]
    pub pace: ServePace,
    /// How clients ring doorbells
    #[arg(long, value_enum, default_value = "mapped")]
    pub doorbells: ServeDoorbells,
    /// Look for work for so long without a pause before sleeping
    #[arg(
        long,
        value_name = "MICROSECONDS",
        default_value_t = 200,
        conflicts_with = "no_sleep"
    )]
    pub spin_us: u64,
    /// Never sleep: the lowest latency, and a processor for it
    #[arg(long)]
    pub no_sleep: bool,
    /// Interrupt a client once in so long while completions come in a stream: 400 suits emulated processors
    #[arg(long, value_name = "MICROSECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1_000_000))]
    pub interrupt_gap_us: u64,
    /// Show SR-IOV on the PF once the client has reset it, for QEMU, which hides it otherwise
    #[arg(long)]
    pub sriov: bool,
}
