//! Asynchronous events (§5.2): held requests, pending events, masks.

use nvme_spec::async_event::{AsyncEvent, EventType};
use nvme_spec::log_page::LogPageId;

/// Asynchronous Event Requests that may be held at once (AERL + 1).
pub const EVENT_REQUESTS: usize = 4;

/// Events that wait for a request or for their mask; an event that is pending already is not
/// entered again, so the eight kinds of §5.2 could all be there.
const PENDING_EVENTS: usize = 8;

/// A held request that is to be completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventCompletion {
    /// Identifier of the Asynchronous Event Request, of submission queue 0.
    pub command_id: u16,
    /// CQE dword 0: the event.
    pub dword0: u32,
}

/// Events of one function.
#[derive(Clone, Default, Debug)]
pub(super) struct AsyncEvents {
    /// Command identifiers, oldest first.
    held: Fifo<u16, EVENT_REQUESTS>,
    /// Oldest first.
    pending: Fifo<AsyncEvent, PENDING_EVENTS>,
    /// By event type: one was reported, and its log page not read since.
    masked: [bool; 2],
}

impl AsyncEvents {
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Holds a request. False when as many as allowed are held.
    pub(super) fn hold(&mut self, command_id: u16) -> bool {
        self.held.push(command_id)
    }

    /// Takes a held request out. False when there is none of that identifier.
    pub(super) fn abort(&mut self, command_id: u16) -> bool {
        let found = self.held.position(|held| *held == command_id);
        found.is_some_and(|at| {
            self.held.remove(at);
            true
        })
    }

    /// Enters an event, unless the same one is pending already.
    pub(super) fn raise(&mut self, event: AsyncEvent) {
        if self.pending.position(|pending| *pending == event).is_none() {
            let entered = self.pending.push(event);
            debug_assert!(entered, "there are fewer kinds of events than places");
        }
    }

    /// The log page of an event type was read: that type may be reported again.
    pub(super) fn unmask(&mut self, page: LogPageId) {
        match page {
            LogPageId::ERROR_INFORMATION => self.masked[EventType::Error as usize] = false,
            LogPageId::HEALTH => self.masked[EventType::Health as usize] = false,
            _ => {}
        }
    }

    /// Pairs the most urgent event with the oldest request: errors before health, then by age; no
    /// event of a type that was reported and not cleared.
    pub(super) fn take_completion(&mut self) -> Option<EventCompletion> {
        if self.held.is_empty() {
            return None;
        }
        let at = [EventType::Error, EventType::Health]
            .into_iter()
            .filter(|kind| !self.masked[*kind as usize])
            .find_map(|kind| self.pending.position(|event| event.event_type == kind))?;
        let event = self.pending.remove(at)?;
        let command_id = self.held.remove(0)?;
        self.masked[event.event_type as usize] = true;
        Some(EventCompletion {
            command_id,
            dword0: event.to_dword0(),
        })
    }
}

/// A bounded queue, oldest first, with removal from the middle.
#[derive(Clone, Debug)]
struct Fifo<T, const N: usize> {
    places: [Option<T>; N],
    used: usize,
}

impl<T: Copy, const N: usize> Default for Fifo<T, N> {
    fn default() -> Self {
        Self {
            places: [None; N],
            used: 0,
        }
    }
}

impl<T: Copy, const N: usize> Fifo<T, N> {
    const fn is_empty(&self) -> bool {
        self.used == 0
    }

    fn push(&mut self, value: T) -> bool {
        let Some(place) = self.places.get_mut(self.used) else {
            return false;
        };
        *place = Some(value);
        self.used += 1;
        true
    }

    fn position(&self, is_it: impl Fn(&T) -> bool) -> Option<usize> {
        self.places
            .iter()
            .position(|place| place.as_ref().is_some_and(&is_it))
    }

    fn remove(&mut self, at: usize) -> Option<T> {
        let value = self.places.get_mut(at)?.take()?;
        self.places[at..self.used].rotate_left(1);
        self.used -= 1;
        Some(value)
    }
}
