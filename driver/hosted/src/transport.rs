//! The driver's [`Transport`] in real time.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nvme_driver::{DmaPurpose, Transport, TransportError, Wake};

use crate::access::{FunctionAccess, FunctionDescription};
use crate::clock;
use crate::interrupts::{Vector, WakeSet};
use crate::pool::{DmaPool, HostedDma};
use crate::registers::Registers;
use crate::wait::{Idleness, WaitMode};

/// Most vectors that are armed; a queue pair beyond them polls.
const MOST_VECTORS: u16 = 64;

/// How a transport behaves.
#[derive(Clone, Debug, Default)]
pub struct HostedOptions {
    /// How clients wait.
    pub wait: WaitMode,
    /// What ends the sleep of a client. `None`: each handle sleeps for its own vectors alone, as a
    /// thread that looks after one queue pair wants it.
    pub wakes: Option<WakeSet>,
    /// How long a function that is gone is waited for, where it could come back: the server of another
    /// process that is started again. Not at all by default.
    pub return_within: Duration,
}

/// One handle on one function of a real machine.
pub struct HostedTransport {
    function: Arc<Function>,
    wakes: WakeSet,
    idleness: Idleness,
    wait_mode: WaitMode,
}

/// What all handles on a function share.
struct Function {
    name: Arc<str>,
    bar0_bytes: u64,
    registers: Registers,
    access: Arc<dyn FunctionAccess>,
    pool: Arc<DmaPool>,
    vector_count: u16,
    /// Empty until the first vector is wanted; then all are armed.
    vectors: Mutex<Vec<Arc<Vector>>>,
    /// Handles share this set; otherwise each has its own.
    shared_wakes: Option<WakeSet>,
}

impl Function {
    /// Has the vectors signal what they did before a reset, which may have undone it.
    fn arm_again(&self) -> Result<(), TransportError> {
        let vectors = self.vectors.lock().unwrap_or_else(PoisonError::into_inner);
        if vectors.is_empty() {
            return Ok(());
        }
        let events: Vec<_> = vectors.iter().map(|vector| vector.event()).collect();
        self.access.enable_interrupts(&events)
    }
}

impl HostedTransport {
    /// A transport on the function that `access` reaches.
    #[must_use]
    pub fn new(
        description: FunctionDescription,
        access: Arc<dyn FunctionAccess>,
        options: HostedOptions,
    ) -> Self {
        let name: Arc<str> = description.name.into();
        let pool = DmaPool::new(
            Arc::clone(&access),
            Arc::clone(&name),
            description.memory,
            &description.iova,
        );
        let function = Function {
            name,
            bar0_bytes: description.bar0_bytes,
            registers: description.registers,
            access,
            pool: Arc::new(pool),
            vector_count: description.vectors.min(MOST_VECTORS),
            vectors: Mutex::default(),
            shared_wakes: options.wakes,
        };
        Self {
            wakes: function.shared_wakes.clone().unwrap_or_default(),
            function: Arc::new(function),
            idleness: Idleness::default(),
            wait_mode: options.wait,
        }
    }

    /// Are the doorbells from `offset` on written without a system call?
    #[must_use]
    pub fn is_mapped(&self, offset: u64) -> bool {
        self.function.registers.is_mapped(offset)
    }

    fn check_register(&self, offset: u64, bytes: usize) -> Result<(), TransportError> {
        let fits = offset
            .checked_add(bytes as u64)
            .is_some_and(|end| end <= self.function.bar0_bytes);
        if fits && offset.is_multiple_of(bytes as u64) {
            return Ok(());
        }
        Err(TransportError::InvalidRegister {
            device: self.function.name.to_string(),
            offset,
            bytes,
        })
    }

    fn check_there(&self) -> Result<(), TransportError> {
        match self.function.access.gone() {
            None => Ok(()),
            Some(reason) => Err(TransportError::DeviceGone {
                device: self.function.name.to_string(),
                reason,
            }),
        }
    }

    #[cold]
    fn slow_read(&mut self, offset: u64, data: &mut [u8]) -> Result<(), TransportError> {
        self.check_register(offset, data.len())?;
        self.check_there()?;
        self.function.access.read(offset, data)
    }

    #[cold]
    fn slow_write(&mut self, offset: u64, data: &[u8]) -> Result<(), TransportError> {
        self.check_register(offset, data.len())?;
        self.check_there()?;
        self.function.access.write(offset, data)
    }

    /// A register that reads as all ones may hold them by right; a function that is gone does so
    /// everywhere.
    fn check_ones(&self, all_ones: bool) -> Result<(), TransportError> {
        if !all_ones || self.function.access.answers() {
            return Ok(());
        }
        Err(TransportError::DeviceGone {
            device: self.function.name.to_string(),
            reason: "its registers read as all ones".to_owned(),
        })
    }

