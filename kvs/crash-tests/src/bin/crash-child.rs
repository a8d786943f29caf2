//! The process that is killed: a mixed load on an image file, told on stdout as it happens.
//!
//! `crash-child FILE SEED EPOCH KEYS FUNCTIONS CLIENTS`

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::{Context, bail};
use rdstore_crash_tests::journal::Journal;
use rdstore_crash_tests::load::{Load, LoadOptions};
use rdstore_crash_tests::rig::{Rig, RigOptions};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, seed, epoch, keys, functions, clients] = arguments.as_slice() else {
        bail!("usage: crash-child FILE SEED EPOCH KEYS FUNCTIONS CLIENTS");
    };
    let rig = RigOptions {
        functions: functions.parse().context("FUNCTIONS")?,
        ..RigOptions::default()
    };
    let count: usize = clients.parse().context("CLIENTS")?;
    let options = LoadOptions {
        seed: seed.parse().context("SEED")?,
        epoch: epoch.parse().context("EPOCH")?,
        keys: keys.parse().context("KEYS")?,
        ..LoadOptions::default()
    };
    // Standard output has a buffer of its own; a killed process would take it along.
    let pipe = std::fs::File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut journal = Journal(pipe);
    let functions = usize::from(rig.functions);
    let rig = Rig::open(Path::new(file), &rig)?;
    let clients = (0..count)
        .map(|client| rig.client(client % functions))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut load = Load::new(clients, options, &mut journal);
    load.run(&mut journal, |_| false)?;
    journal.0.flush()?;
    Ok(())
}
