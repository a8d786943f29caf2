//! The rows about stores that many clients share: every result checked, and the races did happen.

use anyhow::Result;
use serde_json::Value;

use super::perf::or_failed;
use super::program::{row, run, shown};
use crate::report::Row;

/// Hot keys under many clients: nothing lost, nothing stale.
pub(crate) fn hot_keys(smoke: bool) -> Result<Row> {
    let ops = if smoke { "20000" } else { "200000" };
    let arguments = [
        "ycsb",
        "--json",
        "--workload",
        "a",
        "--records",
        "1000",
        "--ops",
        ops,
        "--clients",
        "7",
        "--verify",
    ];
    let name = "ycsb a, 7 clients, 1,000 hot records";
    let ran = run("rdstore", &arguments)?;
    Ok(judged(name, true, &arguments, &ran.json, ran.wall_s))
}

/// A workload on the Verilog.
struct OnVerilog {
    workload: &'static str,
    /// Clients meet at one page: its updates have to miscompare now and then.
    races: bool,
    /// Operations for a look, and whole.
    ops: [&'static str; 2],
}

/// A scan reads a hundred pages, so there are fewer of them.
const ON_VERILOG: [OnVerilog; 6] = [
    workload("a", true),
    workload("b", false),
    workload("c", false),
    workload("d", false),
    OnVerilog {
        ops: ["60", "1000"],
        ..workload("e", false)
    },
    workload("f", true),
];

const fn workload(workload: &'static str, races: bool) -> OnVerilog {
    OnVerilog {
        workload,
        races,
        ops: ["800", "20000"],
    }
}

/// Each workload on the Verilog, four clients on four of its functions. Where clients have to meet there
/// are few records; elsewhere the store is about half full, since in an empty one a scan and the proof at
/// the end read pages that nobody has written.
pub(crate) fn on_verilog(smoke: bool) -> Vec<Row> {
    let device = ["rtl:?size=64MiB", "rtl:?size=4MiB"][usize::from(smoke)];
    let rows = ON_VERILOG.iter().map(|on| {
        let records = match (on.races, smoke) {
            (true, true) => "50",
            (true, false) => "1000",
            (false, true) => "500",
            (false, false) => "8000",
        };
        let arguments = [
            "ycsb",
            "--json",
            "--device",
            device,
            "--workload",
            on.workload,
            "--records",
            records,
            "--ops",
            on.ops[usize::from(!smoke)],
            "--clients",
            "4",
            "--verify",
        ];
        let name = format!("ycsb {} on the Verilog, 4 clients", on.workload);
        or_failed(&name, must(on.races), &arguments, || {
            let ran = run("rdstore", &arguments)?;
            Ok(judged(&name, on.races, &arguments, &ran.json, ran.wall_s))
        })
    });
    rows.collect()
}

const fn must(races: bool) -> &'static str {
    if races { "0, 0, > 0" } else { "0, 0" }
}

/// The verdict of a workload.
fn judged(name: &str, races: bool, arguments: &[&str], json: &Value, wall_s: f64) -> Row {
    let count = |path: &str| json.pointer(path).and_then(Value::as_u64);
    let (lost, stale) = (count("/verify/lost_updates"), count("/verify/stale_reads"));
    let kinds = json["ops"].as_object().into_iter().flatten();
    let miscompares: u64 = kinds
        .filter_map(|(_, kind)| kind["miscompares"].as_u64())
        .sum();
    row(
        name.to_owned(),
        lost == Some(0) && stale == Some(0) && (miscompares > 0 || !races),
        lost.map(|lost| lost as f64),
        format!("lost {lost:?}, stale {stale:?}, miscompares {miscompares}").replace("Some", ""),
        must(races).to_owned(),
        shown("rdstore", arguments),
        wall_s,
    )
}
