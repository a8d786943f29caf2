//! Every message, and the errno of what makes no sense.

use std::os::fd::{AsFd, OwnedFd};

use nvme_spec::msix::BAR0_BYTES;
use nvme_spec::opcode::nvm;
use nvme_spec::{Status, register};
use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use vfio_user_wire::irq::{self, Action, IrqInfo, IrqSet};
use vfio_user_wire::message::{
    DMA_READABLE, DMA_UNMAP_ALL, DeviceInfo, DmaMap, DmaUnmap, RegionAccess, RegionIoFds,
};
use vfio_user_wire::region::{self, RegionInfo, decode_region_info};
use vfio_user_wire::{Capabilities, Command, Header, Version, payload};
use zerocopy::{Immutable, IntoBytes};

use crate::client::{BASE, Client, DATA, MEMORY_BYTES, dma_map};
use crate::rig::Rig;

const EINVAL: u32 = Errno::INVAL.raw_os_error() as u32;
const EEXIST: u32 = Errno::EXIST.raw_os_error() as u32;
const EACCES: u32 = Errno::ACCESS.raw_os_error() as u32;
const ENOTSUP: u32 = Errno::NOTSUP.raw_os_error() as u32;

/// A server of one function, and a client of it.
fn connected() -> (Rig, Client) {
    let rig = Rig::new(1);
    let client = Client::connect(&rig.socket("pf"));
    (rig, client)
}

fn memfd(bytes: u64) -> OwnedFd {
    let fd = rustix::fs::memfd_create("test", MemfdFlags::CLOEXEC).unwrap();
    rustix::fs::ftruncate(&fd, bytes).unwrap();
    fd
}

/// The errno of a command, 0 if it was done.
fn errno(client: &mut Client, command: Command, part: &(impl IntoBytes + Immutable)) -> u32 {
    client
        .request(command, &[part.as_bytes()], &[])
        .err()
        .unwrap_or(0)
}

#[test]
fn the_version_is_agreed_on_once() {
    let (_rig, mut client) = connected();
    let again = Version::new(Capabilities::default()).encode();
    let reply = client.request(Command::Version, &[&again], &[]);
    assert_eq!(reply.unwrap_err(), EINVAL);
}

#[test]
fn numbers_alone_and_no_json_are_a_version() {
    let rig = Rig::new(1);
    for text in [&b""[..], b"\0", b"{}\0"] {
        let mut client = Client::connect_only(&rig.socket("pf"));
        let reply = client.request(Command::Version, &[&[0, 0, 1, 0], text], &[]);
        let version = Version::decode(&reply.unwrap().payload).unwrap();
        assert_eq!((version.major, version.minor), (0, 1));
    }
    let mut client = Client::connect_only(&rig.socket("pf"));
    let reply = client.request(Command::Version, &[&[1, 0, 0, 0]], &[]);
    assert_eq!(reply.unwrap_err(), ENOTSUP);
    let mut client = Client::connect_only(&rig.socket("pf"));
    let reply = client.request(Command::Version, &[&[0, 0, 1, 0], b"{\"capab"], &[]);
    assert_eq!(reply.unwrap_err(), EINVAL);
}

#[test]
fn qemu_finds_capabilities_it_takes() {
    // QEMU 11.1 proposes 8 descriptors and refuses a server that says more than 16.
    let rig = Rig::new(1);
    let mut client = Client::connect_only(&rig.socket("pf"));
    let proposed = Version::new(Capabilities {
        max_msg_fds: 8,
        ..Capabilities::default()
    });
    let reply = client.request(Command::Version, &[&proposed.encode()], &[]);
    let agreed = Version::decode(&reply.unwrap().payload).unwrap();
    assert_eq!(agreed.capabilities.max_msg_fds, 8);
}

