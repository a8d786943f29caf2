//! A client id is given once, whatever happens while it is given.

use pcie_host::endpoint::Cycle;
use rdstore_crash_tests::inspection::check;
use rdstore_crash_tests::ledger::Ledger;
use rdstore_crash_tests::rig::{Rig, RigOptions};
use rdstore_crash_tests::witness::Witness;
use tempfile::TempDir;

fn options(crash_at_cycle: Option<Cycle>) -> RigOptions {
    RigOptions {
        functions: 2,
        crash_at_cycle,
        ..RigOptions::default()
    }
}

/// A machine that loses its power while a client opens the store, and another that goes on: the
/// same image through all crashes, so that ids only ever rise.
#[test]
fn ids_are_never_given_again_whenever_the_power_goes() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.img");
    Rig::create(&path, 4, 1).unwrap();
    let mut ledger = Ledger::default();
    let (start, end) = {
        let rig = Rig::open(&path, &options(None)).unwrap();
        let start = rig.host.now();
        ledger.opened(rig.client(0).unwrap().info().clients);
        (start, rig.host.now())
    };
    let step = if rdstore_crash_tests::full() { 1 } else { 23 };
    let (mut told, mut crashes, mut used_up) = (0, 0, 0);
    // Longer than an opening takes, so that the last are told their id before the power goes.
    for cycle in (start..end + 500).step_by(step) {
        crashes += 1;
        let before = ledger.newest_client_id();
        let mut dying = None;
        let rig = Rig::open(&path, &options(Some(cycle))).unwrap();
        if let Ok(client) = rig.client(0) {
            dying = Some(client.info().clients);
            ledger.opened(client.info().clients);
            told += 1;
        }
        drop(rig);
        // The other machine.
        let rig = Rig::open(&path, &options(None)).unwrap();
        let first = rig.client(0).unwrap();
        let second = rig.client(1).unwrap();
        ledger.opened(first.info().clients);
        ledger.opened(second.info().clients);
        if dying.is_none() && first.info().clients > before + 1 {
            used_up += 1;
        }
        drop((first, second));
        check(&rig, 1).unwrap();
        let violations = ledger.take_violations();
        assert!(
            violations.is_empty(),
            "crash at cycle {cycle}: {violations:?}"
        );
    }
    println!(
        "{crashes} crashes: {told} told their id, {used_up} took one and did not live to know"
    );
    assert!(told > 0, "no client came up");
    assert!(told < crashes, "no crash was during the opening");
}

#[test]
fn two_machines_do_not_open_one_image_at_once() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.img");
    Rig::create(&path, 4, 1).unwrap();
    let first = Rig::open(&path, &options(None)).unwrap();
    let error = Rig::open(&path, &options(None)).err().unwrap().to_string();
    assert!(error.contains("x.img") && error.contains("use"), "{error}");
    drop(first);
    Rig::open(&path, &options(None)).unwrap();
}
