//! What a store with so many records of a size will be like: a sample of its pages is filled by
//! the very rules that a client follows.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::client::PROBES;
use crate::page::layout::{
    DIRECTORY_ENTRY_BYTES, GUEST_OVERHEAD, GUEST_RESERVE, HEADER_BYTES, NATIVE_OVERHEAD,
    RESERVED_DIRECTORY,
};

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
    /// Share of the last twentieth of the insertions that goes to another page than its own.
    pub overflow_share: f64,
    /// Whether the records are expected to fit without [`Error::Full`](crate::Error::Full).
    pub fits: bool,
}

/// Pages of the sample, at most.
const SAMPLE_PAGES: u64 = 16_384;

/// A page of the sample.
#[derive(Clone, Copy, Default)]
struct SamplePage {
    entry_bytes: usize,
    directory: usize,
}

impl SamplePage {
    fn free(self, payload: usize) -> usize {
        let directory = self.directory.saturating_sub(RESERVED_DIRECTORY);
        payload.saturating_sub(self.entry_bytes + directory * DIRECTORY_ENTRY_BYTES)
    }

    fn has_directory_room(self, payload: usize) -> bool {
        self.directory < RESERVED_DIRECTORY || self.free(payload) >= DIRECTORY_ENTRY_BYTES
    }
}

/// Predicts a store of `pages` pages of `page_bytes` with `records` records.
pub(crate) fn predict(
    page_bytes: usize,
    pages: u64,
    records: u64,
    key_bytes: usize,
    value_bytes: usize,
) -> Prediction {
    let payload = page_bytes - HEADER_BYTES;
    let native = NATIVE_OVERHEAD + key_bytes + value_bytes;
    let guest = GUEST_OVERHEAD + key_bytes + value_bytes;
    let slots = payload / native;
    let fill = records as f64 / (slots.max(1) as f64 * pages as f64);
    let mut prediction = Prediction {
        records,
        entries_per_page: u32::try_from(slots).unwrap_or(u32::MAX),
        fill,
        reads_per_get: 1.0,
        overflow_share: 0.0,
        fits: slots > 0 && guest + GUEST_RESERVE <= payload && fill <= 1.0,
    };
    if !prediction.fits || records == 0 {
        prediction.fits &= records == 0;
        return prediction;
    }
    let sample = pages.min(SAMPLE_PAGES);
    let balls = (records as f64 * sample as f64 / pages as f64)
        .round()
        .max(1.0) as u64;
    let mut random = Pcg64Mcg::seed_from_u64(0x5eed);
    let mut table = vec![SamplePage::default(); usize::try_from(sample).expect("bounded above")];
    let late = balls - balls / 20;
    let (mut overflowed, mut overflowed_late) = (0_u64, 0_u64);
    for ball in 0..balls {
        let home = random.random_range(0..table.len());
        if table[home].free(payload) >= native {
            table[home].entry_bytes += native;
            continue;
        }
        overflowed += 1;
        overflowed_late += u64::from(ball >= late);
        if !table[home].has_directory_room(payload) {
            // A native entry leaves first.
            let Some(host) = choose_host(&mut random, &table, home, payload, guest) else {
                prediction.fits = false;
                break;
            };
            table[host].entry_bytes += guest;
            let Some(left) = table[home].entry_bytes.checked_sub(native) else {
                continue;
            };
            table[home].entry_bytes = left;
            overflowed += 1;
            table[home].directory += 1;
        }
        let Some(host) = choose_host(&mut random, &table, home, payload, guest) else {
            prediction.fits = false;
            break;
        };
        table[host].entry_bytes += guest;
        table[home].directory += 1;
    }
    prediction.reads_per_get = 1.0 + overflowed as f64 / balls as f64;
    prediction.overflow_share = overflowed_late as f64 / (balls - late).max(1) as f64;
    prediction
}

/// The first page with room, or the emptier of the first two.
fn choose_host(
    random: &mut Pcg64Mcg,
    table: &[SamplePage],
    home: usize,
    payload: usize,
    guest: usize,
) -> Option<usize> {
    let mut best: Option<usize> = None;
    let mut since_best = 0;
    for _ in 0..PROBES {
        let page = random.random_range(0..table.len());
        since_best += u32::from(best.is_some());
        if page != home && table[page].free(payload) >= guest + GUEST_RESERVE {
            if table[page].entry_bytes == 0 {
                return Some(page);
            }
            match best {
                None => best = Some(page),
                Some(other) => {
                    let emptier = table[other].free(payload) >= table[page].free(payload);
                    return Some(if emptier { other } else { page });
                }
            }
        }
        if since_best >= 4 {
            break;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eighty_percent_of_slots_with_values_of_1000_bytes() {
        let small = predict(4096, 416_667, 1_000_000, 23, 1000);
        assert_eq!(small.entries_per_page, 3);
        assert!((small.fill - 0.8).abs() < 0.001, "{small:?}");
        assert!(small.fits && small.reads_per_get <= 1.20, "{small:?}");
        let large = predict(16384, 83_334, 1_000_000, 23, 1000);
        assert_eq!(large.entries_per_page, 15);
        assert!((large.fill - 0.8).abs() < 0.001, "{large:?}");
        assert!(large.fits && large.reads_per_get <= 1.05, "{large:?}");
    }

    #[test]
    fn a_hundred_thousand_ycsb_records_of_3584_bytes_fit_in_1_gib() {
        let prediction = predict(4096, 262_128, 100_000, 24, 3584);
        assert_eq!(prediction.entries_per_page, 1);
        assert!(
            prediction.fits && prediction.reads_per_get < 1.25,
            "{prediction:?}"
        );
    }

    #[test]
    fn too_many_do_not_fit() {
        assert!(!predict(4096, 1000, 3001, 23, 1000).fits);
        assert!(!predict(4096, 1000, 10, 23, 4000).fits);
        assert!(predict(4096, 1000, 0, 23, 1000).fits);
    }
}
