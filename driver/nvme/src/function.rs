//! One function's controller behind its admin queue: registers, admin commands, reset.
//!
//! Everything here is the cold path. It sits behind a mutex that all queue pairs of the function
//! share; the hot path looks at the generation only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nvme_spec::register::Capabilities;
use nvme_spec::{CompletionEntry, MEMORY_PAGE_BYTES, SubmissionEntry};

use crate::admin_queue::{AdminQueue, Ticket};
use crate::error::{DriverError, ResetReason};
use crate::memory::DmaRegion;
use crate::options::ControllerOptions;
use crate::transport::{Transport, TransportError};

/// Bytes that one admin command can transfer.
pub(crate) const ADMIN_DATA_BYTES: usize = MEMORY_PAGE_BYTES;
/// How often in a row a function may go while it is brought up after it was gone.
const TRIES: u32 = 4;
/// Most Asynchronous Event Requests kept outstanding.
const ASYNC_EVENT_REQUESTS: usize = 4;

/// What the controller and all queue pairs of a function share.
pub(crate) struct Shared<T: Transport> {
    /// Rises with each controller reset; [`FAILED`] once the function is given up.
    pub(crate) generation: Arc<AtomicU64>,
    pub(crate) name: Arc<str>,
    function: Mutex<Function<T>>,
}

/// The generation of a function that was given up.
pub(crate) const FAILED: u64 = u64::MAX;

impl<T: Transport> Shared<T> {
    pub(crate) fn new(function: Function<T>) -> Self {
        Self {
            generation: Arc::clone(&function.generation),
            name: Arc::clone(&function.name),
            function: Mutex::new(function),
        }
    }

    /// The cold path. A client that panicked in it left nothing half-done that a reset would not mend.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Function<T>> {
        self.function.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cold half of a controller.
pub(crate) struct Function<T: Transport> {
    pub(crate) transport: T,
    pub(crate) name: Arc<str>,
    pub(crate) options: ControllerOptions,
    pub(crate) capabilities: Capabilities,
    pub(crate) queue: AdminQueue<T::Dma>,
    pub(crate) data: DmaRegion<T::Dma>,
    /// Index: queue identifier; true: in use. Entry 0 is the admin queue.
    pub(crate) queue_ids: Vec<bool>,
    pub(crate) abort_limit: u16,
    pub(crate) aborts_outstanding: u16,
    pub(crate) async_event_limit: u16,
    pub(crate) identity: Option<crate::bring_up::Identity>,
    pub(crate) last_reset: ResetReason,
    generation: Arc<AtomicU64>,
    failure: Option<DriverError>,
    /// The function was gone, and is being brought up again.
    returning: bool,
    /// How often it was gone and came back.
    pub(crate) returns: u64,
}

impl<T: Transport> Function<T> {
    pub(crate) fn new(
        transport: T,
        options: ControllerOptions,
        capabilities: Capabilities,
        queue: AdminQueue<T::Dma>,
        data: DmaRegion<T::Dma>,
    ) -> Self {
        Self {
            name: transport.name().into(),
            transport,
            options,
            capabilities,
            queue,
            data,
            queue_ids: vec![true],
            abort_limit: 1,
            aborts_outstanding: 0,
            async_event_limit: 0,
            identity: None,
            last_reset: ResetReason::Requested,
            generation: Arc::new(AtomicU64::new(1)),
            failure: None,
            returning: false,
            returns: 0,
        }
    }

    /// An error once the function has been given up.
    pub(crate) fn check(&self) -> Result<(), DriverError> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// Gives the function up for good; the first reason stands. One that is gone and comes back is not
    /// given up: it has been reset, which every queue pair notices by the generation.
    pub(crate) fn fail(&mut self, error: DriverError) -> DriverError {
        if self.returning {
            return error;
        }
        let error = match self.bring_back(error) {
            Ok(returned) => return returned,
            Err(error) => error,
        };
        self.generation.store(FAILED, Ordering::Release);
        self.failure.get_or_insert(error).clone()
    }

    /// Brings a function up again that was gone and has come back. The error is what has to be told of
    /// it: a good one is not fatal.
    fn bring_back(&mut self, error: DriverError) -> Result<DriverError, DriverError> {
        if self.failure.is_some() || !matches!(error, DriverError::DeviceGone { .. }) {
            return Err(error);
        }
        self.returning = true;
        let mut result = Err(error.clone());
        // One that goes again while it is brought up may come again.
        for _ in 0..TRIES {
            if !self.transport.bring_back() {
                break;
            }
            result = self.bring_up();
            if !matches!(result, Err(DriverError::DeviceGone { .. })) {
                break;
            }
        }
        self.returning = false;
        result?;
        self.returns += 1;
        self.last_reset = ResetReason::Returned;
        self.generation.fetch_add(1, Ordering::Release);
        Ok(DriverError::Transport(TransportError::Failed {
            device: self.name.to_string(),
            reason: format!("{} ({error})", ResetReason::Returned),
        }))
    }

    /// Passes an error on; a fatal one gives the function up.
    pub(crate) fn note(&mut self, error: impl Into<DriverError>) -> DriverError {
        let error = error.into();
        if error.is_fatal() {
            self.fail(error)
        } else {
            error
        }
    }

    /// Runs one admin command to its end and gives back its completion, whose status is success.
    ///
    /// A command without an answer may still use the shared data page, so a timeout resets the
    /// controller before it is reported.
    pub(crate) fn execute(
        &mut self,
        command: SubmissionEntry,
    ) -> Result<CompletionEntry, DriverError> {
        self.reset_on_timeout(|function| function.execute_without_reset(command))
    }

