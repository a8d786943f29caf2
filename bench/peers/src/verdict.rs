//! The ratios, what they must be, and whether they are.

use anyhow::{Context, Result};
use serde::Serialize;

use crate::contest::{Discipline, Results};
use crate::load::Mix;
use crate::statistics::Spread;
use crate::stint::Measured;

/// The entries that ratios are made of, by their place in the contest.
#[derive(Clone, Debug)]
pub struct Roles {
    /// memcached over TCP, `get` and `set`, with a client that sleeps while it waits.
    pub tcp: usize,
    /// The same with a client that spins.
    pub tcp_spinning: usize,
    /// The same with `gets` and `cas`.
    pub tcp_cas: usize,
    /// memcached and Redis on Unix sockets, one by one and with multiget.
    pub unix: Vec<usize>,
    /// The store on the device as fast as possible.
    pub store: usize,
    /// Reads of the driver on the same.
    pub reads: usize,
    /// The store on the paced device.
    pub paced_store: usize,
}

/// Which way a figure is good.
#[derive(Serialize, Clone, Copy, PartialEq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// At least `must`; better is `aim`.
    AtLeast {
        /// Below it the bench fails.
        must: f64,
        /// What it should be some day.
        aim: f64,
    },
    /// At most `must`; better is `aim`.
    AtMost {
        /// Above it the bench fails.
        must: f64,
        /// What it should be some day.
        aim: f64,
    },
    /// Stands beside figures that are judged.
    Shown,
}

impl Limit {
    fn holds(self, median: f64) -> bool {
        match self {
            Self::AtLeast { must, .. } => median >= must,
            Self::AtMost { must, .. } => median <= must,
            Self::Shown => true,
        }
    }
}

/// One ratio, or one figure that is judged by itself.
#[derive(Serialize, Clone, Debug)]
pub struct Verdict {
    /// What is divided by what.
    pub name: String,
    /// `×`, `µs` or `k/s`.
    pub unit: &'static str,
    /// Over the rounds; the median is judged.
    pub value: Spread,
    /// What it must be.
    pub limit: Limit,
    /// Whether it is.
    pub passed: bool,
}

const GETS: Discipline = Discipline::new(Mix::Gets, 1);
const UPDATES: Discipline = Discipline::new(Mix::Updates, 1);
const MANY_GETS: Discipline = Discipline::new(Mix::Gets, 32);
const MANY_UPDATES: Discipline = Discipline::new(Mix::Updates, 32);
const MANY_A: Discipline = Discipline::new(Mix::A, 32);
const READS: Discipline = Discipline::new(Mix::Reads, 1);
const MANY_READS: Discipline = Discipline::new(Mix::Reads, 32);

/// A way to get one figure out of a stint.
type Figure = fn(&Measured) -> f64;

fn get_us(measured: &Measured) -> f64 {
    measured.get_ns.value_at_quantile(0.5) as f64 / 1e3
}

fn update_us(measured: &Measured) -> f64 {
    measured.update_ns.value_at_quantile(0.5) as f64 / 1e3
}

fn rate(measured: &Measured) -> f64 {
    measured.operations_per_s / 1e3
}

/// Reads figures out of the results.
struct Reader<'a>(&'a Results);

impl Reader<'_> {
    fn rounds(&self, entry: usize, discipline: Discipline, figure: Figure) -> Result<Vec<f64>> {
        let measured = self.0.get(&(entry, discipline));
        let measured = measured.with_context(|| format!("{discipline:?} was not measured"))?;
        Ok(measured.iter().map(figure).collect())
    }

    /// Round by round, so that what disturbs a round disturbs both.
    fn ratio(
        &self,
        discipline: Discipline,
        figure: Figure,
        above: usize,
        below: usize,
    ) -> Result<Spread> {
        let above = self.rounds(above, discipline, figure)?;
        let below = self.rounds(below, discipline, figure)?;
        quotient(&above, &below)
    }

    /// Round by round the best of several.
    fn best(&self, entries: &[usize], discipline: Discipline) -> Result<Vec<f64>> {
        let mut best = Vec::new();
        for &entry in entries {
            let rates = self.rounds(entry, discipline, rate)?;
            best.resize(rates.len(), 0.0);
            for (best, rate) in best.iter_mut().zip(rates) {
                *best = f64::max(*best, rate);
            }
        }
        Ok(best)
    }
}

