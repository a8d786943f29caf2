//! One function's controller: bring-up, admin commands, queue pairs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use nvme_spec::identify::{IdentifyController, IdentifyNamespace};
use nvme_spec::log_page::{FunctionCounters, LogPageId};
use nvme_spec::{CompletionEntry, SubmissionEntry};
use zerocopy::FromBytes;

use crate::bring_up::doorbell_offsets;
use crate::error::{DriverError, ResetReason};
use crate::function::{ADMIN_DATA_BYTES, Function, Shared};
use crate::info::ControllerInfo;
use crate::options::{CompletionMode, ControllerOptions, QueueOptions};
use crate::queue_pair::{QueuePair, Rings};
use crate::report::{AsyncEventReport, BogusCompletion};
use crate::ring::{CompletionRing, SubmissionRing};
use crate::transport::Transport;

/// A controller that has been brought up. Queue pairs keep it running; when the last of them and
/// this value are gone, it is shut down.
///
/// Every method may be called from any thread; all of them are slow and none is needed per command.
pub struct Controller<T: Transport> {
    shared: Arc<Shared<T>>,
    info: Arc<ControllerInfo>,
}

impl<T: Transport> Controller<T> {
    /// Brings a controller up from whatever state it is in (NVMe 1.1 §7.6.1) and reads what it is.
    ///
    /// # Errors
    /// [`DriverError::Unsupported`] names the field that this driver cannot live with;
    /// [`DriverError::NotReady`] comes after a function level reset did not help either.
    pub fn open(transport: T, options: ControllerOptions) -> Result<Self, DriverError> {
        let (function, info) = Function::open(transport, options)?;
        Ok(Self {
            shared: Arc::new(Shared::new(function)),
            info: Arc::new(info),
        })
    }

    /// What the controller is.
    pub fn info(&self) -> &ControllerInfo {
        &self.info
    }

    /// How error messages name the device.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Creates a queue pair with a transport handle, rings and buffers of its own.
    ///
    /// # Errors
    /// [`DriverError::NoQueueLeft`] when all queue pairs of the function are in use.
    pub fn queue_pair(&self, options: QueueOptions) -> Result<QueuePair<T>, DriverError> {
        let mut function = self.shared.lock();
        function.check()?;
        self.check_options(options)?;
        let queue_id = function.claim_queue_id()?;
        let (rings, generation) = loop {
            let generation = self.shared.generation.load(Ordering::Acquire);
            let returns = function.returns;
            match self.create(&mut function, queue_id, options) {
                Ok(rings) => break (rings, generation),
                // The device was gone and has come back, without any queues.
                Err(error) if function.returns != returns && !error.is_fatal() => {}
                Err(error) => {
                    function.release_queue_id(queue_id);
                    return Err(error);
                }
            }
        };
        Ok(QueuePair::new(
            rings,
            Arc::clone(&self.shared),
            Arc::clone(&self.info),
            options,
            queue_id,
            generation,
        ))
    }

    fn check_options(&self, options: QueueOptions) -> Result<(), DriverError> {
        let most = QueueOptions::MAXIMUM_ENTRIES.min(self.info.maximum_queue_entries);
        if (2..=most).contains(&options.entries) {
            return Ok(());
        }
        Err(DriverError::InvalidOption {
            device: Arc::clone(&self.shared.name),
            option: "entries",
            value: u64::from(options.entries),
            reason: format!("a queue of this controller has 2 to {most} entries").into(),
        })
    }

    fn create(
        &self,
        function: &mut Function<T>,
        queue_id: u16,
        options: QueueOptions,
    ) -> Result<Rings<T>, DriverError> {
        let mut transport = function.transport.clone_handle();
        if options.completion == CompletionMode::Msix {
            let vectors = transport.interrupt_vectors();
            if queue_id >= vectors {
                return Err(DriverError::InvalidOption {
                    device: Arc::clone(&self.shared.name),
                    option: "completion = Msix for queue",
                    value: u64::from(queue_id),
                    reason: format!("the function has {vectors} vectors; use polling").into(),
                });
            }
            transport.enable_interrupt(queue_id)?;
        }
        let (tail, head) = doorbell_offsets(function.capabilities, queue_id);
        // Twice the size where the controller allows it: then half of the head doorbells suffice.
        let completion_entries = (2 * options.entries).min(self.info.maximum_queue_entries);
        let submission = SubmissionRing::allocate(&mut transport, options.entries, tail)?;
        let completion = CompletionRing::allocate(
            &mut transport,
            completion_entries,
            options.entries - 1,
            head,
        )?;
        function.create_queues(queue_id, &completion, &submission, options.completion)?;
        Ok(Rings {
            transport,
            submission,
            completion,
        })
    }

