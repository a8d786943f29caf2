//! Every fault of the link under a store at work: nothing lost, nothing answered twice, no hang,
//! and errors that name device and cause.
mod links;
mod reads;
mod resets;

use std::path::PathBuf;

use anyhow::{Context, ensure};
use pcie_host::endpoint::{Cycle, FunctionId};
use pcie_host::{Fault, LinkEvent};
use rdstore::Error;
use rdstore_crash_tests::inspection::inspect;
use rdstore_crash_tests::ledger::Ledger;
use rdstore_crash_tests::load::{ClientReport, Load, LoadOptions, Progress};
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
