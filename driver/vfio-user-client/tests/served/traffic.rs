//! What goes over the wire when everybody does as they should.

use nvme_driver::{DmaMemory, DmaPurpose, Transport, Wake};
use nvme_hosted::config_space::{COMMAND_BUS_MASTER, COMMAND_MEMORY};
use rustix::io::Errno;
use vfio_user_wire::message::{DMA_READABLE, DMA_WRITABLE};
use vfio_user_wire::region::SparseArea;

use crate::peer::{BAR0_BYTES, DMA_REGISTER, Peer, Plan};

const DOORBELL: u64 = 0x1008;

fn doorbells() -> Vec<SparseArea> {
    vec![SparseArea {
        offset: 0x1000,
        size: 0x1000,
    }]
}

#[test]
fn registers_go_by_message_and_doorbells_want_no_reply() {
    let peer = Peer::new(Plan::default());
    let mut transport = peer.open().expect("opened");
    transport.write_u32(0x14, 0x46_0001).expect("written");
    transport.write_u64(0x28, 0x1_0000_0000).expect("written");
    assert_eq!(transport.read_u32(0x14), Ok(0x46_0001));
    assert_eq!(transport.read_u64(0x28), Ok(0x1_0000_0000));
    assert!(!transport.is_mapped(DOORBELL));
    for tail in 1..=3 {
        transport.write_u32(DOORBELL, tail).expect("posted");
    }
    // The reply to what comes after says that they have arrived, and in which order.
    transport.read_u32(0x1c).expect("read");
    let doorbell = |tail: u32| (DOORBELL, tail.to_le_bytes().to_vec(), true);
    assert_eq!(
        peer.notes().writes[2..],
        [doorbell(1), doorbell(2), doorbell(3)]
    );
    assert!(
        peer.notes().writes[..2]
            .iter()
            .all(|(_, _, no_reply)| !no_reply)
    );
}

#[test]
fn mapped_doorbells_are_stores_without_a_message() {
    let peer = Peer::new(Plan {
        areas: doorbells(),
        ..Plan::default()
    });
    let mut transport = peer.open().expect("opened");
    assert!(transport.is_mapped(DOORBELL) && !transport.is_mapped(0x14));
    transport.write_u32(DOORBELL, 0xabcd).expect("stored");
    let mut stored = [0; 4];
    rustix::io::pread(&peer.bar0, &mut stored, DOORBELL).expect("read");
    assert_eq!(u32::from_le_bytes(stored), 0xabcd);
    transport
        .write_u32(0x2000, 7)
        .expect("beyond the mapped page");
    transport.read_u32(0x1c).expect("read");
    assert_eq!(peer.notes().writes, [(0x2000, vec![7, 0, 0, 0], true)]);
}

#[test]
fn registers_beyond_bar0_and_unaligned_ones_are_refused_here() {
    let peer = Peer::new(Plan::default());
    let mut transport = peer.open().expect("opened");
    for offset in [BAR0_BYTES, BAR0_BYTES - 2, 2, u64::MAX - 3] {
        let error = transport.read_u32(offset).expect_err("no such register");
        assert!(
            error.to_string().contains("BAR0 has no register"),
            "{error}"
        );
        transport
            .write_u64(offset, 0)
            .expect_err("no such register");
    }
    assert!(peer.notes().writes.is_empty());
}

