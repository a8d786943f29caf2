//! A device handle that acknowledges an update and drops it: what the checker must notice.

use rdstore::page_store::PageStore;

use crate::meddling::{MeddledPages, Meddler};

/// Pages of another handle, except that one Compare-and-Write is said to be done and never sent.
pub type LyingPages<P> = MeddledPages<P, Liar>;

/// Says once that a Compare-and-Write was done.
pub struct Liar {
    /// Compare-and-Writes until the lie.
    honest: u64,
    lied: bool,
}

impl Meddler for Liar {
    fn drops_pair(&mut self) -> bool {
        if self.honest > 0 {
            self.honest -= 1;
            return false;
        }
        self.honest = u64::MAX;
        self.lied = true;
        true
    }
}

impl<P: PageStore> LyingPages<P> {
    /// Honest until [`lie_after`](Self::lie_after).
    pub fn new(inner: P) -> Self {
        let (honest, lied) = (u64::MAX, false);
        Self::with(inner, Liar { honest, lied })
    }

    /// Lies after `honest` more Compare-and-Writes, once.
    pub fn lie_after(&mut self, honest: u64) {
        self.meddler.honest = honest;
    }

    /// The lie was told and taken for the truth.
    pub fn has_lied(&self) -> bool {
        self.meddler.lied && self.has_handed_out_all()
    }
}