    fn vector(&self, vector: u16) -> Result<Arc<Vector>, TransportError> {
        let function = &*self.function;
        let failed = |reason: String| TransportError::Failed {
            device: function.name.to_string(),
            reason,
        };
        if vector >= function.vector_count {
            let reason = format!(
                "no MSI-X vector {vector}; there are {}",
                function.vector_count
            );
            return Err(failed(reason));
        }
        let mut vectors = function
            .vectors
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if vectors.is_empty() {
            let made: Vec<Arc<Vector>> = (0..function.vector_count)
                .map(|_| Vector::new().map(Arc::new))
                .collect::<Result<_, _>>()
                .map_err(|error| failed(format!("making an event descriptor: {error}")))?;
            let events: Vec<_> = made.iter().map(|vector| vector.event()).collect();
            function.access.enable_interrupts(&events)?;
            *vectors = made;
        }
        Ok(Arc::clone(&vectors[usize::from(vector)]))
    }
}

impl Transport for HostedTransport {
    type Dma = HostedDma;

    fn name(&self) -> &str {
        &self.function.name
    }

    fn clone_handle(&self) -> Self {
        Self {
            wakes: self.function.shared_wakes.clone().unwrap_or_default(),
            function: Arc::clone(&self.function),
            idleness: Idleness::default(),
            wait_mode: self.wait_mode,
        }
    }

    fn read_u32(&mut self, offset: u64) -> Result<u32, TransportError> {
        self.idleness.settle();
        let value = match self.function.registers.read_u32(offset) {
            Some(value) => value,
            None => {
                let mut data = [0; 4];
                self.slow_read(offset, &mut data)?;
                u32::from_le_bytes(data)
            }
        };
        self.check_ones(value == u32::MAX)?;
        Ok(value)
    }

    fn read_u64(&mut self, offset: u64) -> Result<u64, TransportError> {
        self.idleness.settle();
        let value = match self.function.registers.read_u64(offset) {
            Some(value) => value,
            None => {
                let mut data = [0; 8];
                self.slow_read(offset, &mut data)?;
                u64::from_le_bytes(data)
            }
        };
        self.check_ones(value == u64::MAX)?;
        Ok(value)
    }

    #[inline]
    fn write_u32(&mut self, offset: u64, value: u32) -> Result<(), TransportError> {
        self.idleness.end();
        if self.function.registers.write_u32(offset, value) {
            return Ok(());
        }
        self.slow_write(offset, &value.to_le_bytes())
    }

    fn write_u64(&mut self, offset: u64, value: u64) -> Result<(), TransportError> {
        self.idleness.end();
        if self.function.registers.write_u64(offset, value) {
            return Ok(());
        }
        self.slow_write(offset, &value.to_le_bytes())
    }

    fn allocate_dma(
        &mut self,
        bytes: usize,
        _purpose: DmaPurpose,
    ) -> Result<HostedDma, TransportError> {
        self.check_there()?;
        self.function.pool.allocate(bytes)
    }

    #[inline]
    fn now_ns(&self) -> u64 {
        clock::now_ns()
    }

    #[inline]
    fn coarse_now_ns(&self) -> u64 {
        clock::coarse_now_ns()
    }

    #[inline]
    fn wait(&mut self, deadline_ns: u64) -> Result<Wake, TransportError> {
        let passed = !self.idleness.step(self.wait_mode, &self.wakes, deadline_ns);
        self.check_there()?;
        Ok(if passed { Wake::Deadline } else { Wake::Device })
    }

    fn interrupt_vectors(&self) -> u16 {
        self.function.vector_count
    }

    fn enable_interrupt(&mut self, vector: u16) -> Result<(), TransportError> {
        let vector = self.vector(vector)?;
        self.wakes.add(&vector);
        Ok(())
    }

    fn take_interrupt(&mut self, vector: u16) -> Result<bool, TransportError> {
        Ok(self.vector(vector)?.take())
    }

    fn reset_function(&mut self) -> Result<(), TransportError> {
        self.check_there()?;
        self.function.access.reset()?;
        self.function.arm_again()
    }

    fn bring_back(&mut self) -> bool {
        let Function {
            access,
            registers,
            pool,
            ..
        } = &*self.function;
        let back = pool.with_memory(|memory| access.bring_back(registers, memory));
        back && self.function.arm_again().is_ok()
    }
}

impl fmt::Debug for HostedTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostedTransport({})", self.function.name)
    }
}
