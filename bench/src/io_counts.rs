//! Device I/Os of each operation, by the device's own counters.

use anyhow::{Result, ensure};
use nvme_driver::CompletionMode;
use rdstore::{Client, FormatOptions, OpenOptions, Outcome, format};
use rdstore_cli::machine::{Machine, MachineOptions, MissingFile, Pages, queue_options};

use crate::figure::{Figure, Must};

const OPERATIONS: u32 = 1000;
const VALUE: [u8; 100] = [0x5a; 100];

/// A machine with a store of its own in memory.
pub(crate) fn machine(uri: &str, functions: usize) -> Result<Machine> {
    Machine::open(
        &uri.parse()?,
        MachineOptions {
            missing_file: MissingFile::Refuse,
            functions,
            trace: false,
        },
    )
}

/// A formatted store on `machine`, and its first client.
pub(crate) fn store(machine: &Machine, options: &FormatOptions) -> Result<Client<Pages>> {
    let mut pages = machine.pages(0, queue_options(255, CompletionMode::Polling))?;
    format(&mut pages, options)?;
    Ok(Client::open(pages, OpenOptions::default())?)
}

/// Page reads and Compare-and-Writes that all functions have done so far.
pub(crate) fn device_ios(machine: &Machine) -> Result<(u64, u64)> {
    let rows = machine.counters()?;
    Ok(rows.iter().fold((0, 0), |(reads, writes), row| {
        (
            reads + row.reads,
            writes + row.writes + row.compares + row.pairs,
        )
    }))
}

pub(crate) fn run() -> Result<Vec<Figure>> {
    let machine = machine("model:?size=256MiB", 1)?;
    let mut client = store(
        &machine,
        &FormatOptions {
            known_blank: true,
            seed: 1,
            ..FormatOptions::default()
        },
    )?;
    let key = |n: u32| format!("key {n}").into_bytes();
    let mut figures = Vec::new();
    let mut measure = |name: &str,
                       must: f64,
                       client: &mut Client<Pages>,
                       operation: &dyn Fn(&mut Client<Pages>, u32) -> Result<()>|
     -> Result<()> {
        let before = device_ios(&machine)?;
        for n in 0..OPERATIONS {
            operation(client, n)?;
        }
        let after = device_ios(&machine)?;
        let ios = (after.0 + after.1) - (before.0 + before.1);
        figures.push(Figure::new(
            format!("device I/Os a {name}"),
            ios as f64 / f64::from(OPERATIONS),
            "I/Os",
            Must::Exactly(must),
        ));
        Ok(())
    };
    measure("GET miss", 1.0, &mut client, &|client, n| {
        ensure!(matches!(client.get(&key(n))?, Outcome::Missing { .. }));
        Ok(())
    })?;
    measure("insert", 2.0, &mut client, &|client, n| {
        ensure!(matches!(
            client.add(&key(n), &VALUE)?,
            Outcome::Stored { .. }
        ));
        Ok(())
    })?;
    measure("GET hit", 1.0, &mut client, &|client, n| {
        ensure!(matches!(client.get(&key(n))?, Outcome::Found { .. }));
        Ok(())
    })?;
    measure("update", 2.0, &mut client, &|client, n| {
        ensure!(matches!(
            client.put(&key(n), &VALUE)?,
            Outcome::Stored { .. }
        ));
        Ok(())
    })?;
    measure("delete", 2.0, &mut client, &|client, n| {
        ensure!(matches!(client.delete(&key(n))?, Outcome::Deleted { .. }));
        Ok(())
    })?;
    Ok(figures)
}
