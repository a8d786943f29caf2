//! A client at the wire: messages as the protocol has them, and a driver as small as can be.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nvme_spec::register::{self, AdminQueueAttributes, Configuration};
use nvme_spec::{CompletionEntry, Status, SubmissionEntry, doorbell};
use vfio_user_wire::message::{
    DMA_READABLE, DMA_WRITABLE, DmaAccess, DmaMap, DmaUnmap, RegionAccess,
};
use vfio_user_wire::region::{self, RegionInfo, decode_region_info};
use vfio_user_wire::{
    Capabilities, Command, Connection, Header, Limits, Message, MessageType, Version, payload,
    payload_with_tail,
};
use zerocopy::{FromBytes, IntoBytes};

use crate::memory::Memory;

/// Bus address of the client's memory.
pub(crate) const BASE: u64 = 0x1_0000_0000;
/// Bytes of it.
pub(crate) const MEMORY_BYTES: usize = 1 << 20;
/// Entries of each queue.
const ENTRIES: u32 = 64;
/// Where the data pages begin; queues lie before.
pub(crate) const DATA: usize = 0x4_0000;

/// A queue pair in the client's memory.
#[derive(Clone, Copy)]
struct Ring {
    id: u16,
    submission: usize,
    completion: usize,
    tail: u32,
    head: u32,
    phase: bool,
}

/// The client.
pub(crate) struct Client {
    pub(crate) connection: Connection,
    pub(crate) memory: Memory,
    next_id: u16,
    /// The doorbell page, once it is mapped.
    doorbells: Option<Memory>,
    rings: [Ring; 2],
    /// DMA messages answered.
    pub(crate) answered: u64,
}

impl Client {
    /// Connects and agrees on a version.
    pub(crate) fn connect(path: &Path) -> Self {
        let mut client = Self::connect_only(path);
        let version = Version::new(Capabilities {
            max_msg_fds: 8,
            ..Capabilities::default()
        });
        let reply = client.request(Command::Version, &[&version.encode()], &[]);
        Version::decode(&reply.unwrap().payload).unwrap();
        client
    }

    /// Connects as soon as the server has seen that the client before has gone.
    pub(crate) fn connect_retrying(path: &Path) -> Self {
        loop {
            let mut client = Self::connect_only(path);
            let version = Version::new(Capabilities::default()).encode();
            let header = Header::command(1, Command::Version);
            let greeted = client.connection.send(header, &[&version], &[]);
            if greeted.is_ok() && client.connection.receive().is_ok() {
                return client;
            }
        }
    }

    /// Connects, and says nothing.
    pub(crate) fn connect_only(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let ring = |id: u16| Ring {
            id,
            submission: usize::from(id) * 0x4000,
            completion: usize::from(id) * 0x4000 + 0x2000,
            tail: 0,
            head: 0,
            phase: true,
        };
        Self {
            connection: Connection::new(stream, Limits::default()),
            memory: Memory::new(MEMORY_BYTES),
            next_id: 0,
            doorbells: None,
            rings: [ring(0), ring(1)],
            answered: 0,
        }
    }

