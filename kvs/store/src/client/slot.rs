//! The state of one operation: what it wants, the page images it holds, where it stands.

use std::ops::DerefMut;

use super::environment::Environment;
use crate::error::Error;
use crate::hash::KeyHash;
use crate::operation::{Cursor, ScanPage, Version};
use crate::page::{NewEntry, PageEdit, PageView, Stamp};
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

/// What an operation wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Request {
    Get,
    Put,
    Delete,
    Add,
    CompareAndSwap(u64),
    Scan { limit: usize },
}

/// What the I/O in flight is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Read the home page.
    Home,
    /// Read the page that directory entry `index` names.
    Guest { index: usize },
    /// The Compare-and-Write with which the operation (or an eviction) takes effect.
    Commit,
    /// Read a page that may take a guest.
    Probe,
    /// Write a guest that nobody names yet.
    Prepare,
    /// Read the page of a guest that is to move.
    FreezeRead,
    /// Make that guest final.
    Freeze,
    /// Read the page of a commit whose outcome is unknown.
    Resolve,
    /// Replace that page's image, so that the commit can never be applied.
    Fence,
    /// Read the home page to name a tombstone no more.
    UnlinkRead,
    /// Name a tombstone no more.
    Unlink,
    /// Read the page of a guest that nobody names.
    ReclaimRead,
    /// Remove that guest.
    Reclaim,
    /// Read a page to clear abandoned guests away.
    CleanRead,
    /// Read the home page of one of its guests.
    CleanHome,
    /// Make sure that this guest is, and stays, unnamed.
    CleanFix,
    /// Remove the guests that are.
    CleanApply,
    /// Read a home page for a scan.
    ScanHome,
    /// Read the page that its directory entry `index` names.
    ScanGuest { index: usize },
}

/// A guest as it was found through its home page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct GuestReference {
    pub(super) page: u64,
    pub(super) token: Stamp,
    pub(super) version: u64,
    pub(super) frozen: bool,
}

/// Why a guest is being prepared, or a home page rewritten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Plan {
    /// The key is absent; `tombstone` is a deleted guest of it that home still names.
    Insert {
        tombstone: Option<Stamp>,
        floor: u64,
    },
    /// The key's native entry grows beyond its page.
    MoveOut { floor: u64 },
    /// The key's guest grows beyond its host.
    MoveGuest(GuestReference),
    /// The key's guest has room at home.
    PullHome(GuestReference),
    /// Another native entry has to leave, to make room for a directory entry.
    Evict,
}

/// The search for a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Probe {
    /// Pages probed.
    pub(super) index: u32,
    /// The emptiest page with room so far, and its free bytes.
    pub(super) best: Option<(u64, usize)>,
    /// Pages probed since there was one.
    pub(super) since_best: u32,
    /// The page being read is the choice, or has an own leftover: take it if it still has room.
    pub(super) chosen: bool,
}

/// What a commit in flight was based on and leads to.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) which: Which,
    pub(super) page: u64,
    /// What the page's window will show.
    pub(super) id: Stamp,
    pub(super) old_stamp: Stamp,
    pub(super) old_operations: u64,
    /// How the operation ends; `None` for an eviction, after which it begins again.
    pub(super) ending: Option<Ending>,
    /// The guest whose next image it is, when it is not at home.
    pub(super) target: Option<Stamp>,
    /// The prepared guest that it names.
    pub(super) token: Option<Stamp>,
    /// The tombstone to be named no more afterwards.
    pub(super) unlink: Option<(Stamp, u64)>,
    /// The guest that is garbage afterwards.
    pub(super) reclaim: Option<(u64, Stamp)>,
    /// What was said about an unknown outcome.
    pub(super) reason: String,
}

/// Clearing abandoned guests away, page by page.
#[derive(Debug, Default)]
pub(super) struct Clean {
    /// Pages looked at: 0 is the home page, then the probes.
    pub(super) index: u32,
    /// Entries of the page looked at.
    pub(super) entry: usize,
    /// Guests to remove (true), or to mark as committed.
    pub(super) verdicts: Vec<(Stamp, bool)>,
    /// The guest being looked at.
    pub(super) token: Stamp,
    /// Something was changed.
    pub(super) changed: bool,
}

/// How an operation ends.
#[derive(Debug)]
pub(super) enum Ending {
    Found {
        which: Which,
        start: usize,
        bytes: usize,
        version: u64,
        expires_unix_ms: u64,
    },
    Missing(Version),
    Stored(Version),
    Deleted(Version),
    Exists(Version),
    Mismatch(Version),
    Scanned(ScanPage),
    Failed(Error),
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

    /// Begins again after a lost race, at once the first time, then backing off.
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
    let old = image
        .buffer
        .as_ref()
        .expect("no I/O on this image is in flight");
    let new = fresh
        .as_mut()
        .expect("updates hold a buffer for the next image");
    PageEdit::begin(old, image.blank, new, &env.context, image.page)
}
