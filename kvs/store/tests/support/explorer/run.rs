//! One schedule, step by step: the clients of an exploration on a device of its own.

use std::hash::{DefaultHasher, Hash, Hasher};

use rdstore::testing::{Effect, MemoryDevice, MemoryOptions, MemoryPageStore};
use rdstore::{Client, FsckOptions, Outcome, Ticket, fsck};

use super::super::history::{Answer, Asked, Event, assert_linearizable};
use super::super::sample::{FIRST_PAGE, client};
use super::{Choice, Do, Exploration};

struct Actor {
    client: Option<Client<MemoryPageStore>>,
    script: std::vec::IntoIter<Do>,
    running: Option<(Ticket, usize)>,
    last_version: u64,
    observed: u64,
    handle: usize,
}

/// A schedule under way.
pub(super) struct Run<'a> {
    plan: &'a Exploration,
    device: MemoryDevice,
    actors: Vec<Actor>,
    events: Vec<Event>,
    now: u64,
    unknown_left: u32,
    deaths_left: u32,
}

impl<'a> Run<'a> {
    pub(super) fn new(plan: &'a Exploration) -> Self {
        let device = MemoryDevice::new(plan.image.len(), MemoryOptions::default());
        device.write_bytes(0, &plan.image);
        let actors = plan
            .scripts
            .iter()
            .map(|script| {
                let client = client(&device);
                let handle = client.store().number();
                Actor {
                    client: Some(client),
                    script: script.clone().into_iter(),
                    running: None,
                    last_version: 0,
                    observed: 0,
                    handle,
                }
            })
            .collect();
        device.set_options(MemoryOptions {
            manual: true,
            ..MemoryOptions::default()
        });
        let mut run = Self {
            plan,
            device,
            actors,
            events: plan.before.clone(),
            now: 1_000,
            unknown_left: plan.unknown,
            deaths_left: plan.deaths,
        };
        for actor in 0..run.actors.len() {
            run.go_on(actor);
        }
        run
    }

    /// Takes in what has ended for an actor and starts its next operation.
    fn go_on(&mut self, index: usize) {
        let actor = &mut self.actors[index];
        let Some(client) = &mut actor.client else {
            return;
        };
        let mut outcomes = Vec::new();
        client.poll(&mut outcomes);
        for (ticket, result) in outcomes {
            let (expected, event) = actor.running.take().expect("one operation at a time");
            assert_eq!(ticket, expected);
            let answer = Answer::of(&result);
            if answer == Answer::Refused {
                assert!(
                    self.plan.may_be_full || self.plan.unknown > 0,
                    "{result:?} where nothing is full"
                );
            }
            if let Ok(outcome) = &result {
                actor.last_version = outcome.version().0;
            }
            self.now += 1;
            self.events[event].answer = answer;
            self.events[event].end = self.now;
        }
        if actor.running.is_some() {
            return;
        }
        let Some(next) = actor.script.next() else {
            return;
        };
        let expected = actor.last_version;
        let (key, asked) = match next {
            Do::Get(key) => (key, Asked::Get),
            Do::Put(key, value) => (key, Asked::Put(value)),
            Do::Add(key, value) => (key, Asked::Add(value)),
            Do::Delete(key) => (key, Asked::Delete),
            Do::Swap(key, value) => (key, Asked::Swap(expected, value)),
        };
        let ticket = client.submit(asked.of(&key)).expect("a right operation");
        self.now += 1;
        actor.running = Some((ticket, self.events.len()));
        let (begin, end) = (self.now, u64::MAX);
        self.events.push(Event {
            key,
            asked,
            answer: Answer::Unknown,
            begin,
            end,
        });
    }

    fn may_be_unknown(&self, handle: usize) -> bool {
        !self.plan.unknown_first_only || self.actors[0].handle == handle
    }

    pub(super) fn choices(&self) -> Vec<Choice> {
        let mut choices = Vec::new();
        for (index, pending) in self.device.pending().iter().enumerate() {
            choices.push(Choice::Io(index, Effect::Done));
            if pending.ghost {
                // Told as unknown already; it may never happen.
                choices.push(Choice::Io(index, Effect::UnknownLost));
            } else if pending.write && self.unknown_left > 0 && self.may_be_unknown(pending.handle)
            {
                choices.push(Choice::Io(index, Effect::UnknownApplied));
                choices.push(Choice::Io(index, Effect::UnknownPending));
            }
        }
        if self.deaths_left > 0 {
            for (index, actor) in self.actors.iter().enumerate() {
                if actor.running.is_some() && actor.client.is_some() {
                    let writing = self
                        .device
                        .pending()
                        .iter()
                        .any(|p| p.handle == actor.handle && p.write);
                    choices.push(Choice::Die(index, false));
                    if writing {
                        choices.push(Choice::Die(index, true));
                    }
                }
            }
        }
        choices
    }

