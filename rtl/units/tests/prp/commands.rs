//! Commands that are being walked, their reads, and what comes back for them.

use crate::host::Set;

/// A list read that is under way.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) context: u64,
    pub(crate) address: u64,
    pub(crate) bytes: u64,
    /// Dword of the context's room where it begins.
    pub(crate) place: u64,
    pub(crate) received: u64,
}

/// A command that is being walked.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) sets: Vec<Set>,
    /// Set that is being walked, its list entries that are known, and where its list goes on.
    pub(crate) walking: usize,
    pub(crate) known: usize,
    pub(crate) at: u64,
    /// As they must come.
    pub(crate) statuses: [u64; 2],
    pub(crate) reading: bool,
    /// Its function was gone for a while: it may have failed for it.
    pub(crate) was_gone: bool,
}

impl Command {
    /// Goes on to the next set that has a list.
    pub(crate) fn skip(&mut self) {
        while self.walking < self.sets.len() && self.known == self.sets[self.walking].list.len() {
            self.walking += 1;
            self.known = 0;
            self.at = self.sets.get(self.walking).map_or(0, |set| set.prp2);
        }
    }

    pub(crate) fn is_walked(&self) -> bool {
        self.walking >= self.sets.len()
    }

    pub(crate) fn fail(&mut self, status: u64) {
        self.statuses[self.walking] = status;
        self.walking = self.sets.len();
    }
}

/// The beats of a completion: what the router makes of each, and the read's end behind the last.
pub(crate) struct Beat {
    pub(crate) context: u64,
    pub(crate) word: u64,
    pub(crate) split: u64,
    pub(crate) lanes: u64,
    pub(crate) data: [u32; 8],
    pub(crate) end: Option<Read>,
}
