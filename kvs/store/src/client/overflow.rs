//! Entries that their home page has no room for: find a host, prepare there, commit at home.

use std::ops::DerefMut;

use super::environment::Environment;
use super::slot::{Next, Slot, Which, begin_edit};
use super::step::{Clean, Ending, GuestReference, Plan, Probe, Step};
use super::write::HomeChange;
use crate::error::Error;
use crate::page::layout::{GUEST_OVERHEAD, GUEST_RESERVE, HEADER_BYTES, NATIVE_OVERHEAD};
use crate::page::{Entry, EntryState, NewEntry};

/// Pages probed further once one with room is known, to find an emptier one.
const PROBES_FOR_A_SECOND: u32 = 4;

/// The native entry that leaves when room for a directory entry is needed: the largest.
fn victim<'a>(entries: impl Iterator<Item = Entry<'a>>) -> Option<Entry<'a>> {
    entries
        .filter(|entry| entry.state == EntryState::Native)
        .max_by_key(|entry| entry.bytes)
}

impl<B: DerefMut<Target = [u8]>> Slot<B> {
    /// Begins to look for a host.
    pub(super) fn start_probe(&mut self, env: &mut Environment, plan: Plan) -> Next {
        self.plan = plan;
        self.probe = Probe::default();
        self.step = Step::Probe;
        if let Some((page, _)) = self.leftovers.last() {
            self.probe.chosen = true;
            return Next::Read(Which::Guest, *page);
        }
        self.next_probe(env)
    }

    /// Reads the next page that may have room, or the best so far.
    pub(super) fn next_probe(&mut self, env: &mut Environment) -> Next {
        let enough = self.probe.since_best >= PROBES_FOR_A_SECOND;
        if self.probe.index < env.probes() && !(self.probe.best.is_some() && enough) {
            let page = env.hasher.probe(self.hash, self.probe.index);
            self.probe.index += 1;
            return Next::Read(Which::Guest, page);
        }
        match self.probe.best.take() {
            Some((page, _)) => {
                self.probe.chosen = true;
                Next::Read(Which::Guest, page)
            }
            None => self.no_room(env),
        }
    }

    /// Nothing has room. Abandoned guests may take it: clear them away once, then give up.
    pub(super) fn no_room(&mut self, env: &mut Environment) -> Next {
        if self.cleaned {
            let error = Error::Full {
                page: self.home_page,
                probes: env.probes(),
            };
            return self.conclude(env, Ending::Failed(error));
        }
        self.cleaned = true;
        self.clean = Clean::default();
        self.next_clean(env)
    }

    /// Bytes that the guest to be prepared takes.
    fn guest_need(&self) -> usize {
        match self.plan {
            Plan::Evict => victim(self.home.view().entries())
                .map_or(0, |entry| entry.bytes + GUEST_OVERHEAD - NATIVE_OVERHEAD),
            _ => self.new_entry(0).guest_bytes(),
        }
    }

    /// A page that may host the entry was read.
    pub(super) fn on_probe(&mut self, env: &mut Environment) -> Next {
        let need = self.guest_need() + GUEST_RESERVE;
        let view = self.guest.view();
        let page = self.guest.page;
        let own: usize = self
            .leftovers
            .iter()
            .filter(|(at, _)| *at == page)
            .filter_map(|(_, token)| view.guest(*token))
            .map(|entry| entry.bytes)
            .sum();
        let free = view.free_bytes() + own + view.expired_bytes(env.now_unix_ms, &[]);
        let fits = free >= need && page != self.home_page;
        if self.probe.chosen {
            self.probe.chosen = false;
            return if fits {
                self.prepare(env)
            } else {
                self.next_probe(env)
            };
        }
        if self.probe.best.is_some() {
            self.probe.since_best += 1;
        }
        if !fits {
            return self.next_probe(env);
        }
        let empty = free == self.guest.view().page_bytes() - HEADER_BYTES;
        match self.probe.best {
            _ if empty => self.prepare(env),
            None => {
                self.probe.best = Some((page, free));
                self.next_probe(env)
            }
            Some((_, best_free)) if best_free < free => self.prepare(env),
            Some(_) => {
                self.probe.since_best = PROBES_FOR_A_SECOND;
                self.next_probe(env)
            }
        }
    }

    /// The version above which the guest's is, for all plans but an eviction.
    fn floor(&self) -> u64 {
        match self.plan {
            Plan::Insert { floor, .. } | Plan::MoveOut { floor } => floor,
            Plan::MoveGuest(reference) | Plan::PullHome(reference) => reference.version,
            Plan::Evict => 0,
        }
    }

