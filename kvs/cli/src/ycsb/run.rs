//! `rdstore ycsb`, from the command line to the report.

use std::time::Instant;

use anyhow::{Context, bail};
use nvme_spec::log_page::FunctionCounters;
use rdstore::{Client, FormatOptions, FsckOptions, OpenOptions, Statistics};

use super::fleet::{Cost, Fleet};
use super::history::History;
use super::load::{FinalCheck, Load};
use super::mix::{Mix, Population};
use super::record::LONGEST_KEY_BYTES;
use super::report::{Kinds, VerifyReport, WorkloadReport, render};
use super::workload::Workload;
use crate::args::YcsbArgs;
use crate::args_ycsb::WorkloadChoice;
use crate::machine::{Machine, MachineOptions, MissingFile, Pages, queue_options};
use crate::outcome::{CheckFailed, Outcome};
use crate::output::{print_json, print_text, show_count};
use crate::progress::Progress;
use crate::store::single_device;

/// Operations of a workload when `--ops` is not given.
const OPERATIONS: u64 = 100_000;
/// The same for workload E, whose scans read about a hundred pages each.
const SCAN_OPERATIONS: u64 = 10_000;
/// I/Os that one operation has in flight at most, and its prefetches of a scan.
const COMMANDS_AN_OPERATION: u32 = 16;

/// `rdstore ycsb`
///
/// # Errors
/// What is wrong with the arguments or the device, and [`CheckFailed`].
pub fn run(args: &YcsbArgs, json: bool) -> anyhow::Result<Outcome> {
    let mut bench = Bench::open(args)?;
    bench.load()?;
    let mut reports = Vec::new();
    for &workload in args.workload.workloads() {
        reports.push(bench.run_workload(workload)?);
    }
    bench.machine.check_link()?;
    if json && args.workload == WorkloadChoice::All {
        print_json(&reports)?;
    } else if json {
        reports.iter().try_for_each(print_json)?;
    } else {
        print_text(&render(&reports))?;
    }
    for detail in &bench.details {
        eprintln!("{detail}");
    }
    let clean = reports
        .iter()
        .filter_map(|report| report.verify)
        .all(|verify| verify.is_clean());
    Ok(if clean {
        Outcome::Done
    } else {
        Outcome::Negative
    })
}

/// What cannot fit is said before an hour of loading.
fn check_size(args: &YcsbArgs, machine: &Machine, client: &Client<Pages>) -> anyhow::Result<()> {
    let (bytes, max_bytes) = (args.value_size, client.max_value_bytes(LONGEST_KEY_BYTES));
    if bytes > max_bytes {
        return Err(rdstore::Error::ValueTooLarge { bytes, max_bytes }.into());
    }
    if !machine.is_blank() {
        // Nobody knows how many of the records are there already.
        return Ok(());
    }
    let (name, store) = (machine.name(), client.info());
    let inserts: f64 = args
        .workload
        .workloads()
        .iter()
        .map(|workload| workload.insert_share() * operations(args, *workload) as f64)
        .sum();
    let records = args.records.saturating_add(inserts as u64);
    let prediction = store.predict(records, LONGEST_KEY_BYTES, args.value_size);
    if !prediction.fits {
        bail!(
            "{name}: the store would be full before all {} records were in (with those that the \
             workloads insert): they take {:.1} % of the slots of its {} pages of {} bytes, {} to a \
             page; use fewer --records, or a larger device (size=)",
            show_count(records),
            prediction.fill * 100.0,
            show_count(store.home_pages),
            store.page_bytes,
            prediction.entries_per_page,
        );
    }
    Ok(())
}

/// Operations of a workload.
fn operations(args: &YcsbArgs, workload: Workload) -> u64 {
    args.ops.unwrap_or(if workload == Workload::E {
        SCAN_OPERATIONS
    } else {
        OPERATIONS
    })
}

/// A store with its clients, between phases.
struct Bench<'a> {
    args: &'a YcsbArgs,
    fleet: Fleet,
    population: Population,
    /// Writes of each client so far.
    sequences: Vec<u64>,
    history: Option<History>,
    /// What the history check found, in words.
    details: Vec<String>,
    /// Functions that clients use.
    functions: usize,
    /// Last: the clients go before their device does.
    machine: Machine,
}

