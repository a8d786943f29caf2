//! Functions that are reset under load: by their driver, by somebody else, the PF with all VFs.

use anyhow::ensure;
use pcie_host::Fault;
use pcie_host::endpoint::Cycle;
use rand::RngExt;
use rdstore_crash_tests::load::{LoadOptions, generator};
use rdstore_crash_tests::rig::RigOptions;

use super::*;

#[test]
fn a_function_that_is_reset_disturbs_nobody_else() {
    const VICTIM: u8 = 2;
    let seed = rdstore_crash_tests::seed();
    let resets = if rdstore_crash_tests::full() { 300 } else { 15 };
    let mut random = generator(seed, 3000);
    // One operation in flight and keys of its own: what a client sees depends on nobody.
    let own = LoadOptions {
        own_keys: true,
        outstanding: 1,
        ..load(seed)
    };
    let calm = Patient::new()
        .live(&RigOptions::default(), own.clone(), &[])
        .unwrap();
    assert_eq!(calm.errors().count(), 0);
    let (mut failed, mut unknown, mut settled) = (0, 0, 0);
    for reset in 0..resets {
        let cycle = random.random_range(0..calm.end - calm.start);
        let mut patient = Patient::new();
        let run = patient
            .live(
                &RigOptions::default(),
                own.clone(),
                &[reset_of(VICTIM, cycle)],
            )
            .unwrap_or_else(|error| {
                panic!("reset {reset} at {cycle}, RDSTORE_SEED={seed}: {error:?}")
            });
        for (client, (report, undisturbed)) in run.reports.iter().zip(&calm.reports).enumerate() {
            assert!(!report.gone, "client {client} has lost the device");
            if client % usize::from(FUNCTIONS) == usize::from(VICTIM) {
                failed += report.errors.len();
                let is_unknown = |error: &&Error| matches!(error, Error::OutcomeUnknown { .. });
                unknown += report.errors.iter().filter(is_unknown).count();
                settled += usize::from(report.errors.is_empty());
                continue;
            }
            assert_eq!(
                plain(&report.answers),
                plain(&undisturbed.answers),
                "client {client}, reset of function {VICTIM} at {cycle}, RDSTORE_SEED={seed}"
            );
        }
    }
    println!(
        "{resets} resets of function {VICTIM}: {failed} of its operations failed, {unknown} with \
         unknown outcome, {settled} of its clients met no error"
    );
    assert!(failed > 0, "no reset has met an operation in flight");
}

#[test]
fn functions_that_are_reset_again_and_again_lose_nothing() {
    let seed = rdstore_crash_tests::seed();
    let mut patient = Patient::new();
    let mut random = generator(seed, 3500);
    let runs = if rdstore_crash_tests::full() { 100 } else { 6 };
    for run in 0..runs {
        let faults: Vec<Fault> = (0..12)
            .map(|_| {
                let function = random.random_range(1..FUNCTIONS);
                reset_of(function, random.random_range(0..400_000))
            })
            .collect();
        let done = patient
            .live(&RigOptions::default(), load(random.random()), &faults)
            .unwrap_or_else(|error| panic!("run {run} of RDSTORE_SEED={seed}: {error:?}"));
        let lost = done.reports.iter().filter(|report| report.gone);
        let errors: Vec<_> = lost.flat_map(|report| &report.errors).collect();
        assert!(
            errors.is_empty(),
            "run {run}: a reset is not the end: {errors:#?}"
        );
    }
    println!("{:?}", patient.ledger.totals());
}

/// A reset of the PF takes the virtual functions along (SR-IOV 1.1 §2.2.2): their clients are told
/// that they are gone, those of the PF recover, and all can be brought up again.
#[test]
fn a_reset_of_the_physical_function_loses_nothing() {
    let seed = rdstore_crash_tests::seed();
    let runs = if rdstore_crash_tests::full() { 100 } else { 6 };
    let mut random = generator(seed, 3600);
    let mut patient = Patient::new();
    for run in 0..runs {
        let cycle = random.random_range(0..60_000);
        let survived = reset_and_bring_up(&mut patient, cycle, random.random());
        survived.unwrap_or_else(|error| panic!("run {run}, RDSTORE_SEED={seed}: {error:?}"));
    }
    println!("{:?}", patient.ledger.totals());
}

fn reset_and_bring_up(patient: &mut Patient, cycle: Cycle, seed: u64) -> anyhow::Result<()> {
    let mut rig = patient.open(&RigOptions::default())?;
    let run = patient.work(&rig, load(seed), &[reset_of(0, cycle)])?;
    for (client, report) in run.reports.iter().enumerate() {
        let on_pf = client % usize::from(FUNCTIONS) == 0;
        ensure!(!on_pf || !report.gone, "client {client} has lost the PF");
    }
    rig.bring_up()?;
    let run = patient.work(&rig, load(seed ^ 1), &[])?;
    let errors = run.errors().count();
    ensure!(errors == 0, "{errors} errors after all came up again");
    drop(rig);
    patient.inspect()
}
