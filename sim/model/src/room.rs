//! Slots of completion queues: what the dispatcher may promise. A queue's room is looked at again when
//! anything of it has changed, a row a cycle, and known in the cycle after.

use pcie_host::endpoint::Cycle;

use crate::function::Function;
use crate::model::Model;
use crate::queue::CompletionQueue;
use crate::rows::RowSet;

/// Rows whose room has to be looked at again.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// The first cycle in which nothing has been looked at.
    at: Cycle,
    changed: RowSet,
}

impl Room {
    /// Looks at a row in each cycle before `until`.
    fn advance(&mut self, until: Cycle, functions: &mut [Function]) {
        while self.at < until {
            let Some((function, queue)) = self.changed.first() else {
                self.at = until;
                return;
            };
            self.changed.remove(function, queue);
            functions[function].completion[queue].look_at_room();
            self.at += 1;
        }
    }

    /// The function's queues are gone.
    pub(crate) const fn forget_function(&mut self, function: usize) {
        self.changed.remove_function(function);
    }
}

impl CompletionQueue {
    const fn look_at_room(&mut self) {
        self.room = if !self.can_reserve(1) {
            0
        } else if self.entries == 2 || self.can_reserve(2) {
            2
        } else {
            1
        };
    }

    /// Is there known to be room for the completions of a command? Of a pair, the smallest queue takes
    /// one half after the other.
    pub(crate) const fn has_room(&self, completions: u8) -> bool {
        self.live && !self.half_waits && self.room >= completions
    }
}

impl Model {
    /// Brings what is known up to what is seen in cycle `now`.
    pub(crate) fn advance_room(&mut self, now: Cycle) {
        self.room.advance(now, &mut self.functions);
    }

    pub(crate) const fn is_room_changing(&self) -> bool {
        !self.room.changed.is_empty()
    }

    /// A completion queue has changed, visibly from cycle `from` on. To be called before the change.
    pub(crate) fn room_changes(&mut self, function: usize, queue: u16, from: Cycle) {
        self.advance_room(from);
        self.room.changed.insert(function, usize::from(queue));
        // Seen by the dispatcher two cycles later at the earliest.
        if self.functions[function].ready_queues != 0 {
            self.kick_dispatch_at(from + 1);
        }
    }

    /// Promises slots to a command: until they are counted there are no others.
    pub(crate) fn reserve_slots(&mut self, function: usize, queue: u16, slots: u8) {
        self.room_changes(function, queue, self.now + 1);
        let completion = &mut self.functions[function].completion[usize::from(queue)];
        completion.reserved += u32::from(slots);
        completion.room = 0;
    }
}
