//! What a store with so many records of a size will be like.

/// Predicted fill and I/Os.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Prediction {
    /// Records asked for.
    pub records: u64,
    /// Entries of that size which one page takes.
    pub entries_per_page: u32,
    /// Records over slots of the whole store, 0–1 (more means they do not fit).
    pub fill: f64,
    /// Device reads of a GET that finds its key, on average over the keys.
    pub reads_per_get: f64,
    /// Share of insertions, near the end of loading, that go to another page than their own.
    pub overflow_share: f64,
    /// Whether the records are expected to fit without [`Error::Full`](crate::Error::Full).
    pub fits: bool,
}
