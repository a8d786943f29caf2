//! What goes wrong when it is told to.

use nvme_driver::transport::{Transport, TransportError, Wake};
use pcie_host::endpoint::{FunctionId, ReadStatus};
use pcie_host::{Delivery, Fault, FaultPlan, HostOptions, LinkEvent, ReadFault, ReadSelect};

use crate::echo::{Action, BASE, Bench, Seen};

const PF: FunctionId = FunctionId::PF;

/// The second of three reads goes wrong: what comes when, from the first read's RQ beat.
fn second_of_three(fault: ReadFault, options: HostOptions) -> Vec<(u64, u8, usize, ReadStatus)> {
    let bench = Bench::new(options);
    let select = ReadSelect::Nth(1);
    bench.host.inject(Fault::Read {
        function: PF,
        select,
        fault,
    });
    let start = bench.soon();
    for tag in 0..3 {
        bench
            .echo
            .borrow_mut()
            .read_at(start + u64::from(tag), tag, BASE, 512);
    }
    bench.finish();
    bench.assert_clean();
    assert_eq!(bench.host.statistics().injected, 1);
    let mut data = bench.echo.borrow().data();
    data.iter_mut().for_each(|data| data.0 -= start);
    data
}

#[test]
fn each_read_fault_ends_as_it_should_and_disturbs_no_other() {
    let good = |cycle, tag| (cycle, tag, 512, ReadStatus::Success);
    let run = |fault| second_of_three(fault, HostOptions::default());
    assert_eq!(run(ReadFault::Lost), [good(87, 0), good(105, 2)]);
    assert_eq!(
        run(ReadFault::Timeout {
            after_cycles: 9_000
        }),
        [
            good(87, 0),
            good(105, 2),
            (9_002, 1, 0, ReadStatus::Timeout)
        ]
    );
    assert_eq!(
        run(ReadFault::Delayed { by_cycles: 500 }),
        [good(87, 0), good(105, 2), good(588, 1)]
    );
    assert_eq!(
        run(ReadFault::Poisoned),
        [
            good(87, 0),
            (105, 1, 512, ReadStatus::Poisoned),
            good(123, 2)
        ]
    );
    for (fault, status) in [
        (
            ReadFault::UnsupportedRequest,
            ReadStatus::UnsupportedRequest,
        ),
        (ReadFault::CompleterAbort, ReadStatus::CompleterAbort),
    ] {
        assert_eq!(run(fault), [good(87, 0), (88, 1, 0, status), good(106, 2)]);
    }
}

#[test]
fn poison_is_in_the_last_of_several_pieces() {
    let options = HostOptions {
        delivery: Delivery::EachCompletion,
        ..HostOptions::default()
    };
    let data = second_of_three(ReadFault::Poisoned, options);
    let of_tag_1: Vec<_> = data
        .iter()
        .filter(|data| data.1 == 1)
        .map(|data| data.3)
        .collect();
    assert_eq!(of_tag_1, [ReadStatus::Success, ReadStatus::Poisoned]);
}

#[test]
fn a_lost_read_keeps_its_tag_until_the_function_is_reset() {
    let mut bench = Bench::new(HostOptions::default());
    let select = ReadSelect::Address {
        start: BASE + 0x1000,
        end: BASE + 0x2000,
    };
    bench.host.inject(Fault::Read {
        function: PF,
        select,
        fault: ReadFault::Lost,
    });
    let start = bench.soon();
    bench.echo.borrow_mut().read_at(start, 0, BASE, 512);
    bench
        .echo
        .borrow_mut()
        .read_at(start, 1, BASE + 0x1e00, 512);
    bench.finish();
    let start = bench.soon();
    bench.echo.borrow_mut().read_at(start, 1, BASE, 512);
    bench.finish();
    assert_eq!(bench.host.take_violations().len(), 1, "the tag is in use");
    bench.echo.borrow_mut().seen.clear();
    bench.pf.reset_function().expect("done");
    let status = bench
        .echo
        .borrow()
        .data()
        .first()
        .map(|data| (data.1, data.3));
    assert_eq!(status, Some((1, ReadStatus::FunctionReset)));
}

