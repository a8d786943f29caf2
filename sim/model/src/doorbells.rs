//! Doorbells (NVMe 1.1 §3.1.11, §3.1.12): new tails and heads, and the events of wrong ones.

use nvme_spec::async_event::AsyncEvent;
use nvme_spec::doorbell::{self, Doorbell};
use pcie_host::endpoint::Cycle;

use crate::model::Model;
use crate::schedule::{Engine, NEVER};

/// A doorbell write on its way to the queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PendingDoorbell {
    at: Cycle,
    /// When it was on CQ.
    rung_at: Cycle,
    pub(crate) function: u8,
    offset: u32,
    value: u32,
}

impl Model {
    /// A write into the doorbell page.
    pub(crate) fn ring(&mut self, function: usize, offset: u64, value: u32) {
        let at = self.now + self.cq_wait + self.timing.doorbell_cycles;
        let doorbell = PendingDoorbell {
            at,
            rung_at: self.now,
            function: function as u8,
            offset: offset as u32,
            value,
        };
        self.doorbells.push_back(doorbell);
        self.schedule.no_later_than(Engine::Doorbells, at);
    }

    /// Doorbells that have arrived.
    pub(crate) fn run_doorbells(&mut self) {
        while let Some(doorbell) = self.doorbells.front().copied() {
            if doorbell.at > self.now {
                break;
            }
            self.doorbells.pop_front();
            self.apply_doorbell(doorbell);
        }
        let next = self.doorbells.front().map_or(NEVER, |doorbell| doorbell.at);
        self.schedule.set(Engine::Doorbells, next);
    }

    fn apply_doorbell(&mut self, doorbell: PendingDoorbell) {
        let function = usize::from(doorbell.function);
        // A controller that is disabled has no queues, and nobody to tell about it.
        if !self.functions[function].status.ready() || self.functions[function].draining {
            return;
        }
        let rung_at = doorbell.rung_at;
        let result = match doorbell::at_offset(u64::from(doorbell.offset)) {
            Some(Doorbell::SubmissionTail(queue)) => {
                self.set_tail(function, queue, doorbell.value, rung_at)
            }
            Some(Doorbell::CompletionHead(queue)) => self.set_head(function, queue, doorbell.value),
            None => Err(AsyncEvent::INVALID_DOORBELL_REGISTER),
        };
        if let Err(event) = result {
            self.admins[function].report_error_event(event);
            self.send_events(function);
        }
    }

    /// New tail of a submission queue. A value that is no slot, or that hands over nothing new
    /// (the same again, or past the head), is an error (§5.2 Figure 45) and changes nothing.
    fn set_tail(
        &mut self,
        function: usize,
        id: u16,
        value: u32,
        rung_at: Cycle,
    ) -> Result<(), AsyncEvent> {
        let row = &mut self.functions[function];
        let queue = row
            .submission
            .get_mut(usize::from(id))
            .filter(|queue| queue.live && !queue.deleting)
            .ok_or(AsyncEvent::INVALID_DOORBELL_REGISTER)?;
        if value >= queue.entries
            || queue.distance(queue.head, value) <= queue.distance(queue.head, queue.tail)
        {
            return Err(AsyncEvent::INVALID_DOORBELL_VALUE);
        }
        if self.trace.options.commands {
            let mut slot = queue.tail;
            while slot != value {
                if let Some(at) = queue.doorbell_at.get_mut(slot as usize) {
                    *at = rung_at;
                }
                slot = (slot + 1) % queue.entries;
            }
        }
        queue.tail = value;
        self.want_fetch(function, id);
        Ok(())
    }

    /// New head of a completion queue. A value that is no slot, or that consumes nothing or more than
    /// was posted, is an error and changes nothing.
    fn set_head(&mut self, function: usize, id: u16, value: u32) -> Result<(), AsyncEvent> {
        let row = &self.functions[function];
        let queue = row
            .completion
            .get(usize::from(id))
            .filter(|queue| queue.live)
            .ok_or(AsyncEvent::INVALID_DOORBELL_REGISTER)?;
        let consumed = if value >= queue.head {
            value - queue.head
        } else {
            value + queue.entries - queue.head
        };
        if value >= queue.entries || consumed == 0 || consumed > queue.posted() {
            return Err(AsyncEvent::INVALID_DOORBELL_VALUE);
        }
        self.room_changes(function, id, self.now);
        let row = &mut self.functions[function];
        row.completion[usize::from(id)].head = value;
        if row.completion_wait != 0 {
            self.post_waiting(function, id);
        }
        if id == 0 {
            self.tell_events(function);
        }
        Ok(())
    }
}