impl<'a> Bench<'a> {
    fn open(args: &'a YcsbArgs) -> anyhow::Result<Self> {
        let uri = single_device(&args.device.devices)?;
        let count = usize::from(args.clients);
        let functions = count.min(Machine::functions_of(uri)?);
        let mut machine = Machine::open(
            uri,
            MachineOptions {
                missing_file: MissingFile::Create,
                functions,
                trace: false,
            },
        )?;
        let depth = u32::from(args.outstanding) * COMMANDS_AN_OPERATION;
        let options = queue_options(depth.max(63), machine.completion());
        if machine.is_blank() {
            let format = FormatOptions {
                page_bytes: args.layout.page_size,
                seed: args.seed,
                known_blank: true,
                ..FormatOptions::default()
            };
            rdstore::format(&mut machine.pages(0, options)?, &format)?;
        }
        let clients = (0..count)
            .map(|index| {
                let open = OpenOptions {
                    in_flight: usize::from(args.outstanding),
                    seed: args.seed.wrapping_add(index as u64),
                    ..OpenOptions::default()
                };
                Ok(Client::open(machine.pages(index, options)?, open)?)
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        if let Some(client) = clients.first() {
            check_size(args, &machine, client)?;
        }
        machine.keep();
        let mut history = args.verify.then(History::default);
        if let Some(history) = &mut history {
            history.reserve(args.records);
        }
        Ok(Self {
            args,
            fleet: Fleet::new(clients, usize::from(args.outstanding), args.value_size),
            population: Population::new(args.records),
            sequences: vec![0; count],
            history,
            details: Vec::new(),
            functions,
            machine,
        })
    }

    fn load(&mut self) -> anyhow::Result<()> {
        let mut load = Load {
            records: self.args.records,
            next: 0,
            sequences: &mut self.sequences,
            history: self.history.as_mut(),
            progress: Progress::new("loading", self.args.records),
        };
        self.fleet.run(&mut load)
    }

    fn run_workload(&mut self, workload: Workload) -> anyhow::Result<WorkloadReport> {
        let operations = operations(self.args, workload);
        if let Some(history) = &mut self.history {
            history.start_counting();
        }
        let returns = self.machine.returns();
        let counters = self.machine.own_counters()?;
        let statistics = self.statistics();
        let mut mix = Mix::new(
            workload,
            operations,
            self.args.seed,
            &mut self.population,
            &mut self.sequences,
            self.history.as_mut(),
        )?;
        let (started, started_ns) = (Instant::now(), self.fleet.now_ns());
        self.fleet
            .run(&mut mix)
            .with_context(|| format!("workload {}", workload.name()))?;
        let (wall_s, ended_ns) = (started.elapsed().as_secs_f64(), self.fleet.now_ns());
        let measures = mix.into_measures();
        // What a device has counted that is gone nobody knows.
        if self.machine.returns() == returns {
            self.check_counters(&counters, &statistics, measures.cost())?;
        }
        let verify = self.verify()?;
        Ok(WorkloadReport {
            workload: workload.name(),
            clients: self.args.clients,
            seed: self.args.seed,
            fill: self.fill()?,
            ops: Kinds::of(&measures),
            simulated_s: (!self.machine.is_real_time())
                .then(|| (ended_ns - started_ns) as f64 / 1e9),
            wall_s,
            wall_ops_per_s: measures.count() as f64 / wall_s,
            verify,
        })
    }

    fn statistics(&mut self) -> Vec<Statistics> {
        self.fleet
            .clients_mut()
            .iter()
            .map(|client| client.stats())
            .collect()
    }

    /// The I/Os attributed to operations must be all that the device has counted, function by
    /// function: nothing of the report rests on the store's own count alone.
    fn check_counters(
        &mut self,
        counters_before: &[FunctionCounters],
        statistics_before: &[Statistics],
        attributed: Cost,
    ) -> anyhow::Result<()> {
        let counters = self.machine.own_counters()?;
        if counters.is_empty() {
            // Another maker's controller: there is only the store's own count.
            return Ok(());
        }
        let statistics = self.statistics();
        let mut total = Cost::default();
        for function in 0..self.functions {
            let mut asked = Cost::default();
            for (before, after) in statistics_before
                .iter()
                .zip(&statistics)
                .skip(function)
                .step_by(self.functions)
            {
                asked.add(Cost::between(before, after));
            }
            let (before, after) = (&counters_before[function], &counters[function]);
            let counted = Cost {
                reads: after.reads - before.reads,
                pairs: after.pairs - before.pairs,
                miscompares: after.miscompares - before.miscompares,
            };
            if asked != counted {
                bail!(CheckFailed(format!(
                    "function {function}: the device counted {counted:?}, its clients {asked:?}"
                )));
            }
            total.add(counted);
        }
        if total != attributed {
            bail!(CheckFailed(format!(
                "the device counted {total:?}, the operations add up to {attributed:?}"
            )));
        }
        Ok(())
    }

    /// With `--verify`: reads every record back and closes the account.
    fn verify(&mut self) -> anyhow::Result<Option<VerifyReport>> {
        let records = self.population.acknowledged();
        let Some(history) = &mut self.history else {
            return Ok(None);
        };
        let progress = Progress::new("checking", records);
        let mut check = FinalCheck {
            records,
            next: 0,
            history,
            progress,
        };
        self.fleet.run(&mut check)?;
        self.details.extend_from_slice(history.details());
        Ok(Some(VerifyReport::of(history)))
    }

    /// Share of the pages' payload bytes in use. The walk proves the store's invariants, too.
    fn fill(&mut self) -> anyhow::Result<f64> {
        let Some(client) = self.fleet.clients_mut().first_mut() else {
            return Ok(0.0);
        };
        let report = rdstore::fsck(client.store_mut(), &FsckOptions::default())?;
        match report.violations.first() {
            None => Ok(report.fill),
            Some(first) => bail!(CheckFailed(format!(
                "the store is not sound any more: {} violations, the first on page {}: {}",
                report.violations_total, first.page, first.what
            ))),
        }
    }
}
