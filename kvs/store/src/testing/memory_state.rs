//! What is on its way to a [`MemoryDevice`](super::MemoryDevice), and what becomes of it.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::memory_device::{Effect, MemoryCounters, MemoryOptions};
use crate::page_store::{PageCompletion, PageOutcome, PageStoreError};

pub(super) enum Command {
    Read { buffer: Vec<u8> },
    CompareAndWrite { old: Vec<u8>, new: Vec<u8> },
}

pub(super) struct Pending {
    pub(super) handle: usize,
    pub(super) tag: u64,
    pub(super) block: u64,
    pub(super) command: Command,
    /// Took effect so.
    pub(super) result: Option<Result<PageOutcome, PageStoreError>>,
    pub(super) effect_ns: u64,
    pub(super) completion_ns: u64,
    /// The client was told already, or is never told.
    pub(super) ghost: bool,
    pub(super) unknown: bool,
}

pub(super) struct State {
    pub(super) options: MemoryOptions,
    pub(super) bytes: Vec<u8>,
    pub(super) now_ns: u64,
    pub(super) gone: bool,
    pub(super) pending: Vec<Pending>,
    ready: BTreeMap<usize, Vec<PageCompletion<Vec<u8>>>>,
    in_flight: BTreeMap<usize, usize>,
    pub(super) handles: usize,
    random: Pcg64Mcg,
    pub(super) counters: MemoryCounters,
}

fn unknown() -> PageStoreError {
    PageStoreError::OutcomeUnknown {
        reason: "the command timed out".to_owned(),
    }
}

fn gone() -> PageStoreError {
    PageStoreError::DeviceGone {
        reason: "the device does not answer any more".to_owned(),
    }
}

impl State {
    pub(super) fn new(bytes: usize, options: MemoryOptions) -> Self {
        Self {
            options,
            bytes: vec![0; bytes],
            now_ns: 0,
            gone: false,
            pending: Vec::new(),
            ready: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            handles: 0,
            random: Pcg64Mcg::seed_from_u64(options.seed),
            counters: MemoryCounters::default(),
        }
    }

    pub(super) fn submit(&mut self, handle: usize, tag: u64, block: u64, command: Command) {
        let (shortest, longest) = self.options.delay_ns;
        let delay_ns = self.random.random_range(shortest..=longest);
        let completion_ns = self.now_ns + delay_ns;
        let effect_ns = self.random.random_range(self.now_ns..=completion_ns);
        let mut pending = Pending {
            handle,
            tag,
            block,
            command,
            result: None,
            effect_ns,
            completion_ns,
            ghost: false,
            unknown: false,
        };
        let write = matches!(pending.command, Command::CompareAndWrite { .. });
        if write && self.random.random_range(0..1_000_000) < self.options.unknown_per_million {
            pending.unknown = true;
            match self.random.random_range(0..3) {
                0 => {}
                1 => pending.effect_ns = completion_ns + self.random.random_range(1..=20 * longest),
                _ => pending.result = Some(Err(unknown())),
            }
        } else if self.random.random_range(0..1_000_000) < self.options.failed_per_million {
            let reason = "the device said no".to_owned();
            pending.result = Some(Err(PageStoreError::Failed { reason }));
        }
        *self.in_flight.entry(handle).or_default() += 1;
        self.pending.push(pending);
        if self.gone {
            self.fail_all();
        }
    }

    pub(super) fn in_flight(&self, handle: usize) -> usize {
        self.in_flight.get(&handle).copied().unwrap_or(0)
    }

    pub(super) fn poll(
        &mut self,
        handle: usize,
        completions: &mut Vec<PageCompletion<Vec<u8>>>,
    ) -> usize {
        let Some(ready) = self.ready.get_mut(&handle) else {
            return 0;
        };
        let count = ready.len();
        completions.append(ready);
        if let Some(in_flight) = self.in_flight.get_mut(&handle) {
            *in_flight -= count;
        }
        count
    }

    pub(super) fn has_ready(&self, handle: usize) -> bool {
        self.ready
            .get(&handle)
            .is_some_and(|ready| !ready.is_empty())
    }

    pub(super) fn fail_all(&mut self) {
        for pending in std::mem::take(&mut self.pending) {
            if !pending.ghost {
                self.hand_back(pending, Err(gone()));
            }
        }
    }

