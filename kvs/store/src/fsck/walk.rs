//! One page after another, and the pages that they name.

use std::collections::BTreeSet;

use super::FsckReport;
use crate::blocking_io::BlockingIo;
use crate::error::Error;
use crate::hash::KeyHasher;
use crate::page::layout::{HEADER_BYTES, flags};
use crate::page::verify::{Unusable, verify_data};
use crate::page::{Content, EntryState, PageContext, PageView, Stamp};
use crate::page_store::PageStore;
use crate::superblock::Superblock;

/// A directory entry to be followed.
struct Named {
    home: u64,
    fingerprint: u16,
    page: u64,
    token: Stamp,
}

/// A guest whose home page is to be asked.
struct Hosted {
    host: u64,
    home: u64,
    token: Stamp,
    state: EntryState,
}

/// The state of a check: bounded by what a chunk of pages names.
pub(super) struct Walk {
    context: PageContext,
    hasher: KeyHasher,
    page_bytes: usize,
    clients: u64,
    report: FsckReport,
    used_bytes: u64,
    named: Vec<Named>,
    hosted: Vec<Hosted>,
}

impl Walk {
    pub(super) fn new(superblock: &Superblock, clients: u64, report: FsckReport) -> Self {
        Self {
            context: superblock.context(),
            hasher: superblock.hasher(),
            page_bytes: superblock.page_bytes(),
            clients,
            report,
            used_bytes: 0,
            named: Vec::new(),
            hosted: Vec::new(),
        }
    }

    pub(super) fn finish(mut self) -> FsckReport {
        let payload = (self.page_bytes - HEADER_BYTES) as f64 * self.hasher.pages() as f64;
        self.report.fill = self.used_bytes as f64 / payload;
        self.report
    }

    /// Looks at `count` pages from `first` on, then at what they name.
    pub(super) fn chunk<P: PageStore>(
        &mut self,
        io: &mut BlockingIo<'_, P>,
        first: u64,
        count: u64,
    ) -> Result<(), Error> {
        io.sweep(first, count, self.page_bytes, |page, bytes| {
            self.look_at(page, bytes);
            Ok(())
        })?;
        // The sweep brings pages in any order; reports must not depend on it.
        let mut named = std::mem::take(&mut self.named);
        named.sort_by_key(|named| (named.home, named.token));
        for group in named.chunk_by(|a, b| a.home == b.home) {
            self.follow(io, group)?;
        }
        let mut hosted = std::mem::take(&mut self.hosted);
        hosted.sort_by_key(|hosted| (hosted.host, hosted.token));
        for guest in &hosted {
            self.ask_home(io, guest)?;
        }
        self.report
            .violations
            .sort_by_key(|violation| violation.page);
        Ok(())
    }

    fn violation(&mut self, page: u64, what: String) {
        self.report.add(page, what);
    }

