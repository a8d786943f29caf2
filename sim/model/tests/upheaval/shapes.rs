//! Devices and links of random shape.

use nvme_conformance::DeviceOptions;
use nvme_model::{Geometry, Timing};
use pcie_host::{Delivery, FaultRates, HostOptions};
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

pub(crate) fn device(random: &mut Pcg64Mcg) -> (DeviceOptions, Geometry, Timing) {
    let options = DeviceOptions {
        virtual_functions: random.random_range(1..=8),
        queues_per_function: [1, 4, 16, 31][random.random_range(0..4)],
        block_bytes: [512, 4096][random.random_range(0..2)],
        medium_bytes: 4 << 20,
    };
    let mut timing = Timing {
        completion_timeout_cycles: [6_250_000, 20_000][random.random_range(0..2)],
        ..Timing::default()
    };
    let mut geometry = Geometry::default();
    if random.random_bool(0.5) {
        geometry = Geometry {
            sqe_fifo_entries: random.random_range(2..=64),
            contexts_per_function: random.random_range(1..=31),
            buffers_per_function: random.random_range(8..40),
            lock_rows_per_function: random.random_range(1..=7),
            read_staging_buffers: random.random_range(1..=64),
            axi_read_bursts: random.random_range(1..=64),
            tags: random.random_range(1..=64),
            quantum_bytes: 512 << random.random_range(0..8),
            maximum_transfer_bytes: 1 << random.random_range(14..=20),
            ..geometry
        };
        timing.media_cycles = random.random_range(0..5_000);
        timing.dispatch_cycles = random.random_range(0..8);
        timing.decode_cycles = random.random_range(0..8);
        timing.receive_cycles = random.random_range(0..4);
    }
    (options, geometry, timing)
}

pub(crate) fn link(random: &mut Pcg64Mcg, seed: u64) -> HostOptions {
    let max_read_request_bytes = 128u32 << random.random_range(0..6);
    let mut options = HostOptions {
        rtt_cycles: [2, 5, 70, 1_000][random.random_range(0..4)],
        max_payload_bytes: 128 << random.random_range(0..3),
        max_read_request_bytes,
        completion_split_bytes: 64 << random.random_range(0..5),
        completion_space_bytes: [max_read_request_bytes, 15_872][random.random_range(0..2)],
        completion_space_headers: [max_read_request_bytes / 64 + 1, 80][random.random_range(0..2)],
        delivery: [Delivery::WholeReads, Delivery::EachCompletion][random.random_range(0..2)],
        reset_ends_reads: random.random_bool(0.5),
        seed,
        ..HostOptions::default()
    };
    options.faults.rates = FaultRates {
        delayed_per_million: [0, 50_000][random.random_range(0..2)],
        delay_cycles: 3_000,
        ..FaultRates::default()
    };
    options
}