    fn hand_back(&mut self, pending: Pending, result: Result<PageOutcome, PageStoreError>) {
        let (buffer, new_buffer) = match pending.command {
            Command::Read { buffer } => (buffer, None),
            Command::CompareAndWrite { old, new } => (old, Some(new)),
        };
        let completion = PageCompletion {
            tag: pending.tag,
            buffer,
            new_buffer,
            result,
        };
        self.ready
            .entry(pending.handle)
            .or_default()
            .push(completion);
    }

    /// Carries the command out.
    fn apply(&mut self, index: usize) {
        let start = usize::try_from(self.pending[index].block).expect("within the device")
            * self.options.block_bytes as usize;
        let outcome = match &mut self.pending[index].command {
            Command::Read { buffer } => {
                let len = buffer.len();
                buffer.copy_from_slice(&self.bytes[start..start + len]);
                self.counters.reads += 1;
                PageOutcome::Done
            }
            Command::CompareAndWrite { old, new } => {
                self.counters.compare_and_writes += 1;
                let place = &mut self.bytes[start..start + old.len()];
                if place == &old[..] {
                    place.copy_from_slice(new);
                    PageOutcome::Done
                } else {
                    self.counters.miscompares += 1;
                    PageOutcome::Miscompare
                }
            }
        };
        self.pending[index].result = Some(Ok(outcome));
    }

    /// Lets the next thing happen, if there is one until `until_ns`.
    pub(super) fn advance_until(&mut self, until_ns: u64) -> bool {
        if self.options.manual {
            return false;
        }
        let next = self
            .pending
            .iter()
            .enumerate()
            .map(|(index, pending)| {
                let waits_for_effect = pending.result.is_none()
                    && (pending.effect_ns <= pending.completion_ns || pending.ghost);
                if waits_for_effect {
                    (pending.effect_ns, index, true)
                } else {
                    (pending.completion_ns, index, false)
                }
            })
            .min();
        let Some((at_ns, index, takes_effect)) = next.filter(|(at_ns, ..)| *at_ns <= until_ns)
        else {
            return false;
        };
        self.now_ns = self.now_ns.max(at_ns);
        if takes_effect {
            self.apply(index);
            if self.pending[index].ghost {
                self.pending.remove(index);
            }
            return true;
        }
        if self.pending[index].unknown && self.pending[index].result.is_none() {
            self.tell_unknown(index);
            return true;
        }
        let pending = self.pending.remove(index);
        let result = if pending.unknown {
            Err(unknown())
        } else {
            pending.result.clone().unwrap_or(Err(gone()))
        };
        self.hand_back(pending, result);
        true
    }

    /// Tells the client that the outcome is unknown; the command goes on.
    fn tell_unknown(&mut self, index: usize) {
        let pending = &mut self.pending[index];
        pending.ghost = true;
        let (buffer, new_buffer) = match &pending.command {
            Command::Read { buffer } => (buffer.clone(), None),
            Command::CompareAndWrite { old, new } => (old.clone(), Some(new.clone())),
        };
        let completion = PageCompletion {
            tag: pending.tag,
            buffer,
            new_buffer,
            result: Err(unknown()),
        };
        let handle = pending.handle;
        self.ready.entry(handle).or_default().push(completion);
    }

    pub(super) fn complete(&mut self, index: usize, effect: Effect) {
        if effect == Effect::UnknownPending && !self.pending[index].ghost {
            self.tell_unknown(index);
            return;
        }
        if matches!(effect, Effect::Done | Effect::UnknownApplied) {
            self.apply(index);
        }
        let pending = self.pending.remove(index);
        if pending.ghost {
            return;
        }
        let result = match effect {
            Effect::Done => pending.result.clone().unwrap_or(Err(gone())),
            Effect::Failed => Err(PageStoreError::Failed {
                reason: "the device said no".to_owned(),
            }),
            Effect::UnknownApplied | Effect::UnknownLost | Effect::UnknownPending => Err(unknown()),
        };
        self.hand_back(pending, result);
    }

    pub(super) fn wait(&mut self, handle: usize, deadline_ns: u64) {
        if self.has_ready(handle) || self.options.manual {
            return;
        }
        if !self.advance_until(deadline_ns) && deadline_ns != u64::MAX {
            self.now_ns = self.now_ns.max(deadline_ns);
        }
    }
}
