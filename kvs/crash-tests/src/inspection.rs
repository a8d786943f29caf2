//! After a crash: what is there, and whether it may be.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use rdstore::page_store::PageStore;
use rdstore::{Client, Cursor, FsckOptions, FsckReport, Outcome, fsck};

use crate::ledger::{Ledger, State};
use crate::record::{key_bytes, writer_of};
use crate::rig::{Rig, RigOptions};

/// Opens the image at `path`, proves its invariants, reads every key by look-up and by scan, and
/// holds what is there against `ledger`, which then goes on from it. Changes nothing.
///
/// # Errors
/// Whatever must not be, in words.
pub fn inspect(path: &Path, keys: u32, ledger: &mut Ledger) -> anyhow::Result<FsckReport> {
    let options = RigOptions {
        functions: 1,
        ..RigOptions::default()
    };
    let rig = Rig::open(path, &options).context("opening the image after the crash")?;
    let report = check(&rig, 0)?;
    let mut reader = rig.reader(0).context("opening the store after the crash")?;
    let states = read_all(&mut reader, keys)?;
    let there = states
        .values()
        .filter(|state| state.writer.is_some())
        .count();
    ensure!(
        report.keys == there as u64,
        "fsck counts {} keys, look-ups find {there}",
        report.keys
    );
    compare_with_scan(&mut reader, &states)?;
    ledger.restart(keys, |key| states[&key]);
    let mut violations = ledger.take_violations();
    violations.extend(rig.misbehaviour());
    ensure!(
        violations.is_empty(),
        "{} violations, the first: {:#?}",
        violations.len(),
        &violations[..violations.len().min(5)]
    );
    Ok(report)
}

/// fsck through a function; its report if the store is sound.
///
/// # Errors
/// The violations it found.
pub fn check(rig: &Rig, function: usize) -> anyhow::Result<FsckReport> {
    let report = fsck(&mut rig.pages(function)?, &FsckOptions::default()).context("fsck")?;
    if !report.is_clean() {
        bail!(
            "fsck finds {} violations, the first: {:#?}",
            report.violations_total,
            &report.violations[..report.violations.len().min(5)]
        );
    }
    Ok(report)
}

fn read_all<P: PageStore>(
    reader: &mut Client<P>,
    keys: u32,
) -> anyhow::Result<BTreeMap<u32, State>> {
    (0..keys)
        .map(|key| {
            let outcome = reader.get(&key_bytes(key));
            let state = state_of(outcome.with_context(|| format!("reading key {key}"))?)
                .with_context(|| format!("key {key}"))?;
            Ok((key, state))
        })
        .collect()
}

fn state_of(outcome: Outcome) -> anyhow::Result<State> {
    Ok(match outcome {
        Outcome::Found { version, value, .. } => State {
            version: version.0,
            writer: Some(writer_of(&value).with_context(|| {
                format!(
                    "its value is nobody's: {:x?}…",
                    &value[..16.min(value.len())]
                )
            })?),
        },
        Outcome::Missing { version } => State {
            version: version.0,
            writer: None,
        },
        other => bail!("a look-up brought {other:?}"),
    })
}

fn compare_with_scan<P: PageStore>(
    reader: &mut Client<P>,
    states: &BTreeMap<u32, State>,
) -> anyhow::Result<()> {
    let numbers = states
        .iter()
        .filter(|(_, state)| state.writer.is_some())
        .map(|(key, state)| (key_bytes(*key), *state));
    let mut expected = numbers.collect::<BTreeMap<_, _>>();
    let mut cursor = Some(Cursor::START);
    while let Some(at) = cursor {
        let page = reader.scan(at, 50).context("scan")?;
        for entry in page.entries {
            let found = State {
                version: entry.version.0,
                writer: writer_of(&entry.value),
            };
            let name = entry.key.escape_ascii().to_string();
            let Some(state) = expected.remove(&entry.key) else {
                bail!(
                    "the scan finds key {name} at version {}: absent, or found before",
                    found.version
                );
            };
            ensure!(
                state == found,
                "key {name}: look-up {state:x?}, scan {found:x?}"
            );
        }
        cursor = page.next;
    }
    ensure!(
        expected.is_empty(),
        "the scan misses keys: {:x?}",
        expected.values().collect::<Vec<_>>()
    );
    Ok(())
}
