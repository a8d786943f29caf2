//! `cargo xtask setup`: what a fresh Debian 12 with Rust lacks.
//!
//! The store, the driver and the cycle model need a C linker and nothing else; rustfmt and clippy
//! belong to the Rust tool chain. Quick when there is nothing to do.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Result;

use crate::report::{Report, Row};
use crate::step;

/// A program that must answer `--version`, and the Debian package that brings it.
const PROGRAMS: &[(&str, &str)] = &[("cc", "gcc"), ("git", "git")];
/// Components of the tool chain, and how to get them where they are missing.
const COMPONENTS: &[(&str, &str)] = &[
    ("cargo-fmt", "rustup component add rustfmt"),
    ("cargo-clippy", "rustup component add clippy"),
];

fn answers(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

pub(crate) fn run() -> Result<Report> {
    let start = Instant::now();
    let mut report = Report::default();
    let missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| !answers(program))
        .map(|&(_, package)| package)
        .collect();
    if !missing.is_empty() {
        let mut update = Command::new("apt-get");
        update.args(["-q", "update"]);
        report.rows.push(step::run("apt index", update)?);
        let mut install = Command::new("apt-get");
        install
            .args(["-q", "-y", "--no-install-recommends", "install"])
            .args(&missing);
        install.env("DEBIAN_FRONTEND", "noninteractive");
        report.rows.push(step::run("apt packages", install)?);
    }
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
