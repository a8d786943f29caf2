//! A served function: what `nvme-hosted` needs of it, over one connection after the other.

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nvme_driver::TransportError;
use nvme_hosted::{
    FunctionAccess, FunctionDescription, HostMemory, HostedOptions, HostedTransport, IovaRange,
    MemoryKind, Registers,
};
use vfio_user_wire::Command;
use vfio_user_wire::region::BAR0;

use crate::connect::connect;
use crate::connected::{Connected, MOST_VECTORS, Obstacle, show};
use crate::error::VfioUserError;
use crate::link::LinkError;

/// Bus addresses of DMA memory. Any would do.
const IOVA: IovaRange = IovaRange {
    first: 4 << 30,
    last: (1 << 39) - 1,
};
/// Between two looks for a server that may have come back.
const LOOK: Duration = Duration::from_millis(20);

/// Connects to the function behind `socket`, named `name` in messages.
///
/// # Errors
/// There is no server, or what it serves is no NVMe controller.
pub fn open(
    socket: &Path,
    name: &str,
    options: HostedOptions,
) -> Result<HostedTransport, VfioUserError> {
    let stream = connect(socket)?;
    let failed = |obstacle| {
        let socket = socket.to_owned();
        match obstacle {
            Obstacle::Protocol(step, reason) => VfioUserError::Protocol {
                socket,
                step,
                reason,
            },
            Obstacle::Unsuitable(reason) => VfioUserError::Unsuitable { socket, reason },
        }
    };
    let step = |step| move |reason| Obstacle::Protocol(step, reason);
    let connected = Connected::new(stream).map_err(failed)?;
    let bar0 = connected.bar0().map_err(step("asking for BAR0"));
    let bar0 = bar0.map_err(failed)?;
    let registers = bar0.map().map_err(step("mapping BAR0")).map_err(failed)?;
    let vectors = connected.vectors().map_err(failed)?;
    let enabled = connected.enable().map_err(|error| show(&error));
    enabled
        .map_err(step("enabling bus mastering"))
        .map_err(failed)?;
    let description = FunctionDescription {
        name: name.to_owned(),
        bar0_bytes: bar0.bytes,
        registers,
        vectors: u64::from(vectors).min(MOST_VECTORS) as u16,
        iova: vec![IOVA],
        memory: MemoryKind::Shared,
    };
    let function = ServedFunction {
        connected: RwLock::new(Arc::new(connected)),
        name: name.to_owned(),
        socket: socket.to_owned(),
        return_within: options.return_within,
        bar0_bytes: bar0.bytes,
    };
    Ok(HostedTransport::new(
        description,
        Arc::new(function),
        options,
    ))
}

struct ServedFunction {
    /// The connection of now.
    connected: RwLock<Arc<Connected>>,
    name: String,
    socket: PathBuf,
    /// How long a server that has gone is waited for.
    return_within: Duration,
    bar0_bytes: u64,
}

impl ServedFunction {
    fn connected(&self) -> Arc<Connected> {
        let connected = self.connected.read();
        Arc::clone(&connected.unwrap_or_else(PoisonError::into_inner))
    }

    fn error(&self, error: LinkError) -> TransportError {
        let device = self.name.clone();
        match error {
            LinkError::Gone(reason) => TransportError::DeviceGone { device, reason },
            LinkError::Refused(error) => TransportError::Failed {
                device,
                reason: error.to_string(),
            },
        }
    }

    /// Connects once more; `None` while there is nobody, or nobody like the one before.
    fn connect_again(
        &self,
        registers: &Registers,
        memory: &[(&HostMemory, u64)],
    ) -> Option<Connected> {
        let stream = connect(&self.socket).ok()?;
        let connected = Connected::new(stream).ok()?;
        let bar0 = connected.bar0().ok()?;
        if bar0.bytes != self.bar0_bytes || !bar0.map_over(registers) {
            return None;
        }
        connected.enable().ok()?;
        for (memory, iova) in memory {
            connected.map(memory, *iova).ok()?;
        }
        Some(connected)
    }
}

impl FunctionAccess for ServedFunction {
    fn read(&self, offset: u64, data: &mut [u8]) -> Result<(), TransportError> {
        let read = self.connected().read_region(BAR0, offset, data);
        read.map_err(|error| self.error(error))
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), TransportError> {
        let written = self.connected().write_region(BAR0, offset, data);
        written.map_err(|error| self.error(error))
    }

    fn map(&self, memory: &HostMemory, iova: u64) -> Result<(), String> {
        self.connected().map(memory, iova)
    }

    fn unmap(&self, memory: &HostMemory, iova: u64) {
        self.connected().unmap(memory, iova);
    }

    fn enable_interrupts(&self, events: &[BorrowedFd<'_>]) -> Result<(), TransportError> {
        let enabled = self.connected().enable_interrupts(events);
        enabled.map_err(|error| self.error(error))
    }

    fn reset(&self) -> Result<(), TransportError> {
        let connected = self.connected();
        let reset = connected.link().call(Command::DeviceReset, &[], &[]);
        reset
            .and_then(|_| connected.enable())
            .map_err(|error| self.error(error))
    }

    fn answers(&self) -> bool {
        self.gone().is_none()
    }

    fn bring_back(&self, registers: &Registers, memory: &[(&HostMemory, u64)]) -> bool {
        let until = Instant::now() + self.return_within;
        while Instant::now() < until {
            if let Some(connected) = self.connect_again(registers, memory) {
                let mut place = self.connected.write();
                let place = place
                    .as_deref_mut()
                    .unwrap_or_else(|poisoned| poisoned.get_mut());
                *place = Arc::new(connected);
                return true;
            }
            sleep(LOOK);
        }
        false
    }

    fn gone(&self) -> Option<String> {
        let connected = self.connected.read();
        connected
            .unwrap_or_else(PoisonError::into_inner)
            .link()
            .over()
    }
}
