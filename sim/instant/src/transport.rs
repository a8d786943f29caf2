//! A handle on one function, as the driver sees it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use nvme_driver::{DmaPurpose, Transport, TransportError, Wake};
use nvme_spec::async_event::AsyncEvent;
use nvme_spec::register::{self, Configuration, VERSION_1_1};

use crate::controller::Controller;
use crate::device::Device;
use crate::dma::{HostMemory, InstantDma};
use crate::fault::Presence;

/// A transport handle on one function of an [`InstantDevice`](crate::InstantDevice).
pub struct InstantTransport {
    device: Rc<RefCell<Device>>,
    memory: Rc<RefCell<HostMemory>>,
    function: u8,
    name: Arc<str>,
    /// What of the device's activity this handle has waited for.
    seen: u64,
}

impl InstantTransport {
    pub(crate) fn new(
        device: Rc<RefCell<Device>>,
        memory: Rc<RefCell<HostMemory>>,
        function: u8,
        name: Arc<str>,
    ) -> Self {
        Self {
            device,
            memory,
            function,
            name,
            seen: 0,
        }
    }

    fn read(&self, offset: u64, bytes: usize) -> Result<u64, TransportError> {
        let device = self.device.borrow();
        let controller = &device.controllers[usize::from(self.function)];
        if controller.presence != Presence::Present {
            return Err(self.gone());
        }
        let register = offset & !7;
        let value = match register {
            register::CAP => u64::from(Controller::capabilities(&device.options)),
            register::VS => u64::from(VERSION_1_1),
            0x10 => u64::from(u32::from(controller.configuration)) << 32,
            0x18 => u64::from(u32::from(controller.status)) << 32,
            0x20 => u64::from(u32::from(controller.admin_attributes)) << 32,
            register::ASQ => controller.admin_addresses.0,
            register::ACQ => controller.admin_addresses.1,
            _ => return Err(self.invalid(offset, bytes)),
        };
        match (bytes, offset % 8) {
            (8, 0) => Ok(value),
            (4, 0) => Ok(value & u64::from(u32::MAX)),
            (4, 4) => Ok(value >> 32),
            _ => Err(self.invalid(offset, bytes)),
        }
    }

    #[cold]
    fn write_register(&self, offset: u64, bytes: usize, value: u64) -> Result<(), TransportError> {
        let mut device = self.device.borrow_mut();
        let controller = &mut device.controllers[usize::from(self.function)];
        match (offset, bytes) {
            (register::CC, 4) => controller.configure(Configuration::from(value as u32)),
            (register::AQA, 4) => controller.admin_attributes = (value as u32).into(),
            (register::ASQ, 8) => controller.admin_addresses.0 = value,
            (register::ACQ, 8) => controller.admin_addresses.1 = value,
            (register::INTMS | register::INTMC, 4) => {}
            _ => return Err(self.invalid(offset, bytes)),
        }
        // Completions of queues that are gone now must not reach their successors.
        if !device.controllers[usize::from(self.function)]
            .status
            .ready()
        {
            device
                .delayed
                .retain(|posting| posting.function != self.function);
        }
        Ok(())
    }

    /// Doorbells lie 4 << CAP.DSTRD bytes apart, tail and head of queue 0 first (NVMe 1.1 §3.1.11).
    #[inline]
    fn ring(&self, offset: u64, value: u32) -> Result<(), TransportError> {
        let device = &mut *self.device.borrow_mut();
        let memory = &self.memory.borrow();
        let shift = 2 + u32::from(device.options.doorbell_stride);
        let index = (offset - register::DOORBELLS) >> shift;
        if (index << shift) != offset - register::DOORBELLS {
            return Err(self.invalid(offset, 4));
        }
        let controller = &mut device.controllers[usize::from(self.function)];
        controller.doorbell_writes += 1;
        let queue = (index / 2) as usize;
        if index.is_multiple_of(2) {
            match controller
                .submission
                .get_mut(queue)
                .and_then(Option::as_mut)
            {
                Some(submission) if value < submission.entries => {
                    submission.tail = value;
                    device.run_queue(memory, self.function, queue as u16);
                }
                Some(_) => {
                    device.raise(memory, self.function, AsyncEvent::INVALID_DOORBELL_VALUE);
                }
                None => {
                    device.raise(memory, self.function, AsyncEvent::INVALID_DOORBELL_REGISTER);
                }
            }
        } else {
            match controller
                .completion
                .get_mut(queue)
                .and_then(Option::as_mut)
            {
                Some(completion) if value < completion.entries => {
                    completion.head = value;
                    device.completion_head_moved(memory, self.function, queue as u16);
                }
                Some(_) => {
                    device.raise(memory, self.function, AsyncEvent::INVALID_DOORBELL_VALUE);
                }
                None => {
                    device.raise(memory, self.function, AsyncEvent::INVALID_DOORBELL_REGISTER);
                }
            }
        }
        Ok(())
    }

