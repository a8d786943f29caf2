//! Device reads a GET when 80 % of the slots are in use: 1,000-byte values, a million records.

use anyhow::{Context, Result, ensure};
use nvme_driver::CompletionMode;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use rdstore::{Client, FormatOptions, OpenOptions, Operation, Outcome, format};
use rdstore_cli::machine::{Pages, queue_options};

use crate::figure::{Figure, Must};
use crate::io_counts::{device_ios, machine};

const KEY_BYTES: usize = 24;
const VALUE_BYTES: usize = 1000;
const FILL: f64 = 0.8;
const OUTSTANDING: usize = 32;
const SEED: u64 = 80;

pub(crate) fn run(smoke: bool) -> Result<Vec<Figure>> {
    let records: u64 = if smoke { 100_000 } else { 1_000_000 };
    let mut figures = Vec::new();
    for (page_bytes, must) in [(4096_u32, 1.20), (16384, 1.05)] {
        figures.extend(page_size(page_bytes, records, must)?);
    }
    Ok(figures)
}

/// `YCSB`-like key: `user` and 20 digits.
fn key(record: u64) -> [u8; KEY_BYTES] {
    let mut key = *b"user00000000000000000000";
    let mut rest = record.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for digit in key[4..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

fn page_size(page_bytes: u32, records: u64, must: f64) -> Result<Vec<Figure>> {
    let kib = page_bytes / 1024;
    let options = FormatOptions {
        page_bytes,
        known_blank: true,
        seed: SEED,
        expect_records: Some(records),
        value_bytes: Some(VALUE_BYTES as u32),
        key_bytes: KEY_BYTES as u32,
        ..FormatOptions::default()
    };
    // Entries of this size a page has room for: the slots that the fill is a share of.
    let slots = slots_a_page(&options)?;
    let pages = (records as f64 / FILL / slots as f64).ceil() as u64;
    // The store's own records need some room beside the pages.
    let size_mib = (pages + 64) * u64::from(page_bytes) / (1 << 20) + 2;
    let machine = machine(&format!("model:?size={size_mib}MiB"), 1)?;
    let mut io = machine.pages(0, queue_options(255, CompletionMode::Polling))?;
    let report = format(
        &mut io,
        &FormatOptions {
            pages: Some(pages),
            ..options
        },
    )?;
    let predicted = report.prediction.context("records were expected")?;
    let mut client = Client::open(io, OpenOptions::default())?;
    let value = [0xa5; VALUE_BYTES];
    run_all(&mut client, 0..records, &mut |client, record| {
        let operation = Operation::Add {
            key: &key(record),
            value: &value,
            expires_unix_ms: None,
        };
        Ok(client.submit(operation).map(|_| ())?)
    })
    .with_context(|| format!("loading {records} records into {pages} pages of {kib} KiB"))?;

    let before = device_ios(&machine)?;
    let gets = records.min(200_000);
    let mut random = Pcg64::seed_from_u64(SEED);
    run_all(&mut client, 0..gets, &mut |client, _| {
        let record = random.random_range(0..records);
        Ok(client
            .submit(Operation::Get { key: &key(record) })
            .map(|_| ())?)
    })?;
    let after = device_ios(&machine)?;
    ensure!(after.1 == before.1, "GETs wrote to the device");
    Ok(vec![
        Figure::new(
            format!(
                "device reads a GET, {kib} KiB pages, {records} records of {VALUE_BYTES} bytes"
            ),
            (after.0 - before.0) as f64 / gets as f64,
            "reads",
            Must::AtMost(must),
        ),
        Figure::new(
            format!("the same, as `format` predicts, {kib} KiB"),
            predicted.reads_per_get,
            "reads",
            Must::Shown,
        ),
        Figure::new(
            format!("share of {kib} KiB pages' slots in use"),
            records as f64 / (pages * slots) as f64,
            "",
            Must::Within(FILL - 0.001, FILL + 0.001),
        ),
    ])
}

/// How many entries of this benchmark fit a page, as `format` tells for any store.
fn slots_a_page(options: &FormatOptions) -> Result<u64> {
    let machine = machine("model:?size=2MiB", 1)?;
    let mut io = machine.pages(0, queue_options(255, CompletionMode::Polling))?;
    let prediction = format(&mut io, options)?.prediction;
    let prediction = prediction.context("records were expected")?;
    Ok(prediction.entries_per_page.into())
}

/// Submits one operation for each number, [`OUTSTANDING`] at a time, and checks that all succeed.
fn run_all(
    client: &mut Client<Pages>,
    numbers: std::ops::Range<u64>,
    submit: &mut dyn FnMut(&mut Client<Pages>, u64) -> Result<()>,
) -> Result<()> {
    let mut todo = numbers;
    let mut failure = None;
    loop {
        while client.in_flight() < OUTSTANDING {
            let Some(number) = todo.next() else { break };
            submit(client, number)?;
        }
        if client.in_flight() == 0 {
            break;
        }
        let ended = client.poll_with(|_, outcome| match outcome {
            Ok(Outcome::Found { .. } | Outcome::Stored { .. }) => {}
            Ok(other) => failure = Some(format!("unexpected outcome {:?}", other.version())),
            Err(error) => failure = Some(error.to_string()),
        });
        if let Some(failure) = failure {
            anyhow::bail!(failure);
        }
        if ended == 0 {
            client.wait(u64::MAX);
        }
    }
    Ok(())
}
