//! Links that go down, devices that are pulled out, functions that are taken away, devices that lie.

use anyhow::{Context, ensure};
use pcie_host::endpoint::Cycle;
use pcie_host::{Fault, LinkEvent};
use rand::RngExt;
use rdstore::Client;
use rdstore_crash_tests::load::{Load, LoadOptions, Progress, generator};
use rdstore_crash_tests::lying::LyingPages;
use rdstore_crash_tests::rig::RigOptions;

use super::*;

#[test]
fn a_link_that_goes_down_and_comes_back_loses_nothing() {
    let seed = rdstore_crash_tests::seed();
    let runs = if rdstore_crash_tests::full() { 200 } else { 10 };
    let mut random = generator(seed, 6000);
    let mut patient = Patient::new();
    for run in 0..runs {
        let cycle = random.random_range(0..60_000);
        let survived = down_and_up(&mut patient, cycle, random.random());
        survived.unwrap_or_else(|error| panic!("run {run}, RDSTORE_SEED={seed}: {error:?}"));
    }
    let totals = patient.ledger.totals();
    println!("{runs} times down: {totals:?}");
    assert!(totals.unknown > 0, "{totals:?}");
}

/// The link goes down at work, comes up, and new clients go on on the same machine.
fn down_and_up(patient: &mut Patient, cycle: Cycle, seed: u64) -> anyhow::Result<()> {
    let mut rig = patient.open(&RigOptions::default())?;
    let down = Fault::At {
        cycle,
        event: LinkEvent::Down,
    };
    let run = patient.work(&rig, load(seed), &[down])?;
    ensure!(
        run.gone() == CLIENTS,
        "{} of {CLIENTS} clients know that the device is gone",
        run.gone()
    );
    ensure!(
        run.end - run.start < cycle + 125_000_000,
        "it took {} cycles to notice",
        run.end - run.start
    );
    rig.inject(Fault::At {
        cycle: 0,
        event: LinkEvent::Up,
    });
    rig.host.run_until(rig.host.now() + 1);
    rig.bring_up().context("after the link came up")?;
    let run = patient.work(&rig, load(seed ^ 1), &[])?;
    let errors = run.errors().count();
    ensure!(errors == 0, "{errors} errors after the link came up");
    drop(rig);
    patient.inspect()
}

/// The link goes down and stays down: the device was pulled out, and stands in another machine.
#[test]
fn a_device_that_is_pulled_out_has_all_that_was_acknowledged() {
    let seed = rdstore_crash_tests::seed();
    let runs = if rdstore_crash_tests::full() { 200 } else { 10 };
    let mut random = generator(seed, 7000);
    let mut patient = Patient::new();
    for run in 0..runs {
        let down = Fault::At {
            cycle: random.random_range(0..60_000),
            event: LinkEvent::Down,
        };
        let done = patient
            .live(&RigOptions::default(), load(random.random()), &[down])
            .unwrap_or_else(|error| panic!("run {run}, RDSTORE_SEED={seed}: {error:?}"));
        assert_eq!(done.gone(), CLIENTS);
    }
    let totals = patient.ledger.totals();
    println!("{runs} times pulled out: {totals:?}");
    assert!(totals.unknown > 0, "{totals:?}");
}

/// Virtual functions are taken away while their clients are at work; the PF's go on.
#[test]
fn functions_that_are_taken_away_do_not_take_the_others_along() {
    let seed = rdstore_crash_tests::seed();
    let mut patient = Patient::new();
    let rig = patient.open(&RigOptions::default()).unwrap();
    let clients = (0..CLIENTS).map(|client| rig.client(client % usize::from(FUNCTIONS)));
    let clients = clients.collect::<anyhow::Result<Vec<_>>>().unwrap();
    let options = LoadOptions {
        keys: KEYS,
        ..load(seed)
    };
    let mut load = Load::new(clients, options, &mut patient.ledger);
    load.run(&mut patient.ledger, |load| load.ended() >= 300)
        .unwrap();
    rig.host.enable_virtual_functions(0).unwrap();
    let progress = load.run(&mut patient.ledger, |_| false).unwrap();
    assert_eq!(progress, Progress::Finished);
    assert_eq!(patient.ledger.under_way(), 0);
    let (reports, clients) = load.into_reports();
    drop(clients);
    for (client, report) in reports.iter().enumerate() {
        let on_pf = client % usize::from(FUNCTIONS) == 0;
        assert_eq!(report.gone, !on_pf, "client {client}");
        assert!(!on_pf || report.errors.is_empty(), "{:?}", report.errors);
        for error in &report.errors {
            check_error(error).unwrap();
        }
    }
    drop(rig);
    patient.inspect().unwrap();
}

/// The story: a device that says "done" and forgets. The checker must say so, whichever
/// Compare-and-Write it is.
#[test]
fn a_device_that_drops_an_acknowledged_update_is_noticed() {
    let seed = rdstore_crash_tests::seed();
    for honest in [0, 1, 7, 40, 100, 200] {
        let mut patient = Patient::new();
        let rig = patient.open(&RigOptions::default()).unwrap();
        let pages = LyingPages::new(rig.pages(1).unwrap());
        let mut client = Client::open(pages, rdstore::OpenOptions::default()).unwrap();
        client.store_mut().lie_after(honest);
        let options = LoadOptions {
            keys: KEYS,
            operations: Some(400),
            ..load(seed)
        };
        let mut load = Load::new(vec![client], options, &mut patient.ledger);
        // The crash comes before another update of the same page can cover the lie.
        let stopped = load
            .run(&mut patient.ledger, |load| {
                load.clients().any(|client| client.store().has_lied())
            })
            .unwrap();
        assert_eq!(stopped, Progress::Stopped);
        drop(load);
        drop(rig);
        let error = patient.inspect().unwrap_err();
        println!("after {honest} honest ones: {error:#}");
    }
    // And without a lie, nothing is said.
    let mut patient = Patient::new();
    patient
        .live(&RigOptions::default(), load(seed), &[])
        .unwrap();
}
