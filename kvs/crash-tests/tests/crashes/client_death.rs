//! A client dies at each command of each kind of operation; the others go on.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use rdstore::{Client, OpenOptions, Outcome};
use rdstore_crash_tests::inspection::check;
use rdstore_crash_tests::mortal::{Death, Lifetime, MortalPages, live_and_die};
use rdstore_crash_tests::reclaim::fill_up_and_empty;
use rdstore_crash_tests::rig::{Pages, Rig, RigOptions};
use rdstore_crash_tests::scenario::{Prepared, Scenario, prepare};
use tempfile::TempDir;

/// What the others see of a key.
fn value_of(client: &mut Client<Pages>, key: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
    Ok(match client.get(key)? {
        Outcome::Found { value, .. } => Some(value),
        Outcome::Missing { .. } => None,
        other => anyhow::bail!("a look-up brought {other:?}"),
    })
}

/// All keys that the dead client had nothing to do with are as they were; its own key is as before
/// or as afterwards, and the latter if it was told so.
fn check_values(
    client: &mut Client<Pages>,
    prepared: &Prepared,
    acknowledged: bool,
) -> anyhow::Result<()> {
    for (key, value) in prepared
        .before
        .iter()
        .filter(|(key, _)| **key != prepared.key)
    {
        let found = value_of(client, key)?;
        ensure!(
            found.as_ref() == Some(value),
            "key {} of somebody else has changed",
            key.escape_ascii()
        );
    }
    let found = value_of(client, &prepared.key)?;
    let before = prepared.before.get(&prepared.key);
    ensure!(
        found.as_ref() == prepared.after() || (!acknowledged && found.as_ref() == before),
        "its key is neither as before nor as afterwards (acknowledged: {acknowledged})"
    );
    Ok(())
}

/// The others use the key as if nothing had happened, then give all room back.
fn go_on(rig: &Rig, client: &mut Client<Pages>, prepared: &Prepared) -> anyhow::Result<()> {
    let key = &prepared.key;
    let version = |outcome: &Outcome| outcome.version();
    let seen = version(&client.get(key)?);
    let outcome = client.put(key, b"a value of another").context("put")?;
    ensure!(
        matches!(outcome, Outcome::Stored { .. }) && version(&outcome) > seen,
        "put after version {seen}: {outcome:?}"
    );
    check(rig, 3)?;
    let found = client.get(key)?;
    ensure!(
        matches!(&found, Outcome::Found { value, .. } if value == b"a value of another"),
        "{found:?}"
    );
    let stored = version(&outcome);
    let outcome = client.delete(key).context("delete")?;
    ensure!(
        matches!(outcome, Outcome::Deleted { .. }) && version(&outcome) > stored,
        "delete after version {stored}: {outcome:?}"
    );
    ensure!(
        value_of(client, key)?.is_none(),
        "it was deleted and is there"
    );
    check(rig, 3)?;

    fill_up_and_empty(client)?;
    let others = prepared.before.iter().filter(|(other, _)| *other != key);
    let mut left = others.map(|(key, _)| (key, ())).collect::<BTreeMap<_, _>>();
    let report = check(rig, 3)?;
    ensure!(report.orphans == 0, "{} orphans stay", report.orphans);
    ensure!(
        report.keys == left.len() as u64,
        "fsck counts {} keys",
        report.keys
    );
    while let Some((key, ())) = left.pop_first() {
        client.delete(key).context("delete")?;
    }
    let report = check(rig, 3)?;
    ensure!(
        report.keys == 0 && report.orphans == 0 && report.fill == 0.0,
        "everything was deleted, and {report:?} is left"
    );
    Ok(())
}

/// One death; true when the operation ended before it.
fn die_at(
    folder: &TempDir,
    prepared: &Prepared,
    commands: u64,
    death: Death,
) -> anyhow::Result<bool> {
    let path = folder.path().join("x.img");
    std::fs::write(&path, &prepared.image)?;
    let rig = Rig::open(&path, &RigOptions::default())?;
    let mut other = rig.client(0)?;
    let mut third = rig.client(1)?;

    let lifetime = Lifetime::default();
    let pages = MortalPages::new(rig.pages(2)?, lifetime.clone());
    let mut victim = Client::open(pages, OpenOptions::default())?;
    let operation = prepared.operation();
    let ended = live_and_die(&mut victim, &lifetime, commands, death, operation)?;
    if let Some(Err(error)) = &ended {
        anyhow::bail!("it ended with an error: {error}");
    }
    drop(victim);

    check(&rig, 3).context("right after the death")?;
    check_values(&mut other, prepared, ended.is_some())?;
    check_values(&mut third, prepared, ended.is_some()).context("a second look")?;
    go_on(&rig, &mut other, prepared)?;
    let misbehaviour = rig.misbehaviour();
    ensure!(misbehaviour.is_empty(), "{misbehaviour:?}");
    Ok(ended.is_some())
}

#[test]
fn the_others_go_on_wherever_a_client_dies() {
    let folder = TempDir::new().unwrap();
    for scenario in Scenario::ALL {
        let path = folder.path().join(format!("{scenario:?}.img"));
        let prepared = prepare(&path, scenario).unwrap();
        for death in [Death::BeforeNextCommand, Death::CommandInFlight] {
            let mut commands = 0;
            loop {
                let ended = die_at(&folder, &prepared, commands, death).unwrap_or_else(|error| {
                    panic!("{scenario:?}, {death:?} at command {commands}: {error:?}")
                });
                // One more than the operation has: it cannot die any more.
                if ended {
                    break;
                }
                commands += 1;
            }
            let least = scenario.pairs() + 1;
            assert!(
                commands >= least,
                "{scenario:?} has only {commands} commands"
            );
            println!("{scenario:?}: {commands} commands, {death:?}");
        }
    }
}