#[test]
fn memory_is_shared_by_its_file_and_unmapped_with_the_last_of_its_pages() {
    let peer = Peer::new(Plan::default());
    let mut transport = peer.open().expect("opened");
    let first = transport
        .allocate_dma(5000, DmaPurpose::Queue)
        .expect("memory");
    let second = transport
        .allocate_dma(4096, DmaPurpose::Data)
        .expect("memory");
    assert_eq!((first.len(), second.len()), (8192, 4096));
    {
        let notes = peer.notes();
        let [(map, file)] = notes.maps.as_slice() else {
            panic!("{} maps for pages of one piece", notes.maps.len());
        };
        assert_eq!(map.flags, DMA_READABLE | DMA_WRITABLE);
        assert!(first.bus_address() >= map.address);
        let place = second.bus_address() - map.address + map.offset;
        assert!(place + 4096 <= map.size);
        rustix::io::pwrite(file, b"from the device", place).expect("written");
        assert!(
            rustix::fs::ftruncate(file, 0).is_err(),
            "sealed: no access can miss"
        );
    }
    // SAFETY: within the allocation, and nobody else uses it.
    #[expect(unsafe_code, reason = "DMA memory is reached by pointer")]
    let seen = unsafe { std::slice::from_raw_parts(second.pointer(), 15) };
    assert_eq!(seen, b"from the device");
    drop(first);
    assert!(peer.notes().unmaps.is_empty(), "the second is still in use");
    drop(second);
    let notes = peer.notes();
    let unmap = notes.unmaps[0];
    assert_eq!(
        (unmap.address, unmap.size),
        (notes.maps[0].0.address, notes.maps[0].0.size)
    );
}

#[test]
fn the_server_may_ask_for_memory_by_message() {
    let peer = Peer::new(Plan::default());
    let mut transport = peer.open().expect("opened");
    let memory = transport
        .allocate_dma(4096, DmaPurpose::Data)
        .expect("memory");
    let words = memory.pointer().cast::<u64>();
    // SAFETY: within the allocation; the peer touches it in `write_u64` only.
    #[expect(unsafe_code, reason = "DMA memory is reached by pointer")]
    let (seen, beside) = unsafe {
        words.write_volatile(41);
        transport
            .write_u64(DMA_REGISTER, memory.bus_address())
            .expect("written");
        (words.add(1).read_volatile(), words.add(2).read_volatile())
    };
    assert_eq!((seen, beside), (42, 0));
    transport.write_u64(DMA_REGISTER, 0x1000).expect("written");
    assert_eq!(
        peer.notes().dma_errors,
        [Errno::FAULT.raw_os_error() as u32]
    );
}

#[test]
fn interrupts_are_armed_together_and_in_messages_that_the_server_takes() {
    let peer = Peer::new(Plan {
        vectors: 20,
        ..Plan::default()
    });
    let mut transport = peer.open().expect("opened");
    assert_eq!(transport.interrupt_vectors(), 20);
    assert!(peer.notes().events.is_empty(), "nobody has wanted one");
    transport.enable_interrupt(3).expect("armed");
    transport.enable_interrupt(4).expect("armed");
    assert_eq!(peer.notes().irq_messages, [(0, 8), (8, 8), (16, 4)]);
    assert_eq!(transport.take_interrupt(3), Ok(false));
    rustix::io::write(&peer.notes().events[3], &1u64.to_ne_bytes()).expect("signalled");
    assert_eq!(transport.take_interrupt(3), Ok(true));
    assert_eq!(transport.take_interrupt(3), Ok(false));
    assert_eq!(transport.take_interrupt(4), Ok(false));
    let error = transport.enable_interrupt(20).expect_err("there is none");
    assert!(
        error
            .to_string()
            .contains("no MSI-X vector 20; there are 20"),
        "{error}"
    );
}

#[test]
fn a_reset_leaves_bus_mastering_and_interrupts_on() {
    let peer = Peer::new(Plan::default());
    let mut transport = peer.open().expect("opened");
    let on = COMMAND_MEMORY | COMMAND_BUS_MASTER;
    assert_eq!(peer.notes().command_register, on);
    transport.enable_interrupt(1).expect("armed");
    transport.reset_function().expect("reset");
    let notes = peer.notes();
    assert_eq!((notes.resets, notes.command_register), (1, on));
    assert_eq!(notes.irq_messages.len(), 2);
}

#[test]
fn a_wait_ends_at_its_deadline() {
    let peer = Peer::new(Plan::default());
    let mut transport = peer.open().expect("opened");
    let deadline_ns = transport.now_ns() + 2_000_000;
    while transport.wait(deadline_ns).expect("the peer is there") == Wake::Device {}
    assert!(transport.now_ns() >= deadline_ns);
    drop(transport);
    peer.join();
}
