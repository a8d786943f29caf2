//! What happens to a queue pair when commands time out, the controller is reset or goes away.
//!
//! A command past its deadline gets an Abort; if that does not end it, the controller is reset; if
//! that does not work, the function. Everything here is off the hot path.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use nvme_spec::CompletionEntry;

use super::{PendingAbort, QueuePair};
use crate::buffer::DmaBuffer;
use crate::command_table::Role;
use crate::completion::{Completion, QueueFull};
use crate::error::{CommandKind, DriverError, Request, ResetReason};
use crate::function::{FAILED, Function, Shared};
use crate::options::CompletionMode;
use crate::report::{BogusCompletion, Distrust};
use crate::transport::{Transport, TransportError};

impl<T: Transport> QueuePair<T> {
    /// Looks after resets, Aborts and deadlines.
    #[cold]
    pub(super) fn attend(&mut self) {
        let shared = Arc::clone(&self.shared);
        let now_ns = self.transport.now_ns();
        let reset =
            |shared: &Shared<T>| shared.generation.load(Ordering::Acquire) != self.generation;
        let overdue = self.requests_in_flight != 0 && now_ns >= self.earliest_deadline_ns;
        if !reset(&shared) && !overdue && self.aborts.is_empty() {
            return;
        }
        let mut function = shared.lock();
        // Looked at again behind the lock: a reset by another queue pair may just have ended.
        if !reset(&shared) {
            match self.abort_overdue(&mut function, now_ns) {
                Ok(None) => return,
                // The error of a reset is kept by the function and found by its generation.
                Ok(Some(reason)) => drop(function.reset(reason)),
                Err(error) if error.is_fatal() => {}
                Err(_) => drop(function.reset(ResetReason::AdminTimeout)),
            }
        }
        self.after_reset(&mut function);
    }

    /// Sends Aborts for what is overdue. Gives back a reason when only a reset can help.
    fn abort_overdue(
        &mut self,
        function: &mut Function<T>,
        now_ns: u64,
    ) -> Result<Option<ResetReason>, DriverError> {
        if !self.aborts.is_empty() {
            function.poll()?;
            let before = self.aborts.len();
            self.aborts
                .retain(|abort| !function.take_abort(abort.ticket));
            if self.aborts.iter().any(|abort| now_ns >= abort.deadline_ns) {
                return Ok(Some(ResetReason::CommandTimeout));
            }
            if self.aborts.len() == before && now_ns < self.earliest_deadline_ns {
                return Ok(None);
            }
        }
        let overdue: Vec<(u16, bool)> = self
            .table
            .unanswered()
            .filter(|(_, slot)| slot.deadline_ns <= now_ns)
            .map(|(index, slot)| (index, slot.aborting))
            .collect();
        if overdue.iter().any(|&(_, aborting)| aborting) {
            return Ok(Some(ResetReason::CommandTimeout));
        }
        if !overdue.is_empty() {
            let status = function.status().map_err(|error| function.note(error))?;
            if status.fatal() {
                return Ok(Some(ResetReason::FatalStatus));
            }
            if !status.ready() {
                return Ok(Some(ResetReason::FoundDisabled));
            }
            self.report_misplaced();
        }
        let abort_deadline_ns = now_ns.saturating_add(self.options.abort_timeout_ns);
        let mut earliest_ns = u64::MAX;
        for (index, _) in overdue {
            let command_id = self.table.command_id(index);
            // Where the controller takes no further Abort now, the next answered one makes room.
            if let Some(ticket) = function.submit_abort(self.queue_id, command_id)? {
                let slot = self.table.slot(index);
                slot.aborting = true;
                slot.deadline_ns = abort_deadline_ns;
                self.aborts.push(PendingAbort {
                    ticket,
                    deadline_ns: abort_deadline_ns,
                });
            }
            earliest_ns = abort_deadline_ns;
        }
        for (_, slot) in self
            .table
            .unanswered()
            .filter(|(_, slot)| slot.deadline_ns > now_ns)
        {
            earliest_ns = earliest_ns.min(slot.deadline_ns);
        }
        for abort in &self.aborts {
            earliest_ns = earliest_ns.min(abort.deadline_ns);
        }
        self.earliest_deadline_ns = earliest_ns;
        Ok(None)
    }

    fn report_misplaced(&mut self) {
        if let Some(slot) = self.completion.misplaced() {
            self.bogus.push(BogusCompletion {
                queue_id: self.queue_id,
                distrust: Distrust::Misplaced(slot),
                entry: CompletionEntry::default(),
            });
        }
    }

    /// The controller was reset, by whomever: fails what was in flight and creates the queues again.
    fn after_reset(&mut self, function: &mut Function<T>) {
        self.generation = self.shared.generation.load(Ordering::Acquire);
        self.aborts.clear();
        if self.generation == FAILED {
            let error = function
                .check()
                .err()
                .unwrap_or_else(|| DriverError::DeviceGone {
                    device: Arc::clone(&self.shared.name),
                    reason: "the function was given up".into(),
                });
            self.fail_in_flight(|_| error.clone());
            self.failure = Some(error);
            return;
        }
        let (device, reason) = (Arc::clone(&self.shared.name), function.last_reset);
        self.fail_in_flight(|request| DriverError::ControllerReset {
            device: Arc::clone(&device),
            request,
            reason,
        });
        self.submission.clear();
        self.completion.clear();
        let created = self.enable_interrupt().and_then(|()| {
            function.create_queues(
                self.queue_id,
                &self.completion,
                &self.submission,
                self.options.completion,
            )
        });
        if let Err(error) = created {
            let error = function.note(error);
            // A device that was gone once more and is back is looked after by the next poll.
            if self.shared.generation.load(Ordering::Acquire) == self.generation || error.is_fatal()
            {
                self.failure = Some(error);
            }
        }
    }

