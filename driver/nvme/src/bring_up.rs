//! Bringing a controller from any state to ready (NVMe 1.1 §7.6.1), and down again (§7.6.2).

use std::sync::Arc;

use nvme_spec::identify::{
    CNS_CONTROLLER, CNS_NAMESPACE, IDENTIFY_BYTES, IdentifyController, IdentifyNamespace,
};
use nvme_spec::register::{
    self, AdminQueueAttributes, Capabilities, Configuration, ControllerStatus,
};
use nvme_spec::{MEMORY_PAGE_BYTES, NAMESPACE_ID, SubmissionEntry, feature};
use zerocopy::FromBytes;

use crate::admin_queue::AdminQueue;
use crate::error::DriverError;
use crate::function::{ADMIN_DATA_BYTES, Function};
use crate::info::{ControllerInfo, Discovered};
use crate::memory::DmaRegion;
use crate::options::ControllerOptions;
use crate::transport::{DmaPurpose, Transport};

/// 2^6 bytes a submission queue entry, 2^4 a completion queue entry (§3.1.5).
const ENTRY_SIZES: (u8, u8) = (6, 4);
const SHUTDOWN_NORMAL: u8 = 1;
const SHUTDOWN_COMPLETE: u8 = 2;
const SHUTDOWN_TIMEOUT_NS: u64 = 1_000_000_000;
/// CSTS is looked at in steps that grow from the first to the second.
const FIRST_STEP_NS: u64 = 1_000;
const LAST_STEP_NS: u64 = 1_000_000;

/// What must not change across a reset: else another device answers in this one's place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Identity {
    serial_number: [u8; 20],
    block_bytes: u64,
    blocks: u64,
}

impl<T: Transport> Function<T> {
    /// Checks CAP, allocates the admin queues, enables the controller, reads what it is.
    pub(crate) fn open(
        mut transport: T,
        options: ControllerOptions,
    ) -> Result<(Self, ControllerInfo), DriverError> {
        let name: Arc<str> = transport.name().into();
        if !(2..=256).contains(&options.admin_entries) {
            return Err(DriverError::InvalidOption {
                device: name,
                option: "admin_entries",
                value: u64::from(options.admin_entries),
                reason: "2 to 256 are possible".into(),
            });
        }
        let capabilities = Capabilities::from(transport.read_u64(register::CAP)?);
        check_capabilities(&name, capabilities)?;
        let doorbells = doorbell_offsets(capabilities, 0);
        let queue = AdminQueue::allocate(&mut transport, options.admin_entries, doorbells)?;
        let data = DmaRegion::new(transport.allocate_dma(ADMIN_DATA_BYTES, DmaPurpose::Data)?);
        let mut function = Self::new(transport, options, capabilities, queue, data);
        function.bring_up()?;
        let info = function.discover()?;
        Ok((function, info))
    }

    /// [`restart`](Self::restart), with a function level reset where that alone does not help.
    pub(crate) fn bring_up(&mut self) -> Result<(), DriverError> {
        self.restart().or_else(|error| {
            if error.is_fatal() {
                return Err(error);
            }
            self.transport.reset_function()?;
            self.restart()
        })
    }

    /// Disables the controller, enables it with empty admin queues, claims I/O queues.
    fn restart(&mut self) -> Result<(), DriverError> {
        self.write_configuration(Configuration::new())?;
        self.wait_ready(false)?;
        self.queue.clear();
        self.aborts_outstanding = 0;
        let attributes = AdminQueueAttributes::new()
            .with_submission_entries(self.options.admin_entries - 1)
            .with_completion_entries(self.options.admin_entries - 1);
        self.transport.write_u32(register::AQA, attributes.into())?;
        let (submission, completion) = (
            self.queue.submission.bus_address(),
            self.queue.completion.bus_address(),
        );
        self.transport.write_u64(register::ASQ, submission)?;
        self.transport.write_u64(register::ACQ, completion)?;
        self.write_configuration(running())?;
        self.wait_ready(true)?;
        // Another device may stand where the old one stood: its data must not be taken for ours.
        let controller = self.identify_controller()?;
        let namespace = self.identify_namespace()?;
        let identity = Identity {
            serial_number: controller.serial_number,
            block_bytes: namespace.block_bytes(),
            blocks: namespace.size_blocks,
        };
        if let Some(before) = &self.identity
            && *before != identity
        {
            return Err(DriverError::ControllerFailed {
                device: Arc::clone(&self.name),
                reason: "another device answers in its place: serial number, block size or \
                         capacity changed across the reset"
                    .into(),
            });
        }
        self.identity = Some(identity);
        self.abort_limit = u16::from(controller.abort_command_limit) + 1;
        self.async_event_limit = u16::from(controller.async_event_request_limit) + 1;
        self.claim_queues()?;
        self.arm_events()
    }

