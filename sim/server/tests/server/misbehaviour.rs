//! Clients that go, break the protocol, or take their memory away: the others never notice, and the
//! next one finds the function as after power-up.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nvme_server::Event;
use nvme_spec::opcode::nvm;
use nvme_spec::{Status, register};
use pcie_host::endpoint::FunctionId;
use vfio_user_wire::{Command, WireError, region};

use crate::client::{BASE, Client, DATA, MEMORY_BYTES};
use crate::rig::Rig;

/// The next event that says that a client has left; its reason.
fn reason_of_leaving(rig: &Rig, function: FunctionId) -> String {
    loop {
        match rig.events.recv_timeout(Duration::from_secs(20)).unwrap() {
            Event::Left {
                function: who,
                reason,
            } if who == function => return reason,
            _ => {}
        }
    }
}

/// A client that works, and goes on working.
struct Witness(Client);

impl Witness {
    fn new(rig: &Rig) -> Self {
        let mut client = Client::connect(&rig.socket("vf0"));
        client.map_doorbells();
        client.bring_up(true);
        Self(client)
    }

    fn check(&mut self) {
        for block in 0..50 {
            let read = Client::transfer(nvm::READ, block, DATA);
            assert_eq!(self.0.run(1, read), Status::SUCCESS);
        }
    }
}

/// The PF can be used as if nothing had been.
fn newcomer_finds_it_fresh(rig: &Rig) {
    let mut client = Client::connect_retrying(&rig.socket("pf"));
    assert_eq!(client.read_u32(register::CC), 0);
    assert_eq!(client.read_u32(register::CSTS), 0);
    assert_eq!(client.read(region::CONFIG, 4, 2).unwrap(), [0, 0]);
    client.bring_up(true);
    let read = Client::transfer(nvm::READ, 0, DATA);
    assert_eq!(client.run(1, read), Status::SUCCESS);
}

#[test]
fn a_client_dies_with_commands_in_flight() {
    let rig = Rig::new(2);
    let mut witness = Witness::new(&rig);
    for shared in [true, false] {
        let mut client = Client::connect(&rig.socket("pf"));
        client.map_doorbells();
        client.bring_up(shared);
        for block in 0..30 {
            client.push(1, &Client::transfer(nvm::WRITE, block, DATA));
        }
        client.ring(1);
        drop(client);
        witness.check();
        let reason = reason_of_leaving(&rig, FunctionId::PF);
        assert!(reason.contains("closed"), "{reason}");
        newcomer_finds_it_fresh(&rig);
        witness.check();
        reason_of_leaving(&rig, FunctionId::PF);
    }
}

#[test]
fn a_client_goes_within_a_message() {
    let rig = Rig::new(2);
    let mut witness = Witness::new(&rig);
    let mut stream = UnixStream::connect(rig.socket("pf")).unwrap();
    stream.write_all(&[1, 0, 1, 0, 64, 0, 0, 0, 0]).unwrap();
    witness.check();
    drop(stream);
    let reason = reason_of_leaving(&rig, FunctionId::PF);
    assert!(reason.contains("after 9 bytes"), "{reason}");
    newcomer_finds_it_fresh(&rig);
    witness.check();
}

#[test]
fn clients_take_their_memory_away() {
    let rig = Rig::new(2);
    let mut witness = Witness::new(&rig);
    // The first was survived, and the second ended the server: the runtime's handler of SIGBUS, called
    // before ours, had put the default back.
    for round in 0..3 {
        let mut client = Client::connect_retrying(&rig.socket("pf"));
        client.map_doorbells();
        client.bring_up(true);
        for block in 0..20 {
            client.push(1, &Client::transfer(nvm::READ, block, DATA));
        }
        client.memory.truncate(0x1000);
        client.ring(1);
        let reason = reason_of_leaving(&rig, FunctionId::PF);
        assert!(reason.contains("shortened"), "{round}: {reason}");
        assert!(matches!(
            client.connection.receive(),
            Err(WireError::Closed)
        ));
        witness.check();
    }
    newcomer_finds_it_fresh(&rig);
}

#[test]
fn the_first_message_must_be_the_version() {
    let rig = Rig::new(1);
    let mut client = Client::connect_only(&rig.socket("pf"));
    assert_eq!(
        client.request(Command::DeviceReset, &[], &[]).unwrap_err(),
        22
    );
    let reason = reason_of_leaving(&rig, FunctionId::PF);
    assert!(reason.contains("VERSION"), "{reason}");
}

#[test]
fn a_second_client_is_refused_and_the_first_stays() {
    let rig = Rig::new(2);
    let mut witness = Witness::new(&rig);
    let mut second = Client::connect_only(&rig.socket("vf0"));
    assert!(matches!(
        second.connection.receive(),
        Err(WireError::Closed)
    ));
    witness.check();
}

#[test]
fn memory_that_was_taken_back_is_not_reached_any_more() {
    let rig = Rig::new(1);
    let mut client = Client::connect(&rig.socket("pf"));
    client.bring_up(true);
    assert_eq!(
        client.unmap(BASE, MEMORY_BYTES as u64).unwrap().size,
        1 << 20
    );
    // Nothing is there any more: neither to unmap, nor for the device.
    client.unmap(BASE, MEMORY_BYTES as u64).unwrap();
    client.push(1, &Client::transfer(nvm::READ, 0, DATA));
    client.ring(1);
    assert!(client.take(1).is_none());
}
