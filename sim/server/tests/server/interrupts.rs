//! Interrupts as a client sees them: eventfds, masks, and what is raised while nothing is armed.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nvme_spec::Status;
use nvme_spec::opcode::nvm;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use vfio_user_wire::Command;
use vfio_user_wire::irq::{self, Action, IrqSet};
use vfio_user_wire::region;
use zerocopy::IntoBytes;

use crate::client::{Client, DATA};
use crate::rig::Rig;

fn eventfds(count: usize) -> Vec<OwnedFd> {
    let flags = EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC;
    (0..count).map(|_| eventfd(0, flags).unwrap()).collect()
}

/// How often it was signalled since the last call.
fn signals(fd: &OwnedFd) -> u64 {
    let mut count = [0; 8];
    match rustix::io::read(fd, &mut count) {
        Ok(_) => u64::from_ne_bytes(count),
        Err(Errno::AGAIN) => 0,
        Err(error) => panic!("{error}"),
    }
}

fn set(client: &mut Client, set: IrqSet, data: &[u8], fds: &[OwnedFd]) -> u32 {
    let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
    client
        .request(Command::DeviceSetIrqs, &[set.as_bytes(), data], &fds)
        .err()
        .unwrap_or(0)
}

/// A client with vector 1 on its I/O queue.
fn client(rig: &Rig) -> Client {
    let mut client = Client::connect(&rig.socket("pf"));
    client.map_memory(true);
    client.enable_bus_master();
    client.enable_controller();
    client.create_queues(Some(1));
    client
}

fn read_a_block(client: &mut Client) {
    let read = Client::transfer(nvm::READ, 3, DATA);
    assert_eq!(client.run(1, read), Status::SUCCESS);
    // The message came behind the completion, before anything that is answered now.
    client.read_u32(0);
}

fn arm(client: &mut Client, fds: &[OwnedFd]) {
    let all = IrqSet::eventfds(irq::MSIX, Action::Trigger, 0, fds.len() as u32);
    assert_eq!(set(client, all, &[], fds), 0);
}

#[test]
fn a_vector_signals_its_eventfd() {
    let rig = Rig::new(1);
    let mut client = client(&rig);
    let fds = eventfds(5);
    arm(&mut client, &fds);
    read_a_block(&mut client);
    assert_eq!(signals(&fds[1]), 1);
    for other in [0, 2, 3, 4] {
        assert_eq!(signals(&fds[other]), 0, "vector {other}");
    }
}

#[test]
fn what_is_raised_while_nothing_is_armed_comes_out_later() {
    // QEMU takes all eventfds away and arms them again while a driver sets MSI-X up.
    let rig = Rig::new(1);
    let mut client = client(&rig);
    let fds = eventfds(5);
    client.write(region::CONFIG, 0xb2, &[4, 0x80]).unwrap();
    arm(&mut client, &fds);
    let off = IrqSet::none(irq::MSIX, Action::Trigger, 0, 0);
    assert_eq!(set(&mut client, off, &[], &[]), 0);
    read_a_block(&mut client);
    assert_eq!(signals(&fds[1]), 0);
    assert_eq!(client.read(region::BAR0, 0x3000, 8).unwrap()[0], 1 << 1);
    arm(&mut client, &fds);
    client.read_u32(0);
    assert_eq!(signals(&fds[1]), 1);
    assert_eq!(client.read(region::BAR0, 0x3000, 8).unwrap(), [0; 8]);
}

