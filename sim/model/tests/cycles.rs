//! What the controller must reach, in cycles at the port (and the formulas the figures come from).

mod support;

use pcie_host::HostOptions;
use support::{Client, Device, Kind, cycles_per_command, latencies};

const COMMANDS: u64 = 2000;

/// Base conditions: one function, QD 64, 4 KiB, one MSI-X a command.
fn throughput(kind: Kind, options: HostOptions) -> f64 {
    let device = Device::new(options, |_| ());
    let mut clients = [Client::new(&device, 0, kind, 64, 4096, true)];
    let cycles = cycles_per_command(&device, &mut clients, COMMANDS);
    println!("{kind:?}: {cycles:.2} cycles a command");
    assert!(device.host.take_violations().is_empty());
    cycles
}

fn latency(kind: Kind) -> u64 {
    let device = Device::new(HostOptions::default(), |_| ());
    let mut client = Client::new(&device, 0, kind, 1, 4096, true);
    let latencies = latencies(&device, &mut client, 50);
    println!("{kind:?} at QD1: {:?} cycles", &latencies[..4]);
    *latencies.iter().max().expect("some")
}

/// Ceilings of the port: RQ beats of a Read, RC beats of host data and SQEs.
fn ceiling(kind: Kind, options: &HostOptions) -> f64 {
    let beats = |payload: u32, header: u32| f64::from((payload + header).div_ceil(32));
    let payload = options.max_payload_bytes;
    let completion = options.completion_split_bytes.min(payload);
    let host_page = f64::from(4096 / completion) * beats(completion, 12);
    // Completions of a batch of SQEs: 1,024 bytes.
    let sqe = f64::from(1024 / completion) * beats(completion, 12) / 16.0;
    let requests = f64::from(1024u32.div_ceil(options.max_read_request_bytes)) / 16.0;
    match kind {
        Kind::Read => f64::from(4096 / payload) * beats(payload, 16) + requests + 2.0,
        Kind::Write => host_page + sqe,
        Kind::Pair | Kind::FailingPair => 2.0 * (host_page + sqe),
    }
}

#[test]
fn reaches_what_it_must_at_base_conditions() {
    let base = HostOptions::default();
    for (kind, formula, must) in [
        (Kind::Read, 146.125, 155.0),
        (Kind::Write, 146.25, 158.0),
        (Kind::Pair, 292.5, 320.0),
        (Kind::FailingPair, 292.5, 320.0),
    ] {
        assert_eq!(ceiling(kind, &base), formula, "{kind:?}");
        let cycles = throughput(kind, base.clone());
        assert!(
            cycles >= formula - 0.5,
            "{kind:?}: {cycles} is faster than the port"
        );
        assert!(cycles <= must, "{kind:?}: {cycles}");
    }
}

#[test]
fn latencies_at_depth_one() {
    assert!(latency(Kind::Read) <= 290);
    assert!(latency(Kind::Pair) <= 780);
    latency(Kind::Write);
}

#[test]
fn other_settings_have_the_same_ratio_to_their_formula() {
    let base = HostOptions::default();
    for kind in [Kind::Read, Kind::Write, Kind::Pair] {
        let base_ratio = throughput(kind, base.clone()) / ceiling(kind, &base);
        let mut settings = Vec::new();
        for max_payload_bytes in [128, 256, 512] {
            for completion_split_bytes in [64, 256] {
                for rtt_cycles in [35, 70, 140] {
                    for completion_space_bytes in [15_872, 7_936] {
                        settings.push(HostOptions {
                            max_payload_bytes,
                            completion_split_bytes,
                            rtt_cycles,
                            completion_space_bytes,
                            ..base.clone()
                        });
                    }
                }
            }
        }
        for options in settings {
            let measured = throughput(kind, options.clone()) / ceiling(kind, &options);
            let deviation = measured / base_ratio - 1.0;
            let what = (
                kind,
                options.max_payload_bytes,
                options.completion_split_bytes,
                options.rtt_cycles,
                options.completion_space_bytes,
            );
            println!("{what:?}: {deviation:+.4}");
            assert!(deviation.abs() <= 0.03, "{what:?}: {deviation:+.4}");
        }
    }
}
