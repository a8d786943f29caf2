//! Every fault of the link under a store at work: nothing lost, nothing answered twice, no hang,
//! and errors that name device and cause.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use nvme_driver::CompletionMode;
use pcie_host::endpoint::{Cycle, FunctionId};
use pcie_host::{Fault, LinkEvent, ReadFault, ReadSelect};
use rand::RngExt;
use rdstore::{Client, Error};
use rdstore_crash_tests::inspection::inspect;
use rdstore_crash_tests::ledger::Ledger;
use rdstore_crash_tests::load::{ClientReport, Load, LoadOptions, Progress, generator};
use rdstore_crash_tests::lying::LyingPages;
use rdstore_crash_tests::rig::{Rig, RigOptions};
use rdstore_crash_tests::witness::{Action, Answer};
use tempfile::TempDir;

const KEYS: u32 = 120;
const HOME_PAGES: u64 = 32;
const FUNCTIONS: u8 = 4;
const CLIENTS: usize = 8;

/// An image with an empty store, and the checker of what is done to it.
struct Patient {
    /// Kept until the image is not needed any more.
    _folder: TempDir,
    image: PathBuf,
    ledger: Ledger,
    epoch: u32,
}

/// How a run ended.
struct Run {
    reports: Vec<ClientReport>,
    /// From the first operation to the last answer.
    start: Cycle,
    end: Cycle,
}

impl Run {
    fn errors(&self) -> impl Iterator<Item = &Error> {
        self.reports.iter().flat_map(|report| &report.errors)
    }

    fn gone(&self) -> usize {
        self.reports.iter().filter(|report| report.gone).count()
    }
}

impl Patient {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let image = folder.path().join("x.img");
        Rig::create(&image, HOME_PAGES, 3).unwrap();
        Self {
            _folder: folder,
            image,
            ledger: Ledger::default(),
            epoch: 0,
        }
    }

    fn open(&self, options: &RigOptions) -> anyhow::Result<Rig> {
        Rig::open(&self.image, options)
    }

    /// Lets clients work on `rig` until all have ended, `faults` injected when they begin.
    fn work(&mut self, rig: &Rig, options: LoadOptions, faults: &[Fault]) -> anyhow::Result<Run> {
        self.epoch += 1;
        let options = LoadOptions {
            epoch: self.epoch,
            keys: KEYS,
            ..options
        };
        let clients = (0..CLIENTS)
            .map(|client| rig.client(client % usize::from(FUNCTIONS)))
            .collect::<anyhow::Result<Vec<_>>>()
            .context("opening clients")?;
        let mut load = Load::new(clients, options, &mut self.ledger);
        let start = rig.host.now();
        for fault in faults {
            rig.inject(match *fault {
                // Cycles of faults are counted from here.
                Fault::At { cycle, event } => Fault::At {
                    cycle: start + cycle,
                    event,
                },
                other => other,
            });
        }
        let progress = load.run(&mut self.ledger, |_| false)?;
        ensure!(progress == Progress::Finished, "{progress:?}");
        let under_way = self.ledger.under_way();
        ensure!(under_way == 0, "{under_way} operations were never answered");
        let end = rig.host.now();
        let (reports, clients) = load.into_reports();
        drop(clients);
        let run = Run {
            reports,
            start,
            end,
        };
        for error in run.errors() {
            check_error(error)?;
        }
        Ok(run)
    }

    fn inspect(&mut self) -> anyhow::Result<()> {
        inspect(&self.image, KEYS, &mut self.ledger).map(|_| ())
    }

    /// One life: open, work under `faults`, close, look.
    fn live(
        &mut self,
        rig: &RigOptions,
        load: LoadOptions,
        faults: &[Fault],
    ) -> anyhow::Result<Run> {
        let rig = self.open(rig)?;
        let run = self.work(&rig, load, faults)?;
        drop(rig);
        self.inspect()?;
        Ok(run)
    }
}

/// An error names the device and says why.
fn check_error(error: &Error) -> anyhow::Result<()> {
    let text = error.to_string();
    match error {
        Error::Device { .. } | Error::OutcomeUnknown { .. } => {
            ensure!(text.contains("model:test.img"), "no device in: {text}");
            let causes = [
                "reset", "gone", "down", "disabled", "failed", "Error", "error", "Abort", "answer",
            ];
            ensure!(
                causes.iter().any(|cause| text.contains(cause)),
                "no cause in: {text}"
            );
        }
        // The store is far from full, and nobody loses for ever.
        other => anyhow::bail!("not an error that a fault of the link explains: {other}"),
    }
    Ok(())
}

fn load(seed: u64) -> LoadOptions {
    LoadOptions {
        seed,
        operations: Some(150),
        value_bytes: 8..=700,
        ..LoadOptions::default()
    }
}

fn reset_of(function: u8, cycle: Cycle) -> Fault {
    Fault::At {
        cycle,
        event: LinkEvent::FunctionReset(FunctionId(function)),
    }
}

/// What an answer says that does not depend on who else was at work: versions rise with every
/// change of a page, so they do.
fn plain(answers: &[(rdstore_crash_tests::witness::Begun, Answer)]) -> Vec<String> {
    answers
        .iter()
        .map(|(begun, answer)| {
            let action = match begun.action {
                Action::Swap { .. } => "swap",
                Action::Get => "get",
                Action::Put => "put",
                Action::Delete => "delete",
                Action::Add => "add",
            };
            let answer = match answer {
                Answer::Found { writer, .. } => format!("found {writer:x}"),
                Answer::Missing(_) => "missing".to_owned(),
                Answer::Stored(_) => "stored".to_owned(),
                Answer::Deleted(_) => "deleted".to_owned(),
                Answer::Refused(_) => "refused".to_owned(),
                other => format!("{other:?}"),
            };
            format!("{action} {} {:x}: {answer}", begun.key, begun.operation)
        })
        .collect()
}

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
