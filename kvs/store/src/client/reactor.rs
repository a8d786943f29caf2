//! Moves operations on as the device finishes their I/Os.

use super::Client;
use super::advance::Written;
use super::read_ahead::place_of;
use super::slot::{Next, Slot, Which};
use super::step::{Ending, Step};
use crate::error::Error;
use crate::operation::{Outcome, Ticket};
use crate::page_store::{PageCompletion, PageOutcome, PageStore, PageStoreError, QueueFull};

/// Marks the image that an I/O is about in the two low bits of its tag; the slot is above.
fn tag_of(index: usize, which: Which, write: bool) -> u64 {
    let image = match which {
        Which::Home => 0,
        Which::Guest => 1,
        Which::Third => 2,
    };
    (index as u64) << 3 | u64::from(write) << 2 | image
}

fn which_of(tag: u64) -> Which {
    match tag & 3 {
        0 => Which::Home,
        1 => Which::Guest,
        _ => Which::Third,
    }
}

impl<P: PageStore> Client<P> {
    /// Moves everything on that can move without waiting, and hands outcomes out; gives back how
    /// many. A value found is copied: [`poll_with`](Self::poll_with) lends it in place.
    pub fn poll(&mut self, outcomes: &mut Vec<(Ticket, Result<Outcome, Error>)>) -> usize {
        self.poll_with(|ticket, result| {
            outcomes.push((ticket, result.map(Outcome::into_owned)));
        })
    }

    /// Like [`poll`](Self::poll), with the value found lent from the page the device wrote.
    pub fn poll_with(
        &mut self,
        mut on_outcome: impl FnMut(Ticket, Result<Outcome<&[u8]>, Error>),
    ) -> usize {
        let mut handed_out = self.finished.len();
        for (ticket, result) in self.finished.drain(..) {
            on_outcome(
                ticket,
                result.as_ref().map(Outcome::as_slice).map_err(Clone::clone),
            );
        }
        self.pump(&mut |ticket, result| {
            handed_out += 1;
            on_outcome(ticket, result);
        });
        handed_out
    }

    /// Takes completions in and moves their operations on.
    pub(super) fn pump(
        &mut self,
        on_outcome: &mut impl FnMut(Ticket, Result<Outcome<&[u8]>, Error>),
    ) {
        if self.unix_ms_at_open != 0 {
            let since_ms = self.store.now_ns().saturating_sub(self.opened_ns) / 1_000_000;
            self.env.now_unix_ms = self.unix_ms_at_open + since_ms;
        }
        if !self.sleeping.is_empty() {
            self.wake_sleepers(on_outcome);
        }
        for _ in 0..self.stalled.len() {
            let Some(index) = self.stalled.pop_front() else {
                break;
            };
            if let Some(next) = self.slots[index].stalled.take() {
                self.drive(index, next, on_outcome);
            }
        }
        let mut completions = std::mem::take(&mut self.completions);
        self.store.poll(&mut completions);
        for completion in completions.drain(..) {
            if let Some(place) = place_of(completion.tag) {
                self.take_ahead(place, completion, on_outcome);
                continue;
            }
            let (index, next) = self.take_in(completion);
            self.drive(index, next, on_outcome);
        }
        self.completions = completions;
        // Who waits on another client must find this one's commands sent, by one doorbell.
        self.store.ring();
    }

    fn wake_sleepers(
        &mut self,
        on_outcome: &mut impl FnMut(Ticket, Result<Outcome<&[u8]>, Error>),
    ) {
        let now_ns = self.store.now_ns();
        let mut at = 0;
        while let Some(index) = self.sleeping.get(at).copied() {
            if self.slots[index].wake_ns > now_ns {
                at += 1;
                continue;
            }
            self.sleeping.remove(at);
            let next = self.slots[index].start();
            self.drive(index, next, on_outcome);
        }
    }

