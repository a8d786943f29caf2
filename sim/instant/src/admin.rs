//! Admin commands (NVMe 1.1 §5).

use nvme_spec::async_event::AsyncEvent;
use nvme_spec::identify::{CNS_ACTIVE_NAMESPACES, CNS_CONTROLLER, CNS_NAMESPACE, IDENTIFY_BYTES};
use nvme_spec::log_page::{FunctionCounters, LogPageId};
use nvme_spec::opcode::admin;
use nvme_spec::{NAMESPACE_ID, Status, SubmissionEntry, feature};
use zerocopy::IntoBytes;

use crate::completion::Posting;
use crate::controller::{CompletionQueue, SubmissionQueue};
use crate::device::Device;
use crate::dma::HostMemory;
use crate::fault::Fault;
use crate::io::for_each_piece;

impl Device {
    pub(crate) fn execute_admin(
        &mut self,
        memory: &HostMemory,
        function: u8,
        entry: SubmissionEntry,
        fault: Option<Fault>,
    ) {
        let result = match fault {
            Some(Fault::LoseCommand) => return,
            Some(Fault::Status(status)) => Err(status),
            _ if entry.opcode() == admin::ASYNC_EVENT_REQUEST => {
                let controller = &mut self.controllers[usize::from(function)];
                let limit = usize::from(controller.identify.async_event_request_limit) + 1;
                if controller.event_requests.len() < limit {
                    controller.event_requests.push_back(entry.command_id());
                    return self.report_events(memory, function);
                }
                Err(Status::ASYNC_EVENT_LIMIT_EXCEEDED)
            }
            _ if entry.opcode() == admin::ABORT
                && self.controllers[usize::from(function)].ignores_aborts =>
            {
                self.controllers[usize::from(function)].ignored_aborts += 1;
                return;
            }
            _ => self.run_admin(memory, function, &entry),
        };
        let (status, dword0) = match result {
            Ok(dword0) => (Status::SUCCESS, dword0),
            Err(status) => (status, 0),
        };
        self.complete(
            memory,
            Posting {
                function,
                queue: 0,
                command_id: entry.command_id(),
                status,
                dword0,
                fault,
            },
        );
    }

    fn run_admin(
        &mut self,
        memory: &HostMemory,
        function: u8,
        entry: &SubmissionEntry,
    ) -> Result<u32, Status> {
        let controller = &mut self.controllers[usize::from(function)];
        match entry.opcode() {
            admin::IDENTIFY => self.identify(memory, function, entry),
            admin::GET_LOG_PAGE => self.log_page(memory, function, entry),
            admin::CREATE_COMPLETION_QUEUE => self.create_completion_queue(function, entry),
            admin::CREATE_SUBMISSION_QUEUE => self.create_submission_queue(function, entry),
            admin::DELETE_SUBMISSION_QUEUE => {
                let queue = entry.cdw10 as u16;
                controller.held.retain(|held| held.queue != queue);
                self.delayed
                    .retain(|posting| posting.function != function || posting.queue != queue);
                delete(&mut controller.submission, entry.cdw10)
            }
            admin::DELETE_COMPLETION_QUEUE => {
                let queue = entry.cdw10 as u16;
                let in_use = |queue_of: &SubmissionQueue| queue_of.completion_queue == queue;
                if controller.submission.iter().skip(1).flatten().any(in_use) {
                    return Err(Status::INVALID_QUEUE_DELETION);
                }
                delete(&mut controller.completion, entry.cdw10)
            }
            admin::ABORT => Ok(self.abort(memory, function, entry)),
            admin::GET_FEATURES => match entry.cdw10 as u8 {
                feature::NUMBER_OF_QUEUES => Ok(self.queues_granted()),
                id => Ok(controller.features[usize::from(id)]),
            },
            admin::SET_FEATURES => match entry.cdw10 as u8 {
                feature::NUMBER_OF_QUEUES => Ok(self.queues_granted()),
                id => {
                    controller.features[usize::from(id)] = entry.cdw11;
                    Ok(0)
                }
            },
            _ => Err(Status::INVALID_OPCODE),
        }
    }

    fn queues_granted(&self) -> u32 {
        let zero_based = u32::from(self.options.queue_pairs) - 1;
        (zero_based << 16) | zero_based
    }

    fn identify(
        &mut self,
        memory: &HostMemory,
        function: u8,
        entry: &SubmissionEntry,
    ) -> Result<u32, Status> {
        let mut list = [0; IDENTIFY_BYTES];
        let data = match entry.cdw10 as u8 {
            CNS_NAMESPACE if entry.namespace_id == NAMESPACE_ID => self.namespace.as_bytes(),
            CNS_NAMESPACE => return Err(Status::INVALID_NAMESPACE),
            CNS_CONTROLLER => self.controllers[usize::from(function)].identify.as_bytes(),
            CNS_ACTIVE_NAMESPACES => {
                list[..4].copy_from_slice(&NAMESPACE_ID.to_le_bytes());
                &list
            }
            _ => return Err(Status::INVALID_FIELD),
        };
        send(memory, function, entry, data)
    }

    fn log_page(
        &mut self,
        memory: &HostMemory,
        function: u8,
        entry: &SubmissionEntry,
    ) -> Result<u32, Status> {
        let bytes = ((entry.cdw10 >> 16) as usize & 0xfff) * 4 + 4;
        let mut page = vec![0; bytes];
        match LogPageId(entry.cdw10 as u8) {
            LogPageId::ERROR_INFORMATION | LogPageId::HEALTH | LogPageId::FIRMWARE_SLOT => {}
            LogPageId::COUNTERS => {
                let own = &self.controllers[usize::from(function)];
                let rows = std::iter::once(own).chain(&self.controllers);
                for (row, controller) in page.chunks_mut(size_of::<FunctionCounters>()).zip(rows) {
                    row.copy_from_slice(&controller.counters.as_bytes()[..row.len()]);
                }
            }
            _ => return Err(Status::INVALID_LOG_PAGE),
        }
        send(memory, function, entry, &page)
    }

