//! What a model refuses to be built with, and what it survives at its port.

use nvme_conformance::{DeviceOptions, Rig};
use nvme_model::admin;
use nvme_model::medium::Medium;
use nvme_model::{Geometry, Model, ModelError, ModelOptions, Timing};
use nvme_spec::Status;
use pcie_host::HostOptions;
use pcie_host::config::{DEVICE_CONTROL, bits};
use pcie_host::endpoint::{
    Cycle, Endpoint, FunctionId, Inbound, MemoryRead, MemoryWrite, Port, ReadStatus,
};

fn options() -> ModelOptions {
    ModelOptions::new(Medium::in_memory(1 << 20, 4096).expect("memory"))
}

/// A latency near the end of time once overflowed in the middle of a run.
#[test]
fn latencies_that_would_overflow_are_refused_by_name() {
    let timing = Timing {
        media_cycles: u64::MAX,
        ..Timing::default()
    };
    let error = Model::new(ModelOptions {
        timing,
        ..options()
    })
    .expect_err("too long");
    assert_eq!(
        error.to_string(),
        "media_cycles is 18446744073709551615: it must be 0 to 1099511627776"
    );
    let timing = Timing {
        media_cycles: 1 << 40,
        coalescing_step_cycles: 1 << 40,
        ..Timing::default()
    };
    Model::new(ModelOptions {
        timing,
        ..options()
    })
    .expect("the longest there are");
}

