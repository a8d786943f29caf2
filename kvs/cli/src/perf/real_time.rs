//! Rates and latencies of a device in real time, by the client's own clock.

use anyhow::anyhow;
use hdrhistogram::Histogram;
use nvme_hosted::WaitMode;
use serde::Serialize;

use super::report::LatencyReport;
use crate::args::PerfArgs;
use crate::output::{render_fields, show_count};
use crate::size::show_size;

/// When the commands in flight were sent, and how long those that ended took.
pub(super) struct Stopwatch {
    /// By ticket.
    started_ns: Vec<u64>,
    free: Vec<u64>,
    now_ns: u64,
    latencies: ClientLatencies,
}

/// Latencies, from just before the submission to just after the poll that brought the completion.
pub(super) struct ClientLatencies {
    histogram: Histogram<u64>,
    longest_ns: u64,
}

impl Stopwatch {
    /// For at most `depth` commands at a time.
    pub(super) fn new(depth: usize) -> anyhow::Result<Self> {
        let histogram =
            Histogram::new(3).map_err(|error| anyhow!("making a histogram: {error:?}"))?;
        Ok(Self {
            started_ns: vec![0; depth],
            free: (0..depth as u64).rev().collect(),
            now_ns: 0,
            latencies: ClientLatencies {
                histogram,
                longest_ns: 0,
            },
        })
    }

    /// The commands that are sent next start now.
    pub(super) fn look(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// A command starts; gives back its ticket.
    pub(super) fn start(&mut self) -> u64 {
        let ticket = self.free.pop().unwrap_or_default();
        self.started_ns[ticket as usize] = self.now_ns;
        ticket
    }

    /// The command with this ticket has ended.
    pub(super) fn stop(&mut self, ticket: u64, now_ns: u64) {
        let ns = now_ns.saturating_sub(self.started_ns[ticket as usize]);
        self.free.push(ticket);
        // The histogram grows as far as 64 bits go.
        let _ = self.latencies.histogram.record(ns);
        self.latencies.longest_ns = self.latencies.longest_ns.max(ns);
    }

    /// What has ended so far does not count.
    pub(super) fn clear(&mut self) {
        self.latencies.histogram.reset();
        self.latencies.longest_ns = 0;
    }

    /// What was measured.
    pub(super) fn finish(self) -> ClientLatencies {
        self.latencies
    }
}

impl ClientLatencies {
    /// Takes another queue's in.
    pub(super) fn add(&mut self, other: &Self) {
        // Neither has bounds that the other could miss.
        let _ = self.histogram.add(&other.histogram);
        self.longest_ns = self.longest_ns.max(other.longest_ns);
    }

    fn percentiles(&self) -> LatencyReport {
        let at = |quantile| {
            self.histogram
                .value_at_quantile(quantile)
                .min(self.longest_ns)
        };
        LatencyReport {
            p50: at(0.5),
            p99: at(0.99),
            max: self.longest_ns,
        }
    }
}

/// The result.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RealTimeReport {
    rw: &'static str,
    qd: u16,
    bs: u64,
    functions: u8,
    /// Every pair's compare failed; not in the JSON where none had to.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    miscompare: bool,
    latency_ns: LatencyReport,
    wall_commands_per_s: f64,
}

impl RealTimeReport {
    pub(super) fn new(
        args: &PerfArgs,
        latencies: &ClientLatencies,
        wall_commands_per_s: f64,
    ) -> Self {
        Self {
            rw: args.rw.name(),
            qd: args.qd,
            bs: args.bs,
            functions: args.functions,
            miscompare: args.miscompare,
            latency_ns: latencies.percentiles(),
            wall_commands_per_s,
        }
    }

    /// The same for people.
    pub(super) fn render(&self, wait: WaitMode) -> String {
        let us = |ns: u64| ns as f64 / 1000.0;
        let LatencyReport { p50, p99, max } = self.latency_ns;
        render_fields(&[
            (
                "sent",
                format!(
                    "{}{} of {}, {} in flight a queue, functions: {}",
                    self.rw,
                    if self.miscompare {
                        ", each failing its compare,"
                    } else {
                        ""
                    },
                    show_size(self.bs),
                    self.qd,
                    self.functions
                ),
            ),
            (
                "rate",
                format!(
                    "{} commands a second, {:.2} GB/s",
                    show_count(self.wall_commands_per_s as u64),
                    self.bs as f64 * self.wall_commands_per_s / 1e9
                ),
            ),
            (
                "latency at the client",
                format!(
                    "p50 {:.2} µs, p99 {:.2} µs, max {:.2} µs",
                    us(p50),
                    us(p99),
                    us(max)
                ),
            ),
            (
                "waiting",
                match wait {
                    WaitMode::Spin => "spins, on a core of its own",
                    WaitMode::Adaptive => "spins, then gives its core away",
                    WaitMode::Interrupt => "sleeps until an interrupt",
                }
                .to_owned(),
            ),
        ])
    }
}
