//! What the store itself costs: wall-clock time of a GET and of an update on a page store that
//! copies pages at once, beside the time of the copy and of the CRC alone.
//!
//! `cargo run --release -p rdstore --example get_cost [VALUE_BYTES]`, of 1,000 bytes if not given

use std::time::Instant;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rdstore::page_store::{DeviceGeometry, PageCompletion, PageOutcome, PageStore, QueueFull};
use rdstore::{Client, FormatOptions, OpenOptions, Operation, format};

/// Pages of the store.
const PAGES: usize = 20_000;
/// Operations of a batch; the fastest batch counts, the others were disturbed.
const BATCH: usize = 1_000;

/// Carries everything out at submission.
struct InstantPages<'a> {
    bytes: &'a mut Vec<u8>,
    ended: Vec<PageCompletion<Vec<u8>>>,
}

impl PageStore for InstantPages<'_> {
    type Buffer = Vec<u8>;

    fn geometry(&self) -> DeviceGeometry {
        DeviceGeometry {
            block_bytes: 4096,
            blocks: (self.bytes.len() / 4096) as u64,
            compare_and_write_bytes: 16384,
            name: [b' '; 20],
        }
    }

    fn name(&self) -> &'static str {
        "instant pages"
    }

    fn buffer(&mut self, bytes: usize) -> Option<Vec<u8>> {
        Some(vec![0; bytes])
    }

    fn submit_read(
        &mut self,
        block: u64,
        mut buffer: Vec<u8>,
        tag: u64,
    ) -> Result<(), QueueFull<Vec<u8>>> {
        let start = usize::try_from(block).expect("small") * 4096;
        let len = buffer.len();
        buffer.copy_from_slice(&self.bytes[start..start + len]);
        let (new_buffer, result) = (None, Ok(PageOutcome::Done));
        self.ended.push(PageCompletion {
            tag,
            buffer,
            new_buffer,
            result,
        });
        Ok(())
    }

    fn submit_compare_and_write(
        &mut self,
        block: u64,
        old: Vec<u8>,
        new: Vec<u8>,
        tag: u64,
    ) -> Result<(), QueueFull<Vec<u8>>> {
        let start = usize::try_from(block).expect("small") * 4096;
        let page = &mut self.bytes[start..start + old.len()];
        let result = if *page == old[..] {
            page.copy_from_slice(&new);
            Ok(PageOutcome::Done)
        } else {
            Ok(PageOutcome::Miscompare)
        };
        self.ended.push(PageCompletion {
            tag,
            buffer: old,
            new_buffer: Some(new),
            result,
        });
        Ok(())
    }

    fn poll(&mut self, completions: &mut Vec<PageCompletion<Vec<u8>>>) -> usize {
        let count = self.ended.len();
        completions.append(&mut self.ended);
        count
    }

    fn wait(&mut self, _deadline_ns: u64) {}

    fn now_ns(&self) -> u64 {
        0
    }

    fn in_flight(&self) -> usize {
        self.ended.len()
    }
}

/// Nanoseconds of one of `BATCH` calls in the fastest of many batches.
fn fastest(mut call: impl FnMut(usize)) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..200 {
        let begin = Instant::now();
        for index in 0..BATCH {
            call(index);
        }
        best = best.min(begin.elapsed().as_nanos() as f64 / BATCH as f64);
    }
    best
}

fn main() {
    let mut bytes = vec![0; (16 + PAGES) * 4096];
    let mut store = InstantPages {
        bytes: &mut bytes,
        ended: Vec::new(),
    };
    format(&mut store, &FormatOptions::default()).expect("a blank device");
    let mut client = Client::open(store, OpenOptions::default()).expect("a new store");
    let keys: Vec<Vec<u8>> = (0..PAGES * 2)
        .map(|n| format!("user{n:019}").into_bytes())
        .collect();
    let value_bytes = std::env::args().nth(1).map_or(1000, |bytes| {
        bytes.parse().expect("VALUE_BYTES is a number")
    });
    let records = PAGES * 2 * 1000 / value_bytes.max(1000);
    let value = vec![7; value_bytes];
    for key in &keys[..records] {
        client.put(key, &value).expect("there is room");
    }
    // Only keys that stand at home: a read in two steps is another measure.
    let mut reads = client.stats().reads;
    let keys: Vec<&Vec<u8>> = keys[..records]
        .iter()
        .filter(|key| {
            client.get(key).expect("it was put");
            let now = client.stats().reads;
            let one = now - reads == 1;
            reads = now;
            one
        })
        .collect();
    // A set in cache and one that is not.
    for (what, count) in [("in cache", 100), ("80 MB", keys.len())] {
        let mut random = Pcg64Mcg::seed_from_u64(1);
        let mut order: Vec<usize> = Vec::new();
        order.resize_with(BATCH * 200, || random.random_range(0..count));
        let mut at = 0;
        let mut sum = 0;
        let get = fastest(|_| {
            let key = keys[order[at]];
            at = (at + 1) % order.len();
            client.submit(Operation::Get { key }).expect("not busy");
            client.poll_with(|_, result| {
                if let Ok(rdstore::Outcome::Found { value, .. }) = result {
                    sum += value.len();
                }
            });
        });
        let value = vec![8; value_bytes];
        let update = fastest(|_| {
            let key = keys[order[at]];
            at = (at + 1) % order.len();
            client
                .submit(Operation::Put {
                    key,
                    value: &value,
                    expires_unix_ms: None,
                })
                .expect("not busy");
            while client.in_flight() > 0 {
                client.poll_with(|_, result| sum += usize::from(result.is_ok()));
            }
        });
        let image: &[u8] = client.store().bytes;
        let pages = image.len() / 4096;
        let mut page = [0; 4096];
        let set = if count == 100 { 100 } else { pages };
        let copy = fastest(|_| {
            let start = order[at] % set * 4096;
            at = (at + 1) % order.len();
            page.copy_from_slice(&image[start..start + 4096]);
            sum += usize::from(std::hint::black_box(&page)[7]);
        });
        let crc = fastest(|_| {
            sum += rdstore::page_crc(std::hint::black_box(&page)) as usize;
        });
        println!(
            "{what}: GET {get:.0} ns, update {update:.0} ns; page copy {copy:.0} ns, CRC {crc:.0} ns; \
             the store's own part of a GET {:.0} ns ({sum})",
            get - copy - crc
        );
    }
}
