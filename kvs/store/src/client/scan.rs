//! Scans: home page by home page, each key where its home is.

use std::ops::DerefMut;

use super::environment::Environment;
use super::slot::{Next, Slot, Which};
use super::step::{Ending, Request, Step};
use crate::hash::KeyHash;
use crate::operation::{Cursor, ScanEntry, Version};
use crate::page::{Entry, EntryState};

impl<B: DerefMut<Target = [u8]>> Slot<B> {
    /// Takes an entry up if the scan has not passed it and it has not ended.
    fn take_up(&mut self, env: &Environment, from: u64, entry: &Entry<'_>) {
        let KeyHash(hash) = env.hasher.hash(entry.key);
        if hash < from || entry.is_expired(env.now_unix_ms) {
            return;
        }
        self.scanned.entries.push(ScanEntry {
            key: entry.key.to_vec(),
            value: entry.value.to_vec(),
            version: Version(entry.version),
            expires_unix_ms: (entry.expires_unix_ms != 0).then_some(entry.expires_unix_ms),
        });
    }

    /// A home page was read.
    pub(super) fn on_scan_home(&mut self, env: &mut Environment) -> Next {
        self.scanned.entries.truncate(self.scanned_before);
        let from = self.cursor.hash;
        let buffer = self.home.buffer.take();
        if let Some(bytes) = &buffer {
            let view = crate::page::PageView::new(bytes, self.home.blank);
            for entry in view
                .entries()
                .filter(|entry| entry.state == EntryState::Native)
            {
                self.take_up(env, from, &entry);
            }
        }
        self.home.buffer = buffer;
        self.scan_guests(env, 0)
    }

    fn scan_guests(&mut self, env: &mut Environment, index: usize) -> Next {
        let Some(named) = self.home.view().directory_entry(index) else {
            return self.complete_page(env);
        };
        let page = u64::from(named.page.get());
        if let Some(failed) = self.outside(env, page) {
            return failed;
        }
        self.step = Step::ScanGuest { index };
        Next::Read(Which::Guest, page)
    }

    /// The page that directory entry `index` names was read.
    pub(super) fn on_scan_guest(&mut self, env: &mut Environment, index: usize) -> Next {
        let Some(named) = self.home.view().directory_entry(index) else {
            return self.complete_page(env);
        };
        let from = self.cursor.hash;
        let buffer = self.guest.buffer.take();
        let mut found = false;
        if let Some(bytes) = &buffer {
            let view = crate::page::PageView::new(bytes, self.guest.blank);
            if let Some(entry) = view.guest(named.token) {
                found = true;
                if entry.state != EntryState::Tombstone {
                    self.take_up(env, from, &entry);
                }
            }
        }
        self.guest.buffer = buffer;
        if !found {
            return self.on_missing_token(env, index);
        }
        self.scan_guests(env, index + 1)
    }

    /// All entries of the home page are taken up: order them, cut at the limit, or go on.
    fn complete_page(&mut self, env: &mut Environment) -> Next {
        let Request::Scan { limit } = self.request else {
            unreachable!("only scans complete pages");
        };
        let page = self.cursor.page;
        let fresh = &mut self.scanned.entries[self.scanned_before..];
        fresh.sort_by_cached_key(|entry| env.hasher.hash(&entry.key).0);
        let entries = &mut self.scanned.entries;
        if entries.len() > limit {
            let last = env.hasher.hash(&entries[limit - 1].key).0;
            let mut cut = limit;
            if limit > self.scanned_before {
                // Entries of one hash stay together, so that the cursor tells which are done.
                cut += entries[limit..]
                    .iter()
                    .take_while(|entry| env.hasher.hash(&entry.key).0 == last)
                    .count();
            }
            if let Some(next) = entries.get(cut) {
                let hash = env.hasher.hash(&next.key).0;
                entries.truncate(cut);
                return self.finish_scan(Some(Cursor { page, hash }));
            }
        }
        self.scanned_before = self.scanned.entries.len();
        self.suspect = None;
        let next = (page + 1 < env.hasher.end()).then_some(Cursor {
            page: page + 1,
            hash: 0,
        });
        match next {
            Some(cursor) if self.scanned_before < limit => {
                self.cursor = cursor;
                self.step = Step::ScanHome;
                Next::Read(Which::Home, cursor.page)
            }
            next => self.finish_scan(next),
        }
    }

    fn finish_scan(&mut self, next: Option<Cursor>) -> Next {
        self.scanned.next = next;
        Next::Finish(Ending::Scanned(std::mem::take(&mut self.scanned)))
    }
}
