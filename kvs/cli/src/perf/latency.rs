//! Rates and latencies from the cycles that the device itself saw at its port.

use std::collections::BTreeMap;

use anyhow::anyhow;
use hdrhistogram::Histogram;
use nvme_model::CommandTrace;

use super::report::LatencyReport;
use crate::machine::Machine;
use crate::twin::Twin;

/// Looks between two collections of the device's trace: it costs a copy.
const LOOKS: u32 = 256;

/// Watches commands pass the port.
pub(super) struct PortWatch {
    twin: Twin,
    /// Two completions make a command.
    pairs: bool,
    /// The first half of a pair that has ended, by function and queue.
    halves: BTreeMap<(u8, u16), CommandTrace>,
    looks: u32,
    measuring: bool,
    latencies: Latencies,
    /// Completion of the latest command.
    latest: u64,
}

/// What was measured.
pub(super) struct Latencies {
    histogram: Histogram<u64>,
    count: u64,
    longest_cycles: u64,
    /// Completion of the last command before the measurement.
    from: u64,
    /// Completion of the last command in it.
    to: u64,
}

impl PortWatch {
    /// Starts to look at the machine's port; nothing is measured yet.
    pub(super) fn start(machine: &Machine, pairs: bool) -> anyhow::Result<Self> {
        let twin = machine
            .twin()
            .ok_or_else(|| anyhow!("{}: was opened without its trace", machine.name()))?;
        twin.trace_commands(true);
        let histogram =
            Histogram::new(3).map_err(|error| anyhow!("making a histogram: {error:?}"))?;
        Ok(Self {
            twin,
            pairs,
            halves: BTreeMap::new(),
            looks: 0,
            measuring: false,
            latencies: Latencies {
                histogram,
                count: 0,
                longest_cycles: 0,
                from: 0,
                to: 0,
            },
            latest: 0,
        })
    }

    /// To be called now and then.
    pub(super) fn look(&mut self) {
        self.looks += 1;
        if self.looks >= LOOKS {
            self.collect();
        }
    }

    /// What passes from now on counts.
    pub(super) fn measure(&mut self) {
        self.collect();
        self.latencies.from = self.latest;
        self.measuring = true;
    }

    /// Stops measuring.
    pub(super) fn finish(mut self) -> Latencies {
        self.collect();
        self.twin.trace_commands(false);
        self.latencies.to = self.latest;
        self.latencies
    }

    fn collect(&mut self) {
        self.looks = 0;
        let traces = self.twin.take_command_trace();
        for trace in traces {
            if trace.queue_id == 0 {
                continue;
            }
            if !self.pairs {
                self.ended(trace.doorbell_at, trace.completion_at);
                continue;
            }
            // The two halves of a pair end next to each other in their queue.
            let queue = (trace.function.0, trace.queue_id);
            match self.halves.remove(&queue) {
                None => {
                    self.halves.insert(queue, trace);
                }
                Some(first) => self.ended(
                    first.doorbell_at.min(trace.doorbell_at),
                    first.completion_at.max(trace.completion_at),
                ),
            }
        }
    }

    fn ended(&mut self, doorbell_at: u64, completion_at: u64) {
        self.latest = self.latest.max(completion_at);
        if self.measuring {
            let cycles = completion_at.saturating_sub(doorbell_at);
            // The histogram grows as far as 64 bits go.
            let _ = self.latencies.histogram.record(cycles);
            self.latencies.longest_cycles = self.latencies.longest_cycles.max(cycles);
            self.latencies.count += 1;
        }
    }
}

impl Latencies {
    /// Cycles from one command's end to the next one's, on average.
    pub(super) fn cycles_per_command(&self) -> f64 {
        (self.to - self.from) as f64 / self.count.max(1) as f64
    }

    /// Percentiles; the histogram keeps three digits.
    pub(super) fn percentiles(&self) -> LatencyReport {
        let at = |quantile| {
            self.histogram
                .value_at_quantile(quantile)
                .min(self.longest_cycles)
        };
        LatencyReport {
            p50: at(0.5),
            p99: at(0.99),
            max: self.longest_cycles,
        }
    }
}
