//! A twin with a mistake put in, to see that the check notices.

use nvme_model::Model;
use nvme_spec::{COMPLETION_ENTRY_BYTES, CompletionEntry, Status};
use pcie_host::endpoint::{
    Cycle, Endpoint, FunctionId, Inbound, MemoryRead, MemoryWrite, Port, ReadStatus,
};
use zerocopy::{FromBytes, IntoBytes};

use crate::script::Setup;
use crate::twins::{Device, model_with};

/// A mistake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mistake {
    /// The range lock grants every request at once.
    NoLock,
    /// A bit of data on its way to a host.
    FlippedToHost,
    /// A bit of data on its way from a host.
    FlippedToDevice,
    /// A command that has failed says that it has not.
    WrongStatus,
    /// A completion that does not come.
    NoCompletion,
    /// Host data that did not arrive are taken for good.
    NoError,
}

impl Mistake {
    /// All of them, with the names that the command line has for them.
    pub const ALL: [(&'static str, Self); 6] = [
        ("no-lock", Self::NoLock),
        ("flipped-to-host", Self::FlippedToHost),
        ("flipped-to-device", Self::FlippedToDevice),
        ("wrong-status", Self::WrongStatus),
        ("no-completion", Self::NoCompletion),
        ("no-error", Self::NoError),
    ];
}

/// The cycle model with a mistake.
pub fn spoiled_model(setup: &Setup, mistake: Mistake) -> Device {
    let change = |model: &mut Model| {
        if mistake == Mistake::NoLock {
            model.remove_range_lock();
        }
    };
    let mut device = model_with(setup, |_| (), change);
    device.endpoint = Box::new(Spoiled {
        inner: device.endpoint,
        mistake,
        passed: 0,
    });
    device
}

/// Data or completions of this number are spoiled: after bring-up, and not only once.
const EVERY: u64 = 16;

struct Spoiled {
    inner: Box<dyn Endpoint>,
    mistake: Mistake,
    passed: u64,
}

impl Spoiled {
    /// Is it the turn of one that may be spoiled?
    fn is_due(&mut self, may: bool) -> bool {
        self.passed += u64::from(may);
        may && self.passed.is_multiple_of(EVERY)
    }
}

/// The port, as the device sees it.
struct SpoiledPort<'a> {
    port: &'a mut dyn Port,
    mistake: Mistake,
    passed: &'a mut u64,
}

impl SpoiledPort<'_> {
    fn is_due(&mut self, may: bool) -> bool {
        *self.passed += u64::from(may);
        may && self.passed.is_multiple_of(EVERY)
    }
}

impl Port for SpoiledPort<'_> {
    fn request_offered(&mut self, since: Cycle) {
        self.port.request_offered(since);
    }

    fn memory_write(&mut self, at: Cycle, write: MemoryWrite<'_>) {
        let mut data = write.data.to_vec();
        let entry = (data.len() == COMPLETION_ENTRY_BYTES)
            .then(|| CompletionEntry::read_from_bytes(&data).ok())
            .flatten();
        // Completions of I/O queues.
        let entry = entry.filter(|entry| entry.submission_queue_id != 0);
        let may = match self.mistake {
            Mistake::FlippedToHost => write.data.len() >= 512,
            Mistake::NoCompletion => entry.is_some(),
            _ => false,
        };
        if self.is_due(may) {
            if entry.is_some() {
                return;
            }
            data[77] ^= 4;
        }
        if self.mistake == Mistake::WrongStatus
            && let Some(mut entry) = entry
            && entry.status() == Status::COMPARE_FAILURE
        {
            entry.dword3 &= 0x1_ffff;
            data = entry.as_bytes().to_vec();
        }
        let write = MemoryWrite {
            data: &data,
            ..write
        };
        self.port.memory_write(at, write);
    }

    fn memory_read(&mut self, at: Cycle, read: MemoryRead) {
        self.port.memory_read(at, read);
    }

    fn read_completion(&mut self, at: Cycle, tag: u16, data: Option<u64>) {
        self.port.read_completion(at, tag, data);
    }

    fn function_reset_done(&mut self, at: Cycle, function: FunctionId) {
        self.port.function_reset_done(at, function);
    }
}

impl Endpoint for Spoiled {
    fn next_event(&self) -> Option<Cycle> {
        self.inner.next_event()
    }

    fn advance(&mut self, until: Cycle, port: &mut dyn Port) {
        let mut port = SpoiledPort {
            port,
            mistake: self.mistake,
            passed: &mut self.passed,
        };
        self.inner.advance(until, &mut port);
    }

    fn receive(&mut self, at: Cycle, inbound: Inbound<'_>) {
        let Inbound::ReadData {
            tag,
            data,
            status,
            last,
        } = inbound
        else {
            return self.inner.receive(at, inbound);
        };
        let mut data = data.to_vec();
        let mut status = status;
        if self.mistake == Mistake::FlippedToDevice && self.is_due(data.len() >= 256) {
            data[33] ^= 1;
        }
        if self.mistake == Mistake::NoError && status == ReadStatus::Poisoned {
            status = ReadStatus::Success;
        }
        let data = &data;
        self.inner.receive(
            at,
            Inbound::ReadData {
                tag,
                data,
                status,
                last,
            },
        );
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
