//! Finding a key: its home page, then the pages its home page names.

use std::ops::DerefMut;

use super::environment::Environment;
use super::slot::{Next, Slot, Which};
use super::step::{Ending, GuestReference, Request, Step};
use crate::operation::Version;
use crate::page::verify::Unusable;
use crate::page::{Entry, EntryState};

/// What a look-up needs to know of an entry it found.
#[derive(Clone, Copy)]
pub(super) struct FoundEntry {
    pub(super) version: u64,
    pub(super) bytes: usize,
    expired: bool,
    value_start: usize,
    value_bytes: usize,
    expires_unix_ms: u64,
}

impl FoundEntry {
    fn of(entry: &Entry<'_>, env: &Environment) -> Self {
        Self {
            version: entry.version,
            bytes: entry.bytes,
            expired: entry.is_expired(env.now_unix_ms),
            value_start: entry.value_offset(),
            value_bytes: entry.value.len(),
            expires_unix_ms: entry.expires_unix_ms,
        }
    }

    fn ending(&self, which: Which) -> Ending {
        Ending::Found {
            which,
            start: self.value_start,
            bytes: self.value_bytes,
            version: self.version,
            expires_unix_ms: self.expires_unix_ms,
        }
    }
}

/// What an operation does with an entry it found.
enum Verdict {
    End(Ending),
    Write,
    Remove,
}

impl<B: DerefMut<Target = [u8]>> Slot<B> {
    /// The home page was read.
    #[inline]
    pub(super) fn on_home(&mut self, env: &mut Environment) -> Next {
        let native = self.home.view().native(&self.key, self.hash.tag());
        if let Some(found) = native.map(|entry| FoundEntry::of(&entry, env)) {
            return match self.verdict(&found, Which::Home) {
                Verdict::End(ending) => self.conclude(env, ending),
                Verdict::Write => self.write_native(env, &found),
                Verdict::Remove => self.remove_native(env, found.version, found.expired),
            };
        }
        self.search_guests(env, 0)
    }

    /// Reads the page of the next directory entry from `from` on that may be the key's.
    pub(super) fn search_guests(&mut self, env: &mut Environment, from: usize) -> Next {
        let view = self.home.view();
        let fingerprint = self.hash.fingerprint();
        let hit = (from..view.directory_len())
            .filter_map(|index| view.directory_entry(index).map(|entry| (index, entry)))
            .find(|(_, entry)| entry.fingerprint.get() == fingerprint);
        match hit {
            None => self.on_absent(env, None),
            Some((index, entry)) => {
                let page = u64::from(entry.page.get());
                if let Some(failed) = self.outside(env, page) {
                    return failed;
                }
                self.step = Step::Guest { index };
                Next::Read(Which::Guest, page)
            }
        }
    }

    /// The end of an operation whose home page names a page outside the store.
    pub(super) fn outside(&mut self, env: &mut Environment, page: u64) -> Option<Next> {
        if (env.hasher.first_page()..env.hasher.end()).contains(&page) {
            return None;
        }
        let what = format!(
            "the directory names page {page}, the store ends at {}",
            env.hasher.end()
        );
        let error = env.inconsistent(self.home.page, page, what);
        Some(Next::Finish(Ending::Failed(error)))
    }

    /// The page that directory entry `index` names was read.
    pub(super) fn on_guest(&mut self, env: &mut Environment, index: usize) -> Next {
        let home = self.home.view();
        let Some(named) = home.directory_entry(index) else {
            return self.search_guests(env, index + 1);
        };
        let guest = self.guest.view();
        let Some(entry) = guest.guest(named.token) else {
            return self.on_missing_token(env, index);
        };
        if entry.key != self.key {
            return self.search_guests(env, index + 1);
        }
        let found = FoundEntry::of(&entry, env);
        let reference = GuestReference {
            page: self.guest.page,
            token: named.token,
            version: entry.version,
            frozen: entry.state == EntryState::Frozen,
        };
        if entry.state == EntryState::Tombstone {
            return self.on_absent(env, Some(reference));
        }
        match self.verdict(&found, Which::Guest) {
            Verdict::End(ending) => self.conclude(env, ending),
            Verdict::Write => self.write_guest(env, reference, found.bytes),
            Verdict::Remove => self.remove_guest(env, reference, found.expired),
        }
    }

    /// The token that home names is not there: it was unlinked meanwhile, or, if home names it
    /// in the very same image still, something is wrong.
    pub(super) fn on_missing_token(&mut self, env: &mut Environment, index: usize) -> Next {
        let stamp = self.home.view().stamp();
        if self.suspect == Some(stamp) {
            let token = self
                .home
                .view()
                .directory_entry(index)
                .map(|entry| entry.token);
            let what = format!(
                "the first names token {}, the second lacks it",
                token.unwrap_or_default()
            );
            let error = env.inconsistent(self.home.page, self.guest.page, what);
            return Next::Finish(Ending::Failed(error));
        }
        self.suspect = Some(stamp);
        if self.attempts >= env.attempts_limit {
            return self.restart(env);
        }
        self.attempts += 1;
        env.statistics.retries += 1;
        self.start()
    }

    fn verdict(&self, found: &FoundEntry, which: Which) -> Verdict {
        let version = Version(found.version);
        // An entry that has ended counts as absent, under a version no lower than its own.
        let missing = Version(found.version.max(self.home.view().version()));
        match self.request {
            Request::Get if found.expired => Verdict::End(Ending::Missing(missing)),
            Request::Get => Verdict::End(found.ending(which)),
            Request::Put => Verdict::Write,
            Request::Add if found.expired => Verdict::Write,
            Request::Add => Verdict::End(Ending::Exists(version)),
            Request::CompareAndSwap(_) if found.expired => Verdict::End(Ending::Missing(missing)),
            Request::CompareAndSwap(expected) if expected == found.version => Verdict::Write,
            Request::CompareAndSwap(_) => Verdict::End(Ending::Mismatch(version)),
            Request::Delete => Verdict::Remove,
            Request::Scan { .. } => unreachable!("a scan looks no key up"),
        }
    }

    /// The key is absent; `tombstone` is a deleted guest of it that home still names.
    fn on_absent(&mut self, env: &mut Environment, tombstone: Option<GuestReference>) -> Next {
        let floor = tombstone.map_or(0, |tombstone| tombstone.version);
        match self.request {
            Request::Put | Request::Add => {
                self.insert(env, tombstone.map(|tombstone| tombstone.token), floor)
            }
            _ => {
                if let Some(fault) = self.home.view().layout_fault() {
                    return self.on_unusable(env, Which::Home, Unusable::Fault(fault));
                }
                let version = Version(self.home.view().version().max(floor));
                self.conclude(env, Ending::Missing(version))
            }
        }
    }
}