fn quotient(above: &[f64], below: &[f64]) -> Result<Spread> {
    let quotients = above.iter().zip(below).map(|(above, below)| above / below);
    Spread::of(quotients).context("no round was measured")
}

/// The ratios of a store on one device; `limits` are those of its seven musts.
fn of_store(
    reader: &Reader<'_>,
    roles: &Roles,
    store: usize,
    suffix: &str,
    judged: bool,
) -> Result<Vec<Verdict>> {
    let limit = |must, aim| {
        if judged {
            Limit::AtLeast { must, aim }
        } else {
            Limit::Shown
        }
    };
    let ours = reader.rounds(store, MANY_GETS, rate)?;
    let unix = quotient(&ours, &reader.best(&roles.unix, MANY_GETS)?)?;
    let rows = [
        (
            "GET latency, 1 at a time: memcached TCP ÷ ours",
            reader.ratio(GETS, get_us, roles.tcp, store)?,
            limit(8.0, 15.0),
        ),
        (
            "the same, memcached's client spinning as ours does",
            reader.ratio(GETS, get_us, roles.tcp_spinning, store)?,
            Limit::Shown,
        ),
        (
            "update latency, 1 at a time: memcached TCP set ÷ ours",
            reader.ratio(UPDATES, update_us, roles.tcp, store)?,
            limit(5.0, 10.0),
        ),
        (
            "the same, memcached's client spinning as ours does",
            reader.ratio(UPDATES, update_us, roles.tcp_spinning, store)?,
            Limit::Shown,
        ),
        (
            "update latency, 1 at a time: memcached TCP gets+cas ÷ ours",
            reader.ratio(UPDATES, update_us, roles.tcp_cas, store)?,
            limit(10.0, 20.0),
        ),
        (
            "GETs a second, 32 at a time: ours ÷ memcached TCP, pipelined",
            reader.ratio(MANY_GETS, rate, store, roles.tcp)?,
            limit(2.0, 8.0),
        ),
        (
            "updates a second, 32 at a time: ours ÷ memcached TCP, pipelined",
            reader.ratio(MANY_UPDATES, rate, store, roles.tcp)?,
            limit(1.0, 4.0),
        ),
        (
            "YCSB A, operations a second, 32 at a time: ours ÷ memcached TCP, pipelined",
            reader.ratio(MANY_A, rate, store, roles.tcp)?,
            Limit::Shown,
        ),
        (
            "GETs a second, 32 at a time: ours ÷ best on a Unix socket, multiget included",
            unix,
            limit(0.6, 2.0),
        ),
    ];
    let verdict = |(name, value, limit): (&str, Spread, Limit)| Verdict {
        name: format!("{name}{suffix}"),
        unit: "×",
        value,
        limit,
        passed: limit.holds(value.median),
    };
    Ok(rows.into_iter().map(verdict).collect())
}

