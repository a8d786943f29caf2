//! Updates that take effect in the page where the key stands or may stand at once.

use std::ops::DerefMut;

use super::environment::Environment;
use super::lookup::FoundEntry;
use super::slot::{Next, Slot, Which, begin_edit, begin_replacing};
use super::step::{Commit, Ending, GuestReference, Plan, Step};
use crate::operation::Version;
use crate::page::layout::{DIRECTORY_ENTRY_BYTES, GUEST_RESERVE, RESERVED_DIRECTORY};
use crate::page::{Entry, EntryState, PageEdit, Stamp};

/// What changes in the home page with the commit.
#[derive(Clone, Copy, Default)]
pub(super) struct HomeChange {
    pub(super) remove_native: bool,
    pub(super) add_native: bool,
    pub(super) remove_token: Option<Stamp>,
    pub(super) add_token: Option<(u64, Stamp)>,
    /// The new version is above this.
    pub(super) floor: u64,
    /// A guest that is garbage afterwards.
    pub(super) reclaim: Option<(u64, Stamp)>,
    /// How the operation ends, given the version.
    pub(super) ending: Option<fn(Version) -> Ending>,
}

impl<B: DerefMut<Target = [u8]>> Slot<B> {
    /// The version of what is written now: above the home page's and above `floor`.
    pub(super) fn next_version(&self, floor: u64) -> u64 {
        self.home.view().version().max(floor) + 1
    }

    /// Whether the entry fits in its home page once `freed` bytes are free there, ended entries of
    /// other keys thrown out if need be.
    fn fits_at_home(&self, env: &Environment, freed: usize) -> bool {
        let view = self.home.view();
        let free = view.free_bytes() + freed;
        let need = self.new_entry(0).native_bytes();
        free >= need || free + view.expired_bytes(env.now_unix_ms, &self.key) >= need
    }

    /// Bytes that home gains when it names one token less.
    fn freed_by_unlinking(&self) -> usize {
        if self.home.view().directory_len() > RESERVED_DIRECTORY {
            DIRECTORY_ENTRY_BYTES
        } else {
            0
        }
    }

    /// Overwrites the native entry.
    pub(super) fn write_native(&mut self, env: &mut Environment, found: &FoundEntry) -> Next {
        let floor = found.version;
        if !self.fits_at_home(env, found.bytes) {
            return self.start_probe(env, Plan::MoveOut { floor });
        }
        let (remove_native, add_native) = (true, true);
        self.commit_home(
            env,
            HomeChange {
                remove_native,
                add_native,
                floor,
                ending: Some(Ending::Stored),
                ..HomeChange::default()
            },
        )
    }

    /// Removes the native entry. One that had ended counts as absent, but its room is wanted.
    pub(super) fn remove_native(&mut self, env: &mut Environment, floor: u64, ended: bool) -> Next {
        let ending: fn(Version) -> Ending = if ended {
            Ending::Missing
        } else {
            Ending::Deleted
        };
        self.commit_home(
            env,
            HomeChange {
                remove_native: true,
                floor,
                ending: Some(ending),
                ..HomeChange::default()
            },
        )
    }

    /// Adds an absent key.
    pub(super) fn insert(
        &mut self,
        env: &mut Environment,
        tombstone: Option<Stamp>,
        floor: u64,
    ) -> Next {
        let freed = tombstone.map_or(0, |_| self.freed_by_unlinking());
        if self.fits_at_home(env, freed) {
            return self.commit_home(
                env,
                HomeChange {
                    add_native: true,
                    remove_token: tombstone,
                    floor,
                    ending: Some(Ending::Stored),
                    ..HomeChange::default()
                },
            );
        }
        let view = self.home.view();
        if tombstone.is_some() || view.has_directory_room() {
            return self.start_probe(env, Plan::Insert { tombstone, floor });
        }
        if view
            .entries()
            .any(|entry| entry.state == EntryState::Native)
        {
            return self.start_probe(env, Plan::Evict);
        }
        self.no_room(env)
    }

    /// Overwrites the guest: at home if there is room now, in its place, or in another host.
    pub(super) fn write_guest(
        &mut self,
        env: &mut Environment,
        reference: GuestReference,
        old_bytes: usize,
    ) -> Next {
        if self.fits_at_home(env, self.freed_by_unlinking()) {
            self.plan = Plan::PullHome(reference);
            return if reference.frozen {
                self.commit_plan(env)
            } else {
                self.freeze(env)
            };
        }
        let need = self.new_entry(0).guest_bytes();
        let free = self.guest.view().free_bytes() + old_bytes;
        let in_place = need <= old_bytes || free >= need + GUEST_RESERVE;
        if reference.frozen || !in_place {
            return self.start_probe(env, Plan::MoveGuest(reference));
        }
        let version = self.next_version(reference.version);
        let commit = self.new_commit(Which::Guest, Some(Ending::Stored(Version(version))));
        self.commit_guest(env, reference, version, EntryState::Committed, commit)
    }

