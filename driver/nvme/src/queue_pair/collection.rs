//! From completion queue entries to ended requests.

use nvme_spec::CompletionEntry;

use super::QueuePair;
use crate::command_table::Role;
use crate::completion::{Completion, Context, End, Outcome};
use crate::error::CommandKind;
use crate::report::{BogusCompletion, Distrust};
use crate::transport::Transport;

impl<T: Transport> QueuePair<T> {
    /// Believes a completion queue entry or reports it.
    #[inline]
    pub(super) fn accept(&mut self, entry: CompletionEntry) -> Option<Completion<T::Dma>> {
        let index = self.check(entry)?;
        let end = End {
            status: entry.status(),
            do_not_retry: entry.do_not_retry(),
        };
        let slot = self.table.slot(index);
        let (role, tag, command) = (slot.role, slot.tag, slot.command);
        match role {
            Role::Single => {
                let result = if end.status.is_success() {
                    Ok(Outcome::Done)
                } else {
                    self.context(index).single(end)
                };
                self.requests_in_flight -= 1;
                Some(Completion {
                    tag,
                    command,
                    buffer: self.table.release(index),
                    new_buffer: None,
                    result,
                })
            }
            Role::Compare { write } => self.half(index, index, write, end),
            Role::Write { compare } => self.half(index, compare, index, end),
            // `check` has let through commands in flight only.
            Role::Free => None,
        }
    }

    #[inline]
    fn check(&mut self, entry: CompletionEntry) -> Option<u16> {
        let distrust = if entry.submission_queue_id != self.queue_id {
            Distrust::WrongQueue
        } else {
            match self.table.find(entry.command_id()) {
                None => Distrust::UnknownCommandId,
                Some(_) if !self.submission.accept_head(entry.submission_head) => {
                    Distrust::HeadOutOfRange
                }
                found => return found,
            }
        };
        self.bogus.push(BogusCompletion {
            queue_id: self.queue_id,
            distrust,
            entry,
        });
        None
    }

    /// One command of a pair has ended; the pair is over with the other one.
    #[inline]
    fn half(
        &mut self,
        index: u16,
        compare: u16,
        write: u16,
        end: End,
    ) -> Option<Completion<T::Dma>> {
        self.table.slot(index).end = Some(end);
        let (Some(first), Some(second)) =
            (self.table.slot(compare).end, self.table.slot(write).end)
        else {
            return None;
        };
        let result = if first.status.is_success() && second.status.is_success() {
            Ok(Outcome::Done)
        } else {
            self.context(compare).pair(first.status, second.status)
        };
        let tag = self.table.slot(compare).tag;
        self.requests_in_flight -= 1;
        Some(Completion {
            tag,
            command: CommandKind::CompareAndWrite,
            new_buffer: self.table.release(write),
            buffer: self.table.release(compare),
            result,
        })
    }

    /// What an error message about the request in a slot needs.
    fn context(&mut self, index: u16) -> Context<'_> {
        let mut aborting = self.table.slot(index).aborting;
        if let Role::Compare { write } = self.table.slot(index).role {
            aborting |= self.table.slot(write).aborting;
        }
        Context {
            request: self.table.slot(index).request(),
            device: &self.shared.name,
            aborted_after_ns: aborting.then_some(self.options.command_timeout_ns),
        }
    }
}
