//! One queue pair that is kept full.

use anyhow::{Context, bail};
use nvme_driver::transport::Transport;
use nvme_driver::{Completion, DmaBuffer, Outcome, QueuePair};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

use super::real_time::{ClientLatencies, Stopwatch};
use super::stamp::{check_image, write_image};
use crate::args::RandomPattern;
use crate::outcome::CheckFailed;
use crate::ycsb::distribution::below;

/// Most places that the pairs of one queue change: enough that two in flight rarely meet, few
/// enough to fill and read back in no time.
const MOST_STAMPED_PLACES: u64 = 4096;

/// A command's tag: its place below, its ticket of the stopwatch above.
const PLACE_BITS: u32 = 48;
const PLACE_MASK: u64 = (1 << PLACE_BITS) - 1;

/// What a lane sends, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct LaneSetup {
    /// What to send.
    pub(super) pattern: RandomPattern,
    /// Pairs: what they compare with is wrong in one byte.
    pub(super) miscompare: bool,
    /// Commands (or pairs) in flight.
    pub(super) depth: usize,
    /// Blocks of a command.
    pub(super) blocks: u32,
    /// Bytes of a command.
    pub(super) bytes: usize,
    /// First block of the lane's own part of the device.
    pub(super) first_block: u64,
    /// Places of a command's size in it.
    pub(super) places: u64,
    /// Seed of the addresses.
    pub(super) seed: u64,
    /// Latencies are taken by the client's clock.
    pub(super) timed: bool,
}

/// A queue pair that is kept full, on a part of the device of its own.
pub(super) struct Lane<T: Transport> {
    queue: QueuePair<T>,
    setup: LaneSetup,
    random: Pcg64Mcg,
    buffers: Vec<DmaBuffer<T::Dma>>,
    ended: Vec<Completion<T::Dma>>,
    /// Pairs: how often each place was changed.
    counters: Vec<u32>,
    /// Pairs: is a pair on this place in flight?
    busy: Vec<bool>,
    in_flight: usize,
    /// Commands (or pairs) that ended well.
    pub(super) completed: u64,
    /// The same, when measuring began.
    completed_before: u64,
    stopwatch: Option<Stopwatch>,
}

impl<T: Transport> Lane<T> {
    /// Takes the queue pair, and fills the places of a [`RandomPattern::Caw`].
    pub(super) fn new(queue: QueuePair<T>, mut setup: LaneSetup) -> anyhow::Result<Self> {
        let stamped = setup.pattern == RandomPattern::Caw;
        if stamped {
            setup.places = setup.places.min(MOST_STAMPED_PLACES);
        }
        if setup.places < 2 * setup.depth as u64 {
            bail!(
                "{}: {} places of {} bytes a queue are too few for {} in flight; use a larger \
                 device (size=), or less --qd, --bs, --functions or --queues",
                queue.name(),
                setup.places,
                setup.bytes,
                setup.depth
            );
        }
        let stamped_places = if stamped { setup.places as usize } else { 0 };
        let mut lane = Self {
            queue,
            setup,
            random: Pcg64Mcg::seed_from_u64(setup.seed),
            buffers: Vec::new(),
            ended: Vec::with_capacity(2 * setup.depth),
            counters: vec![0; stamped_places],
            busy: vec![false; stamped_places],
            in_flight: 0,
            completed: 0,
            completed_before: 0,
            stopwatch: if setup.timed {
                Some(Stopwatch::new(setup.depth)?)
            } else {
                None
            },
        };
        lane.take_buffers(if stamped {
            2 * setup.depth
        } else {
            setup.depth
        })?;
        if stamped {
            lane.fill()?;
        }
        Ok(lane)
    }

    fn take_buffers(&mut self, count: usize) -> anyhow::Result<()> {
        for _ in 0..count {
            let Some(mut buffer) = self.queue.buffer(self.setup.bytes) else {
                bail!(
                    "{}: no memory for {count} buffers of {} bytes; use less --qd or --bs",
                    self.queue.name(),
                    self.setup.bytes
                );
            };
            write_image(self.setup.seed, u32::MAX, &mut buffer);
            self.buffers.push(buffer);
        }
        Ok(())
    }

    fn block_of(&self, place: u64) -> u64 {
        self.setup.first_block + place * u64::from(self.setup.blocks)
    }

    /// Gives way until something of this host may have happened.
    pub(super) fn give_way(&mut self) {
        let deadline_ns = self.queue.now_ns() + 1_000_000_000;
        self.queue.wait(deadline_ns);
    }

    fn buffer(&mut self) -> anyhow::Result<DmaBuffer<T::Dma>> {
        self.buffers
            .pop()
            .context("a buffer got lost in the driver")
    }

    fn refused(&self) -> anyhow::Error {
        anyhow::anyhow!(
            "{}: the queue is full before its depth is reached",
            self.queue.name()
        )
    }

