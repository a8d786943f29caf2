//! What `rdstore device perf` prints.

use serde::Serialize;

use crate::ceiling::Ceiling;
use crate::output::{render_fields, show_count};
use crate::size::show_size;

/// Percentiles of a latency: at the port in cycles of the core clock, at a client in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub(super) struct LatencyReport {
    pub(super) p50: u64,
    pub(super) p99: u64,
    pub(super) max: u64,
}

/// The result.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PerfReport {
    pub(super) rw: &'static str,
    pub(super) qd: u16,
    pub(super) bs: u64,
    pub(super) functions: u8,
    /// Every pair's compare failed; not in the JSON where none had to.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) miscompare: bool,
    pub(super) cycles_per_command: f64,
    pub(super) ceiling_cycles: f64,
    pub(super) latency_cycles: LatencyReport,
    pub(super) wall_commands_per_s: f64,
    /// Clock cycles evaluated a second; of the Verilog only, which evaluates each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) wall_cycles_per_s: Option<f64>,
    /// The same a second of processor time: what a core does that nobody else uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu_cycles_per_s: Option<f64>,
}

/// The same for people, and what the ceiling consists of.
pub(super) fn render(report: &PerfReport, ceiling: &Ceiling) -> String {
    let cycles = report.cycles_per_command;
    let ns = |cycles: f64| cycles * 8.0;
    let bound = |cycles: f64| {
        let decides = if cycles == ceiling.cycles() {
            ", which decides"
        } else {
            ""
        };
        format!("{cycles:.1} cycles{decides}")
    };
    let latency = report.latency_cycles;
    let commands = format!(
        "{} commands a second",
        show_count(report.wall_commands_per_s as u64)
    );
    render_fields(&[
        (
            "sent",
            format!(
                "{}{} of {}, {} in flight a queue, functions: {}",
                report.rw,
                if report.miscompare {
                    ", each failing its compare,"
                } else {
                    ""
                },
                show_size(report.bs),
                report.qd,
                report.functions
            ),
        ),
        (
            "a command",
            format!(
                "{cycles:.1} cycles: {} a second, {:.2} GB/s of simulated time",
                show_count((1e9 / ns(cycles)) as u64),
                report.bs as f64 / ns(cycles)
            ),
        ),
        (
            "ceiling",
            format!(
                "{:.1} cycles; measured is {:.3} times that",
                report.ceiling_cycles,
                cycles / report.ceiling_cycles
            ),
        ),
        ("  port, up (RQ)", bound(ceiling.request_port_cycles)),
        ("  port, down (RC)", bound(ceiling.completion_port_cycles)),
        ("  link", bound(ceiling.link_cycles)),
        ("  round trips", bound(ceiling.round_trip_cycles)),
        (
            "latency at the port",
            format!(
                "p50 {} cycles ({:.2} µs), p99 {}, max {}",
                latency.p50,
                ns(latency.p50 as f64) / 1000.0,
                latency.p99,
                latency.max
            ),
        ),
        (
            "wall clock",
            match report.wall_cycles_per_s.zip(report.cpu_cycles_per_s) {
                None => commands,
                Some((wall, cpu)) => format!(
                    "{commands}, {} cycles; {} cycles a second of processor time",
                    show_count(wall as u64),
                    show_count(cpu as u64)
                ),
            },
        ),
    ])
}
