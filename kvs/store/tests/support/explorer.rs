//! All interleavings of a few clients' I/Os, with the real client code.
//!
//! A schedule is a list of choices: whose waiting I/O happens next, and how. Schedules are
//! explored depth first; each begins again from the same image. A client is a function of what its
//! I/Os brought, so two schedules that lead to the same pages, the same observations of every
//! client and the same history so far have the same futures, and the second is not followed.

mod run;

use std::collections::BTreeSet;

use rdstore::testing::Effect;

use super::history::Event;
use run::Run;

/// One operation of a client's script.
#[derive(Clone, Debug)]
pub(crate) enum Do {
    Get(Vec<u8>),
    Put(Vec<u8>, Vec<u8>),
    Add(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    /// Compare-and-swap with the version this client saw last.
    Swap(Vec<u8>, Vec<u8>),
}

/// What is explored.
pub(crate) struct Exploration {
    /// Image of the device, made by clients that are closed.
    pub(crate) image: Vec<u8>,
    /// What each client does, one operation after another.
    pub(crate) scripts: Vec<Vec<Do>>,
    /// Keys that are read in the end.
    pub(crate) keys: Vec<Vec<u8>>,
    /// What the image holds, as events before the begin.
    pub(crate) before: Vec<Event>,
    /// Compare-and-Writes that may end with an unknown outcome.
    pub(crate) unknown: u32,
    /// Whether only those of the first client may.
    pub(crate) unknown_first_only: bool,
    /// Clients that may die.
    pub(crate) deaths: u32,
    /// Whether the store may call itself full.
    pub(crate) may_be_full: bool,
    /// Schedules followed at most; beyond that the rest is left out and said so.
    pub(crate) limit: usize,
}

/// What was explored.
#[derive(Debug)]
pub(crate) struct Explored {
    pub(crate) schedules: usize,
    pub(crate) states: usize,
    pub(crate) complete: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// The waiting I/O with this index gets this effect.
    Io(usize, Effect),
    /// The client dies; what it has on its way still happens, or does not.
    Die(usize, bool),
}

/// Explores every schedule of `plan`, up to its limit.
pub(crate) fn explore(plan: &Exploration) -> Explored {
    /// A client that needs more I/Os than this is caught in a loop.
    const DEPTH: usize = 400;
    let mut visited = BTreeSet::new();
    // For each depth: the choices there and the one being followed.
    let mut path: Vec<(Vec<Choice>, usize)> = Vec::new();
    let mut schedules = 0;
    loop {
        let mut run = Run::new(plan);
        let mut schedule = Vec::new();
        for (choices, at) in &path {
            schedule.push(choices[*at]);
            run.take(choices[*at]);
        }
        let mut over = true;
        loop {
            assert!(schedule.len() < DEPTH, "no end after {schedule:?}");
            if !visited.insert(run.fingerprint()) {
                over = false;
                break;
            }
            let choices = run.choices();
            let Some(first) = choices.first().copied() else {
                break;
            };
            schedule.push(first);
            path.push((choices, 0));
            run.take(first);
        }
        if over {
            run.judge(&schedule);
        }
        schedules += 1;
        while let Some((choices, at)) = path.last_mut() {
            *at += 1;
            if *at < choices.len() {
                break;
            }
            path.pop();
        }
        if path.is_empty() || schedules >= plan.limit {
            let (states, complete) = (visited.len(), path.is_empty());
            return Explored {
                schedules,
                states,
                complete,
            };
        }
    }
}
