//! Options of making, opening and checking a store, and the report of making one.

use crate::prediction::Prediction;

/// How to make a store.
#[derive(Clone, Debug)]
pub struct FormatOptions {
    /// Overwrite what is there: another store, or data of something else.
    pub force: bool,
    /// Page size: 4,096, 8,192 or 16,384 bytes.
    pub page_bytes: u32,
    /// Records the caller means to store, for the prediction.
    pub expect_records: Option<u64>,
    /// Size of their values in bytes, for the prediction.
    pub value_bytes: Option<u32>,
    /// Size of their keys in bytes, for the prediction.
    pub key_bytes: u32,
    /// Decides the hash seed and the store's UUID. Take a random one unless a run must repeat.
    pub seed: u64,
    /// The caller has just created the device and knows that it is all zeros: do not read it.
    pub known_blank: bool,
    /// Use only so many pages of the device; `None` is all.
    pub pages: Option<u64>,
    /// Called now and then with pages done and pages to do.
    pub progress: Option<fn(u64, u64)>,
}

impl Default for FormatOptions {
    fn default() -> Self {
        Self {
            force: false,
            page_bytes: 4096,
            expect_records: None,
            value_bytes: None,
            key_bytes: 24,
            seed: 0,
            known_blank: false,
            pages: None,
            progress: None,
        }
    }
}

/// What [`format()`](crate::format()) made.
#[derive(Clone, PartialEq, Debug)]
pub struct FormatReport {
    /// The store as it stands now.
    pub info: crate::info::StoreInfo,
    /// What a store with the expected records will be like, when they were given.
    pub prediction: Option<Prediction>,
    /// Pages that held something and were overwritten with an empty image.
    pub overwritten_pages: u64,
}

/// How to open a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenOptions {
    /// Only look: no client id is taken, nothing is written, nobody is helped, nothing repaired.
    pub read_only: bool,
    /// Operations in flight at most; each has up to four page buffers. `submit` beyond says
    /// [`Error::Busy`](crate::Error::Busy).
    pub in_flight: usize,
    /// Milliseconds since 1970 at the moment of opening, for entries that expire. Zero with no
    /// clock at hand: then nothing ever expires.
    pub unix_ms: u64,
    /// Decides the jitter of back-off, together with the client id.
    pub seed: u64,
    /// Attempts of one operation before it fails with [`Error::Contention`](crate::Error::Contention).
    pub attempts: u32,
    /// Longest first back-off after a lost race, in nanoseconds; later ones are up to 128 times as
    /// long, and shorter again for who has lost often. Zero: no back-off.
    pub back_off_ns: u64,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            read_only: false,
            in_flight: 64,
            unix_ms: 0,
            seed: 0,
            attempts: 10_000,
            back_off_ns: 16_000,
        }
    }
}

/// How to check a store.
#[derive(Clone, Debug, Default)]
pub struct FsckOptions {
    /// Called now and then with pages done and pages to do.
    pub progress: Option<fn(u64, u64)>,
}
