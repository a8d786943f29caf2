//! What passes the port to the hosts, event by event: for the question where two twins begin to differ.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use nvme_model::{LockEvent, LockStep};
use pcie_host::endpoint::{
    Cycle, Endpoint, FunctionId, Inbound, MemoryRead, MemoryWrite, Port, ReadStatus,
};

/// No burst has shorter TLPs, but for its last.
const LEAST_PAYLOAD_BYTES: u64 = 128;
const PAGE_BYTES: u64 = 4096;

/// What has passed, or what a twin has told of itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum What {
    /// A host read.
    Read {
        /// For this function.
        function: u8,
        /// Bus address.
        address: u64,
        /// Bytes.
        length: u32,
        /// Tag.
        tag: u8,
    },
    /// Data, a completion or an interrupt message; of data, everything up to the end of a host page.
    Write {
        /// For this function.
        function: u8,
        /// Bus address of the first byte behind it.
        end: u64,
        /// Bytes.
        length: u64,
    },
    /// A register or doorbell was written.
    Register {
        /// Of this function.
        function: u8,
        /// Offset in BAR0.
        offset: u64,
        /// First byte or four bytes written.
        value: u32,
    },
    /// A register is read.
    Look {
        /// Of this function.
        function: u8,
        /// Offset in BAR0.
        offset: u64,
    },
    /// Its answer.
    Answer {
        /// What it says; nothing when there is no such register.
        value: Option<u64>,
    },
    /// Data of a host read came: in the cycle of its first or last beat, as the endpoint is told.
    Data {
        /// Tag of the read.
        tag: u8,
        /// Bytes.
        length: usize,
        /// The read has ended.
        last: bool,
        /// It has ended well.
        good: bool,
    },
    /// A step of the range lock.
    Lock {
        /// What.
        step: &'static str,
        /// Whose command.
        function: u8,
        /// Its submission queue.
        queue: u16,
        /// Its identifier.
        command: u16,
    },
}

impl What {
    /// Must both twins do it in the same cycle? The rest is shown beside it.
    const fn is_compared(&self) -> bool {
        matches!(
            self,
            Self::Read { .. }
                | Self::Write { .. }
                | Self::Register { .. }
                | Self::Look { .. }
                | Self::Answer { .. }
        )
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read {
                function,
                address,
                length,
                tag,
            } => write!(f, "f{function} read  {address:#x} {length} tag {tag}"),
            Self::Write {
                function,
                end,
                length,
            } => write!(f, "f{function} write {:#x} {length}", end - length),
            Self::Register {
                function,
                offset,
                value,
            } => write!(f, "f{function} reg   {offset:#x} = {value:#x}"),
            Self::Look { function, offset } => write!(f, "f{function} look  {offset:#x}"),
            Self::Answer { value: Some(value) } => write!(f, "   answer {value:#x}"),
            Self::Answer { value: None } => write!(f, "   answer: none"),
            Self::Data {
                tag,
                length,
                last,
                good,
            } => write!(
                f,
                "   (data of tag {tag}, {length}{}{})",
                if *last { ", last" } else { "" },
                if *good { "" } else { ", bad" }
            ),
            Self::Lock {
                step,
                function,
                queue,
                command,
            } => write!(f, "   (lock f{function} q{queue} {command:#x} {step})"),
        }
    }
}

/// An event and its cycle.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Event {
    /// When.
    pub at: Cycle,
    /// What.
    pub what: What,
}

/// What is recorded.
#[derive(Default, Debug)]
struct Record {
    events: Vec<Event>,
    /// Of each function, the place of its last write.
    last_writes: BTreeMap<u8, usize>,
}

/// The events of one run, shared with whoever records them.
#[derive(Clone, Default, Debug)]
pub struct Events(Rc<RefCell<Record>>);

impl Events {
    fn push(&self, at: Cycle, what: What) {
        self.0.borrow_mut().events.push(Event { at, what });
    }

    /// A write; a TLP behind another of the same burst becomes part of it.
    fn push_write(&self, at: Cycle, function: FunctionId, address: u64, length: u64) {
        let mut record = self.0.borrow_mut();
        let Record {
            events,
            last_writes,
        } = &mut *record;
        let before = last_writes.get(&function.0);
        if let Some(Event {
            at: last_at,
            what:
                What::Write {
                    end,
                    length: before,
                    ..
                },
        }) = before.map(|place| &mut events[*place])
            && *end == address
            && *before >= LEAST_PAYLOAD_BYTES
            && !address.is_multiple_of(PAGE_BYTES)
        {
            *end += length;
            *before += length;
            *last_at = at;
            return;
        }
        last_writes.insert(function.0, events.len());
        events.push(Event {
            at,
            what: What::Write {
                function: function.0,
                end: address + length,
                length,
            },
        });
    }

    /// Adds steps of the range lock.
    pub fn add_locks(&self, locks: &[LockEvent]) {
        for event in locks {
            let step = match event.step {
                LockStep::Requested => "requested",
                LockStep::Granted => "granted",
                LockStep::Released => "released",
            };
            let what = What::Lock {
                step,
                function: event.function.0,
                queue: event.queue_id,
                command: event.command_id,
            };
            self.push(event.at, what);
        }
    }

