//! How time moves: only while software waits, and never past what it waits for.

use nvme_driver::transport::{DmaMemory, DmaPurpose, Transport, TransportError, Wake};
use pcie_host::endpoint::FunctionId;
use pcie_host::{Fault, HostOptions, LinkEvent};

use crate::echo::{BASE, Bench};

#[test]
fn only_queue_memory_wakes() {
    let mut bench = Bench::new(HostOptions::default());
    let queue = bench
        .pf
        .allocate_dma(4096, DmaPurpose::Queue)
        .expect("room");
    let start = bench.soon();
    bench.echo.borrow_mut().write_at(start, BASE, &[1; 4]);
    bench
        .echo
        .borrow_mut()
        .write_at(start + 50, queue.bus_address(), &[1; 4]);
    assert_eq!(bench.pf.wait(u64::MAX), Ok(Wake::Device));
    assert_eq!(bench.host.now(), start + 50 + 35);
    assert_eq!(bench.pf.now_ns(), (start + 85) * 8);
}

#[test]
fn a_deadline_is_kept_and_idle_time_is_skipped() {
    let mut bench = Bench::new(HostOptions::default());
    assert_eq!(bench.pf.wait(1_000_000_001), Ok(Wake::Deadline));
    assert_eq!(bench.host.now(), 125_000_001);
    assert_eq!(bench.pf.wait(5), Ok(Wake::Deadline), "long past");
    assert_eq!(bench.host.now(), 125_000_001);
    let error = bench
        .pf
        .wait(u64::MAX)
        .expect_err("nothing will ever happen");
    assert!(error.to_string().contains("would never end"), "{error}");
}

/// Two clients; the second's completion comes while the first reads a register, which moves time.
/// The second had looked before and looks only after its own wait: it must come back at once.
#[test]
fn a_wake_during_somebody_elses_register_read_is_not_lost() {
    let mut bench = Bench::new(HostOptions::default());
    let queue = bench
        .pf
        .allocate_dma(4096, DmaPurpose::Queue)
        .expect("room");
    let mut second = bench.pf.clone_handle();
    let start = bench.host.now() + 10;
    bench
        .echo
        .borrow_mut()
        .write_at(start, queue.bus_address(), &[1; 4]);
    assert_eq!(bench.pf.read_u32(0), Ok(0));
    let now = bench.host.now();
    assert_eq!(second.wait(u64::MAX), Ok(Wake::Device));
    assert_eq!(bench.host.now(), now);
    assert_eq!(second.wait((now + 100) * 8), Ok(Wake::Deadline), "once");
}

/// A client of one function waits for all: it may be the only one that waits.
#[test]
fn any_functions_completion_wakes() {
    let mut bench = Bench::new(HostOptions::default());
    bench.host.enable_virtual_functions(1).expect("has 4");
    let mut vf = bench.host.transport(FunctionId(1)).expect("enabled");
    let queue = bench
        .pf
        .allocate_dma(4096, DmaPurpose::Queue)
        .expect("room");
    let start = bench.soon();
    bench
        .echo
        .borrow_mut()
        .write_at(start, queue.bus_address(), &[1; 4]);
    assert_eq!(vf.wait(u64::MAX), Ok(Wake::Device));
    assert_eq!(bench.host.now(), start + 35);
}

/// However often somebody polls, the device sees the same accesses in the same cycles.
#[test]
fn polling_does_not_change_the_run() {
    let run = |polls: u32| {
        let mut bench = Bench::new(HostOptions {
            trace: true,
            ..HostOptions::default()
        });
        let queue = bench
            .pf
            .allocate_dma(4096, DmaPurpose::Queue)
            .expect("room");
        let start = bench.soon();
        for round in 0..5 {
            bench
                .echo
                .borrow_mut()
                .write_at(start + 90 * round, queue.bus_address(), &[1; 4]);
        }
        for _ in 0..5 {
            for _ in 0..polls {
                let now = bench.pf.now_ns();
                assert_eq!(bench.pf.wait(now), Ok(Wake::Deadline));
            }
            assert_eq!(bench.pf.wait(u64::MAX), Ok(Wake::Device));
            bench.pf.write_u32(0x1004, 1).expect("there");
            bench.pf.write_u32(0x1000, 1).expect("there");
        }
        bench.finish();
        bench.host.take_trace()
    };
    assert_eq!(run(0), run(7));
}

#[test]
fn steps_go_from_event_to_event() {
    let bench = Bench::new(HostOptions::default());
    let start = bench.soon();
    bench.echo.borrow_mut().read_at(start, 0, BASE, 64);
    let mut cycles = vec![];
    while bench.host.step() {
        cycles.push(bench.host.now());
    }
    assert_eq!(cycles, [start, start + 35, start + 72]);
    assert!(!bench.host.run_until_idle(0) || bench.host.now() == start + 72);
}

/// The story: the link went down while an operation of a store backed off. Every wait came back at
/// once, to say so again, and time stood still: the operation never went on to see for itself.
#[test]
fn time_passes_for_who_waits_on_a_function_that_is_gone() {
    let mut bench = Bench::new(HostOptions::default());
    let down = bench.host.now() + 100;
    bench.host.inject(Fault::At {
        cycle: down,
        event: LinkEvent::Down,
    });
    let gone = |result: Result<Wake, TransportError>| {
        let error = result.expect_err("the link is down");
        assert!(error.to_string().contains("the link is down"), "{error}");
    };
    gone(bench.pf.wait((down + 1_000) * 8));
    assert_eq!(bench.host.now(), down, "said at once");
    gone(bench.pf.wait((down + 1_000) * 8));
    assert_eq!(bench.host.now(), down + 1_000);
    gone(bench.pf.wait(u64::MAX));
    assert_eq!(bench.host.now(), down + 1_000, "nothing to wait for");
}
