//! `fsck`: proves that a store is sound.

use rdstore::Violation;
use serde::Serialize;

use crate::args::FsckArgs;
use crate::outcome::Outcome;
use crate::output::{print_json, print_text, render_fields, show_count};
use crate::store::walk;

#[derive(Serialize)]
struct ViolationJson {
    page: u64,
    what: String,
}

#[derive(Serialize)]
struct FsckJson {
    clean: bool,
    pages: u64,
    blank_pages: u64,
    keys: u64,
    overflowed_keys: u64,
    record_bytes: u64,
    fill: f64,
    orphans: u64,
    violations_total: u64,
    violations: Vec<ViolationJson>,
}

/// `rdstore fsck`
pub(super) fn run(args: &FsckArgs, json: bool) -> anyhow::Result<Outcome> {
    let (_machine, report) = walk(&args.device)?;
    let clean = report.is_clean();
    if json {
        let violation = |v: &Violation| ViolationJson {
            page: v.page,
            what: v.what.clone(),
        };
        print_json(&FsckJson {
            clean,
            pages: report.pages,
            blank_pages: report.blank_pages,
            keys: report.keys,
            overflowed_keys: report.overflowed_keys,
            record_bytes: report.record_bytes,
            fill: report.fill,
            orphans: report.orphans,
            violations_total: report.violations_total,
            violations: report.violations.iter().map(violation).collect(),
        })?;
    } else {
        let verdict = if clean {
            "sound".to_owned()
        } else {
            format!(
                "{} violations; restore from an export or a copy",
                report.violations_total
            )
        };
        let fields = render_fields(&[
            ("pages read", show_count(report.pages)),
            ("pages never written", show_count(report.blank_pages)),
            ("keys", show_count(report.keys)),
            ("keys beside their page", show_count(report.overflowed_keys)),
            ("left by dead clients", show_count(report.orphans)),
            ("fill", format!("{:.3}", report.fill)),
            ("the store is", verdict),
        ]);
        let violation = |v: &Violation| format!("page {}: {}\n", v.page, v.what);
        let violations: String = report.violations.iter().map(violation).collect();
        print_text(&(violations + &fields))?;
    }
    Ok(if clean {
        Outcome::Done
    } else {
        Outcome::Negative
    })
}
