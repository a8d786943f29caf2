//! A client that knows the protocol well enough to break it in interesting places.

use std::io::{ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rand::RngExt;
use rand_pcg::Pcg64;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::MemfdFlags;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use vfio_user_wire::irq::IrqSet;
use vfio_user_wire::message::{DmaMap, DmaUnmap, RegionAccess};
use vfio_user_wire::region::RegionInfo;
use vfio_user_wire::{Capabilities, Command, HEADER_BYTES, Header, Version};
use zerocopy::IntoBytes;

use crate::client::BASE;

/// Bytes of the files it shares.
const FILE_BYTES: u64 = 0x10000;

/// The client.
pub(crate) struct Malice {
    stream: UnixStream,
    files: Vec<OwnedFd>,
    gone: bool,
}

impl Malice {
    /// Connects, as soon as the last one's function has been reset; mostly it even greets.
    pub(crate) fn connect(path: &Path, random: &mut Pcg64) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        // A server that takes nothing for so long has stalled.
        stream
            .set_write_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let mut malice = Self {
            stream,
            files: vec![],
            gone: false,
        };
        for _ in 0..2 {
            let fd = rustix::fs::memfd_create("malice", MemfdFlags::CLOEXEC).unwrap();
            rustix::fs::ftruncate(&fd, FILE_BYTES).unwrap();
            malice.files.push(fd);
        }
        if random.random_range(0..20) != 0 {
            let version = Version::new(Capabilities::default()).encode();
            malice.send(Header::command(1, Command::Version), &version, &[]);
        }
        malice
    }

    /// Sends up to so many messages; how many they were.
    pub(crate) fn misbehave(&mut self, random: &mut Pcg64, most: usize) -> usize {
        if random.random_range(0..3) == 0 {
            self.bring_up(random);
        }
        for sent in 0..most {
            if self.gone {
                return sent.max(1);
            }
            self.one(random);
            self.drain();
        }
        most
    }

    fn one(&mut self, random: &mut Pcg64) {
        match random.random_range(0..400) {
            0 => self.cut_short(random),
            1 => self.wrong_size(random),
            2..=5 => {
                // The memory goes while the device may be using it.
                let index = random.random_range(0..self.files.len());
                let bytes = random.random_range(0..4) * 0x1000;
                rustix::fs::ftruncate(&self.files[index], bytes).unwrap();
            }
            6..=40 => {
                let mut header = Header::command(random.random(), Command::Version);
                header.command = random.random_range(0..24);
                header.flags =
                    random.random::<u32>() & [0x3f, 0x3f, u32::MAX][random.random_range(0..3)];
                header.error = random.random();
                let payload = self.noise(random, 80);
                let fds = self.descriptors(random);
                self.send_with(header, &payload, &fds);
            }
            _ => {
                let (command, mut payload) = self.sensible(random);
                let header = Header::command(random.random(), command);
                let header = if random.random_range(0..4) == 0 {
                    header.without_reply()
                } else {
                    header
                };
                match random.random_range(0..6) {
                    0 if !payload.is_empty() => {
                        let at = random.random_range(0..payload.len());
                        payload[at] = random.random();
                    }
                    1 => payload.truncate(random.random_range(0..=payload.len())),
                    2 => payload.extend(self.noise(random, 40)),
                    _ => {}
                }
                let fds = match command {
                    Command::DmaMap if random.random_range(0..3) != 0 => {
                        let index = random.random_range(0..self.files.len());
                        vec![self.files[index].try_clone().unwrap()]
                    }
                    _ => self.descriptors(random),
                };
                self.send_with(header, &payload, &fds);
            }
        }
    }

    /// Most of what a driver does before its first command, so that DMA is under way.
    fn bring_up(&mut self, random: &mut Pcg64) {
        let map = DmaMap {
            argsz: 32,
            flags: 3,
            offset: 0,
            address: BASE,
            size: FILE_BYTES,
        };
        let file = self.files[0].try_clone().unwrap();
        let shared = random.random_range(0..4) != 0;
        let fds = if shared { vec![file] } else { vec![] };
        self.send_with(Header::command(2, Command::DmaMap), map.as_bytes(), &fds);
        let mut write = |region, offset, data: &[u8]| {
            let access = RegionAccess {
                offset,
                region,
                count: data.len() as u32,
            };
            let payload = [access.as_bytes(), data].concat();
            self.send(Header::command(3, Command::RegionWrite), &payload, &[]);
        };
        write(7, 4, &[6, 0]);
        write(0, 0x24, &[31, 0, 31, 0]);
        write(0, 0x28, &BASE.to_le_bytes());
        write(0, 0x30, &(BASE + 0x4000).to_le_bytes());
        write(0, 0x14, &0x0046_0001_u32.to_le_bytes());
        self.fill_queue(random);
    }

    /// Puts commands into the admin queue: Identify, queues, and nonsense.
    fn fill_queue(&self, random: &mut Pcg64) {
        for slot in 0..32_u64 {
            let mut entry = vec![0; 64];
            entry[0] =
                [6, 1, 5, 0, 4, 2, 9, 10, 12, 8, random.random()][random.random_range(0..11)];
            entry[2] = slot as u8;
            entry[4] = random.random_range(0..2);
            let address = BASE + random.random_range(0..20) * 0x1000;
            entry[24..32].copy_from_slice(&address.to_le_bytes());
            for byte in &mut entry[40..48] {
                *byte = random.random_range(0..4);
            }
            // The file may have been shortened: then nothing is written, which is as good.
            let _ = rustix::io::pwrite(&self.files[0], &entry, slot * 64);
        }
    }

    /// A command as it could be meant.
    fn sensible(&self, random: &mut Pcg64) -> (Command, Vec<u8>) {
        let page = |random: &mut Pcg64| random.random_range(0..24_u64) * 0x1000;
        let command = Command::ALL[random.random_range(0..13)];
        let payload = match command {
            Command::DmaMap => DmaMap {
                argsz: 32,
                flags: random.random_range(0..5),
                offset: page(random) & 0xffff,
                address: [BASE, 0, u64::MAX - 0xffff][random.random_range(0..3)]
                    .wrapping_add(page(random)),
                size: page(random),
            }
            .as_bytes()
            .to_vec(),
            Command::DmaUnmap => DmaUnmap {
                argsz: 24,
                flags: [0, 0, 0, 2, 1][random.random_range(0..5)],
                address: BASE.wrapping_add(page(random)),
                size: page(random),
            }
            .as_bytes()
            .to_vec(),
            Command::DeviceGetRegionInfo => RegionInfo {
                argsz: random.random_range(0..128),
                index: random.random_range(0..11),
                ..RegionInfo::default()
            }
            .as_bytes()
            .to_vec(),
            Command::DeviceSetIrqs => {
                let set = IrqSet {
                    argsz: 20,
                    flags: 1 << random.random_range(0..3) | 8 << random.random_range(0..3),
                    index: [2, 2, 2, 0, 4, 7][random.random_range(0..6)],
                    start: random.random_range(0..6),
                    count: random.random_range(0..6),
                };
                [set.as_bytes(), &self.noise(random, 8)].concat()
            }
            Command::RegionRead | Command::RegionWrite => self.access(random),
            Command::DmaRead | Command::DmaWrite => self.noise(random, 64),
            Command::Version if random.random_range(0..3) != 0 => {
                // A greeting within a session is refused, and mostly it is something else.
                return (Command::RegionWrite, self.doorbell(random));
            }
            _ => [16_u32, 0, random.random_range(0..6), 0]
                .as_bytes()
                .to_vec(),
        };
        (command, payload)
    }

    fn access(&self, random: &mut Pcg64) -> Vec<u8> {
        let region = [0, 0, 0, 7, 7, 1, 9][random.random_range(0..7)];
        let offset = match random.random_range(0..4) {
            0 => random.random_range(0..0x50),
            1 => 0x1000 + random.random_range(0..16) * 4,
            2 => 0x2000 + random.random_range(0..0x1100),
            _ => random.random_range(0..0x4100),
        };
        let bytes = [1, 2, 4, 4, 8, 8, 16, 100, 5000][random.random_range(0..9)];
        let access = RegionAccess {
            offset,
            region,
            count: bytes,
        };
        let data: Vec<u8> = (0..bytes).map(|_| random.random_range(0..4)).collect();
        [access.as_bytes(), &data].concat()
    }

    fn doorbell(&self, random: &mut Pcg64) -> Vec<u8> {
        let access = RegionAccess {
            offset: 0x1000 + random.random_range(0..4) * 4,
            region: 0,
            count: 4,
        };
        let value = random.random_range(0..40_u32);
        [access.as_bytes(), value.as_bytes()].concat()
    }

    /// A message that never becomes whole.
    fn cut_short(&mut self, random: &mut Pcg64) {
        let mut header = Header::command(1, Command::RegionWrite);
        header.message_size = 4096;
        let bytes = [header.as_bytes(), &[0; 100]].concat();
        let end = random.random_range(1..bytes.len());
        let _ = self.stream.write_all(&bytes[..end]);
        self.gone = true;
    }

    /// A message with a size that none can have.
    fn wrong_size(&mut self, random: &mut Pcg64) {
        let mut header = Header::command(1, Command::DeviceGetInfo);
        header.message_size =
            [random.random_range(0..16), u32::MAX, 1 << 24][random.random_range(0..3)];
        let _ = self.stream.write_all(header.as_bytes());
        self.gone = true;
    }

    fn noise(&self, random: &mut Pcg64, most: usize) -> Vec<u8> {
        (0..random.random_range(0..most))
            .map(|_| random.random::<u8>() & [0xff, 3][random.random_range(0..2)])
            .collect()
    }

    /// Mostly none; sometimes what does not belong there.
    fn descriptors(&self, random: &mut Pcg64) -> Vec<OwnedFd> {
        if random.random_range(0..4) != 0 {
            return vec![];
        }
        (0..random.random_range(1..7))
            .map(|_| match random.random_range(0..4) {
                0 => self.files[0].try_clone().unwrap(),
                1 => rustix::pipe::pipe().unwrap().1,
                _ => eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).unwrap(),
            })
            .collect()
    }

    fn send_with(&mut self, header: Header, payload: &[u8], fds: &[OwnedFd]) {
        let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        self.send(header, payload, &fds);
    }

    fn send(&mut self, mut header: Header, payload: &[u8], fds: &[BorrowedFd<'_>]) {
        header.message_size = (HEADER_BYTES + payload.len()) as u32;
        let bytes = [header.as_bytes(), payload].concat();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            assert!(ancillary.push(SendAncillaryMessage::ScmRights(fds)));
        }
        let whole = [std::io::IoSlice::new(&bytes)];
        let sent = sendmsg(&self.stream, &whole, &mut ancillary, SendFlags::NOSIGNAL);
        match sent {
            Ok(sent) => {
                if let Err(error) = self.stream.write_all(&bytes[sent..]) {
                    self.note(error.kind());
                }
            }
            Err(errno) => self.note(errno.kind()),
        }
    }

    /// The server may drop a client, and may not leave one waiting.
    fn note(&mut self, kind: ErrorKind) {
        let dropped = matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
        assert!(dropped, "the server takes nothing any more: {kind}");
        self.gone = true;
    }

    /// Reads whatever has come; sometimes it comes from the device, and gets no answer.
    fn drain(&mut self) {
        let mut buffer = vec![0; 8192];
        self.stream.set_nonblocking(true).unwrap();
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    self.gone = true;
                    break;
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.gone = true;
                    break;
                }
            }
        }
        self.stream.set_nonblocking(false).unwrap();
    }
}