    /// Writes the entry into the host that was just read. It does not exist until home names it,
    /// which only a commit on the home image held here can do.
    fn prepare(&mut self, env: &mut Environment) -> Next {
        let token = env.next_stamp();
        let stamp = env.next_stamp();
        let version = self.next_version(self.floor());
        let page = self.guest.page;
        // Taken out, so that the rest of the slot can be looked at while the edit holds it.
        let mut fresh = self.fresh.take();
        let home = self.home.view();
        let home_stamp = home.stamp();
        let entry = if self.plan == Plan::Evict {
            let Some(entry) = victim(home.entries()) else {
                self.fresh = fresh;
                return self.restart(env);
            };
            NewEntry {
                key: entry.key,
                value: entry.value,
                tag: entry.tag,
                version: entry.version,
                writer: entry.writer,
                expires_unix_ms: entry.expires_unix_ms,
            }
        } else {
            self.new_entry(version)
        };
        let mut edit = begin_edit(&self.guest, &mut fresh, env);
        for (at, leftover) in &self.leftovers {
            if *at == page {
                edit.remove_guest(*leftover);
            }
        }
        if edit.view().free_bytes() < entry.guest_bytes() + GUEST_RESERVE {
            edit.remove_expired(env.now_unix_ms);
        }
        edit.add_guest(entry, EntryState::Prepared, token, home_stamp);
        edit.finish(stamp, 0, None);
        self.fresh = fresh;
        self.leftovers.push((page, token));
        self.step = Step::Prepare;
        Next::Write(Which::Guest)
    }

    /// The guest is written: freeze what it replaces, or commit.
    pub(super) fn on_prepared(&mut self, env: &mut Environment) -> Next {
        let (page, token) = *self.leftovers.last().expect("a guest was just prepared");
        // Those that stood in the same page went with the same image.
        self.leftovers
            .retain(|(at, old)| *at != page || *old == token);
        match self.plan {
            Plan::MoveGuest(reference) if !reference.frozen => {
                self.step = Step::FreezeRead;
                Next::Read(Which::Guest, reference.page)
            }
            _ => self.commit_plan(env),
        }
    }

    /// The page of the guest that is to move was read again.
    pub(super) fn on_freeze_read(&mut self, env: &mut Environment) -> Next {
        let Some(reference) = self.moving() else {
            return self.restart(env);
        };
        let now = self
            .guest
            .view()
            .guest(reference.token)
            .map(|entry| (entry.state, entry.version));
        match now {
            Some((EntryState::Frozen, version)) if version == reference.version => {
                self.commit_plan(env)
            }
            Some((EntryState::Prepared | EntryState::Committed, version))
                if version == reference.version =>
            {
                self.freeze(env)
            }
            _ => self.restart(env),
        }
    }

    fn moving(&self) -> Option<GuestReference> {
        match self.plan {
            Plan::MoveGuest(reference) | Plan::PullHome(reference) => Some(reference),
            _ => None,
        }
    }

    /// Makes the guest in the image held final, so that its successor can take its place at home.
    pub(super) fn freeze(&mut self, env: &mut Environment) -> Next {
        let Some(reference) = self.moving() else {
            return self.restart(env);
        };
        let stamp = env.next_stamp();
        let mut edit = begin_edit(&self.guest, &mut self.fresh, env);
        if !edit.set_guest_state(reference.token, EntryState::Frozen) {
            return self.restart(env);
        }
        edit.finish(stamp, 0, None);
        self.step = Step::Freeze;
        Next::Write(Which::Guest)
    }

    /// Commits at home what was prepared.
    pub(super) fn commit_plan(&mut self, env: &mut Environment) -> Next {
        let prepared = self.leftovers.last().copied();
        let stored = Some(Ending::Stored as fn(_) -> _);
        let change = match self.plan {
            Plan::Insert { tombstone, floor } => HomeChange {
                remove_token: tombstone,
                add_token: prepared,
                floor,
                ending: stored,
                ..HomeChange::default()
            },
            Plan::MoveOut { floor } => HomeChange {
                remove_native: true,
                add_token: prepared,
                floor,
                ending: stored,
                ..HomeChange::default()
            },
            Plan::MoveGuest(reference) => HomeChange {
                remove_token: Some(reference.token),
                add_token: prepared,
                floor: reference.version,
                reclaim: Some((reference.page, reference.token)),
                ending: stored,
                ..HomeChange::default()
            },
            Plan::PullHome(reference) => HomeChange {
                add_native: true,
                remove_token: Some(reference.token),
                floor: reference.version,
                reclaim: Some((reference.page, reference.token)),
                ending: stored,
                ..HomeChange::default()
            },
            Plan::Evict => return self.commit_eviction(env),
        };
        self.commit_home(env, change)
    }

    /// Names the victim's copy in place of the victim. No operation takes effect with it, so the
    /// page's window gets the token.
    fn commit_eviction(&mut self, env: &mut Environment) -> Next {
        let Some((page, token)) = self.leftovers.last().copied() else {
            return self.restart(env);
        };
        let Some((key, hash)) = victim(self.home.view().entries())
            .map(|entry| (entry.key.to_vec(), env.hasher.hash(entry.key)))
        else {
            return self.restart(env);
        };
        let mut commit = self.new_commit(Which::Home, None);
        commit.id = token;
        commit.token = Some(token);
        let stamp = env.next_stamp();
        let mut edit = begin_edit(&self.home, &mut self.fresh, env);
        edit.remove_native(&key, hash.tag());
        edit.add_directory(hash.fingerprint(), page, token);
        edit.finish(stamp, 0, Some(token));
        self.commit = Some(commit);
        self.step = Step::Commit;
        Next::Write(Which::Home)
    }
}
