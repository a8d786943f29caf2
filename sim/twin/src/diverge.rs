//! Where the ports of two twins begin to differ, in one script.

use pcie_host::endpoint::Cycle;

use crate::check::Twin;
use crate::drive::run;
use crate::events::{Event, Events, Watched, divergence};
use crate::script::{Script, Setup};
use crate::twins::Device;

/// Runs the script on a twin; what has passed its port, and what it told of its range lock.
fn events(script: &Script, make: &dyn Fn(&Setup) -> Device) -> Vec<Event> {
    let events = Events::default();
    let watched = |setup: &Setup| {
        let device = make(setup);
        Device {
            endpoint: Box::new(Watched::new(device.endpoint, events.clone())),
            probe: device.probe,
        }
    };
    let outcome = run(script, &watched);
    for round in &outcome.rounds {
        events.add_locks(round.locks.as_deref().unwrap_or_default());
    }
    events.sorted()
}

/// The first cycle in which something passes the port of one twin and not of the other, and `around`
/// events of both before and after it; `None` when both do everything in the same cycles.
pub fn diverge(
    script: &Script,
    one: &Twin<'_>,
    other: &Twin<'_>,
    around: usize,
) -> Option<(Cycle, String)> {
    divergence(
        &events(script, one.make),
        &events(script, other.make),
        around,
    )
}
