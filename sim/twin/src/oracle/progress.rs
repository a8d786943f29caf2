//! How far a unit has come.

use nvme_spec::CompletionEntry;

/// A piece that was locked as one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    /// Index of its unit in the round.
    pub(super) unit: usize,
    /// From the first byte of its data.
    pub(super) start: u32,
    pub(super) length: u32,
    /// It has been carried out; else only the medium can tell.
    pub(super) certain: bool,
}

/// How far a unit has come.
#[derive(Debug)]
pub(super) struct Progress {
    /// Its answer; of a pair, the Compare's.
    pub(super) answer: Option<CompletionEntry>,
    /// Bytes through.
    pub(super) done: u32,
    /// A compare has found a difference.
    pub(super) differs: bool,
    pub(super) has_written: bool,
    /// What each block that was read may have held.
    pub(super) read: Vec<Vec<u64>>,
}

impl Progress {
    pub(super) const fn new(answer: Option<CompletionEntry>) -> Self {
        Self {
            answer,
            done: 0,
            differs: false,
            has_written: false,
            read: Vec::new(),
        }
    }
}