#[test]
fn what_cannot_be_built_is_refused_by_name() {
    type Change = fn(&mut Geometry);
    let changes: [(&str, Change); 6] = [
        ("geometry.tags", |geometry| geometry.tags = 65),
        ("geometry.sqe_fifo_entries", |geometry| {
            geometry.sqe_fifo_entries = 1;
        }),
        ("geometry.contexts_per_function", |geometry| {
            geometry.contexts_per_function = 32;
        }),
        ("geometry.lock_rows_per_function", |geometry| {
            geometry.lock_rows_per_function = 10;
        }),
        ("geometry.buffers_per_function", |geometry| {
            geometry.buffers_per_function = 7;
        }),
        ("geometry.read_staging_buffers", |geometry| {
            geometry.read_staging_buffers = 0;
        }),
    ];
    for (expected, change) in changes {
        let mut options = options();
        change(&mut options.geometry);
        match Model::new(options) {
            Err(ModelError::OutOfRange { name, .. }) => assert_eq!(name, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

/// The fair arbiters find missing rounds by a shift. 6,000 was taken once, and no hardware could be built to it.
#[test]
fn a_quantum_is_a_power_of_two() {
    let mut options = options();
    options.geometry.quantum_bytes = 6000;
    let refused = Model::new(options).expect_err("no power of two");
    assert_eq!(
        refused.to_string(),
        "geometry.quantum_bytes is 6000: it must be a power of two"
    );
}

/// A port that only looks at register answers.
#[derive(Default)]
struct Answers(Vec<Option<u64>>);

impl Port for Answers {
    fn memory_write(&mut self, _: Cycle, write: MemoryWrite<'_>) {
        panic!("nobody has enabled anything: {write:?}");
    }
    fn memory_read(&mut self, _: Cycle, read: MemoryRead) {
        panic!("nobody has enabled anything: {read:?}");
    }
    fn read_completion(&mut self, _: Cycle, _: u16, data: Option<u64>) {
        self.0.push(data);
    }
    fn function_reset_done(&mut self, _: Cycle, _: FunctionId) {}
}

/// Accesses outside the BAR, of functions that do not exist, of any size, and data nobody asked for:
/// nothing happens. A write at the end of the address space once overflowed.
#[test]
fn nonsense_at_the_port_does_nothing() {
    let mut model = Model::new(options()).expect("a device");
    let mut port = Answers::default();
    let shapes = [
        (u64::MAX - 3, 8),
        (u64::MAX, 4),
        (0x4000, 4),
        (0x1001, 4),
        (0, 0),
        (0, 4095),
    ];
    let mut at = 10;
    let mut is_answered = Vec::new();
    for function in [0, 1, 200].map(FunctionId) {
        for (offset, length) in shapes {
            model.receive(
                at,
                Inbound::MemoryWrite {
                    function,
                    offset,
                    data: &vec![0xff; length],
                },
            );
            model.receive(
                at,
                Inbound::MemoryRead {
                    function,
                    offset,
                    length_bytes: length as u32,
                    tag: 1,
                },
            );
            // A read of nothing is answered with a dword that says nothing (PCIe 2.1 §2.2.5).
            is_answered.push(function == FunctionId::PF && length == 0 && offset == 0);
            model.advance(at + 20, &mut port);
            at += 21;
        }
    }
    for tag in [0, 63, 64, 255] {
        model.receive(
            at,
            Inbound::ReadData {
                tag,
                data: &[0; 64],
                status: ReadStatus::Success,
                last: true,
            },
        );
    }
    model.receive(
        at,
        Inbound::FunctionReset {
            function: FunctionId(77),
        },
    );
    model.receive(at, Inbound::VirtualFunctions { count: 255 });
    model.advance(at + 1_000, &mut port);
    let answers: Vec<bool> = port.0.iter().map(Option::is_some).collect();
    assert_eq!(answers, is_answered, "all others are Unsupported Requests");
}

/// Software may allow larger reads than the receiver has room for. PRP lists were once fetched in pieces
/// of the largest read allowed, whatever the room; the rig looks for such when it is dropped.
#[test]
fn no_read_is_larger_than_the_completion_space() {
    let host = HostOptions {
        max_read_request_bytes: 128,
        completion_space_bytes: 128,
        ..HostOptions::default()
    };
    let build = |_: &DeviceOptions| -> Box<dyn Endpoint> {
        let medium = Medium::in_memory(16 << 20, 4096).expect("memory");
        Box::new(Model::new(ModelOptions::new(medium)).expect("a device"))
    };
    let device = DeviceOptions {
        virtual_functions: 0,
        ..DeviceOptions::default()
    };
    let rig = Rig::build(build, device, host);
    let pf = FunctionId::PF;
    let control = rig.host.config_read(pf, DEVICE_CONTROL, 2).expect("there");
    let control = control & !bits::MAX_READ_REQUEST_MASK | 5 << bits::MAX_READ_REQUEST_SHIFT;
    rig.host
        .config_write(pf, DEVICE_CONTROL, 2, control)
        .expect("there");
    let mut controller = rig.io_controller(pf);
    let buffer = controller.buffer(128 << 10);
    let write = controller.write(0, 32, &buffer);
    assert_eq!(controller.io(write), Status::SUCCESS);
}

/// Counts that are not in the table are in the README, with the numbers that Identify gives.
#[test]
fn the_readme_shows_the_counts_that_are_fixed() {
    let readme = include_str!("../README.md");
    let identify = admin::identify_controller(0, &admin::AdminConfig::default());
    let counts = [
        ("Asynchronous Event Requests held", admin::EVENT_REQUESTS),
        (
            "Asynchronous Event Requests held",
            usize::from(identify.async_event_request_limit) + 1,
        ),
        ("Error log entries", admin::ERROR_LOG_ENTRIES),
        (
            "Error log entries",
            usize::from(identify.error_log_entries) + 1,
        ),
        (
            "Aborts a host may have outstanding",
            usize::from(identify.abort_command_limit) + 1,
        ),
    ];
    for (what, count) in counts {
        let row = readme
            .lines()
            .find(|line| line.starts_with(&format!("| {what}")));
        let row = row.unwrap_or_else(|| panic!("no row for {what}"));
        assert!(
            row.ends_with(&format!("| {count} |")),
            "{row}: {count} is built"
        );
    }
}
