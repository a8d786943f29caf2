//! The power goes at a chosen cycle: in every operation, at every beat of its writes.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use nvme_model::medium::Medium;
use pcie_host::endpoint::Cycle;
use rand::RngExt;
use rdstore::{Client, Outcome};
use rdstore_crash_tests::inspection::{check, inspect};
use rdstore_crash_tests::ledger::Ledger;
use rdstore_crash_tests::load::{Load, LoadOptions, generator};
use rdstore_crash_tests::rig::{FIRST_HOME_PAGE, PAGE_BYTES, Pages, Rig, RigOptions};
use rdstore_crash_tests::scenario::{HOME_PAGES, Prepared, Scenario, prepare};
use tempfile::TempDir;

const FIRST_BYTE: u64 = FIRST_HOME_PAGE * PAGE_BYTES as u64;
const HOME_BYTES: usize = HOME_PAGES as usize * PAGE_BYTES;

fn options(crash_at_cycle: Option<Cycle>) -> RigOptions {
    RigOptions {
        functions: 1,
        crash_at_cycle,
        ..RigOptions::default()
    }
}

/// Runs the operation event by event until it ends or `until` has passed; `look` sees each event.
fn run_operation(
    rig: &Rig,
    client: &mut Client<Pages>,
    prepared: &Prepared,
    until: Cycle,
    mut look: impl FnMut(&Rig),
) -> anyhow::Result<Option<Outcome>> {
    client.submit(prepared.operation())?;
    let mut outcomes = Vec::new();
    loop {
        client.poll(&mut outcomes);
        // What that has posted is sent by the next one, before time passes.
        client.poll(&mut outcomes);
        look(rig);
        if let Some((_, result)) = outcomes.pop() {
            return Ok(Some(result?));
        }
        if rig.host.now() > until || !rig.host.step() {
            return Ok(None);
        }
    }
}

/// The operation without a crash: when it runs, and every state that the pages have meanwhile.
struct Undisturbed {
    start: Cycle,
    end: Cycle,
    states: Vec<Vec<u8>>,
}

fn undisturbed(path: &Path, prepared: &Prepared) -> anyhow::Result<Undisturbed> {
    std::fs::write(path, &prepared.image)?;
    let rig = Rig::open(path, &options(None))?;
    let mut client = rig.client(0)?;
    let start = rig.host.now();
    let mut states: Vec<Vec<u8>> = Vec::new();
    let mut now = vec![0; HOME_BYTES];
    let look = |rig: &Rig| {
        rig.host.peek_medium(FIRST_BYTE, &mut now);
        if states.last() != Some(&now) {
            states.push(now.clone());
        }
    };
    let outcome = run_operation(&rig, &mut client, prepared, Cycle::MAX, look)?;
    ensure!(outcome.is_some(), "it does not end");
    let writes = prepared.scenario.pairs() as usize;
    ensure!(
        states.len() == writes + 1,
        "{} states of the pages, {writes} writes",
        states.len()
    );
    Ok(Undisturbed {
        start,
        end: rig.host.now(),
        states,
    })
}

/// A run up to a crash. Gives back whether the operation was acknowledged before it.
fn run_until_crash(path: &Path, prepared: &Prepared, cycle: Cycle) -> anyhow::Result<bool> {
    std::fs::write(path, &prepared.image)?;
    let rig = Rig::open(path, &options(Some(cycle)))?;
    let mut client = rig.client(0)?;
    let outcome = run_operation(&rig, &mut client, prepared, cycle, |_| {})?;
    rig.host.run_until(cycle + 1);
    Ok(outcome.is_some())
}

/// The home pages as the next opener finds them.
fn reopened(path: &Path) -> anyhow::Result<Vec<u8>> {
    let medium = Medium::open_file(path, None)?;
    let mut pages = vec![0; HOME_BYTES];
    medium.read(FIRST_BYTE, &mut pages);
    Ok(pages)
}

fn value_after(path: &Path, prepared: &Prepared) -> anyhow::Result<Option<Vec<u8>>> {
    let rig = Rig::open(path, &options(None))?;
    check(&rig, 0)?;
    match rig.client(0)?.get(&prepared.key)? {
        Outcome::Found { value, .. } => Ok(Some(value)),
        Outcome::Missing { .. } => Ok(None),
        other => anyhow::bail!("a look-up brought {other:?}"),
    }
}

/// Crashes at `cycle`; gives back how many of the operation's writes are there.
fn crash(
    path: &Path,
    prepared: &Prepared,
    calm: &Undisturbed,
    cycle: Cycle,
) -> anyhow::Result<usize> {
    let acknowledged = run_until_crash(path, prepared, cycle)?;
    let pages = reopened(path)?;
    let writes = calm.states.iter().position(|state| *state == pages);
    let writes = writes.context("the pages are in no state that they have without a crash")?;
    let value = value_after(path, prepared)?;
    let (before, after) = (prepared.before.get(&prepared.key), prepared.after());
    ensure!(
        value.as_ref() == after || (value.as_ref() == before && !acknowledged),
        "neither the old nor the new value is there, or it was acknowledged and is not"
    );
    ensure!(
        writes > 0 || value.as_ref() == before,
        "nothing was written, and the value is another"
    );
    ensure!(
        writes + 1 < calm.states.len() || value.as_ref() == after,
        "all was written, and the value is the old one"
    );
    Ok(writes)
}