    /// Size and identifier of a queue to be created (§5.3, §5.4).
    fn queue_geometry(&self, entry: &SubmissionEntry) -> Result<(u16, u32), Status> {
        let (queue, entries) = (entry.cdw10 as u16, (entry.cdw10 >> 16) + 1);
        if queue == 0 || queue > self.options.queue_pairs {
            return Err(Status::INVALID_QUEUE_ID);
        }
        if entries < 2 || entries > self.options.queue_entries {
            return Err(Status::MAXIMUM_QUEUE_SIZE_EXCEEDED);
        }
        if entry.cdw11 & 1 == 0 {
            return Err(Status::INVALID_FIELD);
        }
        Ok((queue, entries))
    }

    fn create_completion_queue(
        &mut self,
        function: u8,
        entry: &SubmissionEntry,
    ) -> Result<u32, Status> {
        let (queue, entries) = self.queue_geometry(entry)?;
        let controller = &mut self.controllers[usize::from(function)];
        let vector = (entry.cdw11 & 0b10 != 0).then_some((entry.cdw11 >> 16) as u16);
        if vector.is_some_and(|vector| usize::from(vector) >= controller.vectors.len()) {
            return Err(Status::INVALID_INTERRUPT_VECTOR);
        }
        let slot = &mut controller.completion[usize::from(queue)];
        if slot.is_some() {
            return Err(Status::INVALID_QUEUE_ID);
        }
        *slot = Some(CompletionQueue::new(entry.prp1, entries, vector));
        Ok(0)
    }

    fn create_submission_queue(
        &mut self,
        function: u8,
        entry: &SubmissionEntry,
    ) -> Result<u32, Status> {
        let (queue, entries) = self.queue_geometry(entry)?;
        let controller = &mut self.controllers[usize::from(function)];
        let completion_queue = (entry.cdw11 >> 16) as u16;
        let known = controller.completion.get(usize::from(completion_queue));
        if completion_queue == 0 || !known.is_some_and(Option::is_some) {
            return Err(Status::COMPLETION_QUEUE_INVALID);
        }
        let slot = &mut controller.submission[usize::from(queue)];
        if slot.is_some() {
            return Err(Status::INVALID_QUEUE_ID);
        }
        *slot = Some(SubmissionQueue {
            address: entry.prp1,
            entries,
            head: 0,
            tail: 0,
            completion_queue,
            first: None,
        });
        Ok(0)
    }

    /// Ends a command that is held (§5.1): dword 0 is 0 then, 1 when there was none.
    fn abort(&mut self, memory: &HostMemory, function: u8, entry: &SubmissionEntry) -> u32 {
        let (queue, command_id) = (entry.cdw10 as u16, (entry.cdw10 >> 16) as u16);
        let held = &mut self.controllers[usize::from(function)].held;
        let Some(index) = held
            .iter()
            .position(|held| held.queue == queue && held.command_ids.contains(&Some(command_id)))
        else {
            return 1;
        };
        // Of a pair, the half that was not aborted lacks its neighbour or follows its failure.
        for (position, id) in held.swap_remove(index).command_ids.into_iter().enumerate() {
            let Some(id) = id else { continue };
            let status = match position {
                _ if id == command_id => Status::ABORT_REQUESTED,
                0 => Status::ABORTED_MISSING_FUSED,
                _ => Status::ABORTED_FAILED_FUSED,
            };
            self.complete(
                memory,
                Posting {
                    function,
                    queue,
                    command_id: id,
                    status,
                    dword0: 0,
                    fault: None,
                },
            );
        }
        0
    }

    pub(crate) fn raise(&mut self, memory: &HostMemory, function: u8, event: AsyncEvent) {
        self.controllers[usize::from(function)]
            .events
            .push_back(event.to_dword0());
        self.report_events(memory, function);
    }

    fn report_events(&mut self, memory: &HostMemory, function: u8) {
        loop {
            let controller = &mut self.controllers[usize::from(function)];
            if controller.events.is_empty() {
                return;
            }
            let Some(command_id) = controller.event_requests.pop_front() else {
                return;
            };
            let dword0 = controller.events.pop_front().unwrap_or_default();
            self.complete(
                memory,
                Posting {
                    function,
                    queue: 0,
                    command_id,
                    status: Status::SUCCESS,
                    dword0,
                    fault: None,
                },
            );
        }
    }
}

fn send(
    memory: &HostMemory,
    function: u8,
    entry: &SubmissionEntry,
    data: &[u8],
) -> Result<u32, Status> {
    for_each_piece(
        memory,
        function,
        entry,
        data.len(),
        |address, offset, length| {
            Ok(memory.write(function, address, &data[offset..offset + length])?)
        },
    )?;
    Ok(0)
}

fn delete<Q>(queues: &mut [Option<Q>], queue: u32) -> Result<u32, Status> {
    let queue = queue as u16;
    let slot = queues.get_mut(usize::from(queue)).filter(|_| queue != 0);
    match slot.and_then(Option::take) {
        Some(_) => Ok(0),
        None => Err(Status::INVALID_QUEUE_ID),
    }
}
