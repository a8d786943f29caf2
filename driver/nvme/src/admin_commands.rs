//! Admin commands that take more than one step.

use std::sync::Arc;

use nvme_spec::SubmissionEntry;
use nvme_spec::log_page::LogPageId;

use crate::error::DriverError;
use crate::function::{ADMIN_DATA_BYTES, Function};
use crate::options::CompletionMode;
use crate::report::AsyncEventReport;
use crate::ring::{CompletionRing, SubmissionRing};
use crate::transport::Transport;

/// Bytes read of a log page to clear its event: the SMART page is the largest of those.
const EVENT_LOG_BYTES: usize = 512;

impl<T: Transport> Function<T> {
    /// The lowest queue identifier that is not in use.
    pub(crate) fn claim_queue_id(&mut self) -> Result<u16, DriverError> {
        let free = self.queue_ids.iter().position(|used| !used);
        let Some(index) = free else {
            return Err(DriverError::NoQueueLeft {
                device: Arc::clone(&self.name),
                available: (self.queue_ids.len() - 1) as u16,
            });
        };
        self.queue_ids[index] = true;
        Ok(index as u16)
    }

    pub(crate) fn release_queue_id(&mut self, queue_id: u16) {
        if let Some(used) = self.queue_ids.get_mut(usize::from(queue_id)) {
            *used = false;
        }
    }

    /// Creates a completion queue and the submission queue that uses it, under one identifier
    /// (NVMe 1.1 §5.3, §5.4).
    pub(crate) fn create_queues(
        &mut self,
        queue_id: u16,
        completion: &CompletionRing<T::Dma>,
        submission: &SubmissionRing<T::Dma>,
        mode: CompletionMode,
    ) -> Result<(), DriverError> {
        let vector = (mode == CompletionMode::Msix).then_some(queue_id);
        self.execute(SubmissionEntry::create_completion_queue(
            queue_id,
            completion.entries(),
            completion.bus_address(),
            vector,
        ))?;
        let created = self.execute(SubmissionEntry::create_submission_queue(
            queue_id,
            submission.entries(),
            submission.bus_address(),
            queue_id,
        ));
        if let Err(error) = created {
            // After a timeout the reset has deleted it already; the first error is the one to report.
            if matches!(error, DriverError::Admin { .. }) {
                let _ = self.execute(SubmissionEntry::delete_completion_queue(queue_id));
            }
            return Err(error);
        }
        Ok(())
    }

    /// Deletes a queue pair's queues, the submission queue first (§5.5, §5.6).
    pub(crate) fn delete_queues(&mut self, queue_id: u16) -> Result<(), DriverError> {
        self.execute(SubmissionEntry::delete_submission_queue(queue_id))?;
        self.execute(SubmissionEntry::delete_completion_queue(queue_id))?;
        Ok(())
    }

    pub(crate) fn get_log_page(
        &mut self,
        id: LogPageId,
        bytes: usize,
    ) -> Result<Vec<u8>, DriverError> {
        let rounded = bytes.next_multiple_of(4);
        if rounded == 0 || rounded > ADMIN_DATA_BYTES {
            return Err(DriverError::InvalidOption {
                device: Arc::clone(&self.name),
                option: "bytes of a log page",
                value: bytes as u64,
                reason: "1 to 4,096 can be read".into(),
            });
        }
        let command =
            SubmissionEntry::get_log_page(id, rounded as u32).with_prps(self.data.bus_address(), 0);
        self.execute(command)?;
        Ok(self.data.copy_out(bytes))
    }

    /// Collects events, reads the log pages that clear them, renews the requests.
    pub(crate) fn take_events(&mut self) -> Result<Vec<AsyncEventReport>, DriverError> {
        self.check()?;
        self.poll()?;
        let events = self.queue.take_events();
        for event in &events {
            match self.get_log_page(event.log_page(), EVENT_LOG_BYTES) {
                // A page the controller does not have clears nothing; the event still counts.
                Ok(_) | Err(DriverError::Admin { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.arm_events()?;
        Ok(events)
    }
}
