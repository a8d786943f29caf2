//! The commands, one file each (or a family).

mod entry;
mod format;
mod fsck;
mod identify;
mod info;
mod scan;
mod serve;
mod stats;
mod transfer;

use crate::args::{Command, CommandLine, DeviceCommand};
use crate::outcome::Outcome;

/// Runs a command.
///
/// # Errors
/// Wrong use or input, and devices that fail: exit code 2, or 1 for
/// [`CheckFailed`](crate::outcome::CheckFailed).
pub fn run(line: &CommandLine) -> anyhow::Result<Outcome> {
    let json = line.json;
    match &line.command {
        Command::Format(args) => format::run(args, json),
        Command::Put(args) => entry::put(args, json),
        Command::Get(args) => entry::get(args, json),
        Command::Del(args) => entry::del(args, json),
        Command::Scan(args) => scan::run(args, json),
        Command::Info(args) => info::run(args, json),
        Command::Stats(args) => stats::run(args, json),
        Command::Fsck(args) => fsck::run(args, json),
        Command::Export(args) => transfer::export(args, json),
        Command::Import(args) => transfer::import(args, json),
        Command::Ycsb(args) => crate::ycsb::run(args, json),
        Command::Device(DeviceCommand::Identify(args)) => identify::run(args, json),
        Command::Device(DeviceCommand::Perf(args)) => crate::perf::run(args, json),
        Command::Device(DeviceCommand::Serve(args)) => serve::run(args, json),
    }
}