    /// Identify Controller (§5.11).
    pub fn identify_controller(&self) -> Result<Box<IdentifyController>, DriverError> {
        self.shared
            .lock()
            .reset_on_timeout(Function::identify_controller)
    }

    /// Identify Namespace of namespace 1 (§5.11).
    pub fn identify_namespace(&self) -> Result<Box<IdentifyNamespace>, DriverError> {
        self.shared
            .lock()
            .reset_on_timeout(Function::identify_namespace)
    }

    /// Get Features (§5.9): the feature's current value.
    pub fn get_features(&self, feature_id: u8) -> Result<u32, DriverError> {
        let entry = self.execute(SubmissionEntry::get_features(feature_id))?;
        Ok(entry.dword0)
    }

    /// Set Features (§5.12); gives back dword 0 of the completion.
    pub fn set_features(&self, feature_id: u8, value: u32) -> Result<u32, DriverError> {
        let entry = self.execute(SubmissionEntry::set_features(feature_id, value))?;
        Ok(entry.dword0)
    }

    /// Get Log Page (§5.10): the first `bytes` bytes, rounded up to 4, at most 4,096.
    pub fn get_log_page(&self, id: LogPageId, bytes: usize) -> Result<Vec<u8>, DriverError> {
        self.shared.lock().get_log_page(id, bytes)
    }

    /// What each function has done since power-on, PF first, from log page C0h. The rows of
    /// functions beyond the device's are zero.
    pub fn counters_of_all_functions(&self) -> Result<Vec<FunctionCounters>, DriverError> {
        Ok(self.counter_rows(ADMIN_DATA_BYTES)?.split_off(1))
    }

    /// What this function has done since power-on, from log page C0h.
    pub fn counters(&self) -> Result<FunctionCounters, DriverError> {
        Ok(self
            .counter_rows(size_of::<FunctionCounters>())?
            .swap_remove(0))
    }

    fn counter_rows(&self, bytes: usize) -> Result<Vec<FunctionCounters>, DriverError> {
        let page = self.get_log_page(LogPageId::COUNTERS, bytes)?;
        Ok(page
            .chunks_exact(size_of::<FunctionCounters>())
            .map(|row| FunctionCounters::read_from_bytes(row).unwrap_or_default())
            .collect())
    }

    /// Abort (§5.1) of a command of any queue: was it aborted? The driver aborts what times out by
    /// itself; this is for tools and tests.
    pub fn abort(&self, queue_id: u16, command_id: u16) -> Result<bool, DriverError> {
        let entry = self.execute(SubmissionEntry::abort(queue_id, command_id))?;
        Ok(entry.dword0 & 1 == 0)
    }

    /// Any admin command without a data transfer; gives back its completion, whose status is success.
    pub fn execute(&self, command: SubmissionEntry) -> Result<CompletionEntry, DriverError> {
        self.shared.lock().execute(command)
    }

    /// Asynchronous events since the last call. Reads the log page that each names, which lets the
    /// controller report the same kind again (§5.2), and renews the requests.
    pub fn take_events(&self) -> Result<Vec<AsyncEventReport>, DriverError> {
        self.shared.lock().take_events()
    }

    /// Admin completions that were not believed since the last call (the latest 64).
    pub fn take_bogus_completions(&self) -> Vec<BogusCompletion> {
        self.shared.lock().queue.take_bogus()
    }

    /// How often the function was gone and has come back ([`Transport::bring_back`]): as after power-up, so
    /// that its counters have begun anew.
    pub fn returns(&self) -> u64 {
        self.shared.lock().returns
    }

    /// Resets the controller. Requests in flight on its queue pairs fail; the queue pairs create
    /// their queues again when they are polled next.
    pub fn reset(&self) -> Result<(), DriverError> {
        self.shared.lock().reset(ResetReason::Requested)
    }
}
