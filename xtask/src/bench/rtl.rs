//! `cargo xtask bench --rtl`: what the Verilog must reach.

use anyhow::Result;

use super::program::{row, shown};
use super::{libraries, perf};
use crate::report::Row;
use crate::verilog;

/// Groups of `rdstore-bench` that run on either twin.
const GROUPS: &[&str] = &["isolation", "torn-pages"];

/// The rows; `smoke` is a tenth of the work.
pub(crate) fn rows(smoke: bool) -> Result<Vec<Row>> {
    let ops = if smoke { "2000" } else { "20000" };
    let mut rows = perf::device_table(&["--device", "rtl:", "--ops", ops]);
    for group in GROUPS {
        rows.extend(of_group(group, smoke));
    }
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
    rows.extend(verilog::lint()?);
    Ok(rows)
}

/// A group's rows, or one that says why there are none: a device that cannot do it yet has missed it.
fn of_group(group: &str, smoke: bool) -> Vec<Row> {
    let twin = ["--twin", "rtl"];
    libraries::run(group, &twin, smoke).unwrap_or_else(|error| {
        let arguments = [&[group], &twin[..]].concat();
        let failed = row(
            group.to_owned(),
            false,
            None,
            format!("{error:#}"),
            String::new(),
            shown("rdstore-bench", &arguments),
            0.0,
        );
        vec![failed]
    })
}