#[test]
fn the_device_and_its_regions_say_what_they_are() {
    let (_rig, mut client) = connected();
    let mut ask = DeviceInfo {
        argsz: 16,
        ..DeviceInfo::default()
    };
    let reply = client.request(Command::DeviceGetInfo, &[ask.as_bytes()], &[]);
    let info: DeviceInfo = payload(&reply.unwrap().payload).unwrap();
    assert_eq!((info.flags, info.num_regions, info.num_irqs), (3, 9, 5));
    ask.argsz = 15;
    assert_eq!(errno(&mut client, Command::DeviceGetInfo, &ask), EINVAL);
    assert_eq!(
        errno(&mut client, Command::DeviceGetInfo, &[0_u8; 3]),
        EINVAL
    );

    for index in 0..12 {
        let ask = RegionInfo {
            argsz: 1024,
            index,
            ..RegionInfo::default()
        };
        let reply = client.request(Command::DeviceGetRegionInfo, &[ask.as_bytes()], &[]);
        if index >= region::COUNT {
            assert_eq!(reply.unwrap_err(), EINVAL);
            continue;
        }
        let reply = reply.unwrap();
        let (info, areas) = decode_region_info(&reply.payload).unwrap();
        let expected = match index {
            region::BAR0 => (0x4000, 1, 1),
            region::CONFIG => (0x1000, 0, 0),
            _ => (0, 0, 0),
        };
        assert_eq!((info.size, areas.len(), reply.fds.len()), expected);
    }
    let short = RegionInfo {
        argsz: 32,
        ..RegionInfo::default()
    };
    let reply = client
        .request(Command::DeviceGetRegionInfo, &[short.as_bytes()], &[])
        .unwrap();
    assert_eq!((reply.payload.len(), reply.fds.len()), (32, 0));

    let ask = RegionIoFds {
        argsz: 16,
        ..RegionIoFds::default()
    };
    let reply = client.request(Command::DeviceGetRegionIoFds, &[ask.as_bytes()], &[]);
    let info: RegionIoFds = payload(&reply.unwrap().payload).unwrap();
    assert_eq!(info.count, 0);
}

#[test]
fn without_a_mapped_page_no_descriptor_is_handed_out() {
    let rig = Rig::with(|options, _| options.doorbells = nvme_server::Doorbells::Trapped);
    let mut client = Client::connect(&rig.socket("pf"));
    let ask = RegionInfo {
        argsz: 1024,
        ..RegionInfo::default()
    };
    let reply = client
        .request(Command::DeviceGetRegionInfo, &[ask.as_bytes()], &[])
        .unwrap();
    let (info, _) = decode_region_info(&reply.payload).unwrap();
    assert_eq!(info.flags, region::READ | region::WRITE);
    assert!(reply.fds.is_empty());
    client.bring_up(true);
}

#[test]
fn interrupt_types_say_what_they_are() {
    let (_rig, mut client) = connected();
    for index in 0..7 {
        let ask = IrqInfo {
            argsz: 16,
            index,
            ..IrqInfo::default()
        };
        let reply = client.request(Command::DeviceGetIrqInfo, &[ask.as_bytes()], &[]);
        if index >= irq::COUNT {
            assert_eq!(reply.unwrap_err(), EINVAL);
            continue;
        }
        let info: IrqInfo = payload(&reply.unwrap().payload).unwrap();
        assert_eq!(info.count, if index == irq::MSIX { 5 } else { 0 });
        let off = IrqSet::none(index, Action::Trigger, 0, 0);
        assert_eq!(errno(&mut client, Command::DeviceSetIrqs, &off), 0);
    }
}

