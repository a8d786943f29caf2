//! Our own programs: the one that serves the device, and those that run in a guest.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::bench::program::built;
use crate::step::{cargo, run as step};
use crate::verilog;

/// Builds `rdstore`, with the Verilog in it when a guest is to have that.
pub(crate) fn build(with_rtl: bool) -> Result<()> {
    let mut build = cargo(&["build", "--release", "--quiet"]);
    build.args([
        "-p",
        "rdstore-cli",
        "-p",
        "nvme-vfio",
        "--bins",
        "--examples",
    ]);
    if with_rtl {
        if !verilog::is_set_up() {
            bail!(
                "the Verilog's tools are missing: run `cargo xtask setup`, or leave rtl out by `--only model`"
            );
        }
        build.args(["--features", "rdstore-cli/rtl"]);
    }
    if step("build", build)?.failed > 0 {
        bail!("the programs of the guests do not build");
    }
    Ok(())
}

/// What a guest gets of them, in `/usr/bin`.
pub(crate) fn of_guests() -> Vec<PathBuf> {
    vec![built("rdstore"), built("examples/stray_dma")]
}
