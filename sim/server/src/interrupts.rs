//! MSI-X as a client of VFIO sees it: an eventfd a vector. The endpoint's own table is the server's:
//! a vector is unmasked there while an eventfd is armed, and masked otherwise, so that what is raised
//! meanwhile stays in the endpoint's pending bits and comes out when the client has armed it again.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nvme_spec::msix::{TableEntry, VECTOR_MASKED, entry_offset};
use pcie_host::endpoint::FunctionId;
use pcie_host::interrupt::message_address;
use rustix::io::Errno;
use vfio_user_wire::irq::{Action, Data};
use zerocopy::IntoBytes;

use crate::mapped_file::is_eventfd;

/// So many messages a gap are a stream; fewer come sooner if they are told at once.
const STREAM: u32 = 4;
/// So many messages are told at once after some that were held back and turned out to be no stream: what holding them
/// back in vain costs is spread over these.
const TOLD_AT_ONCE: u32 = 256;

#[derive(Debug, Default)]
struct Vector {
    eventfd: Option<OwnedFd>,
    /// By `SET_IRQS`.
    masked: bool,
    /// The endpoint's table entry is unmasked.
    unmasked_in_endpoint: bool,
    /// Messages of the endpoint of which the client has not been told.
    messages: u32,
    /// They are told once in a gap.
    streams: bool,
    /// Messages that are told at once, whatever they look like.
    at_once: u32,
    /// When the client was told the last time.
    told: Option<Instant>,
}

impl Vector {
    const fn is_armed(&self) -> bool {
        self.eventfd.is_some() && !self.masked
    }

    /// There is something of which the client wants to be told.
    const fn wants(&self) -> bool {
        self.messages > 0 && self.is_armed()
    }

    /// How long from `now` until the client is to be told of what there is. It may be a stream when it follows the
    /// last time the client was told within the gap.
    fn wait(&mut self, now: Instant, gap: Duration) -> Duration {
        let Some(told) = self.told else {
            return Duration::ZERO;
        };
        self.streams = self.at_once == 0 && (self.streams || now - told < gap);
        if self.streams {
            (told + gap).saturating_duration_since(now)
        } else {
            Duration::ZERO
        }
    }

    /// The client is told in `now`.
    fn tell(&mut self, now: Instant) {
        self.at_once = self.at_once.saturating_sub(self.messages);
        if self.streams && self.messages < STREAM {
            self.streams = false;
            self.at_once = TOLD_AT_ONCE;
        }
        self.told = Some(now);
        self.messages = 0;
        signal(self);
    }
}

/// A function's vectors.
#[derive(Debug)]
pub(crate) struct Interrupts {
    function: FunctionId,
    vectors: Vec<Vector>,
    /// A client is told of a stream of messages once in so long.
    gap: Duration,
    /// Vectors of which the client has not been told.
    raised: usize,
    /// How long until it is to be told of the first of them.
    next: Option<Duration>,
}

impl Interrupts {
    pub(crate) fn new(function: FunctionId, vectors: u16, gap: Duration) -> Self {
        Self {
            function,
            gap,
            raised: 0,
            next: None,
            vectors: std::iter::repeat_with(Vector::default)
                .take(vectors.into())
                .collect(),
        }
    }

    /// Vectors there are.
    pub(crate) fn count(&self) -> u32 {
        self.vectors.len() as u32
    }

    /// At least one vector has an eventfd.
    pub(crate) fn any_armed(&self) -> bool {
        self.vectors.iter().any(|vector| vector.eventfd.is_some())
    }

    /// The client has gone.
    pub(crate) fn disarm(&mut self) {
        for vector in &mut self.vectors {
            vector.eventfd = None;
            vector.masked = false;
        }
    }

    /// The endpoint's table is as after a reset.
    pub(crate) fn endpoint_was_reset(&mut self) {
        self.raised = 0;
        for vector in &mut self.vectors {
            vector.unmasked_in_endpoint = false;
            vector.messages = 0;
        }
    }

