//! An endpoint that breaks the rules of the link is told so.

use pcie_host::endpoint::FunctionId;
use pcie_host::{HostOptions, ViolationKind};

use crate::echo::{Action, BASE, Bench};

/// The rules an endpoint breaks with these calls, in order.
fn broken(options: HostOptions, calls: &[(u64, Action)]) -> Vec<ViolationKind> {
    let bench = Bench::new(options);
    let start = bench.soon();
    for (cycle, action) in calls {
        bench.echo.borrow_mut().at(start + cycle, action.clone());
    }
    bench.finish();
    bench
        .host
        .take_violations()
        .iter()
        .map(|violation| violation.kind)
        .collect()
}

fn read(tag: u8, address: u64, length_bytes: u32) -> Action {
    let function = FunctionId::PF;
    Action::Read(pcie_host::endpoint::MemoryRead {
        function,
        address,
        length_bytes,
        tag,
    })
}

fn write(address: u64, bytes: usize) -> Action {
    Action::Write(FunctionId::PF, address, vec![0; bytes])
}

#[test]
fn shapes_of_requests() {
    use ViolationKind::{CrossesPage, Malformed, ReadTooLong};
    let default = HostOptions::default;
    assert_eq!(broken(default(), &[(0, write(BASE + 2, 4))]), [Malformed]);
    assert_eq!(broken(default(), &[(0, write(BASE, 6))]), [Malformed]);
    assert_eq!(broken(default(), &[(0, read(0, BASE, 0))]), [Malformed]);
    assert_eq!(
        broken(default(), &[(0, write(BASE + 0xffc, 8))]),
        [CrossesPage]
    );
    assert_eq!(broken(default(), &[(0, read(0, BASE, 516))]), [ReadTooLong]);
    assert_eq!(
        broken(
            default(),
            &[(0, read(0, BASE, 512)), (0, write(BASE, 4096))]
        ),
        []
    );
}

#[test]
fn tags_and_completion_space() {
    use ViolationKind::{CompletionSpaceBytes, CompletionSpaceHeaders, TagInUse};
    let default = HostOptions::default;
    assert_eq!(
        broken(default(), &[(0, read(1, BASE, 4)), (69, read(1, BASE, 4))]),
        [TagInUse]
    );
    assert_eq!(
        broken(default(), &[(0, read(1, BASE, 4)), (70, read(1, BASE, 4))]),
        []
    );
    assert_eq!(broken(default(), &[(0, read(64, BASE, 4))]), [TagInUse]);
    let full = |count: u8| {
        (0..count)
            .map(|tag| (0, read(tag, BASE, 512)))
            .collect::<Vec<_>>()
    };
    assert_eq!(broken(default(), &full(31)), []);
    assert_eq!(broken(default(), &full(32)), [CompletionSpaceBytes]);
    let split = HostOptions {
        completion_split_bytes: 64,
        ..default()
    };
    assert_eq!(broken(split.clone(), &full(8)), []);
    assert_eq!(broken(split, &full(9)), [CompletionSpaceHeaders]);
}

#[test]
fn answers_that_nobody_asked_for() {
    use ViolationKind::{UnexpectedCompletion, UnexpectedResetDone};
    let calls = [
        (0, Action::Answer(77, Some(0))),
        (0, Action::ResetDone(FunctionId::PF)),
    ];
    let seen = broken(HostOptions::default(), &calls);
    assert_eq!(seen, [UnexpectedCompletion, UnexpectedResetDone]);
}

#[test]
fn options_out_of_range_are_named() {
    let good = HostOptions::default();
    for (bad, name) in [
        (
            HostOptions {
                max_payload_bytes: 300,
                ..good.clone()
            },
            "max_payload_bytes is 300",
        ),
        (
            HostOptions {
                max_read_request_bytes: 64,
                ..good.clone()
            },
            "max_read_request_bytes",
        ),
        (
            HostOptions {
                completion_split_bytes: 96,
                ..good.clone()
            },
            "completion_split_bytes",
        ),
        (
            HostOptions {
                completion_space_bytes: 256,
                ..good.clone()
            },
            "completion_space_bytes",
        ),
        (
            HostOptions {
                completion_space_headers: 4,
                ..good.clone()
            },
            "completion_space_headers",
        ),
        (
            HostOptions {
                rtt_cycles: 1,
                ..good.clone()
            },
            "rtt_cycles",
        ),
        (
            HostOptions {
                link_bytes_per_cycle: 0,
                ..good.clone()
            },
            "link_bytes_per_cycle",
        ),
        (
            HostOptions {
                port_beat_bytes: 24,
                ..good.clone()
            },
            "port_beat_bytes",
        ),
        (
            HostOptions {
                memory_bytes: 0,
                ..good
            },
            "memory_bytes",
        ),
    ] {
        let error = bad.validate().expect_err(name).to_string();
        assert!(error.contains(name), "{error}");
    }
}
