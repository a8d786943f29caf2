//! `stats`: how full the store is, and what the device has counted.

use nvme_spec::log_page::FunctionCounters;
use serde::Serialize;

use crate::args::StatsArgs;
use crate::outcome::Outcome;
use crate::output::{Table, print_json, print_text, render_fields, show_count};
use crate::store::walk;

#[derive(Serialize)]
struct CountersJson {
    function: usize,
    reads: u64,
    writes: u64,
    compares: u64,
    pairs: u64,
    bytes_read: u64,
    bytes_written: u64,
    miscompares: u64,
    lock_waits: u64,
}

impl CountersJson {
    fn new(function: usize, row: &FunctionCounters) -> Self {
        Self {
            function,
            reads: row.reads,
            writes: row.writes,
            compares: row.compares,
            pairs: row.pairs,
            bytes_read: row.bytes_read,
            bytes_written: row.bytes_written,
            miscompares: row.miscompares,
            lock_waits: row.lock_waits,
        }
    }
}

#[derive(Serialize)]
struct StatsJson {
    keys: u64,
    record_bytes: u64,
    fill: f64,
    pages: u64,
    blank_pages: u64,
    overflowed_keys: u64,
    orphans: u64,
    device_counters: Vec<CountersJson>,
}

/// `rdstore stats`
pub(super) fn run(args: &StatsArgs, json: bool) -> anyhow::Result<Outcome> {
    let (machine, report) = walk(&args.device)?;
    let counters: Vec<CountersJson> = machine
        .counters()?
        .iter()
        .enumerate()
        .map(|(function, row)| CountersJson::new(function, row))
        .collect();
    if json {
        print_json(&StatsJson {
            keys: report.keys,
            record_bytes: report.record_bytes,
            fill: report.fill,
            pages: report.pages,
            blank_pages: report.blank_pages,
            overflowed_keys: report.overflowed_keys,
            orphans: report.orphans,
            device_counters: counters,
        })?;
        return Ok(Outcome::Done);
    }
    let fields = render_fields(&[
        ("keys", show_count(report.keys)),
        ("bytes of keys and values", show_count(report.record_bytes)),
        ("fill", format!("{:.3}", report.fill)),
        ("pages", show_count(report.pages)),
        ("pages never written", show_count(report.blank_pages)),
        ("keys beside their page", show_count(report.overflowed_keys)),
        ("left by dead clients", show_count(report.orphans)),
    ]);
    let mut table = Table::new(&[
        "function",
        "reads",
        "writes",
        "compares",
        "pairs",
        "miscompares",
        "lock waits",
        "bytes read",
        "bytes written",
    ]);
    for row in &counters {
        let mut cells = vec![if row.function == 0 {
            "PF".into()
        } else {
            format!("VF{}", row.function - 1)
        }];
        cells.extend(
            [
                row.reads,
                row.writes,
                row.compares,
                row.pairs,
                row.miscompares,
                row.lock_waits,
                row.bytes_read,
                row.bytes_written,
            ]
            .map(show_count),
        );
        table.row(cells);
    }
    print_text(&format!(
        "{fields}\nThe device's counters since power-on:\n{}",
        table.render()
    ))?;
    if !report.is_clean() {
        eprintln!(
            "the store is not sound ({} violations): run fsck",
            report.violations_total
        );
        return Ok(Outcome::Negative);
    }
    Ok(Outcome::Done)
}