    /// `DEVICE_SET_IRQS` for MSI-X.
    ///
    /// # Errors
    /// The errno of the reply; nothing has changed then.
    pub(crate) fn set(
        &mut self,
        start: u32,
        count: u32,
        action: Action,
        data: Data<'_>,
        fds: Vec<OwnedFd>,
    ) -> Result<(), Errno> {
        let end = start.checked_add(count).ok_or(Errno::INVAL)?;
        let Some(range) = self.vectors.get_mut(start as usize..end as usize) else {
            return Err(Errno::INVAL);
        };
        if !fds.is_empty() && data != Data::Eventfd {
            return Err(Errno::INVAL);
        }
        if count == 0 {
            // Only this one combination has a meaning: the whole type is switched off.
            if (start, action, data) != (0, Action::Trigger, Data::None) {
                return Err(Errno::INVAL);
            }
            self.disarm();
            return Ok(());
        }
        match (action, data) {
            (Action::Trigger, Data::Eventfd) => {
                if fds.len() != range.len() && !fds.is_empty() {
                    return Err(Errno::INVAL);
                }
                if !fds.iter().all(is_eventfd) {
                    return Err(Errno::INVAL);
                }
                let mut fds = fds.into_iter();
                for vector in range {
                    vector.eventfd = fds.next();
                }
            }
            (Action::Mask | Action::Unmask, Data::Eventfd) => return Err(Errno::NOTSUP),
            (action, data) => {
                for (index, vector) in range.iter_mut().enumerate() {
                    let meant = match data {
                        Data::Bool(bytes) => bytes[index] != 0,
                        Data::None | Data::Eventfd => true,
                    };
                    match action {
                        _ if !meant => {}
                        Action::Mask => vector.masked = true,
                        Action::Unmask => vector.masked = false,
                        Action::Trigger => signal(vector),
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes of BAR0 that bring the endpoint's table up to date.
    pub(crate) fn bring_up_to_date(&mut self, mut write: impl FnMut(u64, &[u8])) {
        for (number, vector) in self.vectors.iter_mut().enumerate() {
            let armed = vector.is_armed();
            if armed == vector.unmasked_in_endpoint {
                continue;
            }
            vector.unmasked_in_endpoint = armed;
            let entry = TableEntry {
                address: message_address(self.function),
                data: number as u32,
                control: if armed { 0 } else { VECTOR_MASKED },
            };
            let offset = entry_offset(number as u16);
            let (address, rest) = entry.as_bytes().split_at(8);
            write(offset, address);
            write(offset + 8, rest);
        }
    }

    /// The endpoint has sent a message, of which [`signal`](Self::signal) tells; false when it is none of this
    /// function.
    pub(crate) fn raise(&mut self, address: u64, data: &[u8]) -> bool {
        let number = match *data {
            [a, b, c, d] => u32::from_le_bytes([a, b, c, d]) as usize,
            _ => return false,
        };
        match self.vectors.get_mut(number) {
            Some(vector) if address == message_address(self.function) => {
                self.raised += usize::from(vector.messages == 0);
                vector.messages = vector.messages.saturating_add(1);
                true
            }
            _ => false,
        }
    }

    /// Tells the client what has been raised, each vector once, but for streams, whose time has not come. What
    /// the client has not armed waits until it has. True when anything waits.
    pub(crate) fn signal(&mut self) -> bool {
        self.next = None;
        if self.raised == 0 {
            return false;
        }
        for vector in self.vectors.iter_mut().filter(|vector| vector.wants()) {
            let now = Instant::now();
            let wait = vector.wait(now, self.gap);
            if wait.is_zero() {
                vector.tell(now);
                self.raised -= 1;
            } else {
                self.next = Some(self.next.map_or(wait, |next| next.min(wait)));
            }
        }
        self.raised > 0
    }

    /// How long it was, after the last [`signal`](Self::signal), until the client is to be told of more.
    pub(crate) fn next_signal(&self) -> Option<Duration> {
        self.next.filter(|_| self.raised > 0)
    }
}

fn signal(vector: &mut Vector) {
    if let Some(eventfd) = &vector.eventfd {
        // A counter that is full signals already.
        let _ = rustix::io::write(eventfd, &1_u64.to_ne_bytes());
    }
}
