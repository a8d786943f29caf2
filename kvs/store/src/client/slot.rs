//! The state of one operation: what it wants, the page images it holds, where it stands.

use std::ops::DerefMut;

use super::environment::Environment;
use super::read_ahead::ReadAhead;
use super::step::{Clean, Commit, Ending, Plan, Probe, Request, Step};
use crate::error::Error;
use crate::hash::KeyHash;
use crate::operation::{Cursor, ScanPage};
use crate::page::{Entry, EntryState, NewEntry, PageEdit, PageView, Stamp};
use crate::statistics::OperationCost;

/// A page image in a buffer the device wrote or took.
#[derive(Debug)]
pub(super) struct PageImage<B> {
    /// `None` only while the device has it.
    pub(super) buffer: Option<B>,
    pub(super) page: u64,
    pub(super) blank: bool,
}

impl<B: DerefMut<Target = [u8]>> PageImage<B> {
    pub(super) fn view(&self) -> PageView<'_> {
        let buffer = self
            .buffer
            .as_ref()
            .expect("no I/O on this image is in flight");
        PageView::new(buffer, self.blank)
    }
}

/// Which of a slot's images an I/O is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Which {
    /// The key's home page.
    Home,
    /// A page that hosts the key, or may host it.
    Guest,
    /// The home page of a third entry.
    Third,
}

/// What a slot wants of the device next.
#[derive(Debug)]
pub(super) enum Next {
    /// Read a page into an image.
    Read(Which, u64),
    /// Compare-and-Write an image's page to `fresh`.
    Write(Which),
    /// Wait until the device's clock shows this, then read the home page.
    Sleep(u64),
    /// The operation has ended.
    Finish(Ending),
}

/// One operation in flight. Slots are reused with their buffers, so that an operation allocates
/// nothing once the client is warm.
#[derive(Debug)]
pub(super) struct Slot<B> {
    pub(super) ticket: u64,
    pub(super) request: Request,
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) expires_unix_ms: u64,
    pub(super) hash: KeyHash,
    pub(super) home_page: u64,
    pub(super) operation_id: Stamp,
    /// Nobody waits for the outcome.
    pub(super) discard: bool,
    pub(super) cost: OperationCost,

    pub(super) home: PageImage<B>,
    pub(super) guest: PageImage<B>,
    pub(super) third: PageImage<B>,
    pub(super) fresh: Option<B>,

    pub(super) step: Step,
    /// What the device had no room for.
    pub(super) stalled: Option<Next>,
    pub(super) wake_ns: u64,
    pub(super) attempts: u32,
    /// Attempts of clearing up after the commit.
    pub(super) clearing_attempts: u32,
    /// Stamp of the home image that named a token which was not there.
    pub(super) suspect: Option<Stamp>,
    pub(super) plan: Plan,
    pub(super) probe: Probe,
    /// Guests that were prepared and will never be committed.
    pub(super) leftovers: Vec<(u64, Stamp)>,
    pub(super) commit: Option<Commit>,
    /// Set once the outcome is certain; what follows is clearing up.
    pub(super) ending: Option<Ending>,
    pub(super) unlink: Option<(Stamp, u64)>,
    pub(super) reclaims: Vec<(u64, Stamp)>,
    pub(super) clean: Clean,
    /// Abandoned guests were cleared away already.
    pub(super) cleaned: bool,
    pub(super) cursor: Cursor,
    pub(super) scanned: ScanPage,
    /// Entries of `scanned` that are of completed pages.
    pub(super) scanned_before: usize,
    pub(super) ahead: ReadAhead<B>,
}

