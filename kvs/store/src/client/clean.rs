//! Clearing away what clients that died or gave up have left, when room is needed.
//!
//! A guest is garbage when its home page does not name its token and never will: it is final, or
//! its home page's image is not the one its commit would be based on. If it still is, the image is
//! replaced first. The host is read before the home page, so the stamp in the guest is old news
//! when the home page is read.

use std::ops::DerefMut;

use super::environment::Environment;
use super::slot::{Next, Slot, Which, begin_edit};
use super::step::Step;
use crate::page::EntryState;

impl<B: DerefMut<Target = [u8]>> Slot<B> {
    /// Goes on with the next page.
    pub(super) fn next_clean(&mut self, env: &mut Environment) -> Next {
        let index = self.clean.index;
        if index > env.probes() {
            if self.clean.changed {
                // At once: no race was lost. It happens once, so attempts need no count.
                return self.start();
            }
            return self.no_room(env);
        }
        self.clean.index += 1;
        self.clean.entry = 0;
        self.clean.verdicts.clear();
        self.step = Step::CleanRead;
        let page = if index == 0 {
            self.home_page
        } else {
            env.hasher.probe(self.hash, index - 1)
        };
        Next::Read(Which::Guest, page)
    }

    /// Looks at the next guest of the page in hand, then writes the page without the garbage.
    pub(super) fn clean_entries(&mut self, env: &mut Environment) -> Next {
        let guest = self
            .guest
            .view()
            .entries()
            .enumerate()
            .skip(self.clean.entry)
            .find(|(_, entry)| !matches!(entry.state, EntryState::Native | EntryState::Committed))
            .map(|(index, entry)| (index, entry.token, env.hasher.hash(entry.key)));
        if let Some((index, token, hash)) = guest {
            self.clean.entry = index + 1;
            self.clean.token = token;
            self.step = Step::CleanHome;
            return Next::Read(Which::Third, env.hasher.home(hash));
        }
        if self.clean.verdicts.is_empty() {
            return self.next_clean(env);
        }
        let stamp = env.next_stamp();
        let mut edit = begin_edit(&self.guest, &mut self.fresh, env);
        for (token, remove) in &self.clean.verdicts {
            if *remove {
                edit.remove_guest(*token);
            } else {
                edit.set_guest_state(*token, EntryState::Committed);
            }
        }
        edit.finish(stamp, 0, None);
        self.step = Step::CleanApply;
        Next::Write(Which::Guest)
    }

    /// The home page of the guest was read.
    pub(super) fn on_clean_home(&mut self, env: &mut Environment) -> Next {
        let token = self.clean.token;
        let Some(guest) = self.guest.view().guest(token) else {
            return self.clean_entries(env);
        };
        let home = self.third.view();
        let named = home.names(token);
        let (unlink, floor) = match guest.state {
            EntryState::Prepared if named => {
                self.clean.verdicts.push((token, false));
                return self.clean_entries(env);
            }
            EntryState::Frozen if named => return self.clean_entries(env),
            EntryState::Tombstone if named => (true, guest.version),
            EntryState::Prepared if guest.home_stamp == home.stamp() => (false, 0),
            _ => {
                self.clean.verdicts.push((token, true));
                return self.clean_entries(env);
            }
        };
        let stamp = env.next_stamp();
        let mut edit = begin_edit(&self.third, &mut self.fresh, env);
        if unlink {
            edit.remove_directory(token);
        }
        edit.finish(stamp, floor, None);
        self.step = Step::CleanFix;
        Next::Write(Which::Third)
    }

    /// The guest is unnamed for good, or its home page has changed: then look again.
    pub(super) fn on_clean_fixed(&mut self, env: &mut Environment, done: bool) -> Next {
        if done {
            self.clean.changed = true;
            self.clean.verdicts.push((self.clean.token, true));
            return self.clean_entries(env);
        }
        self.step = Step::CleanHome;
        let page = self.third.page;
        Next::Read(Which::Third, page)
    }

    /// The page was written, or somebody else was faster, which is as good.
    pub(super) fn on_clean_applied(&mut self, env: &mut Environment, done: bool) -> Next {
        let removed = self
            .clean
            .verdicts
            .iter()
            .filter(|(_, remove)| *remove)
            .count();
        if done {
            env.statistics.helped += removed as u64;
        }
        self.clean.changed |= removed > 0;
        self.next_clean(env)
    }
}
