//! A vfio-user server without a device: BAR0 is memory, and what arrives is noted.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use nvme_hosted::{HostedOptions, HostedTransport};
use nvme_vfio_user::VfioUserError;
use rustix::io::Errno;
use tempfile::TempDir;
use vfio_user_wire::irq::{IrqInfo, IrqSet};
use vfio_user_wire::message::{
    DEVICE_PCI, DEVICE_RESET, DeviceInfo, DmaAccess, DmaMap, DmaUnmap, RegionAccess,
};
use vfio_user_wire::region::{
    BAR0, CONFIG, MMAP, READ, RegionInfo, SparseArea, WRITE, encode_region_info,
};
use vfio_user_wire::{
    Capabilities, Command, Connection, Header, Limits, Message, Version, payload, payload_with_tail,
};
use zerocopy::IntoBytes;

/// Bytes of BAR0.
pub(crate) const BAR0_BYTES: u64 = 0x4000;
/// A register that makes the peer read 8 bytes of the client's memory at the address written to it, add
/// one, and write them 8 bytes further on.
pub(crate) const DMA_REGISTER: u64 = 0x80;

/// What the peer does about a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// Says no.
    Refuse(Errno),
    /// Closes the connection.
    Close,
    /// Answers with one byte.
    Short,
}

/// What the peer is.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) class_and_revision: u32,
    pub(crate) device_flags: u32,
    pub(crate) version: Version,
    pub(crate) vectors: u32,
    /// The mappable areas of BAR0, and the bytes of the file behind them.
    pub(crate) areas: Vec<SparseArea>,
    pub(crate) file_bytes: u64,
    pub(crate) faults: HashMap<Command, Fault>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            class_and_revision: 0x0108_0201,
            device_flags: DEVICE_PCI | DEVICE_RESET,
            version: Version::new(Capabilities {
                max_msg_fds: 8,
                ..Capabilities::default()
            }),
            vectors: 5,
            areas: Vec::new(),
            file_bytes: BAR0_BYTES,
            faults: HashMap::new(),
        }
    }
}

/// What has arrived.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) registers: HashMap<u64, Vec<u8>>,
    pub(crate) command_register: u16,
    /// Offset, bytes, and whether no reply was wanted.
    pub(crate) writes: Vec<(u64, Vec<u8>, bool)>,
    pub(crate) maps: Vec<(DmaMap, OwnedFd)>,
    pub(crate) unmaps: Vec<DmaUnmap>,
    pub(crate) events: Vec<OwnedFd>,
    /// First vector and descriptors of each message.
    pub(crate) irq_messages: Vec<(u32, usize)>,
    pub(crate) resets: u32,
    /// Of the peer's own DMA commands.
    pub(crate) dma_errors: Vec<u32>,
}

pub(crate) struct Peer {
    folder: TempDir,
    notes: Arc<Mutex<Notes>>,
    plan: Arc<Mutex<Plan>>,
    pub(crate) bar0: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    pub(crate) fn new(plan: Plan) -> Self {
        let folder = TempDir::new().expect("a folder");
        let listener = UnixListener::bind(folder.path().join("cntrl")).expect("a socket");
        let bar0 =
            rustix::fs::memfd_create("bar0", rustix::fs::MemfdFlags::CLOEXEC).expect("memory");
        rustix::fs::ftruncate(&bar0, plan.file_bytes).expect("sized");
        let file = bar0.try_clone().expect("copied");
        let (notes, plan) = (Arc::<Mutex<Notes>>::default(), Arc::new(Mutex::new(plan)));
        let (own_notes, own_plan) = (Arc::clone(&notes), Arc::clone(&plan));
        let thread = std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a client");
            let connection = Connection::new(stream, Limits::default());
            Session {
                connection,
                notes: own_notes,
                plan: own_plan,
                bar0: file,
            }
            .run();
        });
        Self {
            folder,
            notes,
            plan,
            bar0,
            thread: Some(thread),
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("cntrl")
    }

    pub(crate) fn open(&self) -> Result<HostedTransport, VfioUserError> {
        nvme_vfio_user::open(&self.socket(), "the peer", HostedOptions::default())
    }

    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().expect("the peer's thread lives")
    }

    /// From now on.
    pub(crate) fn fail(&self, command: Command, fault: Fault) {
        self.plan
            .lock()
            .expect("the peer's thread lives")
            .faults
            .insert(command, fault);
    }

    /// After the client has gone: what the peer's thread has to say.
    pub(crate) fn join(mut self) {
        self.thread
            .take()
            .expect("once")
            .join()
            .expect("the peer was content");
    }
}

struct Session {
    connection: Connection,
    notes: Arc<Mutex<Notes>>,
    plan: Arc<Mutex<Plan>>,
    bar0: OwnedFd,
}

impl Session {
    fn run(&mut self) {
        while let Ok(message) = self.connection.receive() {
            let command = Command::from_number(message.header.command).expect("a command");
            let fault = self
                .plan
                .lock()
                .expect("a plan")
                .faults
                .get(&command)
                .copied();
            let header = message.header;
            let sent = match fault {
                Some(Fault::Close) => return,
                Some(Fault::Refuse(errno)) => {
                    let errno = errno.raw_os_error() as u32;
                    self.connection.send(header.error_reply(errno), &[], &[])
                }
                Some(Fault::Short) => self.connection.send(header.reply(), &[&[0]], &[]),
                None => {
                    let (answer, fd) = self.answer(command, message);
                    if header.no_reply() {
                        continue;
                    }
                    let fds: Vec<_> = fd.iter().map(AsFd::as_fd).collect();
                    self.connection.send(header.reply(), &[&answer], &fds)
                }
            };
            if sent.is_err() {
                return;
            }
        }
    }

