//! A client that says what SPDK's initiator says, in its order and with its habits: no JSON, requests longer than
//! need be, Memory Space Enable off, a descriptor with every unmap.

use std::os::fd::AsFd;

use nvme_server::Event;
use nvme_spec::Status;
use nvme_spec::opcode::nvm;
use nvme_spec::register;
use vfio_user_wire::message::{DeviceInfo, DmaUnmap};
use vfio_user_wire::region::{self, RegionInfo, decode_region_info};
use vfio_user_wire::{Command, payload};
use zerocopy::IntoBytes;

use crate::client::{BASE, Client, DATA, MEMORY_BYTES, dma_map};
use crate::rig::Rig;

/// Bytes of its buffer for the information on a region, without the fixed part.
const ROOM: u32 = 4096 - 32;
/// Bus Master Enable and Interrupt Disable.
const COMMAND_BITS: u16 = 0x404;

/// As long as its buffer, whatever is in it.
fn padded(info: &RegionInfo) -> Vec<u8> {
    let mut bytes = info.as_bytes().to_vec();
    bytes.resize(ROOM as usize, 0);
    bytes
}

/// It compares every region's answer with its buffer and maps what has areas.
fn map_regions(client: &mut Client, count: u32) {
    let mut mapped = 0;
    for index in 0..count {
        let request = RegionInfo {
            argsz: ROOM,
            index,
            ..RegionInfo::default()
        };
        let reply = client
            .request(Command::DeviceGetRegionInfo, &[&padded(&request)], &[])
            .unwrap();
        assert!(reply.payload.len() <= ROOM as usize);
        let (info, areas) = decode_region_info(&reply.payload).unwrap();
        if info.size > 0 && info.flags & region::MMAP != 0 {
            assert_eq!((index, reply.fds.len()), (region::BAR0, 1));
            let covers = areas.iter().any(|area| {
                area.offset <= register::DOORBELLS
                    && area.offset + area.size >= register::DOORBELLS + 0x1000
            });
            assert!(covers, "the doorbells are what it wants: {areas:?}");
            mapped += 1;
        }
    }
    assert_eq!(mapped, 1);
    client.map_doorbells();
}

#[test]
fn spdks_way_to_a_controller_and_back() {
    let rig = Rig::new(1);
    for _ in 0..2 {
        let mut client = Client::connect_only(&rig.socket("pf"));
        // Major 0, minor 1.
        let version = client.request(Command::Version, &[&[0, 0, 1, 0]], &[]);
        assert!(version.unwrap().payload.len() <= 4096);
        let info = DeviceInfo {
            argsz: size_of::<DeviceInfo>() as u32,
            ..DeviceInfo::default()
        };
        let reply = client
            .request(Command::DeviceGetInfo, &[info.as_bytes()], &[])
            .unwrap();
        let info: DeviceInfo = payload(&reply.payload).unwrap();
        map_regions(&mut client, info.num_regions);
        let memory = client.memory.fd().try_clone_to_owned().unwrap();
        let map = dma_map(BASE, MEMORY_BYTES as u64);
        client
            .request(Command::DmaMap, &[map.as_bytes()], &[memory.as_fd()])
            .unwrap();
        let command = client.read(region::CONFIG, 4, 2).unwrap();
        let command = u16::from_le_bytes(command.try_into().unwrap()) | COMMAND_BITS;
        client
            .write(region::CONFIG, 4, &command.to_le_bytes())
            .unwrap();
        assert_eq!(
            client.read(region::BAR0, register::CAP, 8).unwrap().len(),
            8
        );
        client.enable_controller();
        client.create_queues(None);
        for opcode in [nvm::WRITE, nvm::READ] {
            let entry = Client::transfer(opcode, 5, DATA);
            assert_eq!(client.run(1, entry), Status::SUCCESS);
        }
        let unmap = DmaUnmap {
            argsz: size_of::<DmaUnmap>() as u32,
            flags: 0,
            address: BASE,
            size: MEMORY_BYTES as u64,
        };
        client
            .request(Command::DmaUnmap, &[unmap.as_bytes()], &[memory.as_fd()])
            .unwrap();
        drop(client);
        let left = rig
            .events
            .iter()
            .find(|event| matches!(event, Event::Left { .. }));
        assert!(left.is_some());
    }
}
