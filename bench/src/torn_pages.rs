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
    let without = hammer(twin.factory_without_lock(), cycles / 10);
    let overlaps = found.overlaps as f64;
    vec![
        Figure::new(
            "Reads that found a page torn",
            found.torn as f64,
            "pages",
            Must::Exactly(0.0),
        ),
        Figure::new(
            "Reads in flight with a pair on their page",
            overlaps,
            "overlaps",
            Must::MoreThan(found.cycles as f64 / MOST_CYCLES_AN_OVERLAP),
        ),
        Figure::new(
            "Reads that found a page torn, the range lock taken out",
            without.torn as f64,
            "pages",
            Must::MoreThan(0.0),
        ),
    ]
}
