//! What a developer runs: `cargo xtask --help` lists it.
//!
//! Every command exits 1 when something it checks fails, prints a table for people, and the same
//! as JSON with `--json` (stdout is then JSON only; everything else goes to stderr).

mod bench;
mod coverage;
mod guest;
mod heartbeat;
mod lint;
mod parameters;
mod report;
mod setup;
mod step;
mod steps;
mod synthesis;
mod test;
mod testbench;
mod twin;
mod verilog;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Developer commands of RDStore.
#[derive(Parser)]
#[command(
    bin_name = "cargo xtask",
    after_help = "Examples:\n  cargo xtask setup          install what this machine lacks\n  \
                  cargo xtask test           everything CI runs, with smoke shares of the long campaigns\n  \
                  cargo xtask test --full    the same with the whole campaigns\n  \
                  cargo xtask twin --help    the model against the Verilog, by seed\n  \
                  cargo xtask bench          every figure the project promises, and the command behind it"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Print the result as JSON on stdout, everything else on stderr.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Install what building and testing need and this machine lacks (apt packages, pinned).
    Setup,
    /// Format, lint, all tests, and smoke runs of the product's own commands.
    Test {
        /// Run the long campaigns whole instead of their smoke shares.
        #[arg(long)]
        full: bool,
        /// Only the steps whose name contains this text; one that no step has lists them all.
        #[arg(long)]
        only: Option<String>,
    },
    /// rustfmt, clippy and rustdoc, and Verilator, slang and Verible over rtl/; warnings are errors.
    Lint,
    /// Write the parts of rtl/ that are made from nvme-spec and the cycle model's tables.
    Generate,
    /// The proofs that stand beside the modules of rtl/ (a minute each; part of `test --full`).
    Prove,
    /// The Verilog's parameters: what they must not be is refused, their corners are linted, and built
    /// and run by device tests (minutes; part of `test --full`).
    Parameters,
    /// Random command mixes on the cycle model and on the Verilog: do they do the same?
    #[command(disable_help_flag = true)]
    Twin {
        /// What `cargo xtask twin --help` lists.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// What the controller takes of an FPGA, and its worst path without routing, by Yosys
    /// (minutes); exits 1 when a "must" is missed.
    Synth {
        /// Each module's share and its own worst path, too, by a second run.
        #[arg(long)]
        modules: bool,
    },
    /// How much of rtl/ the tests reach: lines, toggled bits, and the gaps (part of `test --full`).
    Coverage(coverage::Options),
    /// A Debian kernel in QEMU, with its own NVMe driver and programs, on the device (minutes).
    Guest(guest::Options),
    /// Measure every figure the project promises; exits 1 when a "must" is missed.
    Bench {
        /// Only the steps whose name contains this text; one that no step has lists them all.
        #[arg(long)]
        only: Option<String>,
        /// What the Verilog must reach, on the Verilog, instead.
        #[arg(long)]
        rtl: bool,
        /// RDStore on a device in another process beside memcached and Redis, instead (about three
        /// minutes, on two cores that nobody else uses).
        #[arg(long, conflicts_with_all = ["only", "rtl"])]
        peers: bool,
        /// Smaller record counts and fewer repetitions: shows that the benches work, judges the
        /// figures that do not depend on size.
        #[arg(long)]
        smoke: bool,
    },
}

fn generate() -> anyhow::Result<report::Report> {
    let run = step::cargo(&["run", "--quiet", "-p", "rtl-generate"]);
    Ok(report::Report {
        rows: vec![step::run("generate", run)?],
    })
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Command::Setup => setup::run(),
        Command::Test { full, only } => test::run(full, only.as_deref()),
        Command::Lint => lint::run(),
        Command::Generate => generate(),
        Command::Prove => verilog::proofs().map(|rows| report::Report { rows }),
        Command::Parameters => parameters::run(),
        Command::Synth { modules } => synthesis::run(modules),
        Command::Twin { arguments: own } => return twin::run(&own, arguments.json),
        Command::Coverage(options) => coverage::run(&options).map(|rows| report::Report { rows }),
        Command::Guest(options) => guest::run(&options),
        Command::Bench {
            peers: true, smoke, ..
        } => return bench::peers::run(smoke, arguments.json),
        Command::Bench {
            only, rtl, smoke, ..
        } => {
            let run = if rtl { bench::run_rtl } else { bench::run };
            run(only.as_deref(), smoke)
        }
    };
    match outcome {
        Ok(report) => {
            report.print(arguments.json);
            if report.failed() == 0 {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("cargo xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}
