//! RDStore beside memcached and Redis; `cargo xtask bench --peers` builds and runs it.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use rdstore_peers::line_up::{LineUp, line_up};
use rdstore_peers::report::{Report, Run};
use rdstore_peers::verdict::verdicts;

/// RDStore on a device that another process serves, beside memcached and Redis: latency, throughput
/// and their ratios, in alternating rounds on the same two cores.
#[derive(Parser)]
#[command(
    bin_name = "rdstore-peers",
    after_help = "Example:\n  cargo run --release -p rdstore-peers -- --rounds 3"
)]
struct Arguments {
    /// Alternating rounds.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How long each side is measured in each round, in milliseconds.
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u64).range(1..))]
    stint_ms: u64,
    /// Records that every side holds; each takes a page of 4 KiB of the store's 1 GiB.
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    records: u32,
    /// The `rdstore` that serves the device; the one beside this program if not given.
    #[arg(long)]
    rdstore: Option<PathBuf>,
    /// A short run: shows that all sides work and checks every value, judges no ratio.
    #[arg(long)]
    smoke: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    if arguments.smoke {
        arguments.rounds = 2;
        arguments.stint_ms = 20;
        arguments.records = arguments.records.min(5_000);
    }
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    let rdstore = match &arguments.rdstore {
        Some(program) => program.clone(),
        None => beside_this_program("rdstore")?,
    };
    let length = rdstore_peers::contest::Length {
        rounds: arguments.rounds.into(),
        measured: std::time::Duration::from_millis(arguments.stint_ms),
        warm_up: std::time::Duration::from_millis(arguments.stint_ms / 10),
    };
    let LineUp {
        mut contest,
        roles,
        cores,
        devices,
        // Gone with the sockets in it when everybody has ended.
        folder: _folder,
    } = line_up(&rdstore, arguments.records, |what| eprintln!("── {what}"))?;
    let stints = contest.stints(length.rounds);
    let mut done = 0;
    let before = devices.pairs_written(&contest)?;
    let results = contest.run(length, |label| {
        done += 1;
        show_progress(done, stints, label);
    })?;
    let pairs = devices.pairs_written(&contest)? - before;
    let updates = devices.updates(&contest);
    anyhow::ensure!(
        pairs >= updates,
        "the devices count {pairs} fused pairs that wrote, and the store {updates} updates"
    );
    let ratios = verdicts(&results, &roles, !arguments.smoke)?;
    let run = Run {
        rounds: length.rounds,
        stint_ms: length.measured.as_millis(),
        cores,
        pairs,
        updates,
    };
    let report = Report::new(&contest, &results, run, ratios);
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.text());
    }
    Ok(report.passed())
}

/// A line that is written over for a person, one in a hundred for a log.
fn show_progress(done: usize, of: usize, label: &str) {
    if std::io::stderr().is_terminal() {
        let end = if done == of { "\n" } else { "" };
        eprint!("\r{done}/{of} {label:40}{end}");
    } else if done.is_multiple_of(100) {
        eprintln!("{done}/{of}");
    }
}

fn beside_this_program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("asking for this program's own path")?;
    let program = own.parent().unwrap_or(Path::new(".")).join(name);
    anyhow::ensure!(
        program.exists(),
        "{} is not there: build it (`cargo build --release -p rdstore-cli`) or give --rdstore",
        program.display()
    );
    Ok(program)
}
