//! `nvme-twin`: the twin check as a program; `cargo xtask twin` builds and runs it.

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use nvme_conformance::side_by_side;
use nvme_twin::check::{Twin, check};
use nvme_twin::diverge::diverge;
use nvme_twin::generate::{Limits, Only, script};
use nvme_twin::report::Report;
use nvme_twin::script::Mix;
use nvme_twin::show::describe;
use nvme_twin::shrink::shrink;
use nvme_twin::spoiled::{Mistake, spoiled_model};
use nvme_twin::twins::{Make, model};

/// Events shown before and after the first that differs.
const AROUND: usize = 30;

/// Random command mixes on the cycle model and on the Verilog: do they do the same?
///
/// A seed is a device, a host and some eighty commands: all kinds, sizes and shapes, valid and not,
/// with faults, resets and Aborts. Mixes whose commands do not conflict must give the same results on
/// both twins, and their cycles stand side by side; where commands conflict, each twin's results must
/// be those of an untimed oracle that follows the order in which that twin has granted its locks.
#[derive(Parser)]
#[command(
    bin_name = "cargo xtask twin",
    max_term_width = 100,
    after_help = "Exit status: 0 no mismatch, 1 mismatches, 2 it cannot run\n\n\
        Examples:\n  \
        cargo xtask twin --seeds 20            twenty seeds, from seed 1 on\n  \
        cargo xtask twin --replay 17           one seed: what it does, and the shortest part that goes wrong\n  \
        cargo xtask twin --seeds 500 --json    the figures as JSON on stdout\n  \
        cargo xtask twin --seeds 5 --against model --mistake no-lock\n                                         \
        is a mistake noticed?"
)]
struct Arguments {
    /// How many seeds
    #[arg(long, default_value_t = 20, value_name = "N")]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    first_seed: u64,
    /// Print the figures as JSON on stdout, everything else on stderr
    #[arg(long)]
    json: bool,
    /// Run one seed and show its script; when it goes wrong, make it short
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "first_seed"])]
    replay: Option<u64>,
    /// Bytes of the largest command
    #[arg(long, default_value_t = 131_072, value_name = "BYTES")]
    most_bytes: u32,
    /// Commands of a seed, about
    #[arg(long, default_value_t = 80, value_name = "N")]
    commands: usize,
    /// Random stalls at every port of the Verilog: always, or never; by default the seed says
    #[arg(long, value_name = "BOOL")]
    stalls: Option<bool>,
    /// Only commands that move data, nothing that goes wrong: reads, writes, compares, pairs, or moves for all four
    #[arg(long, value_name = "KIND", value_parser = only, default_value = "everything")]
    only: Only,
    /// One function, or at most so many
    #[arg(long, value_name = "N")]
    functions: Option<usize>,
    /// Print where the ports of both twins begin to differ in time: a line for each seed, and with --replay the events
    /// around it
    #[arg(long)]
    diverge: bool,
    /// The second twin
    #[arg(long, default_value = "rtl", value_name = "TWIN")]
    against: Against,
    /// A mistake to put into the second twin (a model): it must be noticed
    #[arg(long, value_name = "MISTAKE", value_parser = mistake)]
    mistake: Option<Mistake>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Against {
    /// The Verilog, through Verilator
    Rtl,
    /// Another cycle model
    Model,
}

fn mistake(name: &str) -> Result<Mistake, String> {
    let found = Mistake::ALL.iter().find(|(known, _)| *known == name);
    found.map(|(_, mistake)| *mistake).ok_or_else(|| {
        let names: Vec<&str> = Mistake::ALL.iter().map(|(name, _)| *name).collect();
        format!("there is: {}", names.join(", "))
    })
}

fn only(name: &str) -> Result<Only, String> {
    let found = Only::ALL.iter().find(|(known, _)| *known == name);
    found.map(|(_, only)| *only).ok_or_else(|| {
        let names: Vec<&str> = Only::ALL.iter().map(|(name, _)| *name).collect();
        format!("there is: {}", names.join(", "))
    })
}

#[cfg(feature = "verilator")]
fn rtl() -> Option<Box<Make>> {
    Some(Box::new(nvme_twin::twins::rtl))
}

