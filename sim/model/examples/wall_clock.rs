//! Wall-clock rates of the model behind the simulated host, with raw queues:
//! `cargo run --release -p nvme-model --example wall_clock [Read64]`.

#[path = "../tests/support/mod.rs"]
#[expect(dead_code, reason = "shared with tests")]
mod support;

use std::time::Instant;

use pcie_host::HostOptions;
use support::{Client, Device, Kind};

/// Processor time of this process: what a loaded machine does not spoil.
fn cpu_ns() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

fn rate(kind: Kind, depth: usize, commands: u64) {
    let device = Device::new(HostOptions::default(), |_| ());
    let mut client = Client::new(&device, 0, kind, depth, 4096, false);
    let mut run = |until: u64| {
        client.fill();
        while client.ended < until {
            client.wait();
            if client.collect() > 0 {
                client.fill();
            }
        }
    };
    run(commands / 10);
    let (begin, cpu_begin) = (Instant::now(), cpu_ns());
    run(commands / 10 + commands);
    let wall_ns = begin.elapsed().as_nanos() as f64 / commands as f64;
    let cpu_ns = (cpu_ns() - cpu_begin) as f64 / commands as f64;
    println!(
        "{kind:?} QD{depth}: {wall_ns:.0} ns of wall clock a command, {cpu_ns:.0} ns of processor time"
    );
}

fn main() {
    let only = std::env::args().nth(1);
    for kind in [Kind::Read, Kind::Write, Kind::Pair, Kind::FailingPair] {
        for depth in [1, 64] {
            if only
                .as_ref()
                .is_none_or(|only| *only == format!("{kind:?}{depth}"))
            {
                rate(kind, depth, 300_000);
            }
        }
    }
}
