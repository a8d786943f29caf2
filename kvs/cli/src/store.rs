//! What the store's commands have in common: opening a store on the device that was named.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use rdstore::{Client, FormatOptions, FsckOptions, FsckReport, OpenOptions};

use crate::args::{LayoutArgs, StoreDeviceArgs};
use crate::machine::{Machine, MachineOptions, MissingFile, Pages, queue_options};
use crate::progress::{end_pages, show_pages};
use crate::uri::DeviceUri;

/// Queue depth of commands that do one thing at a time, or walk the store.
pub const QUEUE_DEPTH: u32 = 255;

/// The one device of a command.
///
/// # Errors
/// More than one was given.
pub fn single_device(devices: &[DeviceUri]) -> anyhow::Result<&DeviceUri> {
    match devices {
        [device] => Ok(device),
        [] => bail!("no device was given; name one with --device"),
        several => bail!(
            "{} devices were given; a store on several devices comes with a later version. Name one",
            several.len()
        ),
    }
}

/// Milliseconds since 1970.
pub fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

/// A random number from the system, for what must be unique.
///
/// # Errors
/// The system has none.
pub fn random_seed() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    let mut filled = 0;
    while filled < bytes.len() {
        filled +=
            rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())
                .context("the system gives no random numbers")?;
    }
    Ok(u64::from_le_bytes(bytes))
}

/// A machine with one function, for commands of one client.
///
/// # Errors
/// As [`Machine::open`].
pub fn open_machine(
    device: &StoreDeviceArgs,
    missing_file: MissingFile,
) -> anyhow::Result<Machine> {
    let uri = single_device(&device.devices)?;
    Machine::open(
        uri,
        MachineOptions {
            missing_file,
            functions: 1,
            trace: false,
        },
    )
}

/// Pages of the machine's device, for one client.
///
/// # Errors
/// As [`Machine::queue_pair`].
pub fn pages(machine: &Machine, client: usize) -> anyhow::Result<Pages> {
    machine.pages(client, queue_options(QUEUE_DEPTH, machine.completion()))
}

/// A machine, and what a walk over every page of its store has found.
///
/// # Errors
/// As [`Machine::open`] and [`rdstore::fsck`].
pub fn walk(device: &StoreDeviceArgs) -> anyhow::Result<(Machine, FsckReport)> {
    let machine = open_machine(device, MissingFile::Refuse)?;
    let options = FsckOptions {
        progress: Some(show_pages),
    };
    let report = rdstore::fsck(&mut pages(&machine, 0)?, &options);
    end_pages();
    Ok((machine, report?))
}

/// A machine and the client of a command that only looks.
///
/// # Errors
/// As [`Machine::open`] and [`Client::open`].
pub fn open_to_read(device: &StoreDeviceArgs) -> anyhow::Result<(Machine, Client<Pages>)> {
    let machine = open_machine(device, MissingFile::Refuse)?;
    let options = OpenOptions {
        read_only: true,
        unix_ms: unix_ms(),
        ..OpenOptions::default()
    };
    let client = Client::open(pages(&machine, 0)?, options)?;
    Ok((machine, client))
}

/// A machine and the client of a command that writes. With [`MissingFile::Create`] a device that
/// this process has just made is formatted first.
///
/// # Errors
/// As [`Machine::open`] and [`Client::open`].
pub fn open_to_write(
    device: &StoreDeviceArgs,
    missing_file: MissingFile,
    layout: Option<&LayoutArgs>,
) -> anyhow::Result<(Machine, Client<Pages>)> {
    let mut machine = open_machine(device, missing_file)?;
    if machine.is_blank() && missing_file == MissingFile::Create {
        let default = FormatOptions::default();
        let options = FormatOptions {
            page_bytes: layout.map_or(default.page_bytes, |layout| layout.page_size),
            seed: random_seed()?,
            known_blank: true,
            ..default
        };
        rdstore::format(&mut pages(&machine, 0)?, &options)?;
    }
    machine.keep();
    let options = OpenOptions {
        unix_ms: unix_ms(),
        seed: random_seed()?,
        ..OpenOptions::default()
    };
    let client = Client::open(pages(&machine, 0)?, options)?;
    Ok((machine, client))
}
