//! Torn pages: functions Compare-and-Write what another reads, with the range lock and without it. The
//! hammering is that of the device tests.

use nvme_conformance::data::pages::hammer;

use crate::figure::{Figure, Must};
use crate::twin::Twin;

/// Reads and pairs in flight together on one page that 40 M cycles must have had.
const MOST_CYCLES_AN_OVERLAP: f64 = 400.0;

pub(crate) fn run(twin: Twin, smoke: bool) -> Vec<Figure> {
    let cycles = if smoke { 1_000_000 } else { 40_000_000 };
    let found = hammer(twin.factory(), cycles);
    let name = format!("Reads that found a page torn in {cycles} cycles");
    let torn = Figure::new(name, found.torn as f64, "pages", Must::Exactly(0.0)).told();
    let overlaps = Figure::new(
        "Reads in flight with a pair on their page",
        found.overlaps as f64,
        "overlaps",
        Must::MoreThan((cycles as f64 / MOST_CYCLES_AN_OVERLAP).round()),
    )
    .told();
    let cycles = cycles / 10;
    let without = hammer(twin.factory_without_lock(), cycles);
    let name = format!("The same in {cycles} cycles, the range lock taken out");
    let torn_without = Figure::new(name, without.torn as f64, "pages", Must::MoreThan(0.0)).told();
    vec![torn, overlaps, torn_without]
}