    /// Number of Queues (feature 07h): asks for as many as there can be.
    fn claim_queues(&mut self) -> Result<(), DriverError> {
        const MOST: u32 = 0xfffe;
        let command = SubmissionEntry::set_features(feature::NUMBER_OF_QUEUES, MOST << 16 | MOST);
        let granted = self.execute_without_reset(command)?.dword0;
        // After a reset the queue pairs that exist claim their old identifiers again.
        self.queue_ids.resize(granted_pairs(granted) + 1, false);
        Ok(())
    }

    fn discover(&mut self) -> Result<ControllerInfo, DriverError> {
        let version = self.transport.read_u32(register::VS)?;
        let controller = self.identify_controller()?;
        let namespace = self.identify_namespace()?;
        check_namespace(&self.name, &namespace)?;
        let atomicity = self
            .execute_without_reset(SubmissionEntry::get_features(feature::WRITE_ATOMICITY))?
            .dword0;
        Ok(ControllerInfo::new(&Discovered {
            name: &self.name,
            capabilities: self.capabilities,
            version,
            controller: &controller,
            namespace: &namespace,
            write_atomicity_disabled: atomicity & feature::WRITE_ATOMICITY_DISABLE_NORMAL != 0,
            io_queue_pairs: (self.queue_ids.len() - 1) as u16,
            interrupt_vectors: self.transport.interrupt_vectors(),
        }))
    }

    pub(crate) fn identify_controller(&mut self) -> Result<Box<IdentifyController>, DriverError> {
        self.identify(CNS_CONTROLLER, 0)
    }

    pub(crate) fn identify_namespace(&mut self) -> Result<Box<IdentifyNamespace>, DriverError> {
        self.identify(CNS_NAMESPACE, NAMESPACE_ID)
    }

    fn identify<S: FromBytes>(
        &mut self,
        cns: u8,
        namespace_id: u32,
    ) -> Result<Box<S>, DriverError> {
        let command =
            SubmissionEntry::identify(cns, namespace_id).with_prps(self.data.bus_address(), 0);
        self.execute_without_reset(command)?;
        let bytes = self.data.copy_out(IDENTIFY_BYTES);
        let structure = S::read_from_bytes(&bytes).ok();
        Ok(Box::new(
            structure.expect("both Identify structures have 4,096 bytes"),
        ))
    }

    fn write_configuration(&mut self, configuration: Configuration) -> Result<(), DriverError> {
        Ok(self
            .transport
            .write_u32(register::CC, configuration.into())?)
    }

    pub(crate) fn status(&mut self) -> Result<ControllerStatus, DriverError> {
        let status = self.transport.read_u32(register::CSTS)?;
        if status == u32::MAX {
            return Err(DriverError::DeviceGone {
                device: Arc::clone(&self.name),
                reason: "CSTS reads as all ones".into(),
            });
        }
        Ok(ControllerStatus::from(status))
    }

    fn wait_ready(&mut self, ready: bool) -> Result<(), DriverError> {
        // CAP.TO counts 500 ms; a controller that says 0 still gets one of them.
        let timeout_ns = u64::from(self.capabilities.timeout_500_ms().max(1)) * 500_000_000;
        let (reached, status) = self.wait_status(timeout_ns, |status| {
            status.ready() == ready || (ready && status.fatal())
        })?;
        if reached && status.ready() == ready {
            return Ok(());
        }
        Err(DriverError::NotReady {
            device: Arc::clone(&self.name),
            ready: u8::from(ready),
            timeout_ns,
            status: status.into(),
        })
    }

    fn wait_status(
        &mut self,
        timeout_ns: u64,
        reached: impl Fn(ControllerStatus) -> bool,
    ) -> Result<(bool, ControllerStatus), DriverError> {
        let deadline_ns = self.transport.now_ns().saturating_add(timeout_ns);
        let mut step_ns = FIRST_STEP_NS;
        loop {
            let status = self.status()?;
            if reached(status) {
                return Ok((true, status));
            }
            let now_ns = self.transport.now_ns();
            if now_ns >= deadline_ns {
                return Ok((false, status));
            }
            self.transport.wait(deadline_ns.min(now_ns + step_ns))?;
            step_ns = (step_ns * 2).min(LAST_STEP_NS);
        }
    }