    /// Runs admin commands; resets the controller if one of them got no answer.
    pub(crate) fn reset_on_timeout<R>(
        &mut self,
        run: impl FnOnce(&mut Self) -> Result<R, DriverError>,
    ) -> Result<R, DriverError> {
        let result = run(self);
        if matches!(result, Err(DriverError::AdminTimeout { .. })) {
            self.reset(ResetReason::AdminTimeout)?;
        }
        result
    }

    pub(crate) fn execute_without_reset(
        &mut self,
        command: SubmissionEntry,
    ) -> Result<CompletionEntry, DriverError> {
        self.check()?;
        let timeout_ns = self.options.admin_timeout_ns;
        let deadline_ns = self.transport.now_ns().saturating_add(timeout_ns);
        let timed_out = DriverError::AdminTimeout {
            device: Arc::clone(&self.name),
            command: name_of(command.opcode()),
            timeout_ns,
        };
        let mut ticket = None;
        loop {
            if ticket.is_none() {
                ticket = self
                    .queue
                    .submit(&mut self.transport, command)
                    .map_err(|error| self.note(error))?;
            }
            self.poll()?;
            if let Some(entry) = ticket.and_then(|ticket| self.queue.take(ticket)) {
                return if entry.status().is_success() {
                    Ok(entry)
                } else {
                    Err(DriverError::Admin {
                        device: Arc::clone(&self.name),
                        command: name_of(command.opcode()),
                        status: entry.status(),
                    })
                };
            }
            if self.transport.now_ns() >= deadline_ns {
                if let Some(ticket) = ticket {
                    self.queue.forget(ticket);
                }
                return Err(timed_out);
            }
            self.transport
                .wait(deadline_ns)
                .map_err(|error| self.note(error))?;
        }
    }

    /// Collects admin completions.
    pub(crate) fn poll(&mut self) -> Result<(), DriverError> {
        self.queue
            .poll(&mut self.transport)
            .map_err(|error| self.note(error))
    }

    /// Sends an Abort (§5.1) without waiting; `None` while the controller takes no further one.
    pub(crate) fn submit_abort(
        &mut self,
        queue_id: u16,
        command_id: u16,
    ) -> Result<Option<Ticket>, DriverError> {
        self.check()?;
        if self.aborts_outstanding >= self.abort_limit {
            return Ok(None);
        }
        let ticket = self
            .queue
            .submit(
                &mut self.transport,
                SubmissionEntry::abort(queue_id, command_id),
            )
            .map_err(|error| self.note(error))?;
        self.aborts_outstanding += u16::from(ticket.is_some());
        Ok(ticket)
    }

    /// Has the Abort been answered? An answered one makes room for the next.
    pub(crate) fn take_abort(&mut self, ticket: Ticket) -> bool {
        let answered = self.queue.take(ticket).is_some();
        self.aborts_outstanding -= u16::from(answered);
        answered
    }

    /// Nobody waits for this Abort any more.
    pub(crate) fn forget_abort(&mut self, ticket: Ticket) {
        self.queue.forget(ticket);
        self.aborts_outstanding = self.aborts_outstanding.saturating_sub(1);
    }

    /// Keeps Asynchronous Event Requests outstanding, if that is wanted.
    pub(crate) fn arm_events(&mut self) -> Result<(), DriverError> {
        if !self.options.async_events {
            return Ok(());
        }
        let count = usize::from(self.async_event_limit)
            .min(ASYNC_EVENT_REQUESTS)
            // Room for commands stays in the smallest admin queue.
            .min(usize::from(self.options.admin_entries) / 4);
        self.queue
            .arm_events(&mut self.transport, count)
            .map_err(|error| self.note(error))
    }

    /// Resets the controller (CC.EN, then a function level reset if that does not help) and brings
    /// it up again without I/O queues. Every queue pair notices by the generation.
    pub(crate) fn reset(&mut self, reason: ResetReason) -> Result<(), DriverError> {
        self.check()?;
        match self.bring_up() {
            Ok(()) => {
                self.last_reset = reason;
                self.generation.fetch_add(1, Ordering::Release);
                Ok(())
            }
            Err(error) if error.is_fatal() => Err(self.fail(error)),
            Err(error) => {
                let device = Arc::clone(&self.name);
                Err(self.fail(DriverError::ControllerFailed {
                    device,
                    reason: format!("{reason}; resetting it: {error}").into(),
                }))
            }
        }
    }
}

fn name_of(opcode: u8) -> &'static str {
    use nvme_spec::opcode::admin;
    match opcode {
        admin::DELETE_SUBMISSION_QUEUE => "Delete I/O Submission Queue",
        admin::CREATE_SUBMISSION_QUEUE => "Create I/O Submission Queue",
        admin::GET_LOG_PAGE => "Get Log Page",
        admin::DELETE_COMPLETION_QUEUE => "Delete I/O Completion Queue",
        admin::CREATE_COMPLETION_QUEUE => "Create I/O Completion Queue",
        admin::IDENTIFY => "Identify",
        admin::ABORT => "Abort",
        admin::SET_FEATURES => "Set Features",
        admin::GET_FEATURES => "Get Features",
        admin::ASYNC_EVENT_REQUEST => "Asynchronous Event Request",
        _ => "admin command",
    }
}