#[test]
fn a_link_that_goes_down_takes_everything_with_it() {
    let mut bench = Bench::new(HostOptions::default());
    let down = bench.soon();
    let plan = [LinkEvent::Down, LinkEvent::Up];
    for (event, cycle) in plan.into_iter().zip([down, down + 1_000]) {
        bench.host.inject(Fault::At { cycle, event });
    }
    for (tag, cycle) in (0..).zip([down - 60, down - 10, down + 10]) {
        bench.echo.borrow_mut().read_at(cycle, tag, BASE, 64);
        bench
            .echo
            .borrow_mut()
            .write_at(cycle, BASE + u64::from(tag) * 4, &[1; 4]);
    }
    bench.pf.spend_cycles(down - bench.host.now());
    bench
        .host
        .bar_write(PF, 0x1000, &[1; 16])
        .expect("the link is up yet");
    let error = bench.pf.wait(u64::MAX).expect_err("the link goes down");
    assert!(matches!(error, TransportError::DeviceGone { .. }));
    assert_eq!(bench.host.now(), down);
    assert!(bench.pf.read_u32(0).is_err() && bench.pf.write_u32(0, 0).is_err());
    assert_eq!(bench.host.config_read(PF, 0, 4), Ok(0xffff_ffff));
    assert!(bench.host.transport(PF).is_err());
    bench.host.run_until(down + 999);
    let mut bytes = [0; 12];
    bench.memory.read(0, &mut bytes);
    assert_eq!(
        bytes,
        [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        "only the first write had arrived"
    );
    assert_eq!(bench.echo.borrow().seen, []);

    bench.finish();
    let seen = bench.echo.borrow_mut().take_sideband();
    assert!(
        matches!(seen[..], [Seen::HotReset, Seen::Link(_)]),
        "{seen:?}"
    );
    assert!(bench.pf.read_u32(0).is_err(), "its memory space is off");
    bench.pf = bench.host.transport(PF).expect("back again");
    assert_eq!(bench.pf.read_u32(0), Ok(0));
    let start = bench.soon();
    bench.echo.borrow_mut().read_at(start, 0, BASE, 64);
    bench.finish();
    assert_eq!(
        bench.echo.borrow().data(),
        [(start + 72, 0, 64, ReadStatus::Success)]
    );
    bench.assert_clean();
}

#[test]
fn a_register_read_that_is_never_answered_ends() {
    let options = HostOptions {
        register_timeout_cycles: 5_000,
        ..HostOptions::default()
    };
    let mut bench = Bench::new(options);
    bench.echo.borrow_mut().answers = false;
    let start = bench.host.now();
    let error = bench.pf.read_u32(0x1c).expect_err("no answer");
    assert!(
        error
            .to_string()
            .contains("a register read was not answered"),
        "{error}"
    );
    assert_eq!(bench.host.now() - start, 5_025);
}

#[test]
fn a_register_read_ends_with_the_link() {
    let options = HostOptions {
        faults: FaultPlan {
            script: vec![Fault::At {
                cycle: 2_000,
                event: LinkEvent::Down,
            }],
            ..FaultPlan::default()
        },
        ..HostOptions::default()
    };
    let mut bench = Bench::new(options);
    bench.echo.borrow_mut().answers = false;
    assert!(bench.pf.read_u32(0x1c).is_err());
    assert_eq!(bench.host.now(), 2_000);
}

#[test]
fn a_dropped_interrupt_is_the_one_named() {
    let mut bench = Bench::new(HostOptions::default());
    bench.pf.enable_interrupt(0).expect("has 5");
    bench.finish();
    bench.host.inject(Fault::InterruptDropped {
        function: PF,
        nth: 1,
    });
    let mut taken = vec![];
    for _ in 0..3 {
        let cycle = bench.soon();
        bench.echo.borrow_mut().raise(cycle, PF, 0);
        bench
            .echo
            .borrow_mut()
            .at(cycle + 1, Action::Write(PF, BASE, vec![0; 4]));
        let _: Wake = bench.pf.wait((cycle + 500) * 8).expect("there");
        taken.push(bench.pf.take_interrupt(0).expect("has 5"));
    }
    assert_eq!(taken, [true, false, true]);
}
