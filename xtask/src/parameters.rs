//! The parameters of `nvme_controller`: values that must be refused, and corners that must work.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::report::{Report, Row};
use crate::step::{cargo, root, run as step};
use crate::verilog::{files, is_set_up, not_set_up, pinned_verilator, tool};

/// A controller: VFs, I/O queues, LBA shift, ACWU bytes, tags.
type Corner = [u32; 5];

const NAMES: [&str; 5] = [
    "VIRTUAL_FUNCTIONS",
    "IO_QUEUES",
    "LBA_SHIFT",
    "ATOMIC_UNIT_BYTES",
    "TAGS",
];

/// What is linted: parameters at their smallest and largest, with both ends of the others, and counts
/// that are no powers of two.
const LINTED: &[Corner] = &[
    [1, 1, 9, 4096, 8],
    [3, 2, 12, 8192, 32],
    [8, 1, 9, 12288, 64],
    [8, 16, 12, 16384, 64],
    [8, 16, 9, 4096, 33],
    [7, 15, 9, 16384, 63],
];

/// What is built and run.
const BUILT: &[Corner] = &[
    [1, 1, 9, 4096, 8],
    [8, 16, 12, 16384, 64],
    [8, 1, 9, 16384, 33],
];

/// Values that each check must refuse.
const REFUSED: &[(&str, &[u32])] = &[
    ("VIRTUAL_FUNCTIONS", &[0, 9]),
    ("IO_QUEUES", &[0, 17]),
    ("LBA_SHIFT", &[8, 10, 13]),
    ("ATOMIC_UNIT_BYTES", &[0, 2048, 6144, 20480]),
    ("TAGS", &[0, 7, 65]),
    ("READ_TIMEOUT_CYCLES", &[0, (1 << 30) + 1]),
    ("AXI_ADDRESS_WIDTH", &[19, 65]),
    ("AXI_ID_WIDTH", &[0, 5]),
    ("FUNCTIONS", &[3]),
];

/// `cargo xtask parameters`.
pub(crate) fn run() -> Result<Report> {
    let mut rows = lint()?;
    rows.push(device_tests()?);
    Ok(Report { rows })
}

/// The refusals and the corners' lint.
pub(crate) fn lint() -> Result<Vec<Row>> {
    if !is_set_up() {
        return Ok(vec![not_set_up("parameters")]);
    }
    Ok(vec![refused()?, linted()?])
}

/// Verilator on the top module; what it says of errors and warnings.
fn verilator(options: &[String]) -> Result<(bool, String)> {
    let mut command = pinned_verilator();
    command
        .args(["--lint-only", "-Wall", "-y", "rtl", "rtl/lint/waivers.vlt"])
        .args(options)
        .args(["--top-module", "nvme_controller", "rtl/nvme_controller.v"]);
    said_by(command)
}

fn slang(options: &[String]) -> Result<(bool, String)> {
    let mut command = Command::new(tool("python"));
    command
        .args(["rtl/lint/slang.py", "-Wextra", "-Werror", "-I", "rtl"])
        .args(["--top", "nvme_controller"])
        .args(options)
        .args(files("v")?);
    said_by(command)
}

fn said_by(mut command: Command) -> Result<(bool, String)> {
    let output = command
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .context("starting a linter")?;
    let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stdout));
    Ok((output.status.success(), said))
}

/// Each bad value stops both tools at the check that names the parameter.
fn refused() -> Result<Row> {
    let start = Instant::now();
    let mut row = not_set_up("parameters refused");
    for (name, values) in REFUSED {
        for value in *values {
            // An unsized number, as it would stand in an instance.
            let by_verilator = verilator(&[format!("-G{name}='d{value}")])?;
            let by_slang = slang(&[format!("-G{name}={value}")])?;
            let check = format!("{name}_");
            let stops = |(passed, said): &(bool, String)| !passed && said.contains(&check);
            // Beyond the widest address, slang stops at the range that is too wide.
            let too_wide = *name == "AXI_ADDRESS_WIDTH" && *value > 64;
            if stops(&by_verilator) && (stops(&by_slang) || (too_wide && !by_slang.0)) {
                row.passed += 1;
            } else {
                row.failed += 1;
                eprintln!("── {name} = {value} is not refused as it should be:");
                eprintln!("{}\n{}", by_verilator.1, by_slang.1);
            }
        }
    }
    row.measured = format!("{} values", row.passed + row.failed);
    row.command = "verilator-cli --lint-only -GNAME=VALUE, slang".to_owned();
    row.wall_s = start.elapsed().as_secs_f64();
    Ok(row)
}

/// Both linters on the corners.
fn linted() -> Result<Row> {
    let start = Instant::now();
    let mut row = not_set_up("corners of the parameters");
    for corner in LINTED {
        let values = || NAMES.iter().zip(corner);
        let sized = values().map(|(name, value)| format!("-G{name}='d{value}"));
        let (clean, said) = verilator(&sized.collect::<Vec<_>>())?;
        let plain = values().map(|(name, value)| format!("-G{name}={value}"));
        let (clean_too, said_too) = slang(&plain.collect::<Vec<_>>())?;
        if clean && clean_too {
            row.passed += 1;
        } else {
            row.failed += 1;
            eprintln!("── {}:\n{said}\n{said_too}", named(corner));
        }
    }
    row.measured = format!("{} controllers", LINTED.len());
    row.command = "verilator-cli --lint-only -Wall -GNAME=VALUE …, slang".to_owned();
    row.wall_s = start.elapsed().as_secs_f64();
    Ok(row)
}

/// As `NVME_RTL_VARIANTS` names it.
fn named(corner: &Corner) -> String {
    corner.map(|value| value.to_string()).join(":")
}

/// Controllers with the parameters of the corners, and the tests of every controller that there is.
pub(crate) fn device_tests() -> Result<Row> {
    const NAME: &str = "device tests of the corners";
    if !is_set_up() {
        return Ok(not_set_up(NAME));
    }
    let corners: Vec<String> = BUILT.iter().map(named).collect();
    let mut tests = cargo(&["test", "--package", "nvme-rtl"]);
    tests
        .args(["--features", "nvme-rtl/verilator"])
        .args(["--profile", "campaign", "--test", "parameters"])
        .env("NVME_RTL_VARIANTS", corners.join(","));
    let mut row = step(NAME, tests)?;
    row.measured = format!("{}, {} controllers", row.measured, corners.len());
    Ok(row)
}