    fn answer(&mut self, command: Command, message: Message) -> (Vec<u8>, Option<OwnedFd>) {
        let plan = self.plan.lock().expect("a plan").clone();
        let shared = Arc::clone(&self.notes);
        let mut notes = shared.lock().expect("notes");
        let bytes = &message.payload;
        let answer = match command {
            Command::Version => {
                Version::decode(bytes).expect("the client's version");
                plan.version.encode()
            }
            Command::DeviceGetInfo => {
                let ask: DeviceInfo = payload(bytes).expect("whole");
                DeviceInfo {
                    flags: plan.device_flags,
                    num_regions: 9,
                    num_irqs: 5,
                    ..ask
                }
                .as_bytes()
                .to_vec()
            }
            Command::DeviceGetRegionInfo => {
                let ask: RegionInfo = payload(bytes).expect("whole");
                assert_eq!(ask.index, BAR0);
                let mapped = !plan.areas.is_empty();
                let info = RegionInfo {
                    flags: READ | WRITE | if mapped { MMAP } else { 0 },
                    size: BAR0_BYTES,
                    ..ask
                };
                let fd = mapped.then(|| self.bar0.try_clone().expect("copied"));
                return (encode_region_info(info, &plan.areas, ask.argsz), fd);
            }
            Command::DeviceGetIrqInfo => {
                let ask: IrqInfo = payload(bytes).expect("whole");
                IrqInfo {
                    count: plan.vectors,
                    ..ask
                }
                .as_bytes()
                .to_vec()
            }
            Command::DeviceSetIrqs => {
                let (set, _, _) = IrqSet::decode(bytes).expect("whole");
                assert_eq!(set.count as usize, message.fds.len());
                notes.irq_messages.push((set.start, message.fds.len()));
                notes.events.truncate(set.start as usize);
                notes.events.extend(message.fds);
                Vec::new()
            }
            Command::DmaMap => {
                let fd = message.fds.into_iter().next().expect("with its file");
                notes.maps.push((payload(bytes).expect("whole"), fd));
                Vec::new()
            }
            Command::DmaUnmap => {
                notes.unmaps.push(payload(bytes).expect("whole"));
                bytes.clone()
            }
            Command::DeviceReset => {
                notes.resets += 1;
                notes.command_register = 0;
                Vec::new()
            }
            Command::RegionRead => {
                let access: RegionAccess = payload(bytes).expect("whole");
                let mut data = match (access.region, access.offset) {
                    (CONFIG, 4) => notes.command_register.to_le_bytes().to_vec(),
                    (CONFIG, 8) => plan.class_and_revision.to_le_bytes().to_vec(),
                    (BAR0, offset) => notes.registers.get(&offset).cloned().unwrap_or_default(),
                    other => panic!("{other:?} was read"),
                };
                data.resize(access.count as usize, 0);
                [access.as_bytes(), &data].concat()
            }
            Command::RegionWrite => {
                let (access, data): (RegionAccess, _) = payload_with_tail(bytes).expect("whole");
                assert_eq!(data.len(), access.count as usize);
                if access.region == CONFIG {
                    notes.command_register = u16::from_le_bytes(data.try_into().expect("2 bytes"));
                } else {
                    notes
                        .writes
                        .push((access.offset, data.to_vec(), message.header.no_reply()));
                    notes.registers.insert(access.offset, data.to_vec());
                    if access.offset == DMA_REGISTER {
                        let address = u64::from_le_bytes(data.try_into().expect("8 bytes"));
                        drop(notes);
                        self.increment(address);
                    }
                }
                access.as_bytes().to_vec()
            }
            other => panic!("the client has sent {other:?}"),
        };
        (answer, None)
    }

    /// Reads and writes the client's memory by messages, as a server does that has not mapped it.
    fn increment(&mut self, address: u64) {
        let access = DmaAccess { address, count: 8 };
        let Some(reply) = self.ask(Command::DmaRead, &[access.as_bytes()]) else {
            return;
        };
        let value = u64::from_le_bytes(reply[16..24].try_into().expect("8 bytes")) + 1;
        let access = DmaAccess {
            address: address + 8,
            count: 8,
        };
        self.ask(
            Command::DmaWrite,
            &[access.as_bytes(), &value.to_le_bytes()],
        );
    }

    fn ask(&mut self, command: Command, parts: &[&[u8]]) -> Option<Vec<u8>> {
        self.connection
            .send(Header::command(7, command), parts, &[])
            .expect("sent");
        let reply = self.connection.receive().expect("answered");
        assert_eq!(
            (reply.header.message_id, reply.header.command),
            (7, command as u16)
        );
        if reply.header.is_error() {
            self.notes
                .lock()
                .expect("notes")
                .dma_errors
                .push(reply.header.error);
            return None;
        }
        Some(reply.payload)
    }
}
