//! The rows that `rdstore device perf` measures: cycles are exact and repeatable.

use anyhow::Result;

use super::program::{number, row, run, shown};
use crate::report::Row;

/// (what, arguments, JSON path, must, aim), the controller's table at its default conditions.
const TABLE: &[(&str, &[&str], &str, f64, f64)] = &[
    (
        "4 KiB Read, QD 64",
        &["--rw", "randread"],
        "/cycles_per_command",
        155.0,
        148.0,
    ),
    (
        "4 KiB Write, QD 64",
        &["--rw", "randwrite"],
        "/cycles_per_command",
        158.0,
        150.0,
    ),
    (
        "4 KiB pair, QD 64",
        &["--rw", "caw"],
        "/cycles_per_command",
        320.0,
        298.0,
    ),
    (
        "4 KiB pair whose compare fails, QD 64",
        &["--rw", "caw", "--miscompare"],
        "/cycles_per_command",
        320.0,
        298.0,
    ),
    (
        "4 KiB Read latency, QD 1",
        &["--rw", "randread", "--qd", "1"],
        "/latency_cycles/p50",
        290.0,
        255.0,
    ),
    (
        "4 KiB pair latency, QD 1",
        &["--rw", "caw", "--qd", "1"],
        "/latency_cycles/p50",
        780.0,
        745.0,
    ),
];

/// The table, of a device; what is added to a run's arguments goes for each.
pub(crate) fn device_table(added: &[&str]) -> Vec<Row> {
    TABLE
        .iter()
        .map(|(name, arguments, path, must, aim)| {
            let mut all = vec!["device", "perf", "--json"];
            all.extend(added);
            all.extend(*arguments);
            let limits = format!("≤ {must} (aim {aim})");
            or_failed(name, &limits, &all, || {
                let ran = run("rdstore", &all)?;
                let measured = number(&ran.json, path)?;
                Ok(row(
                    (*name).to_owned(),
                    measured <= *must,
                    Some(measured),
                    format!("{measured:.1} cycles"),
                    limits.clone(),
                    shown("rdstore", &all),
                    ran.wall_s,
                ))
            })
        })
        .collect()
}

/// The row, or one that says why there is none: a device that cannot do it yet has missed it.
pub(crate) fn or_failed(
    name: &str,
    limits: &str,
    arguments: &[&str],
    measure: impl FnOnce() -> Result<Row>,
) -> Row {
    measure().unwrap_or_else(|error| {
        row(
            name.to_owned(),
            false,
            None,
            format!("{error:#}"),
            limits.to_owned(),
            shown("rdstore", arguments),
            0.0,
        )
    })
}

/// How far measured ÷ ceiling may be from the same ratio at the base setting.
const GRID_TOLERANCE: f64 = 0.03;

/// The same commands under other links: the ratio of measured to the formula stays. A model that
/// answered with constants would fail.
pub(crate) fn grid(smoke: bool) -> Result<Vec<Row>> {
    let (mps, rtt_ns): (&[u32], &[u32]) = if smoke {
        (&[128, 512], &[1120])
    } else {
        (&[128, 256, 512], &[280, 560, 1120])
    };
    let mut rows = Vec::new();
    for rw in ["randread", "randwrite", "caw"] {
        let base = ratio(rw, "model:")?;
        for &mps in mps {
            for split in [64, 256] {
                for &rtt_ns in rtt_ns {
                    for cpl_bytes in [15872, 7936] {
                        let uri = format!(
                            "model:?mps={mps}&split={split}&rtt_ns={rtt_ns}&cpl_bytes={cpl_bytes}"
                        );
                        let here = ratio(rw, &uri)?;
                        let off = here.ratio / base.ratio - 1.0;
                        rows.push(row(
                            format!(
                                "{rw} mps {mps} split {split} rtt {rtt_ns} ns space {cpl_bytes}"
                            ),
                            off.abs() <= GRID_TOLERANCE,
                            Some(off),
                            format!(
                                "{:.1} of {:.1} cycles, {:+.2} % of base",
                                here.measured,
                                here.ceiling,
                                off * 100.0
                            ),
                            format!("± {:.0} %", GRID_TOLERANCE * 100.0),
                            here.command,
                            here.wall_s,
                        ));
                    }
                }
            }
        }
    }
    Ok(rows)
}

struct Ratio {
    measured: f64,
    ceiling: f64,
    ratio: f64,
    command: String,
    wall_s: f64,
}

fn ratio(rw: &str, uri: &str) -> Result<Ratio> {
    let arguments = [
        "device", "perf", "--json", "--rw", rw, "--ops", "5000", "--device", uri,
    ];
    let ran = run("rdstore", &arguments)?;
    let measured = number(&ran.json, "/cycles_per_command")?;
    let ceiling = number(&ran.json, "/ceiling_cycles")?;
    Ok(Ratio {
        measured,
        ceiling,
        ratio: measured / ceiling,
        command: shown("rdstore", &arguments),
        wall_s: ran.wall_s,
    })
}