    /// Puts a completion's buffers back into its slot and takes the slot's next step.
    fn take_in(&mut self, completion: PageCompletion<P::Buffer>) -> (usize, Next) {
        let PageCompletion {
            tag,
            buffer,
            new_buffer,
            result,
        } = completion;
        let index = usize::try_from(tag >> 3).expect("a tag of this client");
        let which = which_of(tag);
        let slot = &mut self.slots[index];
        let write = tag & 4 != 0;
        if !write {
            let image = slot.image(which);
            image.buffer = Some(buffer);
            let next = match result {
                Ok(_) => slot.on_read(&mut self.env, which),
                Err(source) => {
                    let (device, page) = (self.env.device.clone(), image.page);
                    slot.on_failed(
                        &mut self.env,
                        Error::Device {
                            device,
                            page,
                            source,
                        },
                    )
                }
            };
            return (index, next);
        }
        let written = match result {
            Ok(PageOutcome::Done) => Written::Done,
            Ok(PageOutcome::Miscompare) => {
                slot.cost.miscompares += 1;
                Written::Miscompare
            }
            Err(PageStoreError::OutcomeUnknown { reason }) => Written::Unknown {
                reason,
                device_gone: false,
            },
            Err(PageStoreError::DeviceGone { reason }) => Written::Unknown {
                reason,
                device_gone: true,
            },
            Err(source) => Written::Failed(source),
        };
        let image = slot.image(which);
        if matches!(written, Written::Done) {
            image.buffer = new_buffer;
            image.blank = false;
            slot.fresh = Some(buffer);
        } else {
            image.buffer = Some(buffer);
            slot.fresh = new_buffer;
        }
        (index, slot.on_written(&mut self.env, which, written))
    }

    /// Carries out what a slot wants next.
    pub(super) fn drive(
        &mut self,
        index: usize,
        next: Next,
        on_outcome: &mut impl FnMut(Ticket, Result<Outcome<&[u8]>, Error>),
    ) {
        let slot = &mut self.slots[index];
        match next {
            Next::Read(Which::Home, page) if slot.step == Step::ScanHome => {
                self.read_in_order(index, page, on_outcome);
            }
            Next::Read(which, page) => self.read(index, which, page),
            Next::Write(which) => {
                let new = slot.fresh.take().expect("the next image is in it");
                let image = slot.image(which);
                let block = image.page * self.blocks_per_page;
                let old = image.buffer.take().expect("no other I/O has the buffer");
                let tag = tag_of(index, which, true);
                match self.store.submit_compare_and_write(block, old, new, tag) {
                    Ok(()) => {
                        self.env.statistics.compare_and_writes += 1;
                        self.slots[index].cost.compare_and_writes += 1;
                    }
                    Err(QueueFull { buffer, new_buffer }) => {
                        image.buffer = Some(buffer);
                        slot.fresh = new_buffer;
                        self.stall(index, Next::Write(which));
                    }
                }
            }
            Next::Sleep(delay_ns) => {
                slot.wake_ns = self.store.now_ns().saturating_add(delay_ns);
                self.sleeping.push(index);
            }
            Next::Finish(ending) if slot.ahead.is_reading() => {
                // Its buffers have to come back first.
                slot.ahead.ending = Some(ending);
            }
            Next::Finish(ending) => {
                if let Some(costs) = &mut self.costs {
                    costs.push((Ticket(slot.ticket), slot.cost));
                }
                let result = outcome_of(slot, ending);
                if result.is_ok() {
                    self.env.statistics.operations += 1;
                } else {
                    self.env.statistics.errors += 1;
                }
                if !slot.discard {
                    on_outcome(Ticket(slot.ticket), result);
                }
                slot.ahead.reset();
                let changed = slot.request.is_update().then_some(slot.home_page);
                self.free.push(index);
                if let Some(page) = changed {
                    self.start_next_on(page, on_outcome);
                }
            }
        }
    }

    /// An update of `page` has ended: starts the next one that waits for it.
    fn start_next_on(
        &mut self,
        page: u64,
        on_outcome: &mut impl FnMut(Ticket, Result<Outcome<&[u8]>, Error>),
    ) {
        let waiting = |index: &usize| self.slots[*index].home_page == page;
        match self.lined_up.iter().position(waiting) {
            Some(at) => {
                let index = self.lined_up.remove(at).expect("a position of this queue");
                let next = self.slots[index].start();
                self.drive(index, next, on_outcome);
            }
            None => {
                let mut changing = self.pages_in_change.iter();
                let at = changing.position(|changing| *changing == page);
                let at = at.expect("its update was under way");
                self.pages_in_change.swap_remove(at);
            }
        }
    }

