//! `cargo xtask bench --peers`: RDStore beside memcached and Redis (`bench/peers`).

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::report::Row;
use crate::step::{cargo, root, run as step, target};
use crate::verilog;

/// The program, and the server of devices that it starts.
const PACKAGES: &[&str] = &["-p", "rdstore-peers", "-p", "rdstore-cli"];

/// Builds and runs it; its table or JSON and its exit status are ours.
pub(crate) fn run(smoke: bool, json: bool) -> ExitCode {
    match build_and_run(smoke, json) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("cargo xtask bench --peers: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn build_and_run(smoke: bool, json: bool) -> Result<u8> {
    let mut build = cargo(&["build", "--release"]);
    // Stdout is the table's alone.
    build.args(PACKAGES).stdout(Stdio::null());
    if !build.status().context("cannot start cargo")?.success() {
        bail!("the build has failed");
    }
    let mut peers = Command::new(target().join("release/rdstore-peers"));
    peers
        .args(smoke.then_some("--smoke"))
        .args(json.then_some("--json"))
        .current_dir(root());
    let status = peers.status().context("cannot start rdstore-peers")?;
    Ok(status
        .code()
        .and_then(|code| code.try_into().ok())
        .unwrap_or(2))
}

/// A short run as a step of `cargo xtask test`: every side works and every value is right. It judges no
/// ratio, and so is built without the long link of a release.
pub(crate) fn check() -> Result<Row> {
    const PROFILE: &str = "campaign";
    let mut build = cargo(&["build", "--quiet", "--profile", PROFILE]);
    build.args(PACKAGES);
    if verilog::is_set_up() {
        // As the tests before it, so that nothing is built twice.
        build.args(["-p", "rdstore-bench", "--features", "rdstore-bench/rtl"]);
    }
    let built = step("peers, build", build)?;
    if built.failed > 0 {
        return Ok(built);
    }
    let mut peers = Command::new(target().join(PROFILE).join("rdstore-peers"));
    peers.arg("--smoke").current_dir(root());
    let mut row = step("peers", peers)?;
    row.wall_s += built.wall_s;
    row.command = "cargo xtask bench --peers --smoke".to_owned();
    Ok(row)
}
