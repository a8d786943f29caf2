//! Figures of all seeds.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::check::Verdict;
use crate::cycles::{Class, Sample};

/// Outliers that are shown of a class.
const OUTLIERS: usize = 3;

/// What all seeds came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Scripts.
    pub seeds: u64,
    /// Commands, on one twin.
    pub commands: u64,
    /// Seeds with a mismatch, and the first of what was wrong.
    pub mismatches: Vec<(u64, String)>,
    /// Requests of the range lock that met one they conflict with.
    pub overlaps: u64,
    samples: BTreeMap<Class, Vec<Sample>>,
    /// Seed, and how far the throughput under load was apart.
    throughput: Vec<(u64, f64)>,
}

/// A class and its errors.
#[derive(Debug)]
struct Row<'a> {
    class: &'a Class,
    samples: Vec<&'a Sample>,
    /// Sums of cycles.
    mean_error: f64,
    median: f64,
    worst: f64,
    exact: usize,
}

impl Row<'_> {
    /// Median and worst error of the class: of its commands where they go one at a time. Under load two
    /// commands change places as soon as twins are a cycle apart, one gains what the other loses, so
    /// there it is the error of the class's mean.
    fn errors(&self) -> (f64, f64) {
        if self.class.alone {
            (self.median, self.worst)
        } else {
            (self.mean_error.abs(), self.mean_error.abs())
        }
    }
}

impl Report {
    /// Adds what came of a seed.
    pub fn add(&mut self, seed: u64, verdict: Verdict) {
        self.seeds += 1;
        self.commands += verdict.commands;
        self.overlaps += verdict.overlaps;
        if let Some(first) = verdict.mismatches.into_iter().next() {
            self.mismatches.push((seed, first));
        }
        let Some(cycles) = verdict.cycles else { return };
        for sample in cycles.samples {
            self.samples
                .entry(sample.class.clone())
                .or_default()
                .push(sample);
        }
        let (one, other) = cycles.loaded;
        if one > 0 {
            let error = (other as f64 - one as f64) / one as f64;
            self.throughput.push((seed, error));
        }
    }

    fn rows(&self) -> Vec<Row<'_>> {
        let rows = self.samples.iter().map(|(class, samples)| {
            let mut samples: Vec<&Sample> = samples.iter().collect();
            samples.sort_by(|one, other| other.error().total_cmp(&one.error()));
            let sum = |which: fn(&Sample) -> u64| -> f64 {
                samples.iter().map(|sample| which(sample) as f64).sum()
            };
            let (one, other) = (sum(|sample| sample.cycles.0), sum(|sample| sample.cycles.1));
            Row {
                class,
                mean_error: other / one - 1.0,
                median: samples[samples.len() / 2].error(),
                worst: samples[0].error(),
                exact: samples
                    .iter()
                    .filter(|sample| sample.error() == 0.0)
                    .count(),
                samples,
            }
        });
        rows.collect()
    }

    /// The median and the worst error of the class where each is largest.
    fn latency_errors(&self) -> (f64, f64) {
        self.rows().iter().fold((0.0, 0.0), |(median, worst), row| {
            let (own_median, own_worst) = row.errors();
            (f64::max(median, own_median), f64::max(worst, own_worst))
        })
    }

    fn throughput_error(&self) -> f64 {
        self.throughput
            .iter()
            .map(|(_, error)| error.abs())
            .fold(0.0, f64::max)
    }

    /// For machines.
    pub fn json(&self) -> Value {
        let (median, worst) = self.latency_errors();
        let classes: Vec<Value> = self
            .rows()
            .iter()
            .map(|row| {
                let (median, worst) = row.errors();
                json!({
                    "class": name(row.class),
                    "commands": row.samples.len(),
                    "exact": row.exact,
                    "latency_error_median": median,
                    "latency_error_worst": worst,
                    "error_of_mean": row.mean_error,
                    "error_median": row.median,
                    "error_worst": row.worst,
                })
            })
            .collect();
        json!({
            "seeds": self.seeds,
            "commands": self.commands,
            "mismatches": self.mismatches.len(),
            "overlaps": self.overlaps,
            "latency_error_median": median,
            "latency_error_worst": worst,
            "throughput_error_worst": self.throughput_error(),
            "classes": classes,
            "mismatching_seeds": self.mismatches.iter().map(|(seed, _)| *seed).collect::<Vec<_>>(),
        })
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut text = format!(
            "{:<34} {:>8} {:>8} {:>9} {:>9} {:>9}  outliers: seed, round, command, cycles\n",
            "class", "commands", "exact", "of mean", "median", "worst"
        );
        for row in self.rows() {
            let outliers = row.samples.iter().filter(|sample| sample.error() > 0.0);
            let outliers: Vec<String> = outliers
                .take(OUTLIERS)
                .map(|sample| {
                    let (round, _, id) = sample.place;
                    let (one, other) = sample.cycles;
                    format!("{}, {round}, {id:#x}, {one} / {other}", sample.seed)
                })
                .collect();
            let _ = writeln!(
                text,
                "{:<34} {:>8} {:>8} {:>8.2}% {:>8.2}% {:>8.2}%  {}",
                name(row.class),
                row.samples.len(),
                row.exact,
                row.mean_error * 100.0,
                row.median * 100.0,
                row.worst * 100.0,
                outliers.join("; ")
            );
        }
        let (median, worst) = self.latency_errors();
        let _ = writeln!(
            text,
            "\n{} seeds, {} commands, {} mismatches, {} overlaps; latency error: median {:.2} %, worst {:.2} %; \
             throughput error: worst {:.2} %",
            self.seeds,
            self.commands,
            self.mismatches.len(),
            self.overlaps,
            median * 100.0,
            worst * 100.0,
            self.throughput_error() * 100.0
        );
        for (seed, first) in &self.mismatches {
            let _ = writeln!(text, "seed {seed}: {first}");
        }
        text
    }
}

fn name(class: &Class) -> String {
    let size = match class.most_bytes {
        0 => String::new(),
        bytes => format!(" ≤ {} KiB", bytes / 1024),
    };
    let load = if class.alone { "alone" } else { "under load" };
    format!("{}{size}, {load}", class.kind)
}