    fn presence(&self) -> Presence {
        self.device.borrow().controllers[usize::from(self.function)].presence
    }

    #[cold]
    fn gone(&self) -> TransportError {
        TransportError::DeviceGone {
            device: self.name.to_string(),
            reason: "it was taken away".into(),
        }
    }

    #[cold]
    fn invalid(&self, offset: u64, bytes: usize) -> TransportError {
        TransportError::InvalidRegister {
            device: self.name.to_string(),
            offset,
            bytes,
        }
    }

    fn failed(&self, reason: &str) -> TransportError {
        TransportError::Failed {
            device: self.name.to_string(),
            reason: reason.into(),
        }
    }
}

impl Transport for InstantTransport {
    type Dma = InstantDma;

    fn name(&self) -> &str {
        &self.name
    }

    fn clone_handle(&self) -> Self {
        Self::new(
            Rc::clone(&self.device),
            Rc::clone(&self.memory),
            self.function,
            Arc::clone(&self.name),
        )
    }

    fn read_u32(&mut self, offset: u64) -> Result<u32, TransportError> {
        self.read(offset, 4).map(|value| value as u32)
    }

    fn read_u64(&mut self, offset: u64) -> Result<u64, TransportError> {
        self.read(offset, 8)
    }

    #[inline]
    fn write_u32(&mut self, offset: u64, value: u32) -> Result<(), TransportError> {
        match self.presence() {
            Presence::Present if offset >= register::DOORBELLS => self.ring(offset, value),
            Presence::Present => self.write_register(offset, 4, u64::from(value)),
            Presence::Vanished => Ok(()),
            Presence::Removed => Err(self.gone()),
        }
    }

    fn write_u64(&mut self, offset: u64, value: u64) -> Result<(), TransportError> {
        match self.presence() {
            Presence::Present => self.write_register(offset, 8, value),
            Presence::Vanished => Ok(()),
            Presence::Removed => Err(self.gone()),
        }
    }

    fn allocate_dma(
        &mut self,
        bytes: usize,
        _purpose: DmaPurpose,
    ) -> Result<InstantDma, TransportError> {
        InstantDma::map(&self.memory, self.function, bytes).ok_or_else(|| {
            TransportError::NoDmaMemory {
                device: self.name.to_string(),
                bytes,
                reason: "this process has no memory left".into(),
            }
        })
    }

    #[inline]
    fn now_ns(&self) -> u64 {
        self.device.borrow().now_ns
    }

    fn wait(&mut self, deadline_ns: u64) -> Result<Wake, TransportError> {
        let mut device = self.device.borrow_mut();
        if device.controllers[usize::from(self.function)].presence == Presence::Removed {
            return Err(self.gone());
        }
        let delivered = device.deliver_delayed(&self.memory.borrow());
        if delivered || device.activity != self.seen {
            self.seen = device.activity;
            return Ok(Wake::Device);
        }
        if deadline_ns == u64::MAX {
            return Err(
                self.failed("waiting without a deadline for a device that has nothing to do")
            );
        }
        device.now_ns = device.now_ns.max(deadline_ns);
        Ok(Wake::Deadline)
    }

    fn interrupt_vectors(&self) -> u16 {
        self.device.borrow().options.queue_pairs + 1
    }

    fn enable_interrupt(&mut self, vector: u16) -> Result<(), TransportError> {
        let mut device = self.device.borrow_mut();
        let controller = &mut device.controllers[usize::from(self.function)];
        match controller.vectors.get_mut(usize::from(vector)) {
            Some((enabled, _)) => {
                *enabled = true;
                Ok(())
            }
            None => Err(self.failed("no such MSI-X vector")),
        }
    }

    fn take_interrupt(&mut self, vector: u16) -> Result<bool, TransportError> {
        let mut device = self.device.borrow_mut();
        let controller = &mut device.controllers[usize::from(self.function)];
        match controller.vectors.get_mut(usize::from(vector)) {
            Some((_, fired)) => Ok(std::mem::take(fired)),
            None => Err(self.failed("no such MSI-X vector")),
        }
    }

    fn reset_function(&mut self) -> Result<(), TransportError> {
        let mut device = self.device.borrow_mut();
        let controller = &mut device.controllers[usize::from(self.function)];
        if controller.presence != Presence::Present {
            return Err(self.gone());
        }
        if controller.unresettable {
            return Err(self.failed("the function level reset did not end"));
        }
        controller.reset();
        device
            .delayed
            .retain(|posting| posting.function != self.function);
        Ok(())
    }
}
