//! What the scripts of the usual campaign hold: a kind that never comes is checked by nobody.

use std::collections::BTreeMap;
use std::mem::discriminant;

use nvme_twin::generate::{Limits, script};
use nvme_twin::script::{Spoil, UpheavalKind};
use pcie_host::ReadFault;

#[test]
fn five_hundred_seeds_have_every_upheaval_and_every_spoilt_read() {
    let mut upheavals = BTreeMap::new();
    let mut faults = Vec::new();
    for seed in 1..=500 {
        let script = script(seed, Limits::default());
        let rounds = script.rounds.iter();
        for upheaval in rounds.filter_map(|round| round.upheaval.as_ref()) {
            let name = match upheaval.kind {
                UpheavalKind::FunctionReset if upheaval.function == 0 => "reset of all",
                UpheavalKind::FunctionReset => "reset",
                UpheavalKind::LinkDown => "link",
                UpheavalKind::Disable => "disable",
                UpheavalKind::Shutdown => "shutdown",
                UpheavalKind::BusMasterOff => "bus-master",
                UpheavalKind::DeleteQueue(_) => "queue",
            };
            *upheavals.entry(name).or_insert(0) += 1;
        }
        let data = script
            .commands()
            .filter_map(|(_, command)| command.data.as_ref());
        faults.extend(data.filter_map(|data| match data.spoil? {
            Spoil::Read { fault, .. } | Spoil::ReadOfList { fault } => Some(discriminant(&fault)),
            _ => None,
        }));
    }
    println!("{upheavals:?}");
    assert_eq!(upheavals.len(), 7, "{upheavals:?}");
    assert!(
        upheavals.values().all(|count| *count >= 20),
        "{upheavals:?}"
    );
    for fault in [
        ReadFault::Lost,
        ReadFault::Poisoned,
        ReadFault::UnsupportedRequest,
        ReadFault::CompleterAbort,
        ReadFault::Timeout { after_cycles: 0 },
        ReadFault::Delayed { by_cycles: 0 },
    ] {
        assert!(
            faults.contains(&discriminant(&fault)),
            "{fault:?} never comes"
        );
    }
}
