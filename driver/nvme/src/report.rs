//! What the driver noticed beside the results of commands: completions it did not trust, and
//! asynchronous events.

use std::collections::VecDeque;

use nvme_spec::CompletionEntry;
use nvme_spec::async_event::AsyncEvent;
use nvme_spec::log_page::LogPageId;

/// Why a completion queue entry was not believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Distrust {
    /// No command with this identifier is in flight: unknown, late, or answered twice.
    UnknownCommandId,
    /// It names another submission queue.
    WrongQueue,
    /// Its SQ head lies outside what was submitted.
    HeadOutOfRange,
    /// It was found in this slot of the ring, beyond one that is still empty.
    Misplaced(u32),
}

/// A completion queue entry that was not believed. It ended no command: the command it may have
/// been meant for times out and is then recovered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BogusCompletion {
    /// The queue it came from; 0 is the admin queue.
    pub queue_id: u16,
    /// What was wrong with it.
    pub distrust: Distrust,
    /// The entry; all zero for [`Distrust::Misplaced`].
    pub entry: CompletionEntry,
}

/// The latest reports of one kind and the number of all.
#[derive(Debug)]
pub(crate) struct Reports<R> {
    latest: VecDeque<R>,
    pub(crate) count: u64,
}

impl<R> Reports<R> {
    const KEPT: usize = 64;

    pub(crate) const fn new() -> Self {
        Self {
            latest: VecDeque::new(),
            count: 0,
        }
    }

    #[cold]
    pub(crate) fn push(&mut self, report: R) {
        if self.latest.len() == Self::KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back(report);
        self.count += 1;
    }

    pub(crate) fn take(&mut self) -> Vec<R> {
        self.latest.drain(..).collect()
    }
}

/// An asynchronous event of the controller (NVMe 1.1 §5.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AsyncEventReport {
    /// Dword 0 of its completion.
    pub dword0: u32,
}

impl AsyncEventReport {
    /// Type of the event: 0 error, 1 health, 6 command set, 7 vendor.
    pub const fn event_type(self) -> u8 {
        (self.dword0 & 0x7) as u8
    }

    /// The event within its type.
    pub const fn information(self) -> u8 {
        (self.dword0 >> 8) as u8
    }

    /// The log page that tells more.
    pub const fn log_page(self) -> LogPageId {
        LogPageId((self.dword0 >> 16) as u8)
    }

    /// Is it this one?
    pub fn is(self, event: AsyncEvent) -> bool {
        self.dword0 == event.to_dword0()
    }
}
