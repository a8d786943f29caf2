//! The command line's grammar.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::size::{parse_size, parse_size_u32};
use crate::uri::DeviceUri;

pub use crate::args_device::{
    DeviceArgs, DeviceCommand, IdentifyArgs, PerfArgs, RandomPattern, ServeArgs, ServeDoorbells,
    ServePace, StoreDeviceArgs,
};
pub use crate::args_ycsb::YcsbArgs;

/// The whole command line.
#[derive(Parser, Debug)]
#[command(
    name = "rdstore",
    version,
    about = "A key-value store on shared NVMe devices, without servers",
    long_about = "A key-value store on shared NVMe devices, without servers.\n\n\
        Clients talk to the device alone: a get is one page read, an update one page read and one \
        fused Compare-and-Write.",
    after_help = EXIT_CODES,
    after_long_help = TOP_EXAMPLES,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct CommandLine {
    /// Write JSON to stdout, and nothing else there; errors go to stderr
    #[arg(long, global = true)]
    pub json: bool,

    /// Record the waves of a device rtl: in this file, for GTKWave or Surfer
    #[arg(long, global = true, value_name = "FILE.fst")]
    pub trace: Option<PathBuf>,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl CommandLine {
    /// Tells every device of the command where its waves go.
    pub fn hand_down_trace(&mut self) {
        if self.trace.is_some() {
            for device in self.command.devices_mut() {
                device.simulation.waves.clone_from(&self.trace);
            }
        }
    }
}

const EXIT_CODES: &str =
    "Exit codes: 0 done, 1 key not found or a check failed, 2 wrong use or input.";

const TOP_EXAMPLES: &str = "\
Devices (--device URI):
  model:                 cycle model of the controller, its memory in this process only
  model:FILE             the same, its memory kept in FILE
  rtl:  rtl:FILE         the Verilog through Verilator
  vfio-user:DIRECTORY    a device that another process serves
  vfio:0000:01:00.0      a PCIe device of this machine
  Options of model: and rtl: follow as a query, here with their defaults:
  model:FILE?size=1GiB&vfs=6&queues=4&link=gen2x8&rtt_ns=560&mps=256&mrrs=512&split=256
            &cpl_bytes=15872&mem_cycles=25&media_us=0&huge_pages=0&at_once=0&host_ns=200
  and serial=TEXT, the serial number (one by FILE, or a server's own, where it is given none)
  Those of vfio-user: and vfio: are poll=spin, poll=adaptive (the default) or poll=interrupt; and
  function=pf, function=vf0 … where a DIRECTORY serves several and one is wanted; vfio-user: also
  has reconnect_s=SECONDS, how long a server that has gone is waited for (0)

Examples:
  rdstore put --device model:disk.img greeting hello
  rdstore get --device model:disk.img greeting
  rdstore ycsb --workload a --clients 4 --verify
  rdstore device perf --rw randread --qd 64

Exit codes: 0 done, 1 key not found or a check failed, 2 wrong use or input.";

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Make an empty store on a device
    Format(FormatArgs),
    /// Store a value under a key
    Put(PutArgs),
    /// Print the value of a key
    Get(GetArgs),
    /// Remove a key
    Del(DelArgs),
    /// List the store's keys, in no order
    Scan(ScanArgs),
    /// Print what the superblock says
    Info(InfoArgs),
    /// Walk the store and print how full it is
    Stats(StatsArgs),
    /// Read every page and prove that the store is sound
    Fsck(FsckArgs),
    /// Write all records to a file, as lines of JSON
    Export(ExportArgs),
    /// Put the records of a file written by export
    Import(ImportArgs),
    /// Run the YCSB core workloads
    Ycsb(YcsbArgs),
    /// Look at a device itself, below the store
    #[command(subcommand)]
    Device(DeviceCommand),
}

impl Command {
    fn devices_mut(&mut self) -> &mut [DeviceUri] {
        match self {
            Self::Format(args) => &mut args.device.devices,
            Self::Put(args) => &mut args.device.devices,
            Self::Get(args) => &mut args.device.devices,
            Self::Del(args) => &mut args.device.devices,
            Self::Scan(args) => &mut args.device.devices,
            Self::Info(args) => &mut args.device.devices,
            Self::Stats(args) => &mut args.device.devices,
            Self::Fsck(args) => &mut args.device.devices,
            Self::Export(args) => &mut args.device.devices,
            Self::Import(args) => &mut args.device.devices,
            Self::Ycsb(args) => &mut args.device.devices,
            Self::Device(DeviceCommand::Identify(args)) => &mut args.device.devices,
            Self::Device(DeviceCommand::Perf(args)) => &mut args.device.devices,
            Self::Device(DeviceCommand::Serve(args)) => &mut args.device.devices,
        }
    }
}

/// How a store is made.
#[derive(Args, Debug, Clone)]
pub struct LayoutArgs {
    /// Bytes of a page of a new store, the unit of Compare-and-Write: 4KiB, 8KiB or 16KiB
    #[arg(long, value_name = "SIZE", default_value = "4KiB", value_parser = parse_size_u32)]
    pub page_size: u32,
}

/// `rdstore format`
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  rdstore format --device model:disk.img
  rdstore format --device 'model:disk.img?size=4GiB' --page-size 16KiB --expect-records 1000000 \\
      --value-size 1000
  rdstore format --device model:disk.img --force

A FILE that does not exist is created: size= bytes, else 1 GiB, sparse. A device that holds a store
or foreign data is refused without --force.")]
pub struct FormatArgs {
    /// Which device.
    #[command(flatten)]
    pub device: StoreDeviceArgs,
    /// How a new store is made.
    #[command(flatten)]
    pub layout: LayoutArgs,
    /// Predict fill and I/Os an operation for this many records
    #[arg(long, value_name = "N", requires = "value_size")]
    pub expect_records: Option<u64>,
    /// Bytes of a value, for the prediction
    #[arg(long, value_name = "SIZE", requires = "expect_records", value_parser = parse_size_u32)]
    pub value_size: Option<u32>,
    /// Format even if there is a store or foreign data; all of it is lost
    #[arg(long)]
    pub force: bool,
}

/// A key on the command line.
#[derive(Args, Debug, Clone)]
pub struct KeyArgs {
    /// The key, 1 to 255 bytes
    #[arg(value_name = "KEY")]
    pub key: String,
    /// KEY is written as hexadecimal digits
    #[arg(long)]
    pub hex: bool,
}

/// `rdstore put`
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  rdstore put --device model:disk.img greeting hello
  rdstore put --device model:disk.img photo - < photo.jpg
  rdstore put --device model:disk.img --hex 00ff01 value
  rdstore put --device model:disk.img session s1 --ttl 30m
  rdstore put --device model:disk.img greeting hi --if-version 3
  rdstore put --device model:disk.img greeting hi --if-absent

A FILE that does not exist is created and formatted. --if-version and --if-absent end with exit
code 1 when the condition does not hold.")]
pub struct PutArgs {
    /// Which device.
    #[command(flatten)]
    pub device: StoreDeviceArgs,
    /// Which key.
    #[command(flatten)]
    pub key: KeyArgs,
    /// The value; '-' reads it from stdin
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    pub value: String,
    /// Let the entry expire after this time: 90s, 30m, 12h, 7d
    #[arg(long, value_name = "TIME", value_parser = parse_seconds)]
    pub ttl: Option<u64>,
    /// Only if the entry has this version
    #[arg(long, value_name = "VERSION", conflicts_with = "if_absent")]
    pub if_version: Option<u64>,
    /// Only if there is no such key
    #[arg(long)]
    pub if_absent: bool,
}

/// `rdstore get`
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  rdstore get --device model:disk.img greeting
  rdstore get --device model:disk.img photo > photo.jpg
  rdstore get --device model:disk.img --hex 00ff01 --json

The value is printed as it is; a newline follows on a terminal only. A key that is not there is exit
code 1.")]
pub struct GetArgs {
    /// Which device.
    #[command(flatten)]
    pub device: StoreDeviceArgs,
    /// Which key.
    #[command(flatten)]
    pub key: KeyArgs,
}

/// `rdstore del`
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  rdstore del --device model:disk.img greeting
  rdstore del --device model:disk.img --hex 00ff01

A key that is not there is exit code 1.")]
pub struct DelArgs {
    /// Which device.
    #[command(flatten)]
    pub device: StoreDeviceArgs,
    /// Which key.
    #[command(flatten)]
    pub key: KeyArgs,
}

/// `rdstore scan`
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  rdstore scan --device model:disk.img
  rdstore scan --device model:disk.img --limit 100
  rdstore scan --device model:disk.img --limit 100 --cursor 4711-00000000000000ff
  rdstore scan --device model:disk.img --values --hex

Keys come in the order of the pages, which means nothing. A scan that stops at --limit says the
cursor to go on from.")]
pub struct ScanArgs {
    /// Which device.
    #[command(flatten)]
    pub device: StoreDeviceArgs,
    /// Stop after N entries
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Go on from where an earlier scan stopped
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
    /// Print values too, after a tab
    #[arg(long)]
    pub values: bool,
    /// Print keys and values as hexadecimal digits
    #[arg(long)]
    pub hex: bool,
}

/// `rdstore info`
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  rdstore info --device model:disk.img")]
pub struct InfoArgs {
    /// Which device.
    #[command(flatten)]
    pub device: StoreDeviceArgs,
}

/// `rdstore stats`
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  rdstore stats --device model:disk.img

The device's counters are those of log page C0h and count from its power-on; a model: device is
powered on by the command itself.")]
pub struct StatsArgs {
    /// Which device.
    #[command(flatten)]
    pub device: StoreDeviceArgs,
}

/// `rdstore fsck`
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  rdstore fsck --device model:disk.img

Writes nothing. A store that is not sound is exit code 1.")]
pub struct FsckArgs {
    /// Which device.
    #[command(flatten)]
    pub device: StoreDeviceArgs,
}

/// `rdstore export`
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  rdstore export --device model:disk.img records.jsonl
  rdstore export --device model:disk.img | wc -l

Each line is one record: {\"key\":…,\"value\":…} where both are text, {\"key_hex\":…,\"value_hex\":…}
where they are not. Versions are not kept: import gives new ones.")]
pub struct ExportArgs {
    /// Which device.
    #[command(flatten)]
    pub device: StoreDeviceArgs,
    /// File to write; '-' is stdout
    #[arg(value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
}

/// `rdstore import`
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  rdstore import --device model:copy.img records.jsonl
  rdstore export --device model:a.img | rdstore import --device model:b.img -

A FILE of the device that does not exist is created and formatted. Keys that are there get the new
value.")]
pub struct ImportArgs {
    /// Which device.
    #[command(flatten)]
    pub device: StoreDeviceArgs,
    /// How a new store is made.
    #[command(flatten)]
    pub layout: LayoutArgs,
    /// File to read; '-' is stdin
    #[arg(value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
}

/// Seconds of a time such as `90`, `90s`, `30m`, `12h` or `7d`.
fn parse_seconds(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.char_indices().next_back() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3_600),
        Some((at, 'd')) => (&text[..at], 86_400),
        _ => (text, 1),
    };
    number
        .parse::<u64>()
        .ok()
        .filter(|&number| number > 0)
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| format!("'{text}' is not a time; write it like 90s, 30m, 12h or 7d"))
}

/// The value parser of `--device`.
pub(crate) fn parse_uri(text: &str) -> Result<DeviceUri, String> {
    text.parse()
        .map_err(|error: crate::uri::UriError| error.to_string())
}

/// The value parser of sizes.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    parse_size(text)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn times_have_units() {
        assert_eq!(parse_seconds("90"), Ok(90));
        assert_eq!(parse_seconds("30m"), Ok(1800));
        assert_eq!(parse_seconds("7d"), Ok(604_800));
        for wrong in ["", "m", "0s", "-1s", "1w", "1é"] {
            assert!(parse_seconds(wrong).is_err(), "{wrong}");
        }
    }
}