/// An emulated processor spends far more on an interrupt than the device on a command: one each was most of
/// what a guest did.
#[test]
fn a_stream_of_completions_is_told_once_in_a_gap() {
    let gap = Duration::from_secs(1);
    let rig = Rig::with(move |options, _| options.interrupt_gap = gap);
    let mut client = client(&rig);
    let fds = eventfds(5);
    arm(&mut client, &fds);
    let begin = Instant::now();
    read_a_block(&mut client);
    assert_eq!(signals(&fds[1]), 1, "the first is told at once");
    for _ in 0..5 {
        read_a_block(&mut client);
    }
    let early = signals(&fds[1]);
    if begin.elapsed() >= gap {
        eprintln!("the machine has other things to do: that may have been no stream");
        return;
    }
    assert_eq!(early, 0, "the others are a stream");
    // What is held back outlives the eventfd it would have gone to, and is told without anybody's asking.
    let others = eventfds(5);
    arm(&mut client, &others);
    while signals(&others[1]) == 0 {
        assert!(begin.elapsed() < 30 * gap, "it is never told");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(begin.elapsed() >= gap);
    // What comes alone ends the stream, and is not held back.
    for pause in [gap, gap / 4] {
        std::thread::sleep(pause);
        read_a_block(&mut client);
        assert_eq!(signals(&others[1]), 1, "all before were told in one");
    }
}

/// A client with one command under way got one answer a gap, where it is quicker than that.
#[test]
fn one_command_after_the_other_is_no_stream() {
    const COMMANDS: u32 = 60;
    let gap = Duration::from_millis(400);
    let rig = Rig::with(move |options, _| options.interrupt_gap = gap);
    let mut client = client(&rig);
    let fds = eventfds(5);
    arm(&mut client, &fds);
    let begin = Instant::now();
    for _ in 0..COMMANDS {
        read_a_block(&mut client);
        while signals(&fds[1]) == 0 {
            assert!(begin.elapsed() < 100 * gap, "it is never told");
            std::thread::sleep(Duration::from_micros(100));
        }
    }
    let took = begin.elapsed();
    assert!(
        took < gap * COMMANDS / 4,
        "{took:?} for {COMMANDS} commands"
    );
}

#[test]
fn one_vector_can_be_masked_and_taken_away() {
    let rig = Rig::new(1);
    let mut client = client(&rig);
    let fds = eventfds(5);
    arm(&mut client, &fds);
    for (mask, data) in [
        (IrqSet::none(irq::MSIX, Action::Mask, 1, 1), &[][..]),
        (IrqSet::bools(irq::MSIX, Action::Mask, 0, 3), &[0, 1, 0]),
    ] {
        assert_eq!(set(&mut client, mask, data, &[]), 0);
        read_a_block(&mut client);
        assert_eq!(signals(&fds[1]), 0);
        let unmask = IrqSet::none(irq::MSIX, Action::Unmask, 0, 5);
        assert_eq!(set(&mut client, unmask, &[], &[]), 0);
        client.read_u32(0);
        assert_eq!(signals(&fds[1]), 1);
    }
    let away = IrqSet::eventfds(irq::MSIX, Action::Trigger, 1, 1);
    assert_eq!(set(&mut client, away, &[], &[]), 0);
    read_a_block(&mut client);
    assert_eq!(signals(&fds[1]), 0);
    assert_eq!(set(&mut client, away, &[], &fds[1..2]), 0);
    client.read_u32(0);
    assert_eq!(signals(&fds[1]), 1);
}

#[test]
fn a_client_can_signal_its_own_eventfds() {
    let rig = Rig::new(1);
    let mut client = client(&rig);
    let fds = eventfds(5);
    arm(&mut client, &fds);
    let all = IrqSet::none(irq::MSIX, Action::Trigger, 0, 5);
    assert_eq!(set(&mut client, all, &[], &[]), 0);
    let two = IrqSet::bools(irq::MSIX, Action::Trigger, 1, 3);
    assert_eq!(set(&mut client, two, &[1, 0, 1], &[]), 0);
    let seen: Vec<_> = fds.iter().map(signals).collect();
    assert_eq!(seen, [1, 2, 1, 2, 1]);
}

#[test]
fn interrupts_survive_a_reset() {
    let rig = Rig::new(1);
    let mut client = client(&rig);
    let fds = eventfds(5);
    arm(&mut client, &fds);
    client.request(Command::DeviceReset, &[], &[]).unwrap();
    client.enable_controller();
    client.create_queues(Some(1));
    read_a_block(&mut client);
    assert_eq!(signals(&fds[1]), 1);
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    const EINVAL: u32 = Errno::INVAL.raw_os_error() as u32;
    let rig = Rig::new(1);
    let mut client = client(&rig);
    let fds = eventfds(6);
    arm(&mut client, &fds[..5]);
    let eventfds = |start, count| IrqSet::eventfds(irq::MSIX, Action::Trigger, start, count);
    let none = |action, start, count| IrqSet::none(irq::MSIX, action, start, count);
    for (wrong, with) in [
        (eventfds(0, 6), 6),
        (eventfds(5, 1), 1),
        (eventfds(u32::MAX, 2), 2),
        (eventfds(0, 5), 4),
        (eventfds(0, 3), 5),
        (none(Action::Trigger, 0, 6), 0),
        (none(Action::Trigger, 1, 0), 0),
        (none(Action::Mask, 0, 0), 0),
        (none(Action::Trigger, 0, 1), 1),
        (IrqSet::eventfds(irq::INTX, Action::Trigger, 0, 1), 1),
        (IrqSet::none(9, Action::Trigger, 0, 0), 0),
        (IrqSet::bools(irq::MSIX, Action::Trigger, 0, 5), 0),
    ] {
        assert_eq!(
            set(&mut client, wrong, &[], &fds[..with]),
            EINVAL,
            "{wrong:?}"
        );
    }
    // A pipe could fill up and block whoever writes.
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    assert_eq!(set(&mut client, eventfds(0, 1), &[], &[writer]), EINVAL);
    drop(reader);
    read_a_block(&mut client);
    assert_eq!(signals(&fds[1]), 1);
}