#[test]
fn registers_are_read_and_written_in_any_shape() {
    let (_rig, mut client) = connected();
    let whole = client.read(region::BAR0, 0, 64).unwrap();
    assert_eq!(whole[8..12], [0, 1, 1, 0], "VS");
    for offset in 0..64_u32 {
        for bytes in [1, 2, 3, 4, 7, 8] {
            let bytes = bytes.min(64 - offset);
            let seen = client.read(region::BAR0, offset.into(), bytes).unwrap();
            let (start, end) = (offset as usize, (offset + bytes) as usize);
            assert_eq!(seen, whole[start..end], "{bytes} bytes at {offset:#x}");
        }
    }
    let address = 0x1234_5678_9abc_d000_u64.to_le_bytes();
    client.write(region::BAR0, register::ASQ, &address).unwrap();
    assert_eq!(
        client.read(region::BAR0, register::ASQ, 8).unwrap(),
        address
    );
    // The MSI-X table keeps what is written, beside what the server writes into the real one.
    let entry = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
    client.write(region::BAR0, 0x2000, &entry).unwrap();
    assert_eq!(client.read(region::BAR0, 0x2000, 16).unwrap(), entry);
    assert_eq!(client.read(region::BAR0, 0x3000, 8).unwrap(), [0; 8], "PBA");
}

#[test]
fn accesses_beyond_a_region_are_refused() {
    let (_rig, mut client) = connected();
    for (region, offset, bytes) in [
        (region::BAR0, BAR0_BYTES, 1),
        (region::BAR0, BAR0_BYTES - 4, 8),
        (region::BAR0, u64::MAX, 8),
        (region::CONFIG, 4096, 1),
        (region::CONFIG, 0, 4097),
        (1, 0, 4),
        (8, 0, 4),
        (99, 0, 4),
    ] {
        assert_eq!(client.read(region, offset, bytes).unwrap_err(), EINVAL);
        let data = vec![0; bytes as usize];
        assert_eq!(client.write(region, offset, &data).unwrap_err(), EINVAL);
    }
    // Less data than it says.
    let access = RegionAccess {
        offset: 0x14,
        region: region::BAR0,
        count: 4,
    };
    let reply = client.request(Command::RegionWrite, &[access.as_bytes(), &[0; 3]], &[]);
    assert_eq!(reply.unwrap_err(), EINVAL);
}

#[test]
fn configuration_space_is_a_function_s_own() {
    let rig = Rig::new(2);
    for (name, device) in [("pf", [0x28, 0x70]), ("vf0", [0x28, 0x71])] {
        let mut client = Client::connect(&rig.socket(name));
        let config = client.read(region::CONFIG, 0, 256).unwrap();
        assert_eq!(config[0..2], [0xee, 0x10]);
        assert_eq!(config[2..4], device);
        assert_eq!(config[9..12], [2, 8, 1], "NVMe");
        client.write(region::CONFIG, 0x10, &[0xff; 4]).unwrap();
        let bar = client.read(region::CONFIG, 0x10, 4).unwrap();
        assert_eq!(bar, [0x04, 0xc0, 0xff, 0xff], "16 KiB, 64 bits");
        client.enable_bus_master();
        assert_eq!(client.read(region::CONFIG, 4, 2).unwrap(), [6, 0]);
    }
}