impl<B: DerefMut<Target = [u8]>> Slot<B> {
    pub(super) fn new() -> Self {
        let image = || PageImage {
            buffer: None,
            page: 0,
            blank: true,
        };
        Self {
            ticket: 0,
            request: Request::Get,
            key: Vec::new(),
            value: Vec::new(),
            expires_unix_ms: 0,
            hash: KeyHash::default(),
            home_page: 0,
            operation_id: Stamp::NONE,
            discard: false,
            cost: OperationCost::default(),
            home: image(),
            guest: image(),
            third: image(),
            fresh: None,
            step: Step::Home,
            stalled: None,
            wake_ns: 0,
            attempts: 0,
            clearing_attempts: 0,
            suspect: None,
            plan: Plan::Evict,
            probe: Probe::default(),
            leftovers: Vec::new(),
            commit: None,
            ending: None,
            unlink: None,
            reclaims: Vec::new(),
            clean: Clean::default(),
            cleaned: false,
            cursor: Cursor::START,
            scanned: ScanPage::default(),
            scanned_before: 0,
            ahead: ReadAhead::default(),
        }
    }

    /// Forgets the operation before; keeps buffers and capacity.
    pub(super) fn reset(&mut self) {
        self.discard = false;
        self.cost = OperationCost::default();
        self.attempts = 0;
        self.clearing_attempts = 0;
        self.suspect = None;
        self.leftovers.clear();
        self.commit = None;
        self.ending = None;
        self.unlink = None;
        self.reclaims.clear();
        self.cleaned = false;
        self.scanned = ScanPage::default();
        self.scanned_before = 0;
    }

    pub(super) fn image(&mut self, which: Which) -> &mut PageImage<B> {
        match which {
            Which::Home => &mut self.home,
            Which::Guest => &mut self.guest,
            Which::Third => &mut self.third,
        }
    }

    /// Begins the operation.
    pub(super) fn start(&mut self) -> Next {
        if let Request::Scan { .. } = self.request {
            self.step = Step::ScanHome;
            Next::Read(Which::Home, self.cursor.page)
        } else {
            self.step = Step::Home;
            Next::Read(Which::Home, self.home_page)
        }
    }

    /// Begins again after a lost race, backing off.
    pub(super) fn restart(&mut self, env: &mut Environment) -> Next {
        self.attempts += 1;
        env.statistics.retries += 1;
        if self.attempts > env.attempts_limit {
            let error = Error::Contention {
                attempts: self.attempts - 1,
                page: self.home_page,
            };
            return self.conclude(env, Ending::Failed(error));
        }
        let delay_ns = env.back_off_ns(self.attempts);
        if delay_ns == 0 {
            return self.start();
        }
        self.step = Step::Home;
        Next::Sleep(delay_ns)
    }

    /// The entry this operation writes.
    pub(super) fn new_entry(&self, version: u64) -> NewEntry<'_> {
        NewEntry {
            key: &self.key,
            value: &self.value,
            tag: self.hash.tag(),
            version,
            writer: self.operation_id,
            expires_unix_ms: self.expires_unix_ms,
        }
    }
}

/// The next image of `image`, begun in `fresh`.
pub(super) fn begin_edit<'a, B: DerefMut<Target = [u8]>>(
    image: &PageImage<B>,
    fresh: &'a mut Option<B>,
    env: &Environment,
) -> PageEdit<'a> {
    let (old, new) = old_and_new(image, fresh);
    PageEdit::begin(old, image.blank, new, &env.context, image.page)
}

fn old_and_new<'o, 'n, B: DerefMut<Target = [u8]>>(
    image: &'o PageImage<B>,
    fresh: &'n mut Option<B>,
) -> (&'o [u8], &'n mut [u8]) {
    let old = image.buffer.as_ref();
    let new = fresh.as_mut();
    (
        old.expect("no I/O on this image is in flight"),
        new.expect("updates hold a buffer for the next image"),
    )
}

/// The next image of `image` with `entry` instead of its entry `replaced`, begun in `fresh`.
pub(super) fn begin_replacing<'a, B: DerefMut<Target = [u8]>>(
    image: &PageImage<B>,
    fresh: &'a mut Option<B>,
    replaced: &Entry<'_>,
    entry: NewEntry<'_>,
    state: EntryState,
) -> PageEdit<'a> {
    let (old, new) = old_and_new(image, fresh);
    PageEdit::begin_replacing(old, new, replaced, entry, state)
}
