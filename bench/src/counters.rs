//! Clients incrementing shared counters: nothing may be lost.

use anyhow::{Context, Result, bail};
use nvme_driver::CompletionMode;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use rdstore::{Client, FormatOptions, OpenOptions, Operation, Outcome, Ticket, Version};
use rdstore_cli::machine::{Pages, queue_options};

use crate::figure::{Figure, Must};
use crate::io_counts::{machine, store};

const COUNTERS: u64 = 1000;
/// Increments that each client has under way at once.
const OUTSTANDING: usize = 4;

/// One increment: read, then compare-and-swap by version, begun again when another was faster.
enum Step {
    Reading(Ticket, u64),
    Swapping(Ticket, u64),
}

struct Incrementer {
    client: Client<Pages>,
    random: Pcg64,
    todo: u64,
    steps: Vec<Step>,
    lost_races: u64,
}

pub(crate) fn run(smoke: bool) -> Result<Vec<Figure>> {
    let increments: u64 = if smoke { 100_000 } else { 1_000_000 };
    let mut figures = Vec::new();
    for clients in 2..=7 {
        figures.extend(increment(clients, increments)?);
    }
    Ok(figures)
}

fn key(counter: u64) -> [u8; 8] {
    counter.to_le_bytes()
}

fn increment(clients: usize, increments: u64) -> Result<Vec<Figure>> {
    let machine = machine("model:?size=64MiB", clients)?;
    let mut setup = store(
        &machine,
        &FormatOptions {
            known_blank: true,
            seed: 7,
            ..FormatOptions::default()
        },
    )?;
    for counter in 0..COUNTERS {
        setup.put(&key(counter), &0_u64.to_le_bytes())?;
    }
    drop(setup.close()?);
    let mut incrementers = (0..clients)
        .map(|n| {
            let pages = machine.pages(n, queue_options(63, CompletionMode::Polling))?;
            Ok(Incrementer {
                client: Client::open(
                    pages,
                    OpenOptions {
                        seed: n as u64,
                        ..OpenOptions::default()
                    },
                )?,
                random: Pcg64::seed_from_u64(n as u64),
                todo: increments / clients as u64
                    + u64::from((n as u64) < increments % clients as u64),
                steps: Vec::new(),
                lost_races: 0,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    loop {
        let mut moved = false;
        for incrementer in &mut incrementers {
            moved |= incrementer.advance()?;
        }
        if incrementers
            .iter()
            .all(|i| i.todo == 0 && i.steps.is_empty())
        {
            break;
        }
        if !moved {
            incrementers[0].client.wait(u64::MAX);
        }
    }
    let mut sum = 0;
    for counter in 0..COUNTERS {
        sum += match incrementers[0].client.get(&key(counter))? {
            Outcome::Found { value, .. } => number(&value)?,
            other => bail!("counter {counter} is gone: {other:?}"),
        };
    }
    let miscompares: u64 = machine.counters()?.iter().map(|row| row.miscompares).sum();
    let races: u64 = incrementers.iter().map(|i| i.lost_races).sum();
    Ok(vec![
        Figure::new(
            format!("{clients} clients: lost of {increments} increments"),
            increments as f64 - sum as f64,
            "increments",
            Must::Exactly(0.0),
        ),
        Figure::new(
            format!("{clients} clients: miscompares"),
            miscompares as f64,
            "pairs",
            Must::MoreThan(0.0),
        ),
        Figure::new(
            format!("{clients} clients: swaps lost to another client"),
            races as f64,
            "swaps",
            Must::Shown,
        ),
    ])
}

fn number(value: &[u8]) -> Result<u64> {
    Ok(u64::from_le_bytes(
        value.try_into().context("a counter has eight bytes")?,
    ))
}

impl Incrementer {
    /// Starts what can be started and takes what has ended; true when anything moved.
    fn advance(&mut self) -> Result<bool> {
        let mut moved = false;
        while self.steps.len() < OUTSTANDING && self.todo > 0 {
            self.todo -= 1;
            let counter = self.random.random_range(0..COUNTERS);
            self.read(counter)?;
            moved = true;
        }
        let mut ended = Vec::new();
        self.client.poll(&mut ended);
        for (ticket, outcome) in ended {
            moved = true;
            let at = self
                .steps
                .iter()
                .position(|step| match step {
                    Step::Reading(t, _) | Step::Swapping(t, _) => *t == ticket,
                })
                .context("an outcome that nobody asked for")?;
            match (self.steps.swap_remove(at), outcome?) {
                (Step::Reading(_, counter), Outcome::Found { version, value, .. }) => {
                    self.swap(counter, version, number(&value)? + 1)?;
                }
                (Step::Swapping(..), Outcome::Stored { .. }) => {}
                (Step::Swapping(_, counter), Outcome::Mismatch { .. }) => {
                    self.lost_races += 1;
                    self.read(counter)?;
                }
                (_, other) => bail!("unexpected outcome {other:?}"),
            }
        }
        Ok(moved)
    }

    fn read(&mut self, counter: u64) -> Result<()> {
        let ticket = self.client.submit(Operation::Get { key: &key(counter) })?;
        self.steps.push(Step::Reading(ticket, counter));
        Ok(())
    }

    fn swap(&mut self, counter: u64, expected: Version, value: u64) -> Result<()> {
        let ticket = self.client.submit(Operation::CompareAndSwap {
            key: &key(counter),
            expected,
            value: &value.to_le_bytes(),
            expires_unix_ms: None,
        })?;
        self.steps.push(Step::Swapping(ticket, counter));
        Ok(())
    }
}
