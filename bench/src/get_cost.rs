//! Wall clock of a GET against its floor: a copy and a CRC of its page, in the same run.
//!
//! Everything works on the same 400 MB: 100,000 records of 3,584 bytes, a page each, met in a random
//! order, so that neither the floor nor the store lives in a cache.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, bail};
use nvme_driver::{CompletionMode, Controller, ControllerOptions, Transport};
use nvme_instant::{InstantDevice, InstantOptions};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use rdstore::nvme_page_store::NvmePageStore;
use rdstore::page_store::PageStore;
use rdstore::{Client, FormatOptions, OpenOptions, Operation, Outcome, format};
use rdstore_cli::machine::queue_options;

use crate::figure::{Figure, Must};
use crate::io_counts::{machine, store};

const PAGE_BYTES: usize = 4096;
const VALUE_BYTES: usize = 3584;
const OUTSTANDING: usize = 32;
/// Rounds: each measures the floor and both stacks one after the other; the medians are compared.
const ROUNDS: usize = 5;

pub(crate) fn run(smoke: bool) -> Result<Vec<Figure>> {
    let records: u64 = if smoke { 20_000 } else { 100_000 };
    let mut order: Vec<u64> = (0..records).collect();
    order.shuffle(&mut Pcg64::seed_from_u64(1));

    let machine = machine("model:?size=1GiB", 1)?;
    let options = FormatOptions {
        known_blank: true,
        seed: 3,
        ..FormatOptions::default()
    };
    let mut on_model = store(&machine, &options)?;
    load(&mut on_model, records)?;

    let device = InstantDevice::new(InstantOptions {
        blocks: (1 << 30) / PAGE_BYTES as u64,
        ..InstantOptions::default()
    });
    let controller = Controller::open(device.function(0), ControllerOptions::default())?;
    let mut on_null = null_client(&controller, &options)?;
    load(&mut on_null, records)?;

    let mut image = vec![0_u8; records as usize * PAGE_BYTES];
    Pcg64::seed_from_u64(2).fill_bytes(&mut image);

    let mut rows: [Vec<f64>; 3] = Default::default();
    for _ in 0..ROUNDS {
        rows[0].push(nanoseconds_each(records, || floor(&image, &order))?);
        rows[1].push(nanoseconds_each(records, || gets(&mut on_model, &order))?);
        rows[2].push(nanoseconds_each(records, || gets(&mut on_null, &order))?);
    }
    let [floor_ns, model_ns, null_ns] = rows.map(median);
    Ok(vec![
        Figure::new(
            "floor: memcpy 4 KiB and the store's CRC of it",
            floor_ns,
            "ns",
            Must::Shown,
        ),
        Figure::new(
            "a GET through store, driver and model",
            model_ns,
            "ns",
            Must::Shown,
        ),
        Figure::new(
            "a GET through store, driver and null device",
            null_ns,
            "ns",
            Must::Shown,
        ),
        Figure::new(
            "GET through store, driver and model ÷ floor",
            model_ns / floor_ns,
            "×",
            Must::AtMost(8.0),
        ),
        Figure::new(
            "GET through store and driver alone ÷ floor",
            null_ns / floor_ns,
            "×",
            Must::AtMost(2.5),
        ),
    ])
}

fn null_client<T: Transport>(
    controller: &Controller<T>,
    options: &FormatOptions,
) -> Result<Client<NvmePageStore<T>>> {
    let queue = controller.queue_pair(queue_options(255, CompletionMode::Polling))?;
    let mut pages = NvmePageStore::new(queue);
    format(&mut pages, options)?;
    Ok(Client::open(pages, OpenOptions::default())?)
}

fn key(record: u64) -> [u8; 24] {
    let mut key = *b"user00000000000000000000";
    key[8..16].copy_from_slice(&record.to_be_bytes());
    key
}

fn load<P: PageStore>(client: &mut Client<P>, records: u64) -> Result<()> {
    let value = [0x42; VALUE_BYTES];
    for record in 0..records {
        client.put(&key(record), &value)?;
    }
    Ok(())
}

fn nanoseconds_each(count: u64, mut work: impl FnMut() -> Result<u64>) -> Result<f64> {
    let start = Instant::now();
    black_box(work()?);
    Ok(start.elapsed().as_secs_f64() * 1e9 / count as f64)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn floor(image: &[u8], order: &[u64]) -> Result<u64> {
    let mut page = [0_u8; PAGE_BYTES];
    let mut sum = 0;
    for &record in order {
        let at = record as usize * PAGE_BYTES;
        page.copy_from_slice(&image[at..at + PAGE_BYTES]);
        sum += u64::from(rdstore::page_crc(black_box(&page)));
    }
    Ok(sum)
}

fn gets<P: PageStore>(client: &mut Client<P>, order: &[u64]) -> Result<u64> {
    let mut todo = order.iter();
    let mut left = order.len();
    let mut found = 0;
    let mut failure = None;
    while left > 0 {
        while client.in_flight() < OUTSTANDING {
            let Some(&record) = todo.next() else { break };
            client.submit(Operation::Get { key: &key(record) })?;
        }
        let ended = client.poll_with(|_, outcome| match outcome {
            Ok(Outcome::Found { value, .. }) => found += value.len() as u64,
            Ok(other) => failure = Some(format!("unexpected outcome {:?}", other.version())),
            Err(error) => failure = Some(error.to_string()),
        });
        left -= ended;
        if ended == 0 {
            client.wait(u64::MAX);
        }
        if let Some(failure) = failure {
            bail!(failure);
        }
    }
    Ok(found)
}
