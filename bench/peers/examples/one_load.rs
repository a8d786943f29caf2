//! One load on a device that somebody else serves, for a profiler:
//! `cargo run --release -p rdstore-peers --example one_load -- DIR updates 32 5`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rdstore_peers::contest::Contestant;
use rdstore_peers::cores::Cores;
use rdstore_peers::device::Device;
use rdstore_peers::load::{Ledger, Load, Mix};
use rdstore_peers::stint::{Stint, run};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [sockets, mix, outstanding, seconds] = words.as_slice() else {
        bail!("write: one_load DIR gets|updates|a|reads OUTSTANDING SECONDS");
    };
    let stint = Stint {
        mix: match mix.as_str() {
            "gets" => Mix::Gets,
            "updates" => Mix::Updates,
            "a" => Mix::A,
            "reads" => Mix::Reads,
            other => bail!("'{other}' is none of gets, updates, a, reads"),
        },
        outstanding: outstanding.parse().context("OUTSTANDING")?,
        batch: 1,
        measured: Duration::from_secs(seconds.parse().context("SECONDS")?),
        warm_up: Duration::ZERO,
    };
    Cores::of_this_process()?.pin_client()?;
    let device = Device::open(Path::new(sockets))?;
    let load = Load::new(50_000, 1);
    let mut store = device.store()?;
    let mut ledger = Ledger::fill(&mut store, &load)?;
    let before = store.statistics();
    let measured = if stint.mix == Mix::Reads {
        device.random_reads()?.run(&mut ledger, &load, 0, &stint)?
    } else {
        run(&mut store, &mut ledger, &load, 0, &stint)?
    };
    let after = store.statistics();
    let us =
        |histogram: &hdrhistogram::Histogram<u64>| histogram.value_at_quantile(0.5) as f64 / 1e3;
    println!(
        "{:.1} k/s, p50 GET {:.2} µs, update {:.2} µs; {} operations, {} reads, {} pairs, {} miscompares, {} back-offs",
        measured.operations_per_s / 1e3,
        us(&measured.get_ns),
        us(&measured.update_ns),
        measured.operations,
        after.reads - before.reads,
        after.compare_and_writes - before.compare_and_writes,
        after.miscompares - before.miscompares,
        after.back_offs - before.back_offs,
    );
    Ok(())
}