#[test]
fn ranges_that_make_no_sense_are_refused() {
    let (_rig, mut client) = connected();
    let good = dma_map(BASE, 0x4000);
    let mut refused = |map: DmaMap, fds: &[&OwnedFd]| {
        let fds: Vec<_> = fds.iter().map(|fd| fd.as_fd()).collect();
        let reply = client.request(Command::DmaMap, &[map.as_bytes()], &fds);
        reply.err().unwrap_or(0)
    };
    assert_eq!(refused(DmaMap { argsz: 31, ..good }, &[]), EINVAL);
    assert_eq!(refused(DmaMap { flags: 0, ..good }, &[]), EINVAL);
    assert_eq!(
        refused(
            DmaMap {
                flags: 0x83,
                ..good
            },
            &[]
        ),
        EINVAL
    );
    assert_eq!(refused(DmaMap { size: 0, ..good }, &[]), EINVAL);
    assert_eq!(
        refused(
            DmaMap {
                size: 0x1001,
                ..good
            },
            &[]
        ),
        EINVAL
    );
    assert_eq!(refused(DmaMap { address: 8, ..good }, &[]), EINVAL);
    let wraps = u64::MAX - 0xfff;
    assert_eq!(
        refused(
            DmaMap {
                address: wraps,
                ..good
            },
            &[]
        ),
        EINVAL
    );
    let (short, whole) = (memfd(0x3000), memfd(0x4000));
    assert_eq!(refused(good, &[&short]), EINVAL);
    assert_eq!(refused(good, &[&whole, &whole]), EINVAL);
    assert_eq!(
        refused(
            DmaMap {
                offset: u64::MAX,
                ..good
            },
            &[&whole]
        ),
        EINVAL
    );
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&whole));
    let read_only = OwnedFd::from(std::fs::File::open(path).unwrap());
    assert_eq!(refused(good, &[&read_only]), EACCES);
    let readable = DmaMap {
        flags: DMA_READABLE,
        ..good
    };
    assert_eq!(refused(readable, &[&read_only]), 0);
    for address in [BASE - 0x3000, BASE, BASE + 0x1000, BASE + 0x3000] {
        assert_eq!(refused(DmaMap { address, ..good }, &[&whole]), EEXIST);
    }
    assert_eq!(
        refused(
            DmaMap {
                address: BASE + 0x4000,
                ..good
            },
            &[&whole]
        ),
        0
    );
}

#[test]
fn a_range_may_end_where_addresses_end() {
    let (_rig, mut client) = connected();
    let last = dma_map(u64::MAX - 0xfff, 0x1000);
    assert_eq!(errno(&mut client, Command::DmaMap, &last), 0);
    assert_eq!(errno(&mut client, Command::DmaMap, &last), EEXIST);
    client.unmap(u64::MAX - 0xfff, 0x1000).unwrap();
    assert_eq!(errno(&mut client, Command::DmaMap, &last), 0);
}

#[test]
fn ranges_go_as_a_whole() {
    let (_rig, mut client) = connected();
    for address in [BASE, BASE + 0x4000, BASE + 0x8000] {
        let map = dma_map(address, 0x4000);
        assert_eq!(errno(&mut client, Command::DmaMap, &map), 0);
    }
    assert_eq!(client.unmap(BASE, 0x1000).unwrap_err(), EINVAL);
    assert_eq!(client.unmap(BASE + 0x1000, 0x3000).unwrap_err(), EINVAL);
    assert_eq!(client.unmap(BASE + 0x1000, 0x8000).unwrap_err(), EINVAL);
    assert_eq!(client.unmap(BASE, 0).unwrap_err(), EINVAL);
    // Several at once, and none at all.
    let echoed = client.unmap(BASE, 0x8000).unwrap();
    assert_eq!((echoed.address, echoed.size), (BASE, 0x8000));
    client.unmap(BASE, 0x8000).unwrap();
    let mut all = DmaUnmap {
        argsz: 24,
        flags: DMA_UNMAP_ALL,
        address: 0,
        size: 0x1000,
    };
    assert_eq!(errno(&mut client, Command::DmaUnmap, &all), EINVAL);
    all.size = 0;
    assert_eq!(errno(&mut client, Command::DmaUnmap, &all), 0);
    let map = dma_map(BASE + 0x8000, 0x4000);
    assert_eq!(errno(&mut client, Command::DmaMap, &map), 0);
}

#[test]
fn what_is_not_offered_says_so() {
    let (_rig, mut client) = connected();
    for command in [
        Command::DirtyPages,
        Command::RegionWriteMulti,
        Command::DeviceFeature,
        Command::MigrationDataRead,
        Command::MigrationDataWrite,
    ] {
        assert_eq!(errno(&mut client, command, &[0_u8; 16]), ENOTSUP);
    }
    for command in [Command::DmaRead, Command::DmaWrite] {
        assert_eq!(errno(&mut client, command, &[0_u8; 16]), EINVAL);
    }
    let mut header = Header::command(77, Command::Version);
    for number in [0, 19, 0xffff] {
        header.command = number;
        client.connection.send(header, &[&[0; 40]], &[]).unwrap();
        let reply = client.connection.receive().unwrap();
        assert_eq!((reply.header.command, reply.header.error), (number, EINVAL));
    }
}

