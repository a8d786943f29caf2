//! `cargo xtask bench --rtl`: what the Verilog must reach.

use anyhow::Result;

use super::program::{row, shown};
use super::{libraries, perf, twins, ycsb};
use crate::report::Row;
use crate::{coverage, verilog};

/// Groups of `rdstore-bench` that run on either twin.
const GROUPS: &[&str] = &["isolation", "torn-pages"];

/// The rows; `smoke` is a tenth of the work, and no coverage, which needs a build of its own.
pub(crate) fn rows(smoke: bool) -> Result<Vec<Row>> {
    let ops = if smoke { "2000" } else { "20000" };
    let mut rows = perf::device_table(&["--device", "rtl:", "--ops", ops]);
    for group in GROUPS {
        let twin = ["--twin", "rtl"];
        let arguments = [&[*group], &twin[..]].concat();
        let measured = libraries::run(group, &twin, smoke);
        rows.extend(or_failed(group, "rdstore-bench", &arguments, measured));
    }
    let seeds = if smoke { "20" } else { "500" };
    let arguments = ["--seeds", seeds];
    rows.extend(or_failed(
        "twin check",
        "nvme-twin",
        &arguments,
        twins::rows(seeds),
    ));
    rows.push(perf::wall_rate(
        "the Verilog under 4 KiB Reads, QD 64",
        "rtl:",
        "/wall_cycles_per_s",
        "kcycles/s of wall clock",
        [150.0, 1_000.0],
    ));
    rows.push(perf::wall_rate(
        "the model under 4 KiB Reads, QD 64",
        "model:",
        "/wall_commands_per_s",
        "k commands/s of wall clock",
        [300.0, 1_000.0],
    ));
    rows.push(ycsb::verified_on_verilog(smoke));
    rows.extend(verilog::lint()?);
    if !smoke {
        rows.extend(coverage::run(false)?);
    }
    Ok(rows)
}

/// The rows, or one that says why there are none: a device that cannot do it yet has missed it.
fn or_failed(name: &str, program: &str, arguments: &[&str], rows: Result<Vec<Row>>) -> Vec<Row> {
    rows.unwrap_or_else(|error| {
        vec![row(
            name.to_owned(),
            false,
            None,
            format!("{error:#}"),
            String::new(),
            shown(program, arguments),
            0.0,
        )]
    })
}
