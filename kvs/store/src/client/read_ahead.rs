//! A scan reads home pages ahead of the one it is at.
//!
//! That changes no guarantee of a scan: a key's home page never changes, each page's image is one
//! moment of it, and that moment is after the scan has begun. What the page names elsewhere is read
//! when the scan gets there; if it has moved by then, the home page is read again, for itself.

use std::ops::DerefMut;

use super::Client;
use super::slot::{Next, Which};
use super::step::{Ending, Request};
use crate::error::Error;
use crate::operation::{Outcome, Ticket};
use crate::page_store::{PageCompletion, PageStore};

/// Pages read ahead at most.
const MOST_AHEAD: usize = 8;

/// Tags of reads ahead: this bit, the place in seven bits below it, and the slot.
const AHEAD_TAG: u64 = 1 << 63;
const PLACE_SHIFT: u32 = 56;

fn tag_of(index: usize, place: usize) -> u64 {
    AHEAD_TAG | (place as u64) << PLACE_SHIFT | index as u64
}

/// Slot and place of a read ahead; `None` for the tag of another I/O.
#[inline]
pub(super) fn place_of(tag: u64) -> Option<(usize, usize)> {
    if tag & AHEAD_TAG == 0 {
        return None;
    }
    let index = tag & ((1 << PLACE_SHIFT) - 1);
    let place = (tag & !AHEAD_TAG) >> PLACE_SHIFT;
    Some((usize::try_from(index).ok()?, usize::try_from(place).ok()?))
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Empty,
    /// The device has the buffer.
    Reading(u64),
    Ready(u64),
}

#[derive(Debug)]
struct Place<B> {
    state: State,
    /// `None` only while the device has it.
    buffer: Option<B>,
}

/// The pages that one scan has read ahead.
#[derive(Debug)]
pub(super) struct ReadAhead<B> {
    places: Vec<Place<B>>,
    /// The page that the scan waits for.
    awaited: Option<u64>,
    /// How the scan has ended, while reads are on their way.
    pub(super) ending: Option<Ending>,
    /// Home pages that the scan has been at.
    pages: usize,
}

impl<B> Default for ReadAhead<B> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            awaited: None,
            ending: None,
            pages: 0,
        }
    }
}

impl<B: DerefMut<Target = [u8]>> ReadAhead<B> {
    /// Ends with the scan. The buffers go back: whoever comes next may not be a scan.
    pub(super) fn reset(&mut self) {
        debug_assert!(!self.is_reading());
        self.places.clear();
        self.awaited = None;
        self.pages = 0;
    }

    /// Reads are on their way.
    #[inline]
    pub(super) fn is_reading(&self) -> bool {
        self.places
            .iter()
            .any(|place| matches!(place.state, State::Reading(_)))
    }

    fn find(&self, state: State) -> Option<usize> {
        self.places.iter().position(|place| place.state == state)
    }

    /// How many pages to read ahead: none at first and two more with each page, so that a short scan
    /// reads few in vain, and no more than the scan will need if they are as full as those before.
    fn wanted(&self, found: usize, limit: usize) -> usize {
        let remaining = limit.saturating_sub(found);
        let needed = remaining
            .saturating_mul(self.pages)
            .checked_div(found)
            .unwrap_or(MOST_AHEAD);
        let ramp = 2 * self.pages.saturating_sub(1);
        ramp.min(needed).min(MOST_AHEAD)
    }
}

impl<P: PageStore> Client<P> {
    /// Brings a scan its next home page: one that was read ahead, or by reading it.
    pub(super) fn read_in_order(
        &mut self,
        index: usize,
        page: u64,
        on_outcome: &mut impl FnMut(Ticket, Result<Outcome<&[u8]>, Error>),
    ) {
        let slot = &mut self.slots[index];
        slot.ahead.pages += 1;
        if slot.ahead.find(State::Reading(page)).is_some() {
            slot.ahead.awaited = Some(page);
            self.read_ahead(index, page);
            return;
        }
        let Some(at) = slot.ahead.find(State::Ready(page)) else {
            self.read(index, Which::Home, page);
            // A device that has no room for this read has none for more.
            if self.slots[index].stalled.is_none() {
                self.read_ahead(index, page);
            }
            return;
        };
        let place = &mut slot.ahead.places[at];
        place.state = State::Empty;
        std::mem::swap(&mut place.buffer, &mut slot.home.buffer);
        slot.home.page = page;
        self.read_ahead(index, page);
        let next = self.slots[index].on_read(&mut self.env, Which::Home);
        self.drive(index, next, on_outcome);
    }

    /// Starts reads of the pages behind `page`.
    fn read_ahead(&mut self, index: usize, page: u64) {
        let slot = &mut self.slots[index];
        let Request::Scan { limit } = slot.request else {
            return;
        };
        let wanted = slot.ahead.wanted(slot.scanned_before, limit) as u64;
        let end = self.env.hasher.end().min(page.saturating_add(1 + wanted));
        for page in page + 1..end {
            let ahead = &mut slot.ahead;
            if ahead.find(State::Reading(page)).is_some()
                || ahead.find(State::Ready(page)).is_some()
            {
                continue;
            }
            let at = ahead.find(State::Empty).unwrap_or(ahead.places.len());
            if at == ahead.places.len() {
                if at == MOST_AHEAD {
                    return;
                }
                // No memory to spare is no error: the scan reads page by page.
                let Some(buffer) = self.store.buffer(self.page_bytes) else {
                    return;
                };
                ahead.places.push(Place {
                    state: State::Empty,
                    buffer: Some(buffer),
                });
            }
            let place = &mut ahead.places[at];
            let Some(buffer) = place.buffer.take() else {
                return;
            };
            let block = page * self.blocks_per_page;
            match self.store.submit_read(block, buffer, tag_of(index, at)) {
                Ok(()) => {
                    place.state = State::Reading(page);
                    self.env.statistics.reads += 1;
                    slot.cost.reads += 1;
                }
                Err(full) => {
                    place.buffer = Some(full.buffer);
                    return;
                }
            }
        }
    }

    /// A read ahead has ended.
    pub(super) fn take_ahead(
        &mut self,
        (index, at): (usize, usize),
        completion: PageCompletion<P::Buffer>,
        on_outcome: &mut impl FnMut(Ticket, Result<Outcome<&[u8]>, Error>),
    ) {
        let slot = &mut self.slots[index];
        let place = &mut slot.ahead.places[at];
        let State::Reading(page) = place.state else {
            unreachable!("this place has a read on its way");
        };
        place.buffer = Some(completion.buffer);
        // A page that could not be read is read again when the scan gets there, and told then.
        place.state = match completion.result {
            Ok(_) => State::Ready(page),
            Err(_) => State::Empty,
        };
        if slot.ahead.ending.is_some() {
            if !slot.ahead.is_reading()
                && let Some(ending) = slot.ahead.ending.take()
            {
                self.drive(index, Next::Finish(ending), on_outcome);
            }
        } else if slot.ahead.awaited == Some(page) {
            slot.ahead.awaited = None;
            slot.ahead.pages -= 1;
            self.read_in_order(index, page, on_outcome);
        }
    }
}