    /// All of them in the order of time.
    pub fn sorted(&self) -> Vec<Event> {
        let mut events = self.0.borrow().events.clone();
        events.sort();
        events
    }
}

/// An endpoint whose port is watched.
pub struct Watched {
    inner: Box<dyn Endpoint>,
    events: Events,
}

impl Watched {
    /// Watches `inner` from now on.
    pub fn new(inner: Box<dyn Endpoint>, events: Events) -> Self {
        Self { inner, events }
    }
}

struct Tap<'a> {
    port: &'a mut dyn Port,
    events: &'a Events,
}

impl Port for Tap<'_> {
    fn request_offered(&mut self, since: Cycle) {
        self.port.request_offered(since);
    }

    fn memory_write(&mut self, at: Cycle, write: MemoryWrite<'_>) {
        let length = write.data.len() as u64;
        self.events
            .push_write(at, write.function, write.address, length);
        self.port.memory_write(at, write);
    }

    fn memory_read(&mut self, at: Cycle, read: MemoryRead) {
        let what = What::Read {
            function: read.function.0,
            address: read.address,
            length: read.length_bytes,
            tag: read.tag,
        };
        self.events.push(at, what);
        self.port.memory_read(at, read);
    }

    fn read_completion(&mut self, at: Cycle, tag: u16, data: Option<u64>) {
        self.events.push(at, What::Answer { value: data });
        self.port.read_completion(at, tag, data);
    }

    fn function_reset_done(&mut self, at: Cycle, function: FunctionId) {
        self.port.function_reset_done(at, function);
    }
}

impl Endpoint for Watched {
    fn next_event(&self) -> Option<Cycle> {
        self.inner.next_event()
    }

    fn advance(&mut self, until: Cycle, port: &mut dyn Port) {
        let mut tap = Tap {
            port,
            events: &self.events,
        };
        self.inner.advance(until, &mut tap);
    }

    fn receive(&mut self, at: Cycle, inbound: Inbound<'_>) {
        match &inbound {
            Inbound::MemoryWrite {
                function,
                offset,
                data,
            } => {
                let mut value = [0; 4];
                let bytes = data.len().min(4);
                value[..bytes].copy_from_slice(&data[..bytes]);
                let what = What::Register {
                    function: function.0,
                    offset: *offset,
                    value: u32::from_le_bytes(value),
                };
                self.events.push(at, what);
            }
            Inbound::MemoryRead {
                function, offset, ..
            } => {
                let what = What::Look {
                    function: function.0,
                    offset: *offset,
                };
                self.events.push(at, what);
            }
            Inbound::ReadData {
                tag,
                data,
                status,
                last,
            } => {
                let what = What::Data {
                    tag: *tag,
                    length: data.len(),
                    last: *last,
                    good: *status == ReadStatus::Success,
                };
                self.events.push(at, what);
            }
            _ => {}
        }
        self.inner.receive(at, inbound);
    }

    fn receives_first_beats(&self) -> bool {
        self.inner.receives_first_beats()
    }

    fn virtual_functions(&self) -> u8 {
        self.inner.virtual_functions()
    }

    fn vectors_per_function(&self) -> u16 {
        self.inner.vectors_per_function()
    }

    fn peek_medium(&self, offset: u64, into: &mut [u8]) {
        self.inner.peek_medium(offset, into);
    }
}

/// Where two runs begin to differ: the cycle, and both runs' events around it, side by side in the
/// order of time.
pub fn divergence(one: &[Event], other: &[Event], around: usize) -> Option<(Cycle, String)> {
    let compared = |events: &[Event]| -> Vec<Event> {
        let events = events.iter().filter(|event| event.what.is_compared());
        events.cloned().collect()
    };
    let (one_compared, other_compared) = (compared(one), compared(other));
    let same = one_compared
        .iter()
        .zip(&other_compared)
        .take_while(|(one, other)| one == other)
        .count();
    let next = |events: &[Event]| events.get(same).map_or(Cycle::MAX, |event| event.at);
    let at = next(&one_compared).min(next(&other_compared));
    if at == Cycle::MAX {
        return None;
    }
    let shown = |events: &[Event]| -> Vec<String> {
        let middle = events.partition_point(|event| event.at < at);
        let shown = events[..(middle + around).min(events.len())].iter();
        shown
            .skip(middle.saturating_sub(around))
            .map(|event| {
                let mark = if event.at == at { '>' } else { ' ' };
                format!("{mark}{:>9} {}", event.at, event.what)
            })
            .collect()
    };
    let (left, right) = (shown(one), shown(other));
    let mut text = String::new();
    for line in 0..left.len().max(right.len()) {
        let side = |lines: &[String]| lines.get(line).cloned().unwrap_or_default();
        text.push_str(&format!("{:<58}{}\n", side(&left), side(&right)));
    }
    Some((at, text))
}