    /// Reads a page into an image of a slot.
    #[inline]
    pub(super) fn read(&mut self, index: usize, which: Which, page: u64) {
        let slot = &mut self.slots[index];
        let image = slot.image(which);
        image.page = page;
        let buffer = image.buffer.take().expect("no other I/O has the buffer");
        let tag = tag_of(index, which, false);
        match self
            .store
            .submit_read(page * self.blocks_per_page, buffer, tag)
        {
            Ok(()) => {
                self.env.statistics.reads += 1;
                slot.cost.reads += 1;
            }
            Err(full) => {
                image.buffer = Some(full.buffer);
                self.stall(index, Next::Read(which, page));
            }
        }
    }

    fn stall(&mut self, index: usize, next: Next) {
        self.slots[index].stalled = Some(next);
        self.stalled.push_back(index);
    }

    /// Gives way until something may have finished, at most until `deadline_ns` of the device's
    /// clock. An operation that is backing off ends the wait when its time has come.
    pub fn wait(&mut self, deadline_ns: u64) {
        if !self.finished.is_empty() {
            return;
        }
        self.store.wait(
            self.next_wake_ns()
                .map_or(deadline_ns, |wake_ns| wake_ns.min(deadline_ns)),
        );
    }

    /// When the first operation that is backing off goes on by itself; `None` while there is none.
    /// Who waits for several clients at once must wait no longer than that.
    pub fn next_wake_ns(&self) -> Option<u64> {
        self.sleeping
            .iter()
            .map(|index| self.slots[*index].wake_ns)
            .min()
    }

    /// Forgets an operation: it ends unseen.
    pub(crate) fn discard(&mut self, ticket: Ticket) {
        if let Some(at) = self
            .finished
            .iter()
            .position(|(finished, _)| *finished == ticket)
        {
            drop(self.finished.swap_remove(at));
            return;
        }
        let free = &self.free;
        let in_use = |index: &usize| !free.contains(index);
        let found = (0..self.slots.len())
            .find(|index| self.slots[*index].ticket == ticket.0 && in_use(index));
        if let Some(index) = found {
            self.slots[index].discard = true;
        }
    }

    /// Takes the outcome of `ticket`, if it is there.
    pub(crate) fn take_finished(&mut self, ticket: Ticket) -> Option<Result<Outcome, Error>> {
        let at = self
            .finished
            .iter()
            .position(|(finished, _)| *finished == ticket)?;
        Some(self.finished.swap_remove(at).1)
    }

    /// Moves everything on and keeps the outcomes.
    pub(crate) fn pump_and_keep(&mut self) {
        let mut finished = std::mem::take(&mut self.finished);
        self.pump(&mut |ticket, result| {
            finished.push((ticket, result.map(Outcome::into_owned)));
        });
        self.finished = finished;
    }
}

fn outcome_of<B>(slot: &Slot<B>, ending: Ending) -> Result<Outcome<&[u8]>, Error>
where
    B: std::ops::DerefMut<Target = [u8]>,
{
    Ok(match ending {
        Ending::Found {
            which,
            start,
            bytes,
            version,
            expires_unix_ms,
        } => {
            let image = if which == Which::Home {
                &slot.home
            } else {
                &slot.guest
            };
            let page = image
                .buffer
                .as_deref()
                .expect("no I/O on this image is in flight");
            Outcome::Found {
                version: crate::operation::Version(version),
                value: &page[start..start + bytes],
                expires_unix_ms: (expires_unix_ms != 0).then_some(expires_unix_ms),
            }
        }
        Ending::Missing(version) => Outcome::Missing { version },
        Ending::Stored(version) => Outcome::Stored { version },
        Ending::Deleted(version) => Outcome::Deleted { version },
        Ending::Exists(version) => Outcome::Exists { version },
        Ending::Mismatch(version) => Outcome::Mismatch { version },
        Ending::Scanned(page) => Outcome::Scanned(page),
        Ending::Failed(error) => return Err(error),
    })
}