#[cfg(not(feature = "verilator"))]
fn rtl() -> Option<Box<Make>> {
    None
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let second: Option<Box<Make>> = match (arguments.against, arguments.mistake) {
        (_, Some(mistake)) => Some(Box::new(move |setup| spoiled_model(setup, mistake))),
        (Against::Model, None) => Some(Box::new(model)),
        (Against::Rtl, None) => rtl(),
    };
    let Some(second) = second else {
        eprintln!(
            "nvme-twin was built without the Verilog: build it with `--features verilator` (as \
             `cargo xtask twin` does), or compare models with `--against model`"
        );
        return ExitCode::from(2);
    };
    let one = Twin {
        name: "model",
        make: &model,
    };
    let name = match (arguments.against, arguments.mistake) {
        (Against::Rtl, None) => "rtl",
        _ => "second",
    };
    let other = Twin {
        name,
        make: &*second,
    };
    if arguments.diverge {
        return divergences(&arguments, &one, &other);
    }
    let report = match arguments.replay {
        Some(seed) => replay(seed, &arguments, &one, &other),
        None => campaign(&arguments, &one, &other),
    };
    if arguments.json {
        println!("{:#}", report.json());
        eprint!("{}", report.table());
    } else {
        print!("{}", report.table());
    }
    ExitCode::from(u8::from(!report.mismatches.is_empty()))
}

fn limits(arguments: &Arguments) -> Limits {
    Limits {
        most_bytes: arguments.most_bytes,
        commands: arguments.commands,
        stalls: arguments.stalls,
        only: arguments.only,
        functions: arguments.functions,
    }
}

/// Where the ports begin to differ: of mixes that are compared in cycles.
fn divergences(arguments: &Arguments, one: &Twin<'_>, other: &Twin<'_>) -> ExitCode {
    let seeds = match arguments.replay {
        Some(seed) => seed..=seed,
        None => arguments.first_seed..=arguments.first_seed + arguments.seeds.saturating_sub(1),
    };
    let (mut exact, mut compared) = (0, 0);
    for seed in seeds {
        let script = script(seed, limits(arguments));
        let is_compared = script.setup.mix == Mix::ConflictFree && script.setup.stalls.is_none();
        if arguments.replay.is_some() {
            eprintln!("{}", describe(&script));
        } else if !is_compared {
            continue;
        }
        compared += 1;
        match diverge(&script, one, other, AROUND) {
            None => exact += 1,
            Some((at, events)) if arguments.replay.is_some() => {
                println!("cycle {at}: {}, {}\n{events}", one.name, other.name);
            }
            Some((at, events)) => {
                let lines = events.lines().filter(|line| line.contains('>'));
                println!(
                    "seed {seed}, cycle {at}: {}",
                    lines.collect::<Vec<_>>().join(" | ")
                );
            }
        }
    }
    println!("{exact} of {compared} seeds: everything in the same cycles");
    ExitCode::SUCCESS
}

/// All seeds; the first that goes wrong is made short.
fn campaign(arguments: &Arguments, one: &Twin<'_>, other: &Twin<'_>) -> Report {
    let mut report = Report::default();
    let last = arguments.first_seed.saturating_add(arguments.seeds);
    let limits = limits(arguments);
    let verdict_of = |seed| check(&script(seed, limits), one, other);
    side_by_side::run(arguments.first_seed..last, verdict_of, |seed, verdict| {
        let is_first = report.mismatches.is_empty() && !verdict.mismatches.is_empty();
        if !verdict.mismatches.is_empty() {
            eprintln!(
                "seed {seed}: {} mismatches: {}",
                verdict.mismatches.len(),
                verdict.mismatches[0]
            );
        }
        report.add(seed, verdict);
        if is_first {
            shorten(&script(seed, limits), one, other);
        }
        if (seed + 1 - arguments.first_seed).is_multiple_of(10) {
            eprintln!(
                "{} of {} seeds, {} commands, {} with mismatches",
                report.seeds,
                arguments.seeds,
                report.commands,
                report.mismatches.len()
            );
        }
    });
    report
}

fn shorten(script: &nvme_twin::script::Script, one: &Twin<'_>, other: &Twin<'_>) {
    let (short, shown) = shrink(script, one, other, |runs| {
        if runs.is_multiple_of(25) {
            eprintln!("making it short: {runs} runs");
        }
    });
    let commands = short.commands().count();
    eprintln!(
        "\n{commands} commands of it are enough:\n{}",
        describe(&short)
    );
    for text in shown.iter().take(8) {
        eprintln!("  {text}");
    }
    eprintln!("\ncargo xtask twin --replay {} repeats it\n", script.seed);
}

fn replay(seed: u64, arguments: &Arguments, one: &Twin<'_>, other: &Twin<'_>) -> Report {
    let script = script(seed, limits(arguments));
    eprintln!("{}", describe(&script));
    let verdict = check(&script, one, other);
    for text in &verdict.mismatches {
        eprintln!("  {text}");
    }
    let is_wrong = !verdict.mismatches.is_empty();
    let mut report = Report::default();
    report.add(seed, verdict);
    if is_wrong {
        shorten(&script, one, other);
    }
    report
}
