//! What one function can take from others, on the device at full load: the loads and the measuring
//! are those of the device tests.

use std::panic::resume_unwind;
use std::thread;

use nvme_conformance::Factory;
use nvme_conformance::traffic::fairness::{
    beside_a_stuck_function, largest_deviation, side_by_side,
};
use nvme_conformance::traffic::load::{Kind, Load};
use pcie_host::HostOptions;
use pcie_host::endpoint::Cycle;
use rdstore_cli::ceiling::{CommandShape, PortConditions, ceiling};

use crate::figure::{Figure, Must};

const FUNCTIONS: usize = 7;
/// What the six may lose beside a function that is stuck.
const MOST_LOST: f64 = 0.03;
/// How far a function's bytes may be from the others'.
const SHARE_TOLERANCE: f64 = 0.05;
/// How far all functions together may be from what can pass the port.
const CEILING_TOLERANCE: f64 = 0.03;

/// Kinds of commands side by side: on the Verilog each takes minutes, and they share nothing.
pub(crate) fn run(device: Factory, smoke: bool) -> Vec<Figure> {
    let cycles = if smoke { 400_000 } else { 8_000_000 };
    thread::scope(|scope| {
        let kinds = Kind::ALL.map(|kind| scope.spawn(move || of_kind(device, kind, cycles)));
        let figures = kinds.into_iter().flat_map(|kind| match kind.join() {
            Ok(figures) => figures,
            Err(panic) => resume_unwind(panic),
        });
        figures.collect()
    })
}

fn of_kind(device: Factory, kind: Kind, cycles: Cycle) -> Vec<Figure> {
    // Where one large command must not be a few per cent of all that is measured.
    let longer = cycles.max(1_500_000);
    vec![
        stuck_function(device, kind, cycles).told(),
        over_ceiling(device, kind, cycles).told(),
        shares(device, kind, "1 queue, 4 queues", &queues(kind), cycles).told(),
        shares(device, kind, &sizes_name(kind), &sizes(kind), longer).told(),
        shares(device, kind, &greedy_name(kind), &greedy(kind), longer).told(),
    ]
}

const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Read => "Reads",
        Kind::Write => "Writes",
        Kind::Pair => "pairs",
    }
}

fn stuck_function(device: Factory, kind: Kind, cycles: Cycle) -> Figure {
    let (alone, beside) = beside_a_stuck_function(device, kind, cycles);
    Figure::new(
        format!(
            "{}: loss of six beside a function whose CQ heads never move",
            name(kind)
        ),
        1.0 - beside as f64 / alone as f64,
        "share",
        Must::AtMost(MOST_LOST),
    )
}

/// Seven functions at once, against what can pass the port.
fn over_ceiling(device: Factory, kind: Kind, cycles: Cycle) -> Figure {
    let load = Load::small(kind);
    let bytes: u64 = side_by_side(device, &[load; FUNCTIONS], cycles)
        .iter()
        .sum();
    let measured_cycles = cycles as f64 / (bytes as f64 / f64::from(load.bytes));
    let shape = match kind {
        Kind::Read => CommandShape::Read,
        Kind::Write => CommandShape::Write,
        Kind::Pair => CommandShape::CompareAndWrite,
    };
    // The loads poll: no message is sent.
    let port = PortConditions::new(&HostOptions::default(), false);
    let ceiling_cycles = ceiling(&port, shape, load.bytes.into()).cycles();
    Figure::new(
        format!(
            "{}: cycles of seven functions at once ÷ ceiling",
            name(kind)
        ),
        measured_cycles / ceiling_cycles,
        "×",
        Must::Within(1.0 - CEILING_TOLERANCE, 1.0 + CEILING_TOLERANCE),
    )
}

fn shares(device: Factory, kind: Kind, what: &str, loads: &[Load], cycles: Cycle) -> Figure {
    let bytes = side_by_side(device, loads, cycles);
    Figure::new(
        format!("{}: largest deviation from equal bytes, {what}", name(kind)),
        largest_deviation(&bytes),
        "share",
        Must::AtMost(SHARE_TOLERANCE),
    )
}

fn queues(kind: Kind) -> Vec<Load> {
    let load = Load::small(kind);
    vec![load, load.on_queues(4)]
}

fn sizes(kind: Kind) -> Vec<Load> {
    vec![Load::small(kind), Load::large(kind)]
}

fn sizes_name(kind: Kind) -> String {
    format!("4 KiB, {} KiB", kind.largest_bytes() / 1024)
}

fn greedy(kind: Kind) -> Vec<Load> {
    let mut loads = vec![Load::small(kind); FUNCTIONS];
    loads[FUNCTIONS / 2] = Load::large(kind).on_queues(4);
    loads
}

fn greedy_name(kind: Kind) -> String {
    format!(
        "six of 4 KiB, one of 4 queues of {} KiB",
        kind.largest_bytes() / 1024
    )
}
