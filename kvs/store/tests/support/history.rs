//! Whether a history of a few operations on a few keys is linearizable: some order of them, which
//! keeps the order of operations that did not overlap, explains every outcome and every version.

use std::collections::BTreeMap;

use rdstore::{Error, Operation, Outcome, Version};

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Get,
    Put(Vec<u8>),
    Add(Vec<u8>),
    Delete,
    /// Compare-and-swap with an expected version.
    Swap(u64, Vec<u8>),
}

impl Asked {
    /// The operation that asks it of `key`; what it stores never ends.
    pub(crate) fn of<'a>(&'a self, key: &'a [u8]) -> Operation<'a> {
        let expires_unix_ms = None;
        match self {
            Self::Get => Operation::Get { key },
            Self::Put(value) => Operation::Put {
                key,
                value,
                expires_unix_ms,
            },
            Self::Add(value) => Operation::Add {
                key,
                value,
                expires_unix_ms,
            },
            Self::Delete => Operation::Delete { key },
            Self::Swap(expected, value) => Operation::CompareAndSwap {
                key,
                expected: Version(*expected),
                value,
                expires_unix_ms,
            },
        }
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Found(u64, Vec<u8>),
    Missing(u64),
    Stored(u64),
    Deleted(u64),
    Exists(u64),
    Mismatch(u64),
    /// Nothing was changed.
    Refused,
    /// It may have taken effect, any time after it was asked, or never.
    Unknown,
}

impl Answer {
    pub(crate) fn of(result: &Result<Outcome, Error>) -> Self {
        match result {
            Ok(Outcome::Found { version, value, .. }) => Self::Found(version.0, value.clone()),
            Ok(Outcome::Missing { version }) => Self::Missing(version.0),
            Ok(Outcome::Stored { version }) => Self::Stored(version.0),
            Ok(Outcome::Deleted { version }) => Self::Deleted(version.0),
            Ok(Outcome::Exists { version }) => Self::Exists(version.0),
            Ok(Outcome::Mismatch { version }) => Self::Mismatch(version.0),
            Err(Error::OutcomeUnknown { .. }) => Self::Unknown,
            Err(Error::Full { .. } | Error::Contention { .. } | Error::Device { .. }) => {
                Self::Refused
            }
            other => panic!("unexpected outcome {other:?}"),
        }
    }
}

/// One operation with the moments between which it took effect.
#[derive(Clone)]
pub(crate) struct Event {
    pub(crate) key: Vec<u8>,
    pub(crate) asked: Asked,
    pub(crate) answer: Answer,
    pub(crate) begin: u64,
    /// `u64::MAX` when it never came back.
    pub(crate) end: u64,
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = |value: &[u8]| {
            let begin: Vec<u8> = value.iter().copied().take(4).collect();
            format!("{begin:?}+{}", value.len())
        };
        let key = self.key.escape_ascii();
        match &self.asked {
            Asked::Get => write!(f, "get {key}")?,
            Asked::Put(new) => write!(f, "put {key} {}", value(new))?,
            Asked::Add(new) => write!(f, "add {key} {}", value(new))?,
            Asked::Delete => write!(f, "delete {key}")?,
            Asked::Swap(expected, new) => write!(f, "swap {key} {expected} {}", value(new))?,
        }
        match &self.answer {
            Answer::Found(version, found) => write!(f, " found {version} {}", value(found))?,
            answer => write!(f, " {answer:?}")?,
        }
        write!(f, " [{}..{}]", self.begin, self.end)
    }
}

#[derive(Clone, Default, Debug)]
struct KeyState {
    value: Option<Vec<u8>>,
    /// Of the last change, deletion included. Zero after an unknown one.
    version: u64,
    /// The version of the present value is not known.
    hidden: bool,
}

/// Panics, showing the history, if no order explains it.
pub(crate) fn assert_linearizable(events: &[Event], seen: &dyn Fn() -> String) {
    let mut keys: BTreeMap<&[u8], Vec<&Event>> = BTreeMap::new();
    for event in events {
        keys.entry(&event.key).or_default().push(event);
    }
    // Linearizability is local: each key can be judged alone.
    for (key, events) in keys {
        let mut done = vec![false; events.len()];
        if !explain(&events, &mut done, &KeyState::default()) {
            let key = key.escape_ascii();
            panic!(
                "no order explains the history of {key}: {events:#?}\n{}",
                seen()
            );
        }
    }
}

fn explain(events: &[&Event], done: &mut [bool], state: &KeyState) -> bool {
    let open = |done: &[bool]| {
        (0..events.len())
            .filter(|&i| !done[i])
            .collect::<Vec<usize>>()
    };
    let left = open(done);
    let must = left
        .iter()
        .filter(|&&i| events[i].end != u64::MAX && events[i].answer != Answer::Unknown);
    if must.count() == 0 {
        return true;
    }
    let first_end = left
        .iter()
        .map(|&i| events[i].end)
        .min()
        .unwrap_or(u64::MAX);
    for &i in &left {
        let event = events[i];
        if event.begin > first_end {
            continue;
        }
        for next in successors(event, state) {
            done[i] = true;
            if explain(events, done, &next) {
                return true;
            }
            done[i] = false;
        }
    }
    false
}

/// The states that `event` may lead to, if it takes effect in `state`.
fn successors(event: &Event, state: &KeyState) -> Vec<KeyState> {
    let same = || vec![state.clone()];
    let none = Vec::new;
    let present = state.value.is_some();
    let version_is = |version: u64| state.hidden || state.version == version;
    let becomes = |value: Option<&Vec<u8>>, version: u64| {
        if version > state.version {
            vec![KeyState {
                value: value.cloned(),
                version,
                hidden: false,
            }]
        } else {
            Vec::new()
        }
    };
    let hidden = |value: Option<&Vec<u8>>| KeyState {
        value: value.cloned(),
        version: state.version,
        hidden: true,
    };
    match (&event.asked, &event.answer) {
        (_, Answer::Refused) => same(),
        (asked, Answer::Unknown) => {
            let mut all = same();
            match asked {
                Asked::Put(value) => all.push(hidden(Some(value))),
                Asked::Add(value) if !present => all.push(hidden(Some(value))),
                Asked::Swap(expected, value) if present && version_is(*expected) => {
                    all.push(hidden(Some(value)));
                }
                Asked::Delete if present => all.push(hidden(None)),
                _ => {}
            }
            all
        }
        (Asked::Get, Answer::Found(version, value)) => {
            if state.value.as_ref() == Some(value) && version_is(*version) {
                let version = (*version).max(state.version);
                vec![KeyState {
                    value: state.value.clone(),
                    version,
                    hidden: false,
                }]
            } else {
                none()
            }
        }
        (Asked::Get | Asked::Delete | Asked::Swap(..), Answer::Missing(_)) if !present => same(),
        (Asked::Put(value), Answer::Stored(version)) => becomes(Some(value), *version),
        (Asked::Add(value), Answer::Stored(version)) if !present => becomes(Some(value), *version),
        (Asked::Add(_), Answer::Exists(version)) if present && version_is(*version) => same(),
        (Asked::Delete, Answer::Deleted(version)) if present => becomes(None, *version),
        (Asked::Swap(expected, value), Answer::Stored(version))
            if present && version_is(*expected) =>
        {
            becomes(Some(value), *version)
        }
        (Asked::Swap(expected, _), Answer::Mismatch(version))
            if present && version_is(*version) && expected != version =>
        {
            same()
        }
        _ => none(),
    }
}