    pub(crate) fn enable_interrupt(&mut self) -> Result<(), DriverError> {
        if self.options.completion == CompletionMode::Msix {
            self.transport.enable_interrupt(self.queue_id)?;
        }
        Ok(())
    }

    /// Ends every request in flight. The controller has been stopped, is gone, or has failed; in
    /// the last case it may still write the buffers, so others take their place.
    fn fail_in_flight(&mut self, error: impl Fn(Request) -> DriverError) {
        for index in self.table.requests() {
            let slot = self.table.slot(index);
            let (role, tag, request) = (slot.role, slot.tag, slot.request());
            let error = error(request);
            let unsafe_to_reuse = matches!(error, DriverError::ControllerFailed { .. });
            let new_buffer = match role {
                Role::Compare { write } => self.table.release(write),
                _ => None,
            };
            let mut buffers = [self.table.release(index), new_buffer];
            if unsafe_to_reuse {
                buffers = buffers.map(|buffer| self.retain_and_replace(buffer));
            }
            let [buffer, new_buffer] = buffers;
            self.failed.push_back(Completion {
                tag,
                command: request.command,
                buffer,
                new_buffer,
                result: Err(error),
            });
        }
        self.requests_in_flight = 0;
        self.earliest_deadline_ns = u64::MAX;
    }

    fn retain_and_replace(
        &mut self,
        buffer: Option<DmaBuffer<T::Dma>>,
    ) -> Option<DmaBuffer<T::Dma>> {
        let buffer = buffer?;
        let replacement = self.pool.replace(buffer.len(), &mut self.transport);
        self.retained.push(buffer);
        replacement
    }

    /// Takes a request that cannot be sent: it comes back failed from the next poll.
    #[cold]
    pub(super) fn refuse(
        &mut self,
        request: Request,
        tag: u64,
        buffer: Option<DmaBuffer<T::Dma>>,
        new_buffer: Option<DmaBuffer<T::Dma>>,
    ) -> Result<(), QueueFull<T::Dma>> {
        if self.failed.len() >= self.capacity() as usize {
            return Err(QueueFull { buffer, new_buffer });
        }
        let error = self
            .failure
            .clone()
            .unwrap_or_else(|| DriverError::InvalidRequest {
                device: Arc::clone(&self.shared.name),
                request,
                reason: self.objection(request, [&buffer, &new_buffer]).into(),
            });
        self.failed.push_back(Completion {
            tag,
            command: request.command,
            buffer,
            new_buffer,
            result: Err(error),
        });
        Ok(())
    }

    fn objection(&self, request: Request, buffers: [&Option<DmaBuffer<T::Dma>>; 2]) -> String {
        if request.command == CommandKind::CompareAndWrite {
            if !self.info.supports_compare_and_write {
                return "the controller has no fused Compare-and-Write (FUSES bit 0)".into();
            }
            let limit = self.info.atomic_compare_and_write_blocks;
            if request.blocks > limit {
                return format!("a Compare-and-Write has at most {limit} blocks here (ACWU)");
            }
        }
        let foreign = |buffer: &DmaBuffer<T::Dma>| !buffer.belongs_to(&self.shared.name);
        if buffers.into_iter().flatten().any(foreign) {
            return "the buffer belongs to another controller; take it from this one's queue pairs"
                .into();
        }
        let room = buffers
            .into_iter()
            .flatten()
            .map(|buffer| buffer.len())
            .min()
            .unwrap_or(0);
        format!(
            "the buffer holds 1 to {} blocks of {} bytes",
            room >> self.block_shift,
            self.info.block_bytes
        )
    }

    /// A doorbell or a wait did not go through: the function is lost to this driver, unless it comes back.
    #[cold]
    pub(super) fn transport_failed(&mut self, error: TransportError) {
        let shared = Arc::clone(&self.shared);
        let mut function = shared.lock();
        if shared.generation.load(Ordering::Acquire) != self.generation {
            // Another queue pair has met it before, and what could be done is done.
            return;
        }
        let error = match DriverError::from(error) {
            fatal if fatal.is_fatal() => fatal,
            other => DriverError::ControllerFailed {
                device: Arc::clone(&shared.name),
                reason: other.to_string().into(),
            },
        };
        function.fail(error);
    }
}

impl<T: Transport> Drop for QueuePair<T> {
    /// Deletes the queues, so that the controller leaves their memory and the buffers alone before
    /// they are unmapped.
    fn drop(&mut self) {
        let shared = Arc::clone(&self.shared);
        let mut function = shared.lock();
        let live =
            self.failure.is_none() && shared.generation.load(Ordering::Acquire) == self.generation;
        if live {
            for abort in self.aborts.drain(..) {
                function.forget_abort(abort.ticket);
            }
            // An error here means that a reset has deleted them, or that the device is gone.
            let _ = function.delete_queues(self.queue_id);
        }
        function.release_queue_id(self.queue_id);
    }
}
