//! What an operation wants, what it is doing, and what it means to do.

use super::slot::Which;
use crate::error::Error;
use crate::operation::{ScanPage, Version};
use crate::page::Stamp;

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

impl Request {
    /// Does it change its key's page?
    pub(super) const fn is_update(self) -> bool {
        !matches!(self, Self::Get | Self::Scan { .. })
    }
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
    /// Version that it gives the key, above all that the key had before; 0 for an eviction, which
    /// gives none.
    pub(super) version: u64,
    /// The token that it names no more.
    pub(super) removes: Option<Stamp>,
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
