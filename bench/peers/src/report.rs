//! The table for people and the JSON for machines.

use std::fmt::Write;

use serde::Serialize;

use crate::contest::{Contest, Discipline, Results};
use crate::cores::Cores;
use crate::device::Pacing;
use crate::load::Mix;
use crate::statistics::Spread;
use crate::stint::Measured;
use crate::value::VALUE_BYTES;
use crate::verdict::{Limit, Verdict};

/// Everything that was measured, and how.
#[derive(Serialize, Debug)]
pub struct Report {
    conditions: Conditions,
    figures: Vec<Figure>,
    ratios: Vec<Verdict>,
}

/// What all figures have in common.
#[derive(Serialize, Debug)]
struct Conditions {
    records: usize,
    value_bytes: usize,
    rounds: usize,
    stint_ms: u128,
    client_core: usize,
    server_core: usize,
    devices: [&'static str; 2],
    /// Values that were looked up, compared and right; a wrong one ends the run.
    verified: u64,
    /// Updates of ours, and fused pairs of the devices that have succeeded meanwhile.
    updates_of_ours: u64,
    pairs_of_devices: u64,
}

/// One side in one discipline; medians over the rounds.
#[derive(Serialize, Debug)]
struct Figure {
    what: String,
    side: &'static str,
    pacing: &'static str,
    mix: Mix,
    outstanding: usize,
    batch: usize,
    get: Option<Latency>,
    update: Option<Latency>,
    thousands_a_second: Spread,
}

#[derive(Serialize, Debug)]
struct Latency {
    p50_us: Spread,
    p99_us: f64,
    mean_us: f64,
}

/// What the run was like.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Rounds.
    pub rounds: usize,
    /// Milliseconds of a stint.
    pub stint_ms: u128,
    /// Who ran where.
    pub cores: Cores,
    /// Fused pairs that succeeded on the devices.
    pub pairs: u64,
    /// Updates of our entries.
    pub updates: u64,
}

fn title(discipline: Discipline) -> String {
    let what = match discipline.mix {
        Mix::Gets => "GET (YCSB C)",
        Mix::Updates => "update (YCSB A's updates alone)",
        Mix::A => "YCSB A: half GET, half update",
        Mix::Reads => "4 KiB random read, driver without store",
    };
    format!("{what}, {} at a time", discipline.outstanding)
}

fn latency<'a>(
    rounds: &(impl Iterator<Item = &'a hdrhistogram::Histogram<u64>> + Clone),
) -> Option<Latency> {
    let us = |ns: u64| ns as f64 / 1e3;
    let median = |figures: Vec<f64>| Spread::of(figures).map(|spread| spread.median);
    if rounds.clone().all(hdrhistogram::Histogram::is_empty) {
        return None;
    }
    let at = |quantile| {
        rounds
            .clone()
            .map(move |round| us(round.value_at_quantile(quantile)))
    };
    Some(Latency {
        p50_us: Spread::of(at(0.5))?,
        p99_us: median(at(0.99).collect())?,
        mean_us: median(rounds.clone().map(|round| round.mean() / 1e3).collect())?,
    })
}

impl Report {
    /// Puts everything together.
    pub fn new(contest: &Contest, results: &Results, run: Run, ratios: Vec<Verdict>) -> Self {
        let mut figures = Vec::new();
        let mut ordered: Vec<_> = results.iter().collect();
        ordered.sort_by_key(|((entry, discipline), _)| (*discipline, *entry));
        for ((entry, discipline), rounds) in ordered {
            let batch = contest.batch(*entry, *discipline);
            let entry = &contest.entries()[*entry];
            let rates = rounds.iter().map(|round| round.operations_per_s / 1e3);
            let Some(thousands_a_second) = Spread::of(rates) else {
                continue;
            };
            figures.push(Figure {
                what: title(*discipline),
                side: entry.label,
                pacing: entry.pacing,
                mix: discipline.mix,
                outstanding: discipline.outstanding,
                batch,
                get: latency(&rounds.iter().map(|round| &round.get_ns)),
                update: latency(&rounds.iter().map(|round| &round.update_ns)),
                thousands_a_second,
            });
        }
        let sum = |count: fn(&Measured) -> u64| results.values().flatten().map(count).sum();
        Self {
            conditions: Conditions {
                records: contest.load().records(),
                value_bytes: VALUE_BYTES,
                rounds: run.rounds,
                stint_ms: run.stint_ms,
                client_core: run.cores.client,
                server_core: run.cores.server,
                devices: [
                    Pacing::AsFastAsPossible.device(),
                    Pacing::TenMicrosecondsOfMedia.device(),
                ],
                verified: sum(|round| round.verified),
                updates_of_ours: run.updates,
                pairs_of_devices: run.pairs,
            },
            figures,
            ratios,
        }
    }

