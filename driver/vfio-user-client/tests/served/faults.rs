//! Peers that refuse, lie, or go away: an error that names what happened, never a hang.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use nvme_driver::{DmaPurpose, Transport, TransportError};
use rustix::io::Errno;
use vfio_user_wire::region::SparseArea;
use vfio_user_wire::{Capabilities, Command, Version};

use crate::peer::{Fault, Peer, Plan};

#[track_caller]
fn refused_at_open(plan: Plan, parts: &[&str]) {
    let peer = Peer::new(plan);
    let error = peer.open().expect_err("it must not be opened").to_string();
    let socket = peer.socket();
    for part in parts.iter().chain(&[socket.to_str().expect("UTF-8")]) {
        assert!(error.contains(part), "no '{part}' in: {error}");
    }
}

#[test]
fn what_is_no_nvme_controller_is_named() {
    let plan = Plan {
        class_and_revision: 0x0200_0000,
        ..Plan::default()
    };
    refused_at_open(plan, &["020000h", "010802h"]);
    let plan = Plan {
        device_flags: 0,
        ..Plan::default()
    };
    refused_at_open(plan, &["no PCI device"]);
}

#[test]
fn another_version_of_the_protocol_is_named() {
    let version = Version {
        major: 1,
        ..Version::new(Capabilities::default())
    };
    refused_at_open(
        Plan {
            version,
            ..Plan::default()
        },
        &["version 1.1", "0.1"],
    );
}

#[test]
fn each_step_of_opening_can_fail_and_says_which_it_was() {
    for (command, step) in [
        (Command::Version, "agreeing on a version"),
        (Command::DeviceGetInfo, "asking for the device"),
        (Command::RegionRead, "reading configuration space"),
        (Command::DeviceGetRegionInfo, "asking for BAR0"),
        (Command::DeviceGetIrqInfo, "asking for interrupts"),
        (Command::RegionWrite, "enabling bus mastering"),
    ] {
        let faults = |fault| Plan {
            faults: HashMap::from([(command, fault)]),
            ..Plan::default()
        };
        refused_at_open(faults(Fault::Refuse(Errno::BUSY)), &[step, "busy"]);
        refused_at_open(faults(Fault::Close), &[step, "server has gone"]);
        if command != Command::RegionWrite {
            refused_at_open(faults(Fault::Short), &[step]);
        }
    }
}

/// A store into a mapping that the file does not reach kills the process.
#[test]
fn areas_that_the_file_does_not_hold_are_not_mapped() {
    let area = |offset, size| vec![SparseArea { offset, size }];
    for (areas, file_bytes) in [
        (area(0x1000, 0x1000), 0x1800),
        (area(0x3000, 0x2000), 0x10_000),
        (area(u64::MAX - 0xfff, 0x2000), 0x10_000),
    ] {
        let plan = Plan {
            areas,
            file_bytes,
            ..Plan::default()
        };
        refused_at_open(plan, &["asking for BAR0", "not there"]);
    }
}

#[test]
fn a_command_that_is_refused_later_leaves_the_connection_as_it_is() {
    let peer = Peer::new(Plan::default());
    let mut transport = peer.open().expect("opened");
    peer.fail(Command::DmaMap, Fault::Refuse(Errno::NOMEM));
    let error = transport
        .allocate_dma(4096, DmaPurpose::Data)
        .err()
        .expect("refused");
    assert!(
        matches!(error, TransportError::NoDmaMemory { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("DmaMap"), "{error}");
    peer.fail(Command::DeviceReset, Fault::Refuse(Errno::OPNOTSUPP));
    let error = transport.reset_function().expect_err("refused");
    assert!(matches!(error, TransportError::Failed { .. }), "{error}");
    transport.read_u32(0x1c).expect("still there");
}

#[test]
fn a_server_that_goes_away_ends_everything_at_once_and_for_good() {
    let peer = Peer::new(Plan::default());
    let mut transport = peer.open().expect("opened");
    let memory = transport
        .allocate_dma(4096, DmaPurpose::Data)
        .expect("memory");
    peer.fail(Command::RegionRead, Fault::Close);
    let began = Instant::now();
    let gone = |error: TransportError| {
        assert!(
            matches!(error, TransportError::DeviceGone { .. }),
            "{error}"
        );
        assert!(error.to_string().contains("the peer: "), "{error}");
        assert!(error.to_string().contains("server has gone"), "{error}");
    };
    gone(
        transport
            .read_u32(0x1c)
            .expect_err("it closed the connection"),
    );
    gone(transport.wait(u64::MAX).expect_err("nothing to wait for"));
    gone(transport.write_u32(0x1000, 1).expect_err("nobody listens"));
    gone(
        transport
            .allocate_dma(4096, DmaPurpose::Queue)
            .err()
            .expect("for nobody"),
    );
    gone(transport.reset_function().expect_err("nothing to reset"));
    drop(memory);
    drop(transport);
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_wait_notices_that_the_server_has_gone() {
    let peer = Peer::new(Plan::default());
    let mut transport = peer.open().expect("opened");
    peer.fail(Command::RegionWrite, Fault::Close);
    transport
        .write_u32(0x1000, 1)
        .expect("posted: nobody answers");
    let deadline_ns = transport.now_ns() + 30_000_000_000;
    let error = loop {
        match transport.wait(deadline_ns) {
            Ok(_) => assert!(transport.now_ns() < deadline_ns, "not noticed"),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error, TransportError::DeviceGone { .. }),
        "{error}"
    );
}
