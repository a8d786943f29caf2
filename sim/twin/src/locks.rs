//! The rules of the range lock, held against the steps that a twin has told.

use nvme_model::{LockEvent, LockStep};

/// A request that is granted or waits.
struct Row {
    event: LockEvent,
    granted: bool,
}

/// What the steps of a round came to.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    /// Rules that were broken.
    pub(crate) broken: Vec<String>,
    /// Requests that met one they conflict with.
    pub(crate) overlaps: u64,
}

fn conflict(a: &LockEvent, b: &LockEvent) -> bool {
    (a.exclusive || b.exclusive) && a.start < b.end && b.start < a.end
}

fn same_owner(a: &LockEvent, b: &LockEvent) -> bool {
    (a.function, a.queue_id, a.command_id) == (b.function, b.queue_id, b.command_id)
}

/// One lock a command at most; nobody is granted beside one it conflicts with, nor before an older
/// one that waits; in the end nothing is held.
pub(crate) fn judge(events: &[LockEvent]) -> Judgement {
    // In order of arrival.
    let mut rows: Vec<Row> = Vec::new();
    let mut judgement = Judgement::default();
    for event in events {
        let own = rows.iter().position(|row| same_owner(&row.event, event));
        match (event.step, own) {
            (LockStep::Requested, None) => {
                let in_the_way = rows.iter().filter(|row| conflict(&row.event, event));
                judgement.overlaps += in_the_way.count() as u64;
                rows.push(Row {
                    event: *event,
                    granted: false,
                });
            }
            (LockStep::Requested, Some(_)) => {
                judgement.broken.push(format!("a second lock: {event:?}"));
            }
            (LockStep::Granted, Some(own)) if !rows[own].granted => {
                rows[own].granted = true;
                let older = rows[..own].iter().find(|row| conflict(&row.event, event));
                if let Some(older) = older {
                    let state = if older.granted { "held" } else { "awaited" };
                    let other = &older.event;
                    judgement.broken.push(format!(
                        "granted beside a conflicting lock {state} by an older request: {event:?} beside {other:?}"
                    ));
                }
            }
            (LockStep::Granted, _) => {
                judgement
                    .broken
                    .push(format!("granted without a request: {event:?}"));
            }
            (LockStep::Released, Some(own)) => {
                rows.remove(own);
            }
            (LockStep::Released, None) => {
                judgement
                    .broken
                    .push(format!("released without a request: {event:?}"));
            }
        }
    }
    let left = rows
        .iter()
        .map(|row| format!("never released: {:?}", row.event));
    judgement.broken.extend(left);
    judgement
}

#[cfg(test)]
mod tests {
    use super::*;
    use pcie_host::endpoint::FunctionId;

    fn event(step: LockStep, command_id: u16, start: u64, exclusive: bool) -> LockEvent {
        LockEvent {
            at: 0,
            step,
            function: FunctionId(0),
            queue_id: 1,
            command_id,
            start,
            end: start + 10,
            exclusive,
        }
    }

    #[test]
    fn each_rule_can_be_broken() {
        use LockStep::{Granted, Released, Requested};
        let write = |step| event(step, 1, 0, true);
        let read = |step| event(step, 2, 5, false);
        let good = [
            write(Requested),
            write(Granted),
            read(Requested),
            write(Released),
            read(Granted),
            read(Released),
        ];
        let judgement = judge(&good);
        assert!(judgement.broken.is_empty(), "{judgement:?}");
        assert_eq!(judgement.overlaps, 1);
        let beside = [good[0], good[1], good[2], read(Granted), good[3], good[5]];
        let overtaken = [good[0], good[2], read(Granted), good[5], good[1], good[3]];
        let kept = &good[..5];
        let twice = [good[0], good[0], good[1], good[3]];
        let unasked = &good[1..2];
        for (bad, says) in [
            (&beside[..], "held"),
            (&overtaken[..], "awaited"),
            (kept, "never released"),
            (&twice[..], "second lock"),
            (unasked, "without a request"),
        ] {
            let broken = judge(bad).broken;
            assert!(broken.iter().any(|text| text.contains(says)), "{broken:?}");
        }
    }
}
