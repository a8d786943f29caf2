//! Long histories of many clients, judged in linear time by the versions that operations return.
//!
//! The changes of a key, in the order of their versions, are the states it went through. A state
//! cannot begin before its change was asked for, and is over once a later change has come back.
//! Whoever saw a state must have been asked and answered in between, and whoever was asked after
//! that answer must not see an earlier one. Values are unique, so a change whose outcome stayed
//! unknown is recognized by its value where somebody saw it.

use std::collections::BTreeMap;

use super::history::{Answer, Asked, Event};

struct State<'a> {
    version: u64,
    value: Option<&'a [u8]>,
    change: &'a Event,
}

impl std::fmt::Debug for State<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {:?}", self.version, self.change)
    }
}

/// Panics if the history cannot be that of an atomic store.
pub(crate) fn assert_atomic(events: &[Event]) {
    let mut keys: BTreeMap<&[u8], Vec<&Event>> = BTreeMap::new();
    for event in events {
        keys.entry(&event.key).or_default().push(event);
    }
    for events in keys.values() {
        assert_key(events);
    }
}

fn written(event: &Event) -> Option<&[u8]> {
    match &event.asked {
        Asked::Put(value) | Asked::Add(value) | Asked::Swap(_, value) => Some(value),
        Asked::Get | Asked::Delete => None,
    }
}

fn assert_key(events: &[&Event]) {
    let seen: BTreeMap<&[u8], u64> = events
        .iter()
        .filter_map(|event| match &event.answer {
            Answer::Found(version, value) => Some((&value[..], *version)),
            _ => None,
        })
        .collect();
    let mut states: Vec<State<'_>> = Vec::new();
    let mut hidden = 0;
    for event in events {
        let version = match &event.answer {
            Answer::Stored(version) | Answer::Deleted(version) => Some(*version),
            Answer::Unknown if event.asked == Asked::Get => continue,
            Answer::Unknown => {
                let version = written(event).and_then(|value| seen.get(value).copied());
                hidden += usize::from(version.is_none());
                version
            }
            _ => None,
        };
        if let Some(version) = version {
            states.push(State {
                version,
                value: written(event),
                change: event,
            });
        }
    }
    states.sort_by_key(|state| state.version);
    assert_changes(&states, hidden);
    assert_sights(events, &states, hidden);
}

/// Every change fits on the one before.
fn assert_changes(states: &[State<'_>], hidden: usize) {
    let mut latest_begin = 0;
    for (index, state) in states.iter().enumerate() {
        let before = index.checked_sub(1).map(|i| &states[i]);
        if let Some(before) = before {
            assert!(
                before.version < state.version,
                "one version twice: {before:?} {state:?}"
            );
        }
        assert!(
            latest_begin < state.change.end,
            "a change came back before one with a lower version began: {state:?}"
        );
        latest_begin = latest_begin.max(state.change.begin);
        let present = before.is_some_and(|before| before.value.is_some());
        let fits = match (&state.change.asked, &state.change.answer) {
            (Asked::Swap(expected, _), Answer::Stored(_)) => {
                // The version of a change with unknown outcome may be known, and its value not.
                let known = states.iter().any(|state| state.version == *expected);
                before.is_some_and(|before| before.version == *expected) || (hidden > 0 && !known)
            }
            (Asked::Add(_), Answer::Stored(_)) => !present || hidden > 0,
            (Asked::Delete, Answer::Deleted(_)) => present || hidden > 0,
            _ => true,
        };
        assert!(fits, "lost update: {state:?} after {before:?}");
    }
}

/// Every sight is of a state that stood at some moment of the operation, and time does not run
/// backwards from one sight to the next.
fn assert_sights(events: &[&Event], states: &[State<'_>], hidden: usize) {
    // earliest[i]: state i cannot have begun before. over[i]: by then it was over. 0 is "nothing".
    let mut earliest = vec![0; states.len() + 1];
    let mut over = vec![u64::MAX; states.len() + 1];
    for (i, state) in states.iter().enumerate() {
        earliest[i + 1] = earliest[i].max(state.change.begin);
    }
    for (i, state) in states.iter().enumerate().rev() {
        over[i] = over[i + 1].min(state.change.end);
    }
    let mut sights: Vec<&&Event> = events
        .iter()
        .filter(|event| {
            matches!(
                event.answer,
                Answer::Found(..) | Answer::Missing(_) | Answer::Exists(_) | Answer::Mismatch(_)
            )
        })
        .collect();
    sights.sort_by_key(|event| event.begin);
    // Ends of sights already judged, with the state they saw.
    let mut judged: BTreeMap<u64, usize> = BTreeMap::new();
    let mut floor = 0;
    for event in sights {
        while let Some(entry) = judged
            .first_entry()
            .filter(|entry| *entry.key() < event.begin)
        {
            floor = floor.max(entry.remove());
        }
        let in_time = |i: usize| event.end > earliest[i] && event.begin < over[i];
        let state = match &event.answer {
            Answer::Found(version, value) => {
                let at = states.iter().position(|state| state.version == *version);
                let at = at.unwrap_or_else(|| panic!("a value from nowhere: {event:?}"));
                assert_eq!(
                    states[at].value,
                    Some(&value[..]),
                    "another value: {event:?}"
                );
                Some(at + 1)
            }
            Answer::Exists(version) | Answer::Mismatch(version) => {
                let at = states.iter().position(|state| state.version == *version);
                assert!(
                    at.is_some() || hidden > 0,
                    "a version from nowhere: {event:?}"
                );
                at.map(|at| at + 1)
            }
            _ => {
                let absent = |i: usize| i == 0 || states[i - 1].value.is_none();
                let at = (floor..=states.len()).find(|&i| absent(i) && in_time(i));
                assert!(
                    at.is_some() || hidden > 0,
                    "absent while it was there: {event:?}"
                );
                // It may as well be a deletion that nobody was told of.
                at.filter(|_| hidden == 0)
            }
        };
        let Some(state) = state else { continue };
        assert!(
            in_time(state),
            "stale read: {event:?} saw state {state} of {states:?}"
        );
        assert!(
            state >= floor,
            "an earlier state than somebody saw before: {event:?}"
        );
        let entry = judged.entry(event.end).or_default();
        *entry = (*entry).max(state);
    }
}