    /// Runs `submit` for every place, `depth` at a time, and `check` for the buffers that come back.
    fn for_each_place(
        &mut self,
        submit: impl Fn(&mut Self, u64, DmaBuffer<T::Dma>) -> bool,
        check: impl Fn(&Self, u64, &[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (mut next, mut ended) = (0, 0);
        while ended < self.setup.places {
            while next < self.setup.places && next - ended < self.setup.depth as u64 {
                let buffer = self.buffer()?;
                if !submit(self, next, buffer) {
                    return Err(self.refused());
                }
                next += 1;
            }
            let mut completions = std::mem::take(&mut self.ended);
            if self.queue.poll(&mut completions) == 0 {
                self.give_way();
            }
            for completion in completions.drain(..) {
                completion.result?;
                let buffer = completion
                    .buffer
                    .context("a buffer got lost in the driver")?;
                check(self, completion.tag, &buffer)?;
                self.buffers.push(buffer);
                ended += 1;
            }
            self.ended = completions;
        }
        Ok(())
    }

    fn fill(&mut self) -> anyhow::Result<()> {
        self.for_each_place(
            |lane, place, mut buffer| {
                let block = lane.block_of(place);
                write_image(block, 0, &mut buffer);
                lane.queue
                    .submit_write(block, lane.setup.blocks, buffer, place)
                    .is_ok()
            },
            |_, _, _| Ok(()),
        )
    }

    /// Pairs: reads every place back; it must hold what the last successful pair wrote (the filling,
    /// where none had to succeed).
    pub(super) fn check_places(&mut self) -> anyhow::Result<()> {
        if self.setup.pattern != RandomPattern::Caw {
            return Ok(());
        }
        self.for_each_place(
            |lane, place, buffer| {
                let block = lane.block_of(place);
                lane.queue
                    .submit_read(block, lane.setup.blocks, buffer, place)
                    .is_ok()
            },
            |lane, place, found| {
                let block = lane.block_of(place);
                check_image(block, lane.counters[place as usize], found)
                    .map_err(|what| CheckFailed(format!("{}: {what}", lane.queue.name())).into())
            },
        )
    }

    /// What ends from now on counts.
    pub(super) fn start_measuring(&mut self) {
        self.completed_before = self.completed;
        if let Some(stopwatch) = &mut self.stopwatch {
            stopwatch.clear();
        }
    }

    /// Commands (or pairs) that have ended since then.
    pub(super) fn measured(&self) -> u64 {
        self.completed - self.completed_before
    }

    /// Their latencies, where the client takes them. No more are taken.
    pub(super) fn take_latencies(&mut self) -> Option<ClientLatencies> {
        self.stopwatch.take().map(Stopwatch::finish)
    }

    /// Fills the queue up to its depth and rings once.
    pub(super) fn top_up(&mut self) -> anyhow::Result<()> {
        if self.in_flight == self.setup.depth {
            return Ok(());
        }
        if let Some(stopwatch) = &mut self.stopwatch {
            stopwatch.look(self.queue.now_ns());
        }
        while self.in_flight < self.setup.depth {
            self.submit()?;
            self.in_flight += 1;
        }
        self.queue.ring();
        Ok(())
    }

    fn submit(&mut self) -> anyhow::Result<()> {
        let mut place = below(&mut self.random, self.setup.places);
        let blocks = self.setup.blocks;
        let ticket = self.stopwatch.as_mut().map_or(0, Stopwatch::start) << PLACE_BITS;
        let taken = match self.setup.pattern {
            RandomPattern::RandRead => {
                let (block, buffer) = (self.block_of(place), self.buffer()?);
                let tag = ticket | place;
                self.queue.submit_read(block, blocks, buffer, tag).is_ok()
            }
            RandomPattern::RandWrite => {
                let (block, buffer) = (self.block_of(place), self.buffer()?);
                self.queue
                    .submit_write(block, blocks, buffer, ticket | place)
                    .is_ok()
            }
            RandomPattern::Caw => {
                // Bounded: there are at least twice as many places as pairs in flight.
                while self.busy[place as usize] {
                    place = (place + 1) % self.setup.places;
                }
                self.busy[place as usize] = true;
                let block = self.block_of(place);
                let counter = self.counters[place as usize];
                let (mut old, mut new) = (self.buffer()?, self.buffer()?);
                write_image(block, counter, &mut old);
                write_image(block, counter + 1, &mut new);
                if self.setup.miscompare {
                    let wrong = below(&mut self.random, self.setup.bytes as u64);
                    old[wrong as usize] ^= 1;
                }
                self.queue
                    .submit_compare_and_write(block, blocks, old, new, ticket | place)
                    .is_ok()
            }
        };
        if taken { Ok(()) } else { Err(self.refused()) }
    }

    /// Takes what has ended; gives back how many.
    pub(super) fn collect(&mut self) -> anyhow::Result<usize> {
        let count = self.queue.poll(&mut self.ended);
        if let Some(stopwatch) = &mut self.stopwatch
            && count > 0
        {
            let now_ns = self.queue.now_ns();
            self.ended
                .iter()
                .for_each(|completion| stopwatch.stop(completion.tag >> PLACE_BITS, now_ns));
        }
        for completion in self.ended.drain(..) {
            let place = (completion.tag & PLACE_MASK) as usize;
            let miscompare = completion.result? == Outcome::Miscompare;
            if miscompare != self.setup.miscompare {
                let what = if miscompare {
                    "does not hold what was written there"
                } else {
                    "was changed by a pair that compared with something else"
                };
                bail!(CheckFailed(format!(
                    "{}: place {place} {what}",
                    self.queue.name(),
                )));
            }
            if let Some(counter) = self.counters.get_mut(place) {
                *counter += u32::from(!miscompare);
                self.busy[place] = false;
            }
            self.buffers.extend(completion.buffer);
            self.buffers.extend(completion.new_buffer);
        }
        self.in_flight -= count;
        self.completed += count as u64;
        Ok(count)
    }

    /// Waits until nothing is in flight.
    pub(super) fn drain(&mut self) -> anyhow::Result<()> {
        while self.in_flight > 0 {
            if self.collect()? == 0 {
                self.give_way();
            }
        }
        Ok(())
    }
}
