//! The driver alone on the served device: random reads of 4 KiB, without the store.

use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use hdrhistogram::Histogram;
use nvme_driver::{Completion, DmaBuffer, QueuePair, Transport};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use rdstore_cli::ycsb::distribution::below;

use crate::contest::Contestant;
use crate::load::{Ledger, Load};
use crate::stint::{Measured, Stint};

const READ_BYTES: usize = 4096;
/// Writes in flight while the pages are filled.
const FILL_DEPTH: usize = 32;

/// One queue pair, and pages that it has written: a page that nobody has written is no page of DRAM
/// either, and is read faster than any other.
pub struct RandomReads<T: Transport> {
    queue: QueuePair<T>,
    first_page: u64,
    pages: u64,
    blocks_a_page: u32,
    buffers: Vec<DmaBuffer<T::Dma>>,
    ended: Vec<Completion<T::Dma>>,
    /// Page and beginning of the read of each place.
    started: Vec<Option<(u64, Instant)>>,
}

impl<T: Transport> RandomReads<T> {
    /// Fills `pages` pages of 4 KiB from page `first_page` on.
    ///
    /// # Errors
    /// Those of the driver.
    pub fn new(queue: QueuePair<T>, first_page: u64, pages: u64) -> Result<Self> {
        let mut reads = Self {
            blocks_a_page: (READ_BYTES as u32 / queue.info().block_bytes).max(1),
            queue,
            first_page,
            pages,
            buffers: Vec::new(),
            ended: Vec::new(),
            started: Vec::new(),
        };
        reads.fill()?;
        Ok(reads)
    }

    fn block_of(&self, page: u64) -> u64 {
        (self.first_page + page) * u64::from(self.blocks_a_page)
    }

    fn buffer(&mut self) -> Result<DmaBuffer<T::Dma>> {
        let buffer = self.buffers.pop();
        buffer
            .or_else(|| self.queue.buffer(READ_BYTES))
            .context("the driver has no buffer left")
    }

    /// Writes into each page, at both ends, which one it is.
    fn fill(&mut self) -> Result<()> {
        let (mut next, mut written) = (0, 0);
        while written < self.pages {
            while next < self.pages && next - written < FILL_DEPTH as u64 {
                let mut buffer = self.buffer()?;
                buffer.fill(0x5a);
                stamp(&mut buffer, next);
                let block = self.block_of(next);
                let taken = self
                    .queue
                    .submit_write(block, self.blocks_a_page, buffer, next);
                ensure!(
                    taken.is_ok(),
                    "the queue is full before its depth is reached"
                );
                next += 1;
            }
            self.queue.ring();
            if self.queue.poll(&mut self.ended) == 0 {
                self.queue.wait(u64::MAX);
            }
            for completion in self.ended.drain(..) {
                completion.result?;
                self.buffers.extend(completion.buffer);
                written += 1;
            }
        }
        Ok(())
    }

    fn submit(&mut self, random: &mut Pcg64Mcg, place: usize) -> Result<()> {
        let mut buffer = self.buffer()?;
        // No page of these.
        stamp(&mut buffer, u64::MAX);
        let page = below(random, self.pages);
        self.started[place] = Some((page, Instant::now()));
        let block = self.block_of(page);
        let taken = self
            .queue
            .submit_read(block, self.blocks_a_page, buffer, place as u64);
        ensure!(
            taken.is_ok(),
            "the queue is full before its depth is reached"
        );
        Ok(())
    }

    fn collect(&mut self, mut on_end: impl FnMut(usize, Instant)) -> Result<()> {
        if self.queue.poll(&mut self.ended) == 0 {
            self.queue.wait(u64::MAX);
            return Ok(());
        }
        for completion in self.ended.drain(..) {
            completion.result?;
            let buffer = completion.buffer.context("the driver has lost a buffer")?;
            let place = completion.tag as usize;
            let started = self.started.get_mut(place).and_then(Option::take);
            let (page, started) = started.context("a read has ended twice")?;
            ensure!(
                has_stamp(&buffer, page),
                "page {page} was read, and something else has come"
            );
            self.buffers.push(buffer);
            on_end(place, started);
        }
        Ok(())
    }
}

fn stamp(buffer: &mut [u8], page: u64) {
    let bytes = page.to_le_bytes();
    buffer[..bytes.len()].copy_from_slice(&bytes);
    buffer[READ_BYTES - bytes.len()..].copy_from_slice(&bytes);
}

fn has_stamp(buffer: &[u8], page: u64) -> bool {
    let bytes = page.to_le_bytes();
    buffer.starts_with(&bytes) && buffer.ends_with(&bytes)
}

impl<T: Transport> Contestant for RandomReads<T> {
    fn run(&mut self, _: &mut Ledger, _: &Load, first: usize, stint: &Stint) -> Result<Measured> {
        let histogram = || Histogram::new(3).map_err(|error| anyhow!("a histogram: {error:?}"));
        let mut measured = Measured {
            get_ns: histogram()?,
            update_ns: histogram()?,
            operations_per_s: 0.0,
            operations: 0,
            verified: 0,
            updates: 0,
        };
        let mut random = Pcg64Mcg::seed_from_u64(first as u64);
        self.started = vec![None; stint.outstanding];
        let mut free: Vec<usize> = (0..stint.outstanding).collect();
        let from = Instant::now() + stint.warm_up;
        let until = from + stint.measured;
        let (mut counted, mut last_end) = (0_u64, from);
        let mut over = false;
        while !over || free.len() < stint.outstanding {
            if !over && free.len() >= stint.batch {
                while let Some(place) = free.pop() {
                    self.submit(&mut random, place)?;
                }
                self.queue.ring();
            }
            let mut now = None;
            self.collect(|place, started| {
                let now = *now.get_or_insert_with(Instant::now);
                measured.operations += 1;
                measured.verified += 1;
                if now >= from && !over {
                    counted += 1;
                    last_end = now;
                    let ns = now.duration_since(started).as_nanos() as u64;
                    // It grows as far as 64 bits go.
                    let _ = measured.get_ns.record(ns);
                }
                free.push(place);
            })?;
            over |= counted > 0 && last_end >= until;
        }
        measured.operations_per_s = counted as f64 / last_end.duration_since(from).as_secs_f64();
        Ok(measured)
    }
}
