//! Function level reset, asked for and as a surprise.

use nvme_driver::transport::Transport;
use pcie_host::config::{COMMAND, DEVICE_CONTROL, MSIX_CONTROL, bits};
use pcie_host::endpoint::{FunctionId, MemoryRead, ReadStatus};
use pcie_host::{DmaFaultReason, Fault, HostError, HostOptions, LinkEvent};

use crate::echo::{Action, BASE, Bench, RESET_CYCLES, Seen};

const PF: FunctionId = FunctionId::PF;
const VF0: FunctionId = FunctionId(1);

#[test]
fn a_reset_ends_when_the_endpoint_says_so() {
    let mut bench = Bench::new(HostOptions::default());
    bench.pf.enable_interrupt(0).expect("has 5");
    bench.echo.borrow_mut().take_sideband();
    let start = bench.host.now();
    bench.pf.reset_function().expect("done");
    assert_eq!(
        bench.echo.borrow_mut().take_sideband(),
        [
            Seen::Reset(PF),
            Seen::BusMaster(PF, false),
            Seen::Msix(PF, false, false),
            Seen::BusMaster(PF, true)
        ]
    );
    assert!(bench.host.now() - start > 70 + RESET_CYCLES);
    assert_eq!(bench.host.config_read(PF, COMMAND, 2), Ok(6), "restored");
    assert_eq!(
        bench.host.config_read(PF, MSIX_CONTROL, 2),
        Ok(4),
        "not restored"
    );
    assert_eq!(bench.pf.read_u32(0), Ok(0));
    bench.assert_clean();
}

#[test]
fn a_reset_that_does_not_end_is_an_error_within_100_ms() {
    let mut bench = Bench::new(HostOptions::default());
    bench.echo.borrow_mut().resets = false;
    let start = bench.host.now();
    let error = bench.host.reset_function(PF).expect_err("never done");
    assert_eq!(
        error,
        HostError::ResetTimeout {
            device: "simulation".into(),
            function: PF,
            cycles: 12_500_000
        }
    );
    assert!(bench.host.now() - start < 12_500_000 + 200);
    assert!(bench.pf.read_u32(0).is_err(), "its memory space is off");
    let cycle = bench.soon();
    bench.echo.borrow_mut().at(cycle, Action::ResetDone(PF));
    bench.pf.reset_function().expect("the one under way ends");
    assert_eq!(
        bench.pf.read_u32(0),
        Ok(0),
        "and what there was is restored"
    );
}

/// Two functions with a read each in flight; the VF is reset: what comes back to whom.
fn reads_at_reset(options: HostOptions) -> Vec<(u8, ReadStatus)> {
    let bench = Bench::new(options);
    bench.host.enable_virtual_functions(1).expect("has 4");
    let _vf = bench.host.transport(VF0).expect("enabled");
    let (access, purpose) = (
        pcie_host::Access::Read,
        nvme_driver::transport::DmaPurpose::Data,
    );
    bench
        .host
        .map(VF0, BASE, &bench.memory, access, purpose)
        .expect("free");
    bench.echo.borrow_mut().seen.clear();
    // The configuration write arrives 60 cycles from now.
    let start = bench.host.now() + 40;
    for function in [PF, VF0] {
        let read = MemoryRead {
            function,
            address: BASE,
            length_bytes: 64,
            tag: function.0,
        };
        bench.echo.borrow_mut().at(start, Action::Read(read));
    }
    bench.host.reset_function(VF0).expect("done");
    bench.finish();
    bench.assert_clean();
    let data = bench.echo.borrow().data();
    data.iter()
        .map(|&(_, tag, _, status)| (tag, status))
        .collect()
}

#[test]
fn a_reset_ends_the_reads_of_that_function_only() {
    assert_eq!(
        reads_at_reset(HostOptions::default()),
        [(1, ReadStatus::FunctionReset), (0, ReadStatus::Success)]
    );
    let options = HostOptions {
        reset_ends_reads: false,
        ..HostOptions::default()
    };
    assert_eq!(
        reads_at_reset(options),
        [(0, ReadStatus::Success), (1, ReadStatus::Success)]
    );
}

/// The story: a TLP that stood at a port that was not ready, when its function was reset, passed for
/// DMA of a function in reset. It may not be withdrawn, so it goes through; one offered later does not.
#[test]
fn what_was_offered_before_a_reset_goes_through() {
    let bench = Bench::new(HostOptions::default());
    bench.echo.borrow_mut().take_sideband();
    let cycle = bench.soon();
    bench.host.inject(Fault::At {
        cycle,
        event: LinkEvent::FunctionReset(PF),
    });
    let mut echo = bench.echo.borrow_mut();
    for (number, since) in [cycle, cycle + 1].into_iter().enumerate() {
        let taken = cycle + 5 + 2 * number as u64;
        let address = BASE + 64 * number as u64;
        echo.at(taken, Action::Offered(since));
        echo.write_at(taken, address, &[7; 4]);
        echo.at(taken + 1, Action::Offered(since));
        echo.read_at(taken + 1, number as u8, address, 4);
    }
    drop(echo);
    bench.finish();
    let faults = bench.host.take_dma_faults();
    let refused: Vec<_> = faults
        .iter()
        .map(|fault| (fault.address, fault.write, fault.reason))
        .collect();
    let reason = DmaFaultReason::NotBusMaster;
    assert_eq!(
        refused,
        [(BASE + 64, true, reason), (BASE + 64, false, reason)]
    );
    let mut there = [0; 4];
    bench.memory.read(0, &mut there);
    assert_eq!(there, [7; 4]);
    bench.memory.read(64, &mut there);
    assert_eq!(there, [0; 4]);
}

