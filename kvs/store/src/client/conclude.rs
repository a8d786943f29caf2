//! After the commit: what became of it, and what is to be cleared up.

use std::ops::DerefMut;

use super::environment::Environment;
use super::slot::{Next, Slot, Which, begin_edit};
use super::step::{Commit, Ending, Request, Step};
use crate::error::Error;
use crate::page::PageView;

/// Attempts of clearing up, after which the rest is left to whoever needs the room.
const CLEARING_ATTEMPTS: u32 = 32;

impl Commit {
    /// Whether its page, which does not show it and whose image is not the one it was based on,
    /// shows what cannot be there after it. Neither the entry's absence nor one of a higher version
    /// says anything: others may have deleted it, or written it again.
    fn is_ruled_out_by(&self, view: PageView<'_>, key: &[u8], tag: u32) -> bool {
        // A token enters a directory once: had this commit taken it out, it would be out for good.
        if self.removes.is_some_and(|token| view.names(token)) {
            return true;
        }
        // Versions of a key rise with every change, and moves keep them: after this commit none of
        // others is as low as its own.
        let entry = match self.target {
            Some(token) => view.guest(token),
            None => view.native(key, tag),
        };
        entry.is_some_and(|entry| entry.version <= self.version)
    }
}

impl<B: DerefMut<Target = [u8]>> Slot<B> {
    /// The commit is in place.
    pub(super) fn on_committed(&mut self, env: &mut Environment) -> Next {
        let commit = self.commit.take().expect("a commit was in flight");
        if let Some(token) = commit.token {
            self.leftovers.retain(|(_, leftover)| *leftover != token);
        }
        if commit.ending.is_some() && (commit.token.is_some() || commit.which == Which::Guest) {
            env.statistics.overflowed += 1;
        }
        self.reclaims.extend(commit.reclaim);
        self.unlink = commit.unlink;
        match commit.ending {
            Some(ending) => self.conclude(env, ending),
            None => self.start(),
        }
    }

    /// A commit ended with an unknown outcome: look for its id.
    pub(super) fn resolve(&mut self, reason: String) -> Next {
        let commit = self.commit.as_mut().expect("a commit was in flight");
        commit.reason = reason;
        let (which, page) = (commit.which, commit.page);
        self.attempts += 1;
        self.step = Step::Resolve;
        Next::Read(which, page)
    }

    /// The page of that commit was read.
    pub(super) fn on_resolve(&mut self, env: &mut Environment) -> Next {
        let commit = self.commit.as_ref().expect("a commit is being resolved");
        let which = commit.which;
        let image = if which == Which::Home {
            &self.home
        } else {
            &self.guest
        };
        let view = image.view();
        // The window may have forgotten, and the entry or the directory may still tell.
        let shows = match (commit.token, commit.target) {
            (Some(token), _) => view.names(token),
            (None, Some(target)) => view
                .guest(target)
                .is_some_and(|entry| entry.writer == self.operation_id),
            (None, None) => view
                .native(&self.key, self.hash.tag())
                .is_some_and(|entry| entry.writer == self.operation_id),
        };
        if shows || view.remembers(commit.id) {
            env.statistics.unknown_resolved += 1;
            return self.on_committed(env);
        }
        if view.stamp() == commit.old_stamp {
            // It may still be on its way. A new image in the place of the old one makes sure
            // that it never arrives: no image ever comes back.
            if self.attempts > env.attempts_limit {
                return self.unknown(env, "the page does not change");
            }
            let stamp = env.next_stamp();
            begin_edit(image, &mut self.fresh, env).finish(stamp, 0, None);
            self.step = Step::Fence;
            return Next::Write(which);
        }
        if view.remembers_all_since(commit.old_operations)
            || commit.is_ruled_out_by(view, &self.key, self.hash.tag())
        {
            env.statistics.unknown_resolved += 1;
            self.commit = None;
            return self.restart(env);
        }
        self.unknown(env, "the page has forgotten the operations of that time")
    }

    /// The fence is in place: the commit was not applied and never will be.
    pub(super) fn on_fenced(&mut self, env: &mut Environment) -> Next {
        env.statistics.unknown_resolved += 1;
        self.commit = None;
        self.restart(env)
    }

    /// Reads the page again, after a fence that did not take or whose outcome is unknown.
    pub(super) fn resolve_again(&mut self, env: &mut Environment) -> Next {
        if self.attempts > env.attempts_limit {
            return self.unknown(env, "others keep changing the page");
        }
        let commit = self.commit.as_mut().expect("a commit is being resolved");
        let reason = std::mem::take(&mut commit.reason);
        self.resolve(reason)
    }