    /// Does everything hold that must?
    pub fn passed(&self) -> bool {
        self.ratios.iter().all(|ratio| ratio.passed)
    }

    /// The table for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let conditions = &self.conditions;
        writeln!(
            out,
            "Memory that two processes of one machine share (ours) beside sockets of the same machine \
             (theirs):\nno network lies between anybody. Client on core {}, server on core {}, one \
             server at a time;\nours poll on both sides, theirs sleep while they wait unless it says \
             otherwise. {} records of {} bytes,\nzipfian, the same requests for all; {} alternating \
             rounds of {} ms. 'at once' is how many requests\nshare a send: the number with which that \
             side was fastest. Latencies are medians over the rounds.\nThe served devices: {}, {}.",
            conditions.client_core,
            conditions.server_core,
            conditions.records,
            conditions.value_bytes,
            conditions.rounds,
            conditions.stint_ms,
            conditions.devices[0],
            conditions.devices[1],
        )?;
        let mut latest = "";
        for figure in &self.figures {
            if figure.what != latest {
                latest = &figure.what;
                writeln!(out, "\n{latest}")?;
                writeln!(
                    out,
                    "  {:34} {:24} {:>7}  {:>26}  {:>26}  {:>22}",
                    "",
                    "pacing",
                    "at once",
                    "GET µs: p50, p99, mean",
                    "update µs: p50, p99, mean",
                    "k/s: median (min–max)"
                )?;
            }
            let latency = |latency: &Option<Latency>| {
                latency.as_ref().map_or_else(String::new, |latency| {
                    format!(
                        "{:8.2} {:8.1} {:8.2}",
                        latency.p50_us.median, latency.p99_us, latency.mean_us
                    )
                })
            };
            let rate = figure.thousands_a_second;
            writeln!(
                out,
                "  {:34} {:24} {:>7}  {:>26}  {:>26}  {:>8.1} {:>13}",
                figure.side,
                figure.pacing,
                figure.batch,
                latency(&figure.get),
                latency(&figure.update),
                rate.median,
                format!("({:.0}–{:.0})", rate.min, rate.max),
            )?;
        }
        writeln!(
            out,
            "\n{} values were looked up and all of them were right; {} updates of ours, {} fused pairs \
             that the devices\ncount as done.\n",
            conditions.verified, conditions.updates_of_ours, conditions.pairs_of_devices
        )?;
        for ratio in &self.ratios {
            let verdict = match (ratio.passed, ratio.limit) {
                (_, Limit::Shown) => "    ",
                (true, _) => "ok  ",
                (false, _) => "FAIL",
            };
            let limit = match ratio.limit {
                Limit::AtLeast { must, aim } => format!("≥ {must} (aim {aim})"),
                Limit::AtMost { must, aim } => format!("≤ {must} (aim {aim})"),
                Limit::Shown => String::new(),
            };
            writeln!(
                out,
                "{verdict} {:92} {:>8.2} {:3} {:17} {limit}",
                ratio.name,
                ratio.value.median,
                ratio.unit,
                format!("({:.2}–{:.2})", ratio.value.min, ratio.value.max),
            )?;
        }
        Ok(())
    }
}
