//! The admin queue pair: commands by ticket, Asynchronous Event Requests in the background.

use nvme_spec::{CompletionEntry, SubmissionEntry};

use crate::report::{AsyncEventReport, BogusCompletion, Distrust, Reports};
use crate::ring::{CompletionRing, SubmissionRing};
use crate::transport::{DmaMemory, Transport, TransportError};

/// Identifies an admin command until its completion has been taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ticket(u16);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Slot {
    Free,
    /// Somebody will come for the completion.
    Waiting,
    Done(CompletionEntry),
    /// Nobody will.
    Forgotten,
    /// An Asynchronous Event Request.
    Event,
}

pub(crate) struct AdminQueue<D> {
    pub(crate) submission: SubmissionRing<D>,
    pub(crate) completion: CompletionRing<D>,
    /// Command identifier = slot in the low byte, rounds of the slot in the high byte.
    slots: Vec<(u8, Slot)>,
    events: Reports<AsyncEventReport>,
    events_armed: usize,
    bogus: Reports<BogusCompletion>,
}

impl<D: DmaMemory> AdminQueue<D> {
    /// `entries` is 2 to 256.
    pub(crate) fn allocate<T: Transport<Dma = D>>(
        transport: &mut T,
        entries: u16,
        doorbells: (u64, u64),
    ) -> Result<Self, TransportError> {
        let entries = u32::from(entries);
        Ok(Self {
            submission: SubmissionRing::allocate(transport, entries, doorbells.0)?,
            completion: CompletionRing::allocate(transport, entries, entries - 1, doorbells.1)?,
            slots: vec![(0, Slot::Free); entries as usize - 1],
            events: Reports::new(),
            events_armed: 0,
            bogus: Reports::new(),
        })
    }

    /// Sends a command; `None` while all slots are in use.
    pub(crate) fn submit<T: Transport<Dma = D>>(
        &mut self,
        transport: &mut T,
        command: SubmissionEntry,
    ) -> Result<Option<Ticket>, TransportError> {
        self.send(transport, command, Slot::Waiting)
    }

    fn send<T: Transport<Dma = D>>(
        &mut self,
        transport: &mut T,
        command: SubmissionEntry,
        state: Slot,
    ) -> Result<Option<Ticket>, TransportError> {
        let Some(index) = self.slots.iter().position(|(_, slot)| *slot == Slot::Free) else {
            return Ok(None);
        };
        let (round, slot) = &mut self.slots[index];
        *slot = state;
        let command_id = (u16::from(*round) << 8) | index as u16;
        self.submission.post(command.with_command_id(command_id));
        self.submission.ring(transport)?;
        Ok(Some(Ticket(command_id)))
    }

    /// Keeps `count` Asynchronous Event Requests outstanding.
    pub(crate) fn arm_events<T: Transport<Dma = D>>(
        &mut self,
        transport: &mut T,
        count: usize,
    ) -> Result<(), TransportError> {
        while self.events_armed < count {
            let request = SubmissionEntry::async_event_request();
            if self.send(transport, request, Slot::Event)?.is_none() {
                break;
            }
            self.events_armed += 1;
        }
        Ok(())
    }

    /// Collects what the controller has completed.
    pub(crate) fn poll<T: Transport<Dma = D>>(
        &mut self,
        transport: &mut T,
    ) -> Result<(), TransportError> {
        for _ in 0..self.completion.entries() {
            let Some(entry) = self.completion.take() else {
                break;
            };
            self.accept(entry);
        }
        self.completion.report(transport)
    }

    fn accept(&mut self, entry: CompletionEntry) {
        let distrust = if entry.submission_queue_id != 0 {
            Distrust::WrongQueue
        } else if !self.submission.accept_head(entry.submission_head) {
            Distrust::HeadOutOfRange
        } else {
            match self.find(entry.command_id()) {
                Some((round, slot @ Slot::Waiting)) => {
                    *slot = Slot::Done(entry);
                    *round = round.wrapping_add(1);
                    return;
                }
                Some((round, slot @ Slot::Forgotten)) => {
                    *slot = Slot::Free;
                    *round = round.wrapping_add(1);
                    return;
                }
                Some((round, slot @ Slot::Event)) => {
                    *slot = Slot::Free;
                    *round = round.wrapping_add(1);
                    self.events_armed -= 1;
                    if entry.status().is_success() {
                        self.events.push(AsyncEventReport {
                            dword0: entry.dword0,
                        });
                    }
                    return;
                }
                _ => Distrust::UnknownCommandId,
            }
        };
        self.bogus.push(BogusCompletion {
            queue_id: 0,
            distrust,
            entry,
        });
    }

    /// The slot whose command of the present round carries this identifier.
    fn find(&mut self, command_id: u16) -> Option<(&mut u8, &mut Slot)> {
        let (round, slot) = self.slots.get_mut(usize::from(command_id & 0xff))?;
        (u16::from(*round) == command_id >> 8).then_some((round, slot))
    }

    /// The completion of a command, once; `None` until it is there.
    pub(crate) fn take(&mut self, ticket: Ticket) -> Option<CompletionEntry> {
        let (_, slot) = self.slots.get_mut(usize::from(ticket.0 & 0xff))?;
        match *slot {
            Slot::Done(entry) if entry.command_id() == ticket.0 => {
                *slot = Slot::Free;
                Some(entry)
            }
            _ => None,
        }
    }

    /// Nobody will come for this completion any more.
    pub(crate) fn forget(&mut self, ticket: Ticket) {
        if self.take(ticket).is_none()
            && let Some((_, slot @ Slot::Waiting)) = self.find(ticket.0)
        {
            *slot = Slot::Forgotten;
        }
    }

    /// Reports of asynchronous events since the last call.
    pub(crate) fn take_events(&mut self) -> Vec<AsyncEventReport> {
        self.events.take()
    }

    pub(crate) fn take_bogus(&mut self) -> Vec<BogusCompletion> {
        self.bogus.take()
    }

    /// As after allocation, events and reports kept. The controller must have been disabled.
    pub(crate) fn clear(&mut self) {
        self.submission.clear();
        self.completion.clear();
        for (round, slot) in &mut self.slots {
            *slot = Slot::Free;
            *round = round.wrapping_add(1);
        }
        self.events_armed = 0;
    }
}