    /// Removes the guest: a tombstone in its place, or, if it is final already, at home.
    pub(super) fn remove_guest(
        &mut self,
        env: &mut Environment,
        reference: GuestReference,
        ended: bool,
    ) -> Next {
        let ending: fn(Version) -> Ending = if ended {
            Ending::Missing
        } else {
            Ending::Deleted
        };
        let reclaim = Some((reference.page, reference.token));
        if reference.frozen {
            return self.commit_home(
                env,
                HomeChange {
                    remove_token: Some(reference.token),
                    floor: reference.version,
                    reclaim,
                    ending: Some(ending),
                    ..HomeChange::default()
                },
            );
        }
        let version = self.next_version(reference.version);
        let mut commit = self.new_commit(Which::Guest, Some(ending(Version(version))));
        commit.unlink = Some((reference.token, version));
        commit.reclaim = reclaim;
        self.commit_guest(env, reference, version, EntryState::Tombstone, commit)
    }

    /// The record of a commit in the page of image `which`.
    pub(super) fn new_commit(&mut self, which: Which, ending: Option<Ending>) -> Commit {
        let id = self.operation_id;
        let image = self.image(which);
        let view = image.view();
        Commit {
            which,
            page: image.page,
            id,
            old_stamp: view.stamp(),
            old_operations: view.operations(),
            version: 0,
            removes: None,
            ending,
            target: None,
            token: None,
            unlink: None,
            reclaim: None,
            reason: String::new(),
        }
    }

    /// Writes the guest's next image. Its home page is not touched: while home names the token,
    /// the host decides.
    fn commit_guest(
        &mut self,
        env: &mut Environment,
        reference: GuestReference,
        version: u64,
        state: EntryState,
        mut commit: Commit,
    ) -> Next {
        commit.target = Some(reference.token);
        commit.version = version;
        let stamp = env.next_stamp();
        // Taken out, so that the rest of the slot can be looked at while the edit holds it.
        let mut fresh = self.fresh.take();
        let view = self.guest.view();
        let replaced = view.guest(reference.token);
        let replaced = replaced.expect("the guest was found in this image");
        let entry = self.new_entry(version);
        begin_replacing(&self.guest, &mut fresh, &replaced, entry, state).finish(
            stamp,
            0,
            Some(commit.id),
        );
        self.fresh = fresh;
        self.commit = Some(commit);
        self.step = Step::Commit;
        Next::Write(Which::Guest)
    }

    /// Writes the home page's next image.
    pub(super) fn commit_home(&mut self, env: &mut Environment, change: HomeChange) -> Next {
        let version = self.next_version(change.floor);
        let ending = change.ending.map(|ending| ending(Version(version)));
        let mut commit = self.new_commit(Which::Home, ending);
        commit.token = change.add_token.map(|(_, token)| token);
        commit.reclaim = change.reclaim;
        commit.version = version;
        commit.removes = change.remove_token;
        let stamp = env.next_stamp();
        let mut fresh = self.fresh.take();
        self.next_home(env, &mut fresh, &change, version)
            .finish(stamp, version, Some(commit.id));
        self.fresh = fresh;
        self.commit = Some(commit);
        self.step = Step::Commit;
        Next::Write(Which::Home)
    }

    /// The home page's next image, in `fresh`.
    fn next_home<'a>(
        &self,
        env: &Environment,
        fresh: &'a mut Option<B>,
        change: &HomeChange,
        version: u64,
    ) -> PageEdit<'a> {
        let entry = self.new_entry(version);
        if let Some(replaced) = self.replaced_native(change) {
            return begin_replacing(&self.home, fresh, &replaced, entry, EntryState::Native);
        }
        let mut edit = begin_edit(&self.home, fresh, env);
        if change.remove_native {
            edit.remove_native(&self.key, self.hash.tag());
        }
        if let Some(token) = change.remove_token {
            edit.remove_directory(token);
        }
        if let Some((page, token)) = change.add_token {
            edit.add_directory(self.hash.fingerprint(), page, token);
        }
        if change.add_native {
            if edit.view().free_bytes() < entry.native_bytes() {
                edit.remove_expired(env.now_unix_ms);
            }
            edit.add_native(entry);
        }
        edit
    }

    /// The native entry of the key, where its replacement is all that changes and no other entry has
    /// to make room.
    fn replaced_native(&self, change: &HomeChange) -> Option<Entry<'_>> {
        let native_alone = change.remove_native
            && change.add_native
            && change.remove_token.is_none()
            && change.add_token.is_none();
        let view = self.home.view();
        let old = view
            .native(&self.key, self.hash.tag())
            .filter(|_| native_alone)?;
        (view.free_bytes() + old.bytes >= self.new_entry(0).native_bytes()).then_some(old)
    }
}