fn sweep(scenario: Scenario, step: Cycle) {
    let folder = TempDir::new().unwrap();
    let prepared = prepare(&folder.path().join("prepared.img"), scenario).unwrap();
    let path = folder.path().join("x.img");
    let calm = undisturbed(&path, &prepared).unwrap();
    let mut last = 0;
    let mut crashes = 0;
    let mut seen = vec![false; calm.states.len()];
    // Beyond its end too: what was acknowledged stays.
    for cycle in (calm.start..=calm.end + step).step_by(step as usize) {
        let writes = crash(&path, &prepared, &calm, cycle)
            .unwrap_or_else(|error| panic!("{scenario:?}, crash at cycle {cycle}: {error:?}"));
        assert!(
            writes >= last,
            "{scenario:?}: {writes} writes at cycle {cycle}, {last} before"
        );
        last = writes;
        seen[writes] = true;
        crashes += 1;
    }
    assert_eq!(last + 1, calm.states.len(), "{scenario:?}");
    println!(
        "{scenario:?}: {crashes} crashes in cycles {}..={}, {} states of the pages, all seen: {}",
        calm.start,
        calm.end,
        calm.states.len(),
        seen.iter().all(|seen| *seen)
    );
}

/// A prime, so that the crashes fall on different beats of different writes.
const STEP: Cycle = 37;

#[test]
fn each_operation_survives_a_crash_at_any_cycle() {
    for scenario in Scenario::ALL {
        let step = if rdstore_crash_tests::full() { 5 } else { STEP };
        sweep(scenario, step);
    }
}

#[test]
fn each_cycle_of_an_update() {
    let step = if rdstore_crash_tests::full() { 1 } else { 7 };
    sweep(Scenario::Update, step);
}

/// Several clients at work when the power goes, at a cycle drawn from bring-up to deep in the run.
#[test]
fn a_mixed_load_survives_a_crash_at_any_cycle() {
    const KEYS: u32 = 60;
    let seed = rdstore_crash_tests::seed();
    let crashes = if rdstore_crash_tests::full() {
        3000
    } else {
        120
    };
    let mut random = generator(seed, 2000);
    let folder = TempDir::new().unwrap();
    let image: PathBuf = folder.path().join("x.img");
    Rig::create(&image, 10, seed).unwrap();
    let mut ledger = Ledger::default();
    for epoch in 1..=crashes {
        let cycle = random.random_range(0..250_000);
        let load_seed = random.random();
        let survived = run_load(&image, load_seed, epoch, KEYS, cycle, &mut ledger)
            .and_then(|()| inspect(&image, KEYS, &mut ledger));
        if let Err(error) = survived {
            let kept = folder.keep();
            panic!(
                "crash {epoch} (cycle {cycle}) of RDSTORE_SEED={seed}: {error:?}\nthe image is kept in {kept:?}"
            );
        }
    }
    let totals = ledger.totals();
    println!("{crashes} crashes: {totals:?}");
    assert!(totals.acknowledged > u64::from(crashes) * 20, "{totals:?}");
    assert!(totals.took_effect > 0, "{totals:?}");
}

fn run_load(
    image: &Path,
    seed: u64,
    epoch: u32,
    keys: u32,
    cycle: Cycle,
    ledger: &mut Ledger,
) -> anyhow::Result<()> {
    let rig_options = RigOptions {
        functions: 3,
        crash_at_cycle: Some(cycle),
        ..RigOptions::default()
    };
    // Before or while the functions and clients come up: nothing was promised yet.
    let Ok(rig) = Rig::open(image, &rig_options) else {
        return Ok(());
    };
    let clients = (0..4).map(|client| rig.client(client % 3));
    let Ok(clients) = clients.collect::<anyhow::Result<Vec<_>>>() else {
        return Ok(());
    };
    let load_options = LoadOptions {
        seed,
        epoch,
        keys,
        outstanding: 3,
        ..LoadOptions::default()
    };
    let mut load = Load::new(clients, load_options, ledger);
    let host = rig.host.clone();
    load.run(ledger, |_| host.now() > cycle)?;
    Ok(())
}

/// The story: an image that is written without its redo record. The crash is inside the copy; the
/// record's flag is cleared before anybody can replay it, as if it had never been.
#[test]
fn a_page_that_is_half_written_is_noticed() {
    /// Where the redo slot's flag is: behind the image and the trailer's header page.
    const FLAG: usize = FIRST_BYTE as usize + HOME_BYTES + PAGE_BYTES;
    let folder = TempDir::new().unwrap();
    let prepared = prepare(&folder.path().join("prepared.img"), Scenario::Update).unwrap();
    let path = folder.path().join("x.img");
    let calm = undisturbed(&path, &prepared).unwrap();
    let mut torn = 0;
    for cycle in calm.start..=calm.end {
        run_until_crash(&path, &prepared, cycle).unwrap();
        let mut image = std::fs::read(&path).unwrap();
        if image[FLAG..FLAG + 8] == [0; 8] {
            continue;
        }
        image[FLAG..FLAG + 8].fill(0);
        std::fs::write(&path, &image).unwrap();
        // What is left of the page may be the same before and afterwards.
        if calm.states.contains(&reopened(&path).unwrap()) {
            continue;
        }
        torn += 1;
        let error = format!("{:#}", value_after(&path, &prepared).unwrap_err());
        assert!(error.contains("CRC"), "cycle {cycle}: {error}");
    }
    // 4 KiB are 128 beats of 32 bytes; the value ends in the 78th.
    assert!(torn >= 60, "only {torn} crashes were inside the write");
    println!("{torn} torn pages, all noticed");
}
