//! Host reads of the device that go wrong, and interrupts that are lost.

use nvme_driver::CompletionMode;
use pcie_host::endpoint::FunctionId;
use pcie_host::{Fault, ReadFault, ReadSelect};
use rand::RngExt;
use rdstore_crash_tests::load::generator;
use rdstore_crash_tests::rig::RigOptions;

use super::*;

#[test]
fn each_fault_of_a_read_is_survived() {
    let seed = rdstore_crash_tests::seed();
    let mut random = generator(seed, 4000);
    let rounds = if rdstore_crash_tests::full() { 40 } else { 3 };
    let faults = [
        ReadFault::Lost,
        ReadFault::Timeout { after_cycles: 2000 },
        ReadFault::Delayed { by_cycles: 50_000 },
        ReadFault::Poisoned,
        ReadFault::UnsupportedRequest,
        ReadFault::CompleterAbort,
    ];
    let mut patient = Patient::new();
    for fault in faults {
        let before = patient.ledger.totals();
        let mut errors = Vec::new();
        for round in 0..rounds {
            // SQEs, PRP lists, data of pairs: whatever the function reads there.
            let script = [1, 2].map(|function| Fault::Read {
                function: FunctionId(function),
                select: ReadSelect::Nth(random.random_range(0..3000)),
                fault,
            });
            let run = patient
                .live(&RigOptions::default(), load(random.random()), &script)
                .unwrap_or_else(|error| {
                    panic!("{fault:?}, round {round} of RDSTORE_SEED={seed}: {error:?}")
                });
            errors.extend(run.errors().map(ToString::to_string));
        }
        let totals = patient.ledger.totals();
        println!(
            "{fault:?}: {} operations, {} without change, {} unknown; e.g. {:?}",
            totals.begun - before.begun,
            totals.nothing_changed - before.nothing_changed,
            totals.unknown - before.unknown,
            errors.first()
        );
        if matches!(fault, ReadFault::Delayed { .. }) {
            assert!(
                errors.is_empty(),
                "a late completion is no error: {errors:?}"
            );
        }
    }
    let totals = patient.ledger.totals();
    assert!(
        totals.nothing_changed > 0 && totals.unknown > 0,
        "no fault has hit anything: {totals:?}"
    );
}

#[test]
fn faults_by_chance_lose_nothing() {
    let seed = rdstore_crash_tests::seed();
    let runs = if rdstore_crash_tests::full() { 200 } else { 8 };
    let mut random = generator(seed, 5000);
    let mut patient = Patient::new();
    for run in 0..runs {
        let rig = RigOptions {
            command_timeout_ns: 200_000_000,
            completion: CompletionMode::Msix,
            ..RigOptions::default()
        };
        let mut script = Vec::new();
        for _ in 0..8 {
            let fault = match random.random_range(0..6) {
                0 => ReadFault::Lost,
                1 => ReadFault::Timeout { after_cycles: 5000 },
                2 => ReadFault::Delayed {
                    by_cycles: random.random_range(1..100_000),
                },
                3 => ReadFault::Poisoned,
                4 => ReadFault::UnsupportedRequest,
                _ => ReadFault::CompleterAbort,
            };
            script.push(Fault::Read {
                function: FunctionId(random.random_range(0..FUNCTIONS)),
                select: ReadSelect::Nth(random.random_range(0..3000)),
                fault,
            });
            script.push(Fault::InterruptDropped {
                function: FunctionId(random.random_range(0..FUNCTIONS)),
                nth: random.random_range(0..200),
            });
        }
        script.push(reset_of(
            random.random_range(1..FUNCTIONS),
            random.random_range(0..400_000),
        ));
        patient
            .live(&rig, load(random.random()), &script)
            .unwrap_or_else(|error| panic!("run {run} of RDSTORE_SEED={seed}: {error:?}"));
    }
    let totals = patient.ledger.totals();
    println!("{runs} runs: {totals:?}");
    assert!(
        totals.nothing_changed + totals.unknown > 0,
        "no fault has hit anything"
    );
}

#[test]
fn dropped_interrupts_are_made_up_for() {
    let seed = rdstore_crash_tests::seed();
    let rig = RigOptions {
        completion: CompletionMode::Msix,
        ..RigOptions::default()
    };
    let faults: Vec<Fault> = (0..FUNCTIONS)
        .flat_map(|function| {
            (0..100).step_by(3).map(move |nth| Fault::InterruptDropped {
                function: FunctionId(function),
                nth,
            })
        })
        .collect();
    let run = Patient::new().live(&rig, load(seed), &faults).unwrap();
    let errors: Vec<_> = run.errors().collect();
    assert!(errors.is_empty(), "{errors:?}");
}