#[test]
fn a_command_may_want_no_reply() {
    let (_rig, mut client) = connected();
    let access = RegionAccess {
        offset: register::AQA,
        region: region::BAR0,
        count: 4,
    };
    for (command, part) in [
        (Command::RegionWrite, access.as_bytes()),
        (Command::DeviceReset, &[]),
        (Command::DmaMap, &[1, 2, 3]),
    ] {
        let header = Header::command(9, command).without_reply();
        client
            .connection
            .send(header, &[part, &[7, 0, 7, 0]], &[])
            .unwrap();
    }
    // The next reply is that of the next command that wants one, and all before it were done.
    assert_eq!(client.read_u32(register::AQA), 0, "the reset came after");
}

#[test]
fn a_reset_ends_commands_and_keeps_what_vfio_keeps() {
    let (_rig, mut client) = connected();
    client.map_doorbells();
    client.bring_up(true);
    for block in 0..30 {
        client.push(1, &Client::transfer(nvm::READ, block, DATA));
    }
    client.ring(1);
    client.request(Command::DeviceReset, &[], &[]).unwrap();
    assert_eq!(client.read_u32(register::CC), 0);
    assert_eq!(client.read(region::CONFIG, 4, 2).unwrap(), [6, 0]);
    client.enable_controller();
    client.create_queues(None);
    let read = Client::transfer(nvm::READ, 0, DATA);
    assert_eq!(client.run(1, read), Status::SUCCESS);

    // The same by Initiate Function Level Reset.
    let control = client.read(region::CONFIG, 0x79, 1).unwrap()[0];
    client
        .write(region::CONFIG, 0x79, &[control | 0x80])
        .unwrap();
    assert_eq!(client.read_u32(register::CC), 0);
    client.enable_controller();
    client.create_queues(None);
    let read = Client::transfer(nvm::READ, 0, DATA);
    assert_eq!(client.run(1, read), Status::SUCCESS);
}

#[test]
fn sriov_shows_itself_after_the_first_reset() {
    let rig = Rig::with(|options, _| {
        options.functions = 3;
        options.reveal_sriov = true;
    });
    let mut client = Client::connect(&rig.socket("pf"));
    let id = |client: &mut Client| client.read(region::CONFIG, 0x140, 2).unwrap();
    assert_eq!(id(&mut client), [0x0b, 0]);
    client.request(Command::DeviceReset, &[], &[]).unwrap();
    assert_eq!(id(&mut client), [0x10, 0]);
    assert_eq!(client.read(region::CONFIG, 0x14e, 2).unwrap(), [2, 0]);
    // What the client writes there is its own affair: the VFs are there anyway.
    client.write(region::CONFIG, 0x148, &[9, 0]).unwrap();
    Client::connect(&rig.socket("vf1")).bring_up(true);
}

#[test]
fn memory_is_mapped_once_and_given_back() {
    let maps = || std::fs::read_to_string("/proc/self/maps").unwrap();
    let rig = Rig::new(1);
    let mut client = Client::connect(&rig.socket("pf"));
    let name = "only-of-this-test";
    let fd = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC).unwrap();
    rustix::fs::ftruncate(&fd, MEMORY_BYTES as u64).unwrap();
    for index in 0..64 {
        let mut map = dma_map(BASE + index * 0x2000, 0x1000);
        map.offset = index * 0x1000;
        client
            .request(Command::DmaMap, &[map.as_bytes()], &[fd.as_fd()])
            .unwrap();
    }
    assert_eq!(maps().matches(name).count(), 1);
    drop(client);
    while maps().contains(name) {
        std::thread::yield_now();
    }
}