#[test]
fn a_surprise_reset_restores_what_was_enabled() {
    let mut bench = Bench::new(HostOptions::default());
    let cycle = bench.soon();
    bench.host.inject(Fault::At {
        cycle,
        event: LinkEvent::FunctionReset(PF),
    });
    bench.host.run_until(cycle + 1);
    assert!(bench.pf.read_u32(0).is_err(), "while it lasts");
    bench.finish();
    assert_eq!(bench.pf.read_u32(0), Ok(0));
    assert_eq!(
        bench.echo.borrow_mut().take_sideband(),
        [
            Seen::Reset(PF),
            Seen::BusMaster(PF, false),
            Seen::BusMaster(PF, true)
        ]
    );
    bench.assert_clean();
}

/// The story: the second of two resets came while the host put the registers back after the first.
/// It saved what it found, bus-master enable still clear, and the function was mute for ever.
#[test]
fn a_second_surprise_restores_what_was_before_the_first() {
    for apart in 0..300 {
        let mut bench = Bench::new(HostOptions::default());
        let first = bench.soon();
        for cycle in [first, first + apart] {
            bench.host.inject(Fault::At {
                cycle,
                event: LinkEvent::FunctionReset(PF),
            });
        }
        bench.finish();
        let command = bench.host.config_read(PF, COMMAND, 2);
        assert_eq!(command, Ok(6), "{apart} cycles apart");
        assert_eq!(bench.pf.read_u32(0), Ok(0), "{apart} cycles apart");
    }
}

#[test]
fn a_reset_of_the_pf_takes_the_vfs_away_and_brings_them_back() {
    let bench = Bench::new(HostOptions::default());
    bench.host.enable_virtual_functions(2).expect("has 4");
    bench.host.transport(VF0).expect("enabled");
    bench.echo.borrow_mut().take_sideband();
    bench.host.reset_function(PF).expect("done");
    assert_eq!(
        bench.echo.borrow_mut().take_sideband(),
        [
            Seen::Reset(PF),
            Seen::Functions(0),
            Seen::BusMaster(PF, false),
            Seen::Functions(2),
            Seen::BusMaster(PF, true)
        ]
    );
    let control = bench
        .host
        .config_read(PF, DEVICE_CONTROL, 2)
        .expect("there");
    assert_eq!(control & bits::INITIATE_RESET, 0);
    assert_eq!(
        bench.host.config_read(VF0, COMMAND, 2),
        Ok(0),
        "VFs are as after a reset"
    );
}

/// A reset of the PF clears VF Enable (SR-IOV 1.1 §2.2.3). Once a driver on a VF went on with the VF that
/// was there afterwards, whose bus-master was off: it reset it over and over, and waited for ever.
#[test]
fn a_handle_on_a_vf_does_not_survive_a_reset_of_the_pf() {
    let bench = Bench::new(HostOptions::default());
    bench.host.enable_virtual_functions(2).expect("has 4");
    let mut vf = bench.host.transport(VF0).expect("enabled");
    vf.write_u32(0x40, 7).expect("there");
    bench.host.reset_function(PF).expect("done");
    let gone = "simulation VF0: the device is gone (the function was disabled or its link was down \
                meanwhile; open it again)";
    let mut copy = vf.clone_handle();
    let now = bench.host.now();
    let errors = [
        vf.read_u32(0).map(drop),
        vf.write_u32(0, 1),
        vf.wait(u64::MAX).map(drop),
        vf.take_interrupt(0).map(drop),
        vf.enable_interrupt(0),
        vf.reset_function(),
        copy.read_u64(0).map(drop),
    ];
    for (index, result) in errors.into_iter().enumerate() {
        assert_eq!(
            result.expect_err("gone").to_string(),
            gone,
            "access {index}"
        );
    }
    assert_eq!(
        bench.host.now(),
        now,
        "a handle that has lost its function moves no time"
    );
    let mut vf = bench.host.transport(VF0).expect("there again");
    assert_eq!(vf.read_u32(0), Ok(0));
    // Its own reset keeps a function: its owner goes on with the same handle.
    vf.reset_function().expect("done");
    assert_eq!(vf.read_u32(0), Ok(0));
}