    /// Whether the commit took effect cannot be told. An eviction changes nothing that anybody
    /// could see, so that the operation it was for goes on.
    pub(super) fn unknown(&mut self, env: &mut Environment, why: &str) -> Next {
        let commit = self.commit.take().expect("a commit was in flight");
        let reason = format!("{}; {why}", commit.reason);
        // What was prepared for it may be in use.
        self.leftovers
            .retain(|(_, token)| Some(*token) != commit.token);
        if commit.ending.is_none() {
            return self.restart(env);
        }
        Next::Finish(Ending::Failed(Error::OutcomeUnknown {
            device: env.device.clone(),
            reason,
        }))
    }

    /// The device is gone with the commit on its way.
    pub(super) fn unknown_for_good(&mut self, env: &mut Environment) -> Next {
        let commit = self.commit.take().expect("a commit was in flight");
        let (device, reason) = (env.device.clone(), commit.reason);
        let error = match commit.ending {
            Some(_) => Error::OutcomeUnknown { device, reason },
            None => Error::Device {
                device,
                page: commit.page,
                source: crate::page_store::PageStoreError::DeviceGone { reason },
            },
        };
        Next::Finish(Ending::Failed(error))
    }

    /// The outcome is certain. Clears up, then hands it out.
    #[inline]
    pub(super) fn conclude(&mut self, env: &mut Environment, ending: Ending) -> Next {
        if self.request == Request::Get
            || (self.unlink.is_none() && self.reclaims.is_empty() && self.leftovers.is_empty())
        {
            return Next::Finish(ending);
        }
        self.ending = Some(ending);
        self.reclaims.append(&mut self.leftovers);
        self.clear_up(env)
    }

    /// The next step of clearing up.
    pub(super) fn clear_up(&mut self, env: &mut Environment) -> Next {
        self.clearing_attempts += 1;
        let abandoned = self.clearing_attempts > CLEARING_ATTEMPTS;
        if let Some((token, floor)) = self.unlink.filter(|_| !abandoned) {
            if !self.home.view().names(token) {
                self.unlink = None;
                return self.clear_up(env);
            }
            let stamp = env.next_stamp();
            let mut edit = begin_edit(&self.home, &mut self.fresh, env);
            edit.remove_directory(token);
            edit.finish(stamp, floor, None);
            self.step = Step::Unlink;
            return Next::Write(Which::Home);
        }
        if let Some((page, _)) = self.reclaims.last().filter(|_| !abandoned) {
            self.step = Step::ReclaimRead;
            if self.guest.page == *page {
                return self.on_reclaim_read(env);
            }
            return Next::Read(Which::Guest, *page);
        }
        Next::Finish(self.ending.take().expect("the outcome is certain"))
    }

    /// Home was read again because it had changed before the tombstone was unlinked.
    pub(super) fn on_unlink_read(&mut self, env: &mut Environment) -> Next {
        self.clear_up(env)
    }

    /// Unlinked, or lost a race: then look again.
    pub(super) fn on_unlinked(&mut self, env: &mut Environment, done: bool) -> Next {
        if done {
            self.unlink = None;
            return self.clear_up(env);
        }
        self.step = Step::UnlinkRead;
        Next::Read(Which::Home, self.home_page)
    }

    /// The image of a page with garbage is held: write one without it.
    pub(super) fn on_reclaim_read(&mut self, env: &mut Environment) -> Next {
        let Some((_, token)) = self.reclaims.last().copied() else {
            return self.clear_up(env);
        };
        let stamp = env.next_stamp();
        let mut edit = begin_edit(&self.guest, &mut self.fresh, env);
        if !edit.remove_guest(token) {
            self.reclaims.pop();
            return self.clear_up(env);
        }
        edit.finish(stamp, 0, None);
        self.step = Step::Reclaim;
        Next::Write(Which::Guest)
    }

    /// Reclaimed, or lost a race: then look again.
    pub(super) fn on_reclaimed(&mut self, env: &mut Environment, done: bool) -> Next {
        if done {
            self.reclaims.pop();
            return self.clear_up(env);
        }
        self.clearing_attempts += 1;
        let Some((page, _)) = self.reclaims.last() else {
            return self.clear_up(env);
        };
        self.step = Step::ReclaimRead;
        Next::Read(Which::Guest, *page)
    }

    /// A command failed while clearing up: the outcome stands, the rest is left.
    pub(super) fn abandon_clearing(&mut self) -> Next {
        Next::Finish(self.ending.take().expect("the outcome is certain"))
    }
}