    /// Normal shutdown (§7.6.2), then disable, so that the device leaves the memory alone that is
    /// about to be freed. Best effort: there is nobody to tell.
    fn shut_down(&mut self) -> Result<(), DriverError> {
        self.check()?;
        self.write_configuration(running().with_shutdown(SHUTDOWN_NORMAL))?;
        self.wait_status(SHUTDOWN_TIMEOUT_NS, |status| {
            status.shutdown() == SHUTDOWN_COMPLETE
        })?;
        self.write_configuration(Configuration::new())?;
        self.wait_ready(false)
    }
}

impl<T: Transport> Drop for Function<T> {
    fn drop(&mut self) {
        let _ = self.shut_down();
    }
}

/// CC of a running controller: NVM command set, 4 KiB pages, round robin.
const fn running() -> Configuration {
    Configuration::new()
        .with_enable(true)
        .with_submission_entry_size(ENTRY_SIZES.0)
        .with_completion_entry_size(ENTRY_SIZES.1)
}

/// BAR0 offsets of a queue pair's tail and head doorbells (§3.1.11), whatever CAP.DSTRD is.
pub(crate) fn doorbell_offsets(capabilities: Capabilities, queue_id: u16) -> (u64, u64) {
    let stride = 4u64 << capabilities.doorbell_stride();
    let tail = register::DOORBELLS + 2 * u64::from(queue_id) * stride;
    (tail, tail + stride)
}

/// Queue pairs that dword 0 of Number of Queues grants (§5.12.1.7): both counts are 0's based, and there
/// are 65,535 identifiers whatever a controller says.
fn granted_pairs(dword0: u32) -> usize {
    (dword0 & 0xffff).min(dword0 >> 16).min(0xfffe) as usize + 1
}

fn check_capabilities(device: &Arc<str>, capabilities: Capabilities) -> Result<(), DriverError> {
    let unsupported = |field, value, needed| {
        Err(DriverError::Unsupported {
            device: Arc::clone(device),
            field,
            value,
            needed,
        })
    };
    if u64::from(capabilities) == u64::MAX {
        return Err(DriverError::DeviceGone {
            device: Arc::clone(device),
            reason: "CAP reads as all ones".into(),
        });
    }
    if capabilities.command_sets() & 1 == 0 {
        let sets = u64::from(capabilities.command_sets());
        return unsupported("CAP.CSS", sets, "bit 0, the NVM command set");
    }
    if capabilities.page_size_minimum() != 0 {
        let minimum = u64::from(capabilities.page_size_minimum());
        return unsupported("CAP.MPSMIN", minimum, "0, pages of 4 KiB");
    }
    if capabilities.maximum_queue_entries() == 0 {
        return unsupported("CAP.MQES", 0, "at least 1, two entries a queue");
    }
    Ok(())
}

fn check_namespace(device: &Arc<str>, namespace: &IdentifyNamespace) -> Result<(), DriverError> {
    let unsupported = |field, value, needed| {
        Err(DriverError::Unsupported {
            device: Arc::clone(device),
            field,
            value,
            needed,
        })
    };
    let block_bytes = namespace.block_bytes();
    if !(512..=MEMORY_PAGE_BYTES as u64).contains(&block_bytes) {
        return unsupported(
            "the block size of namespace 1",
            block_bytes,
            "512 to 4,096 bytes",
        );
    }
    let format = namespace.lba_format[usize::from(namespace.formatted_lba_size & 0xf)];
    if format.metadata_bytes != 0 {
        let bytes = u64::from(format.metadata_bytes);
        return unsupported("the metadata size of namespace 1", bytes, "0");
    }
    if namespace.size_blocks == 0 {
        return unsupported("NSZE of namespace 1", 0, "at least one block");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::granted_pairs;

    /// A controller that grants more queues than there are identifiers once left the driver with none.
    #[test]
    fn the_smaller_count_is_granted_and_never_more_than_there_are_identifiers() {
        assert_eq!(granted_pairs(0x0003_0003), 4);
        assert_eq!(granted_pairs(0x0000_0007), 1);
        assert_eq!(granted_pairs(0xfffe_fffe), 65_535);
        assert_eq!(granted_pairs(0xffff_ffff), 65_535);
    }
}