    pub(super) fn take(&mut self, choice: Choice) {
        match choice {
            Choice::Io(index, effect) => {
                let pending = self.device.pending()[index];
                let miscompares = self.device.counters().miscompares;
                self.device.complete(index, effect);
                let differed = self.device.counters().miscompares > miscompares;
                if effect != Effect::Done && !pending.ghost {
                    self.unknown_left -= 1;
                }
                if pending.ghost {
                    return;
                }
                let page = usize::try_from(pending.block).expect("small") * 4096;
                let actor = self
                    .actors
                    .iter()
                    .position(|actor| actor.handle == pending.handle)
                    .expect("all handles are actors'");
                let mut hasher = DefaultHasher::new();
                let seen = self.device.bytes(page + 64, 16);
                let seen = if pending.write { Vec::new() } else { seen };
                (self.actors[actor].observed, pending.block, differed, seen).hash(&mut hasher);
                format!("{effect:?}").hash(&mut hasher);
                self.actors[actor].observed = hasher.finish();
                self.go_on(actor);
            }
            Choice::Die(index, happens) => {
                self.deaths_left -= 1;
                let handle = self.actors[index].handle;
                if happens {
                    let at = self
                        .device
                        .pending()
                        .iter()
                        .position(|p| p.handle == handle && p.write);
                    self.device
                        .complete(at.expect("it was writing"), Effect::Done);
                } else {
                    self.device.drop_pending(handle);
                }
                // The operation never comes back.
                self.actors[index].running = None;
                self.actors[index].client = None;
                self.actors[index].observed = u64::MAX - u64::from(happens);
            }
        }
    }

    /// What decides the future, and what the history so far allows.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let pages = self.plan.image.len() / 4096;
        for page in FIRST_PAGE..pages {
            self.device.bytes(page * 4096 + 64, 16).hash(&mut hasher);
        }
        for actor in &self.actors {
            (actor.observed, actor.client.is_some()).hash(&mut hasher);
        }
        for pending in self.device.pending() {
            (pending.handle, pending.block, pending.ghost).hash(&mut hasher);
        }
        (self.unknown_left, self.deaths_left).hash(&mut hasher);
        for event in &self.events {
            (event.begin, event.end).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The schedule is over: judge it.
    pub(super) fn judge(mut self, schedule: &[Choice]) {
        let seen = || format!("schedule {schedule:?}");
        for actor in &self.actors {
            assert!(
                actor.running.is_none(),
                "an operation never ended: {}",
                seen()
            );
            assert_eq!(
                actor.script.as_slice().len() * usize::from(actor.client.is_some()),
                0
            );
        }
        self.device.set_options(MemoryOptions::default());
        let report = fsck(&mut self.device.handle(), &FsckOptions::default()).unwrap();
        assert!(report.is_clean(), "{:?} {}", report.violations, seen());
        let mut reader = client(&self.device);
        for key in &self.plan.keys {
            let answer = Answer::of(&reader.get(key));
            self.now += 2;
            let (begin, end) = (self.now - 1, self.now);
            self.events.push(Event {
                key: key.clone(),
                asked: Asked::Get,
                answer,
                begin,
                end,
            });
        }
        // Another client goes on as if nothing had been.
        for key in &self.plan.keys {
            let outcome = reader
                .put(key, b"after")
                .unwrap_or_else(|e| panic!("{e} {}", seen()));
            let Outcome::Stored { version } = outcome else {
                panic!("{outcome:?}")
            };
            self.now += 2;
            let (begin, end) = (self.now - 1, self.now);
            let asked = Asked::Put(b"after".to_vec());
            let answer = Answer::Stored(version.0);
            self.events.push(Event {
                key: key.clone(),
                asked,
                answer,
                begin,
                end,
            });
        }
        assert_linearizable(&self.events, &seen);
        let report = fsck(&mut self.device.handle(), &FsckOptions::default()).unwrap();
        assert!(
            report.is_clean(),
            "afterwards: {:?} {}",
            report.violations,
            seen()
        );
        assert_eq!(
            report.keys,
            self.plan.keys.len() as u64,
            "afterwards: {}",
            seen()
        );
    }
}
