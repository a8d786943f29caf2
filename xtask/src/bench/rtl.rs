//! `cargo xtask bench --rtl`: what the Verilog must reach.

use anyhow::{Result, bail};

use super::program::row;
use super::{libraries, perf, speed, table, twins, verified};
use crate::report::{Report, Row};
use crate::steps::{self, Step, step};
use crate::{coverage, verilog};

const STEPS: &[Step] = &[
    step("perf", cycles),
    step("isolation", |smoke| library("isolation", smoke)),
    step("torn-pages", |smoke| library("torn-pages", smoke)),
    step("twin", |smoke| {
        twins::rows(if smoke { "20" } else { "500" })
    }),
    step("speed", |_| Ok(speed::rows())),
    step("ycsb", |smoke| Ok(verified::on_verilog(smoke))),
    step("lint", |_| verilog::lint()),
    step("coverage", counted),
];

const COMMAND: &str = "cargo xtask bench --rtl";

/// The table of the Verilog.
pub(crate) fn run(only: Option<&str>, smoke: bool) -> Result<Report> {
    if !verilog::is_set_up() {
        bail!("the Verilog's tools are missing: run `cargo xtask setup`");
    }
    table(&steps::chosen(STEPS, only)?, COMMAND, smoke)
}

/// What no other step of `cargo xtask test` does: isolation and torn pages are device tests, too, and the
/// twins, lint and coverage have steps there. Without `full` it is the speed alone; tests of the command
/// line look at cycles and YCSB.
pub(crate) fn beside_tests(full: bool) -> Result<Vec<Row>> {
    if !verilog::is_set_up() {
        return Ok(vec![verilog::not_set_up("what the Verilog must reach")]);
    }
    let names: &[&str] = if full {
        &["perf", "speed", "ycsb"]
    } else {
        &["speed"]
    };
    let steps = STEPS.iter().filter(|step| names.contains(&step.name));
    Ok(table(&steps.collect::<Vec<_>>(), COMMAND, !full)?.rows)
}

/// Cycles a command, and latencies.
fn cycles(smoke: bool) -> Result<Vec<Row>> {
    let ops = if smoke { "2000" } else { "20000" };
    Ok(perf::device_table(&["--device", "rtl:", "--ops", ops]))
}

/// A group of `rdstore-bench` that runs on either twin.
fn library(group: &str, smoke: bool) -> Result<Vec<Row>> {
    libraries::run(group, &["--twin", "rtl"], smoke)
}

/// What the last run of the device tests has counted, when the Verilog and the tests are as they were
/// then, and a run of its own when they are not. That takes a while: a look does without.
fn counted(smoke: bool) -> Result<Vec<Row>> {
    let last_run = coverage::is_fresh()?;
    if smoke && !last_run {
        let name = "coverage of rtl/".to_owned();
        let said = "not measured: nothing has been counted since rtl/ or its tests changed";
        let command = "cargo xtask coverage".to_owned();
        let row = row(
            name,
            true,
            None,
            said.to_owned(),
            String::new(),
            command,
            0.0,
        );
        return Ok(vec![Row { passed: 0, ..row }]);
    }
    let mut rows = coverage::run(&coverage::Options::of_bench(last_run))?;
    if last_run {
        rows.iter_mut()
            .for_each(|row| row.command = "cargo xtask coverage --last-run".to_owned());
    }
    Ok(rows)
}
