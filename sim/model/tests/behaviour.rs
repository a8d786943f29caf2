//! What only the model can show: its table, its traces, a slower medium, the same run twice.

mod support;

use nvme_model::{LockEvent, LockStep, Timing, TraceOptions};
use pcie_host::{Delivery, HostOptions};
use support::{Client, Device, Kind, completions, cycles_per_command, latencies, run};

#[test]
fn media_latency_adds_up_at_depth_one_and_overlaps_at_depth() {
    let media_cycles = 10_000;
    let with_media = |kind, media_cycles, depth: usize| {
        let device = Device::new(HostOptions::default(), |options| {
            options.timing = Timing {
                media_cycles,
                ..Timing::default()
            };
        });
        let mut client = Client::new(&device, 0, kind, depth, 4096, false);
        if depth == 1 {
            latencies(&device, &mut client, 10)[5] as f64
        } else {
            cycles_per_command(&device, &mut [client], 1000)
        }
    };
    for kind in [Kind::Read, Kind::Write, Kind::Pair] {
        let accesses = if kind == Kind::Pair { 2.0 } else { 1.0 };
        let added = with_media(kind, media_cycles, 1) - with_media(kind, 0, 1);
        assert_eq!(added, accesses * media_cycles as f64, "{kind:?}");
        // As many at once as there are rows of the lock.
        let cycles = with_media(kind, media_cycles, 64);
        let rows = 7.0;
        let expected = accesses * media_cycles as f64 / rows;
        assert!(
            (cycles / expected - 1.0).abs() < 0.1,
            "{kind:?}: {cycles}, not about {expected}"
        );
    }
}

#[test]
fn every_latency_of_the_table_is_in_the_path() {
    let read = |timing: Timing| {
        let device = Device::new(HostOptions::default(), |options| options.timing = timing);
        let mut client = Client::new(&device, 0, Kind::Pair, 1, 4096, false);
        latencies(&device, &mut client, 4)[2]
    };
    let base = Timing::default();
    let before = read(base);
    for (more, what, times) in [
        (
            Timing {
                doorbell_cycles: base.doorbell_cycles + 5,
                ..base
            },
            "doorbell",
            1,
        ),
        (
            Timing {
                decode_cycles: base.decode_cycles + 5,
                ..base
            },
            "decode",
            1,
        ),
        (
            Timing {
                receive_cycles: base.receive_cycles + 5,
                ..base
            },
            "receive",
            2,
        ),
        (
            Timing {
                mem_cycles: base.mem_cycles + 5,
                ..base
            },
            "mem",
            1,
        ),
        (
            Timing {
                write_response_cycles: base.write_response_cycles + 5,
                ..base
            },
            "B",
            1,
        ),
        (
            Timing {
                media_cycles: 5,
                ..base
            },
            "media",
            2,
        ),
        (
            Timing {
                dispatch_cycles: base.dispatch_cycles + 5,
                ..base
            },
            "dispatch",
            0,
        ),
    ] {
        assert_eq!(read(more) - before, 5 * times, "{what}");
    }
}

#[test]
fn the_same_run_twice_is_the_same() {
    let trace = || {
        let device = Device::new(HostOptions::default(), |_| ());
        device.model.borrow().set_trace(TraceOptions {
            commands: true,
            locks: true,
        });
        let mut clients: Vec<Client> = [Kind::Read, Kind::Write, Kind::Pair]
            .into_iter()
            .enumerate()
            .map(|(function, kind)| Client::new(&device, function as u8, kind, 16, 8192, true))
            .collect();
        run(&mut clients, 3000);
        let locks = device.model.borrow().take_lock_trace();
        (completions(&device, Kind::Read), locks)
    };
    assert_eq!(trace(), trace());
}

#[test]
fn grants_are_traced_in_order_and_exclusive_ones_are_apart() {
    let device = Device::new(HostOptions::default(), |_| ());
    device.model.borrow().set_trace(TraceOptions {
        commands: true,
        locks: true,
    });
    let mut clients = [
        Client::new(&device, 0, Kind::Write, 16, 4096, false),
        Client::new(&device, 1, Kind::Read, 16, 4096, false),
    ];
    run(&mut clients, 2000);
    let mut grants: Vec<LockEvent> = device.model.borrow().take_lock_trace();
    grants.retain(|event| event.step == LockStep::Granted);
    assert!(grants.len() >= 2000);
    assert!(grants.is_sorted_by_key(|grant| grant.at));
    // A Write's lock lasts to B; a later grant of the same bytes cannot come before.
    let lasts = 128 + 25;
    let mut conflicts = 0;
    for (index, write) in grants
        .iter()
        .enumerate()
        .filter(|(_, grant)| grant.exclusive)
    {
        for other in grants[index + 1..]
            .iter()
            .take_while(|other| other.at < write.at + lasts)
        {
            assert!(
                other.start >= write.end || other.end <= write.start,
                "{write:?} {other:?}"
            );
            conflicts += 1;
        }
    }
    assert!(conflicts > 100, "no two grants were close to one another");
}

#[test]
fn small_and_large_transfers_move_every_byte() {
    for bytes in [4096, 8192, 65_536, 131_072] {
        for kind in [Kind::Read, Kind::Write] {
            let device = Device::new(HostOptions::default(), |_| ());
            let mut clients = [Client::new(&device, 0, kind, 8, bytes, true)];
            let cycles = cycles_per_command(&device, &mut clients, 500);
            let port = f64::from(bytes / 256) * 9.0;
            // Commands side by side end in groups: those of the depth may have moved most of their bytes
            // before the 300 commands that are measured begin.
            assert!(
                cycles >= port * (1.0 - 8.0 / 299.0),
                "{kind:?} of {bytes}: {cycles} is faster than the port"
            );
            assert!(
                cycles <= 1.03 * port + 8.0,
                "{kind:?} of {bytes}: {cycles} for {port} beats"
            );
        }
    }
}

#[test]
fn a_single_large_write_is_fetched_while_it_is_written() {
    let device = Device::new(HostOptions::default(), |_| ());
    let mut client = Client::new(&device, 0, Kind::Write, 1, 131_072, false);
    let latency = latencies(&device, &mut client, 3)[1];
    // Eight segments of 576 beats in, the last one out: 512 beats; and not the sum of both.
    assert!(latency < 8 * 576 + 512 + 1000, "{latency}");
}

#[test]
fn data_may_come_in_pieces_of_any_size() {
    for kind in [Kind::Read, Kind::Write, Kind::Pair, Kind::FailingPair] {
        for (split, read_request) in [(64, 128), (64, 2048), (128, 512), (256, 4096)] {
            let cycles = [Delivery::WholeReads, Delivery::EachCompletion].map(|delivery| {
                let options = HostOptions {
                    completion_split_bytes: split,
                    max_read_request_bytes: read_request,
                    delivery,
                    ..HostOptions::default()
                };
                let device = Device::new(options, |_| ());
                let mut clients = [Client::new(&device, 0, kind, 32, 8192, true)];
                let cycles = cycles_per_command(&device, &mut clients, 600);
                let violations = device.host.take_violations();
                assert!(
                    violations.is_empty(),
                    "{kind:?} {split} {read_request}: {violations:?}"
                );
                cycles
            });
            println!("{kind:?}, split {split}, MRRS {read_request}: {cycles:?}");
            // In pieces, completion space comes free earlier, never later.
            assert!(
                cycles[1] <= 1.005 * cycles[0],
                "{kind:?} {split} {read_request}: {cycles:?}"
            );
        }
    }
}
