//! `--trace FILE.fst`: what GTKWave and Surfer open is there, and is true.

#![cfg(feature = "waves")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::io::BufReader;

use fst_reader::{FstFilter, FstHierarchyEntry, FstReader, FstSignalValue};
use support::Shell;

/// Signals at the top whose waves are looked at.
const LOOKED_AT: [&str; 4] = [
    "clk",
    "m_axis_cq_tvalid",
    "s_axis_cc_tvalid",
    "s_axis_rq_tvalid",
];

#[test]
fn a_command_leaves_the_waves_of_its_device() {
    let shell = Shell::new();
    shell.ok("device identify --device rtl:?size=16MiB --trace x.fst");
    let file = std::fs::File::open(shell.path().join("x.fst")).expect("the file is there");
    let mut waves = FstReader::open(BufReader::new(file)).expect("an FST file");
    assert!(
        waves.get_header().end_time > 1_000,
        "{:?}",
        waves.get_header()
    );

    let mut scopes = Vec::new();
    let mut modules = BTreeSet::new();
    let mut ports = BTreeMap::new();
    let mut handles = Vec::new();
    waves
        .read_hierarchy(|entry| match entry {
            FstHierarchyEntry::Scope { name, .. } => {
                modules.insert(name.clone());
                scopes.push(name);
            }
            FstHierarchyEntry::UpScope => drop(scopes.pop()),
            FstHierarchyEntry::Var { name, handle, .. } => {
                let at_the_top = scopes
                    .last()
                    .is_some_and(|scope| scope == "nvme_controller");
                if at_the_top && LOOKED_AT.contains(&name.as_str()) {
                    ports.insert(handle.get_index(), name);
                    handles.push(handle);
                }
            }
            _ => {}
        })
        .expect("a hierarchy");
    let found: BTreeSet<&str> = ports.values().map(String::as_str).collect();
    assert_eq!(found, BTreeSet::from(LOOKED_AT));
    assert!(
        modules.contains("registers"),
        "what is inside is there, too: {modules:?}"
    );

    let mut rises: BTreeMap<&str, u64> = BTreeMap::new();
    waves
        .read_signals(&FstFilter::filter_signals(handles), |_, handle, value| {
            if matches!(value, FstSignalValue::String(b"1")) {
                *rises.entry(&ports[&handle.get_index()]).or_default() += 1;
            }
            Ok::<(), Infallible>(())
        })
        .expect("waves");
    // Registers are read and written, answers come, and commands fetched and completed.
    for (port, least) in LOOKED_AT.iter().zip([1_000, 10, 1, 4]) {
        assert!(
            rises.get(port).is_some_and(|rises| *rises >= least),
            "{rises:?}"
        );
    }
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    Shell::new().wrong(
        "device identify --device rtl: --trace nowhere/x.fst",
        &["nowhere/x.fst", "cannot be recorded there"],
    );
}