    /// Sends a command and waits for its reply: the errno, if it has failed. DMA messages that come
    /// before are answered.
    pub(crate) fn request(
        &mut self,
        command: Command,
        parts: &[&[u8]],
        fds: &[BorrowedFd<'_>],
    ) -> Result<Message, u32> {
        self.next_id = self.next_id.wrapping_add(1);
        let header = Header::command(self.next_id, command);
        self.connection.send(header, parts, fds).unwrap();
        loop {
            let message = self.connection.receive().unwrap();
            if message.header.message_type() == MessageType::Command {
                self.answer(&message);
                continue;
            }
            assert_eq!(message.header.message_id, self.next_id);
            assert_eq!(message.header.command, command as u16);
            return if message.header.is_error() {
                assert!(message.payload.is_empty(), "an error reply has no payload");
                Err(message.header.error)
            } else {
                Ok(message)
            };
        }
    }

    /// Answers a DMA message of the server.
    pub(crate) fn answer(&mut self, message: &Message) {
        let (access, data): (DmaAccess, _) = payload_with_tail(&message.payload).unwrap();
        let offset = (access.address - BASE) as usize;
        let mut answer = vec![];
        match Command::from_number(message.header.command) {
            Some(Command::DmaRead) => {
                answer.resize(access.count as usize, 0);
                self.memory.read(offset, &mut answer);
            }
            Some(Command::DmaWrite) => self.memory.write(offset, data),
            other => panic!("the server sends {other:?}"),
        }
        self.answered += 1;
        self.connection
            .send(message.header.reply(), &[access.as_bytes(), &answer], &[])
            .unwrap();
    }

    /// Takes DMA messages that are there, for clients that do not share their memory.
    pub(crate) fn answer_all(&mut self) {
        while let Some(message) = self.connection.try_receive().unwrap() {
            self.answer(&message);
        }
    }

    /// Reads a region.
    pub(crate) fn read(&mut self, region: u32, offset: u64, bytes: u32) -> Result<Vec<u8>, u32> {
        let access = RegionAccess {
            offset,
            region,
            count: bytes,
        };
        let reply = self.request(Command::RegionRead, &[access.as_bytes()], &[])?;
        let (seen, data): (RegionAccess, _) = payload_with_tail(&reply.payload).unwrap();
        assert_eq!(seen, access);
        assert_eq!(data.len(), bytes as usize);
        Ok(data.to_vec())
    }

    /// Writes a region.
    pub(crate) fn write(&mut self, region: u32, offset: u64, data: &[u8]) -> Result<(), u32> {
        let access = RegionAccess {
            offset,
            region,
            count: data.len() as u32,
        };
        self.request(Command::RegionWrite, &[access.as_bytes(), data], &[])
            .map(|_| ())
    }

    pub(crate) fn read_u32(&mut self, offset: u64) -> u32 {
        let data = self.read(region::BAR0, offset, 4).unwrap();
        u32::from_le_bytes(data.try_into().unwrap())
    }

    pub(crate) fn write_u32(&mut self, offset: u64, value: u32) {
        self.write(region::BAR0, offset, &value.to_le_bytes())
            .unwrap();
    }

    /// Maps the client's memory at [`BASE`], by its descriptor or (`shared` is false) without.
    pub(crate) fn map_memory(&mut self, shared: bool) {
        let map = dma_map(BASE, MEMORY_BYTES as u64);
        let fd = self.memory.fd().try_clone_to_owned().unwrap();
        let fds = if shared { vec![fd.as_fd()] } else { vec![] };
        self.request(Command::DmaMap, &[map.as_bytes()], &fds)
            .unwrap();
    }

    /// Takes a range away.
    pub(crate) fn unmap(&mut self, address: u64, size: u64) -> Result<DmaUnmap, u32> {
        let unmap = DmaUnmap {
            argsz: 24,
            flags: 0,
            address,
            size,
        };
        let reply = self.request(Command::DmaUnmap, &[unmap.as_bytes()], &[])?;
        Ok(payload(&reply.payload).unwrap())
    }

    /// Maps the doorbell page, as the region's information offers it.
    pub(crate) fn map_doorbells(&mut self) {
        let info = RegionInfo {
            argsz: 1024,
            index: region::BAR0,
            ..RegionInfo::default()
        };
        let mut reply = self
            .request(Command::DeviceGetRegionInfo, &[info.as_bytes()], &[])
            .unwrap();
        let (info, areas) = decode_region_info(&reply.payload).unwrap();
        let fd = reply.fds.pop().unwrap();
        let offset = info.offset + areas[0].offset;
        self.doorbells = Some(Memory::map(fd, offset, areas[0].size as usize));
    }

    /// Memory space and bus master on.
    pub(crate) fn enable_bus_master(&mut self) {
        self.write(region::CONFIG, 4, &[6, 0]).unwrap();
    }

    /// Sets up the admin queues and enables the controller.
    pub(crate) fn enable_controller(&mut self) {
        self.rings = self.rings.map(|ring| Ring {
            tail: 0,
            head: 0,
            phase: true,
            ..ring
        });
        self.memory.write(0, &vec![0; 0x8000]);
        let entries = ENTRIES as u16 - 1;
        let attributes = AdminQueueAttributes::new()
            .with_submission_entries(entries)
            .with_completion_entries(entries);
        self.write_u32(register::AQA, attributes.into());
        let address = |offset: usize| (BASE + offset as u64).to_le_bytes();
        let [admin, _] = self.rings;
        self.write(region::BAR0, register::ASQ, &address(admin.submission))
            .unwrap();
        self.write(region::BAR0, register::ACQ, &address(admin.completion))
            .unwrap();
        let configuration = Configuration::new()
            .with_enable(true)
            .with_submission_entry_size(6)
            .with_completion_entry_size(4);
        self.write_u32(register::CC, configuration.into());
        self.wait_ready(true);
    }

    /// Waits for CSTS.RDY.
    pub(crate) fn wait_ready(&mut self, ready: bool) {
        for _ in 0..10_000 {
            if (self.read_u32(register::CSTS) & 1 != 0) == ready {
                return;
            }
        }
        panic!("CSTS.RDY does not become {ready}");
    }

    /// Everything up to a queue pair for I/O.
    pub(crate) fn bring_up(&mut self, shared: bool) {
        self.map_memory(shared);
        self.enable_bus_master();
        self.enable_controller();
        self.create_queues(None);
    }

    /// Makes the I/O queue pair, with an interrupt vector or without.
    pub(crate) fn create_queues(&mut self, vector: Option<u16>) {
        let [_, ring] = self.rings;
        let address = |offset: usize| BASE + offset as u64;
        let completion = SubmissionEntry::create_completion_queue(
            ring.id,
            ENTRIES,
            address(ring.completion),
            vector,
        );
        assert_eq!(self.run(0, completion), Status::SUCCESS);
        let submission = SubmissionEntry::create_submission_queue(
            ring.id,
            ENTRIES,
            address(ring.submission),
            ring.id,
        );
        assert_eq!(self.run(0, submission), Status::SUCCESS);
    }

    /// Puts an entry into a queue; nobody knows of it before [`ring`](Self::ring).
    pub(crate) fn push(&mut self, queue: usize, entry: &SubmissionEntry) {
        let ring = &mut self.rings[queue];
        let at = ring.submission + ring.tail as usize * 64;
        ring.tail = (ring.tail + 1) % ENTRIES;
        self.memory.write(at, entry.as_bytes());
    }

    /// Rings the tail doorbell of a queue.
    pub(crate) fn ring(&mut self, queue: usize) {
        let Ring { id, tail, .. } = self.rings[queue];
        self.store_doorbell(doorbell::submission_tail_offset(id), tail);
    }

    fn store_doorbell(&mut self, offset: u64, value: u32) {
        match &self.doorbells {
            Some(page) => page.store_u32((offset - register::DOORBELLS) as usize, value),
            None => self.write_u32(offset, value),
        }
    }

    /// A completion that is there.
    pub(crate) fn take(&mut self, queue: usize) -> Option<CompletionEntry> {
        let ring = &mut self.rings[queue];
        let at = ring.completion + ring.head as usize * 16;
        let phase = self.memory.load_u64(at + 8) >> 48 & 1 != 0;
        if phase != ring.phase {
            return None;
        }
        let mut bytes = [0; 16];
        self.memory.read(at, &mut bytes);
        ring.head += 1;
        if ring.head == ENTRIES {
            ring.head = 0;
            ring.phase = !ring.phase;
        }
        Some(CompletionEntry::read_from_bytes(&bytes).unwrap())
    }

    /// Says how far completions have been taken.
    pub(crate) fn ring_head(&mut self, queue: usize) {
        let Ring { id, head, .. } = self.rings[queue];
        self.store_doorbell(doorbell::completion_head_offset(id), head);
    }

    /// Waits for a completion.
    pub(crate) fn wait(&mut self, queue: usize) -> CompletionEntry {
        for _ in 0..2_000_000_u64 {
            if let Some(entry) = self.take(queue) {
                self.ring_head(queue);
                return entry;
            }
            self.answer_all();
            std::thread::yield_now();
        }
        panic!("no completion in queue {queue}");
    }

    /// Runs one command.
    pub(crate) fn run(&mut self, queue: usize, entry: SubmissionEntry) -> Status {
        self.push(queue, &entry);
        self.ring(queue);
        let completion = self.wait(queue);
        assert_eq!(completion.command_id(), entry.command_id());
        completion.status()
    }

    /// A Read or Write of one block, with its data at `offset` in the client's memory.
    pub(crate) fn transfer(opcode: u8, block: u64, offset: usize) -> SubmissionEntry {
        let mut entry = SubmissionEntry::new(opcode);
        entry.namespace_id = 1;
        entry.prp1 = BASE + offset as u64;
        entry.cdw10 = block as u32;
        entry
    }
}

/// A range that can be read and written.
pub(crate) fn dma_map(address: u64, size: u64) -> DmaMap {
    DmaMap {
        argsz: 32,
        flags: DMA_READABLE | DMA_WRITABLE,
        offset: 0,
        address,
        size,
    }
}