    /// The page, if it is whole; what is wrong with it is reported if `report` says so.
    fn verified<'a>(&mut self, page: u64, bytes: &'a [u8], report: bool) -> Option<PageView<'a>> {
        match verify_data(bytes, &self.context, page) {
            Ok(content) => Some(PageView::new(bytes, content == Content::Blank)),
            Err(unusable) => {
                let what = match unusable {
                    Unusable::Fault(fault) => fault.to_string(),
                    Unusable::Newer(found) => format!(
                        "generation is {found}, expected {}",
                        self.context.generation
                    ),
                };
                if report {
                    self.violation(page, what);
                }
                None
            }
        }
    }

    /// What can be told from the page alone.
    fn look_at(&mut self, page: u64, bytes: &[u8]) {
        self.report.pages += 1;
        let Some(view) = self.verified(page, bytes, true) else {
            return;
        };
        let header = view.header();
        if header.magic.get() == 0 {
            self.report.blank_pages += 1;
            return;
        }
        let mut wrong = Vec::new();
        if header.flags != flags::STABLE {
            wrong.push(format!(
                "flags are {:#x}, expected {:#x}",
                header.flags,
                flags::STABLE
            ));
        }
        if header.reserved_byte != 0 || header.reserved_word.get() != 0 {
            wrong.push("reserved bytes of the header are not zero".to_owned());
        }
        for (what, stamp) in std::iter::once(("stamp", header.stamp))
            .chain(header.window.iter().map(|id| ("operation id", *id)))
        {
            if stamp.client() > self.clients {
                wrong.push(format!("{what} {stamp} is of a client that never was"));
            }
        }
        self.look_at_entries(page, view, &mut wrong);
        self.look_at_directory(page, view, &mut wrong);
        for what in wrong {
            self.violation(page, what);
        }
    }

    fn look_at_entries(&mut self, page: u64, view: PageView<'_>, wrong: &mut Vec<String>) {
        let mut natives = BTreeSet::new();
        let mut tokens = BTreeSet::new();
        for entry in view.entries() {
            let hash = self.hasher.hash(entry.key);
            let home = self.hasher.home(hash);
            let name = entry.key.escape_ascii();
            if entry.key.is_empty() {
                wrong.push("an entry has no key".to_owned());
            }
            if entry.tag != hash.tag() {
                wrong.push(format!(
                    "tag of key {name} is {:#x}, expected {:#x}",
                    entry.tag,
                    hash.tag()
                ));
            }
            if entry.writer.client() > self.clients || entry.token.client() > self.clients {
                wrong.push(format!("key {name} was written by a client that never was"));
            }
            if entry.state == EntryState::Native {
                if home != page {
                    wrong.push(format!(
                        "key {name} stands as native here, its home is page {home}"
                    ));
                }
                if !natives.insert(entry.key) {
                    wrong.push(format!("key {name} stands here twice"));
                }
                if entry.version > view.version() {
                    let (version, above) = (view.version(), entry.version);
                    wrong.push(format!(
                        "version of key {name} is {above}, expected at most {version}"
                    ));
                }
                self.report.keys += 1;
                self.report.record_bytes += (entry.key.len() + entry.value.len()) as u64;
                self.used_bytes += entry.bytes as u64;
                continue;
            }
            if home == page {
                wrong.push(format!("key {name} stands as a guest in its home page"));
            }
            if !tokens.insert(entry.token) {
                wrong.push(format!("token {} stands here twice", entry.token));
            }
            self.used_bytes += entry.bytes as u64;
            self.hosted.push(Hosted {
                host: page,
                home,
                token: entry.token,
                state: entry.state,
            });
        }
    }

    fn look_at_directory(&mut self, page: u64, view: PageView<'_>, wrong: &mut Vec<String>) {
        if let Some(fault) = view.layout_fault() {
            wrong.push(fault.to_string());
        }
        let mut tokens = BTreeSet::new();
        for entry in view.directory() {
            let host = u64::from(entry.page.get());
            if !tokens.insert(entry.token) {
                wrong.push(format!("the directory names token {} twice", entry.token));
            }
            if entry.reserved.get() != 0 {
                wrong.push("reserved bytes of the directory are not zero".to_owned());
            }
            if host == page || !(self.hasher.first_page()..self.hasher.end()).contains(&host) {
                wrong.push(format!(
                    "the directory names page {host}, which cannot host"
                ));
                continue;
            }
            self.named.push(Named {
                home: page,
                fingerprint: entry.fingerprint.get(),
                page: host,
                token: entry.token,
            });
        }
    }

    /// Follows the directory of one home page: each named guest is there, and no key twice.
    fn follow<P: PageStore>(
        &mut self,
        io: &mut BlockingIo<'_, P>,
        group: &[Named],
    ) -> Result<(), Error> {
        let Some(home) = group.first().map(|named| named.home) else {
            return Ok(());
        };
        let mut keys = BTreeSet::new();
        let buffer = io.buffer(self.page_bytes)?;
        let buffer = io.read(home * self.page_bytes as u64, buffer)?;
        if let Some(view) = self.verified(home, &buffer, false) {
            keys.extend(
                view.entries()
                    .filter(|entry| entry.state == EntryState::Native)
                    .map(|entry| entry.key.to_vec()),
            );
        }
        let mut buffer = buffer;
        for named in group {
            buffer = io.read(named.page * self.page_bytes as u64, buffer)?;
            let (host, token) = (named.page, named.token);
            let found = self
                .verified(host, &buffer, false)
                .and_then(|view| view.guest(token));
            let Some(guest) = found else {
                let what =
                    format!("the directory names token {token} in page {host}, which lacks it");
                self.violation(home, what);
                continue;
            };
            let hash = self.hasher.hash(guest.key);
            let name = guest.key.escape_ascii().to_string();
            if self.hasher.home(hash) != home {
                let its_home = self.hasher.home(hash);
                let what = format!(
                    "the directory names key {name} in page {host}, whose home is page {its_home}"
                );
                self.violation(home, what);
            }
            if hash.fingerprint() != named.fingerprint {
                let (found, expected) = (named.fingerprint, hash.fingerprint());
                let what =
                    format!("the fingerprint of key {name} is {found:#x}, expected {expected:#x}");
                self.violation(home, what);
            }
            if guest.state == EntryState::Tombstone {
                continue;
            }
            self.report.keys += 1;
            self.report.overflowed_keys += 1;
            self.report.record_bytes += (guest.key.len() + guest.value.len()) as u64;
            if !keys.insert(guest.key.to_vec()) {
                let what =
                    format!("key {name} is there twice: here or in two pages that this one names");
                self.violation(home, what);
            }
        }
        Ok(())
    }

    /// Asks a guest's home page whether it names the guest.
    fn ask_home<P: PageStore>(
        &mut self,
        io: &mut BlockingIo<'_, P>,
        guest: &Hosted,
    ) -> Result<(), Error> {
        let buffer = io.buffer(self.page_bytes)?;
        let buffer = io.read(guest.home * self.page_bytes as u64, buffer)?;
        // A home page that is damaged is reported where it is looked at itself.
        let Some(view) = self.verified(guest.home, &buffer, false) else {
            return Ok(());
        };
        let named = view
            .directory()
            .any(|entry| entry.token == guest.token && u64::from(entry.page.get()) == guest.host);
        if named {
            return Ok(());
        }
        if guest.state == EntryState::Committed {
            let (home, token) = (guest.home, guest.token);
            let what = format!(
                "token {token} is marked as committed, its home page {home} does not name it"
            );
            self.violation(guest.host, what);
        }
        self.report.orphans += 1;
        Ok(())
    }
}