/// All ratios. Without `judged` nothing has to hold: a smoke run is too short for that.
///
/// # Errors
/// Something was not measured.
pub fn verdicts(results: &Results, roles: &Roles, judged: bool) -> Result<Vec<Verdict>> {
    let reader = Reader(results);
    let mut verdicts = of_store(&reader, roles, roles.store, "", judged)?;
    let alone = [
        (
            "the served model through our driver, 4 KiB random read, 1 at a time: latency",
            "µs",
            reader.rounds(roles.reads, READS, get_us)?,
            Limit::AtMost {
                must: 2.5,
                aim: 1.5,
            },
        ),
        (
            "the served model through our driver, 4 KiB random reads, 32 at a time",
            "k/s",
            reader.rounds(roles.reads, MANY_READS, rate)?,
            Limit::AtLeast {
                must: 300.0,
                aim: 1000.0,
            },
        ),
    ];
    for (name, unit, rounds, limit) in alone {
        let limit = if judged { limit } else { Limit::Shown };
        let value = Spread::of(rounds).context("no round was measured")?;
        verdicts.push(Verdict {
            name: name.to_owned(),
            unit,
            value,
            limit,
            passed: limit.holds(value.median),
        });
    }
    let suffix = ", media 10 µs";
    verdicts.extend(of_store(&reader, roles, roles.paced_store, suffix, false)?);
    Ok(verdicts)
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;

    use super::*;

    /// A stint whose every latency is `us` and whose rate is `k`.
    fn stint(us: u64, k: f64) -> Measured {
        let mut histogram = Histogram::new(3).unwrap();
        histogram.record_n(us * 1000, 10).unwrap();
        Measured {
            get_ns: histogram.clone(),
            update_ns: histogram,
            operations_per_s: k * 1e3,
            operations: 10,
            verified: 10,
            updates: 0,
        }
    }

    fn roles() -> Roles {
        Roles {
            tcp: 0,
            tcp_spinning: 1,
            tcp_cas: 2,
            unix: vec![3, 4],
            store: 5,
            reads: 6,
            paced_store: 7,
        }
    }

    /// Three rounds; the last one was disturbed, on both sides.
    fn results(ours_us: u64, ours_k: f64) -> Results {
        let disciplines = [
            GETS,
            UPDATES,
            MANY_GETS,
            MANY_UPDATES,
            MANY_A,
            READS,
            MANY_READS,
        ];
        let mut results = Results::new();
        for (entry, us, k) in [
            (0, 40, 100.0),
            (1, 30, 100.0),
            (2, 80, 50.0),
            (3, 30, 200.0),
            (4, 30, 400.0),
            (5, ours_us, ours_k),
            (6, 2, 500.0),
            (7, 14, 300.0),
        ] {
            for discipline in disciplines {
                let rounds = vec![stint(us, k), stint(us, k), stint(us * 7, k / 7.0)];
                results.insert((entry, discipline), rounds);
            }
        }
        results
    }

    #[test]
    fn ratios_are_made_round_by_round_and_judged_by_their_median() {
        let verdicts = verdicts(&results(4, 500.0), &roles(), true).unwrap();
        let first = &verdicts[0].value;
        for ratio in [first.median, first.min, first.max] {
            assert!((ratio - 10.0).abs() < 0.1, "{first:?}");
        }
        let unix = verdicts
            .iter()
            .find(|verdict| verdict.name.contains("best on a Unix"));
        let unix = unix.unwrap().value.median;
        assert!((unix - 1.25).abs() < 0.01, "the best of them: {unix}");
        assert!(verdicts.iter().all(|verdict| verdict.passed));
        let judged = verdicts
            .iter()
            .filter(|verdict| verdict.limit != Limit::Shown);
        assert_eq!(judged.count(), 8);
    }

    #[test]
    fn a_must_that_is_missed_fails_and_a_smoke_run_judges_none() {
        let slow = results(6, 90.0);
        let failed = |judged| {
            let verdicts = verdicts(&slow, &roles(), judged).unwrap();
            let failed = verdicts.into_iter().filter(|verdict| !verdict.passed);
            failed.map(|verdict| verdict.name).collect::<Vec<_>>()
        };
        let names = failed(true);
        // 40 ÷ 6 < 8; 90 ÷ 100 < 1 and 2; 90 ÷ 400 < 0.6. 40 ÷ 6 ≥ 5 and 80 ÷ 6 ≥ 10 hold.
        assert_eq!(names.len(), 4, "{names:?}");
        assert!(failed(false).is_empty());
    }

    #[test]
    fn what_was_not_measured_is_no_pass() {
        let mut results = results(4, 500.0);
        results.remove(&(5, MANY_GETS));
        assert!(verdicts(&results, &roles(), true).is_err());
    }
}
