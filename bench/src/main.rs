//! Measurements that need the libraries rather than the command line. `cargo xtask bench` runs them
//! all and judges them; each is a command of its own here.

mod counters;
mod figure;
mod get_cost;
mod io_counts;
mod isolation;
mod reads_per_get;
mod torn_pages;
mod twin;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use twin::Twin;

/// Measurements of RDStore that need its libraries.
#[derive(Parser)]
#[command(
    bin_name = "rdstore-bench",
    after_help = "Example:\n  cargo run --release -p rdstore-bench -- get-cost --json"
)]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Print JSON: a list of {name, measured, unit, must, passed}.
    #[arg(long, global = true)]
    json: bool,
    /// A tenth of the work, for a look.
    #[arg(long, global = true)]
    smoke: bool,
}

#[derive(Subcommand, Clone, Copy)]
enum What {
    /// Device I/Os of each operation, from the device's counters.
    IoCounts,
    /// Device reads a GET at 80 % of the slots, in 4 KiB and 16 KiB pages.
    ReadsPerGet,
    /// Two to seven clients incrementing the same 1,000 counters.
    Counters,
    /// What one function can take from others, at full load.
    Isolation {
        /// Which controller.
        #[arg(long, default_value = "model")]
        twin: Twin,
    },
    /// Pages that are read while they are Compared-and-Written, with the range lock and without it.
    TornPages {
        /// Which controller.
        #[arg(long, default_value = "model")]
        twin: Twin,
    },
    /// Wall clock of a GET, against a memcpy and a CRC of its page.
    GetCost,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let figures = match arguments.what {
        What::IoCounts => io_counts::run()?,
        What::ReadsPerGet => reads_per_get::run(arguments.smoke)?,
        What::Counters => counters::run(arguments.smoke)?,
        What::Isolation { twin } => isolation::run(twin.factory(), arguments.smoke),
        What::TornPages { twin } => torn_pages::run(twin, arguments.smoke),
        What::GetCost => get_cost::run(arguments.smoke)?,
    };
    figure::print(&figures, arguments.json)?;
    let failed = figures.iter().any(|figure| !figure.passed());
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
