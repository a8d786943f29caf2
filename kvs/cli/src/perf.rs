//! `rdstore device perf`: the driver and the device, without the store.

mod lane;
mod latency;
mod real_time;
mod report;
mod stamp;

use std::time::Instant;

use anyhow::bail;
use nvme_driver::CompletionMode;
use rustix::time::{ClockId, clock_gettime};

use crate::args::{PerfArgs, RandomPattern};
use crate::ceiling::{CommandShape, ceiling};
use crate::machine::{DeviceTransport, Machine, MachineOptions, MissingFile, queue_options};
use crate::outcome::{CheckFailed, Outcome};
use crate::output::{print_json, print_text};
use crate::store::single_device;

use lane::{Lane, LaneSetup};
use latency::PortWatch;
use real_time::RealTimeReport;
use report::{PerfReport, render};

/// Commands (or pairs) that are let pass before measuring begins, a queue: the pipeline is full
/// long before.
const WARM_UP_A_QUEUE: u64 = 8;

/// `rdstore device perf`
///
/// # Errors
/// What is wrong with the arguments, a device that fails, or data that does not come back.
pub fn run(args: &PerfArgs, json: bool) -> anyhow::Result<Outcome> {
    let uri = single_device(&args.device.devices)?;
    if args.rw != RandomPattern::RandRead && uri.keeps_content() && !args.destroy {
        bail!(
            "{uri}: {} overwrites the device's content; add --destroy if it may be lost",
            args.rw.name()
        );
    }
    if args.miscompare && args.rw != RandomPattern::Caw {
        bail!(
            "--miscompare: {} compares nothing; it goes with --rw caw",
            args.rw.name()
        );
    }
    let machine = Machine::open(
        uri,
        MachineOptions {
            missing_file: MissingFile::Refuse,
            functions: usize::from(args.functions),
            trace: true,
        },
    )?;
    let counters = PairCounters::read(&machine)?;
    let mut lanes = make_lanes(args, &machine)?;
    let mut watch = if machine.is_real_time() {
        None
    } else {
        Some(PortWatch::start(&machine, args.rw == RandomPattern::Caw)?)
    };
    let warm_up = (lanes.len() as u64 * u64::from(args.qd) * WARM_UP_A_QUEUE).clamp(1_000, 1 << 20);
    keep_full(&mut lanes, &mut watch, warm_up)?;
    if let Some(watch) = &mut watch {
        watch.measure();
    }
    lanes.iter_mut().for_each(Lane::start_measuring);
    let evaluated = || machine.twin().and_then(|twin| twin.evaluated_cycles());
    let (started, cpu_s_before, evaluated_before) = (Instant::now(), cpu_s(), evaluated());
    keep_full(&mut lanes, &mut watch, args.ops)?;
    let (wall_s, cpu_s) = (started.elapsed().as_secs_f64(), cpu_s() - cpu_s_before);
    let evaluated_cycles = evaluated()
        .zip(evaluated_before)
        .map(|(after, before)| (after - before) as f64);
    let seen_at_the_port = watch.map(PortWatch::finish);
    let measured: u64 = lanes.iter().map(Lane::measured).sum();
    let seen_by_clients =
        lanes
            .iter_mut()
            .filter_map(Lane::take_latencies)
            .reduce(|mut all, one| {
                all.add(&one);
                all
            });
    for lane in &mut lanes {
        lane.drain()?;
    }
    for lane in &mut lanes {
        lane.check_places()?;
    }
    counters.check(&machine, args, &lanes)?;
    drop(lanes);
    machine.check_link()?;
    if let Some(latencies) = seen_by_clients {
        let report = RealTimeReport::new(args, &latencies, measured as f64 / wall_s);
        if json {
            print_json(&report)?;
        } else {
            print_text(&report.render(uri.real_time.wait))?;
        }
        return Ok(Outcome::Done);
    }
    let (Some(latencies), Some(conditions)) =
        (seen_at_the_port, machine.port_conditions(!args.no_msix))
    else {
        bail!("{uri}: nothing was measured");
    };
    let shape = match args.rw {
        RandomPattern::RandRead => CommandShape::Read,
        RandomPattern::RandWrite => CommandShape::Write,
        RandomPattern::Caw => CommandShape::CompareAndWrite,
    };
    let ceiling = ceiling(&conditions, shape, args.bs);
    let report = PerfReport {
        rw: args.rw.name(),
        qd: args.qd,
        bs: args.bs,
        functions: args.functions,
        miscompare: args.miscompare,
        cycles_per_command: latencies.cycles_per_command(),
        ceiling_cycles: ceiling.cycles(),
        latency_cycles: latencies.percentiles(),
        wall_commands_per_s: args.ops as f64 / wall_s,
        wall_cycles_per_s: evaluated_cycles.map(|cycles| cycles / wall_s),
        cpu_cycles_per_s: evaluated_cycles.map(|cycles| cycles / cpu_s),
    };
    if json {
        print_json(&report)?;
    } else {
        print_text(&render(&report, &ceiling))?;
    }
    Ok(Outcome::Done)
}

/// Processor time of this process: what others do on the machine is not in it.
fn cpu_s() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// The queue pairs, function by function, each with its part of the device.
fn make_lanes(args: &PerfArgs, machine: &Machine) -> anyhow::Result<Vec<Lane<DeviceTransport>>> {
    let info = machine.controller(0)?.info();
    let block_bytes = u64::from(info.block_bytes);
    let most = match args.rw {
        RandomPattern::Caw => u64::from(info.atomic_compare_and_write_blocks) * block_bytes,
        _ => u64::from(info.maximum_transfer_bytes),
    };
    if args.bs == 0 || !args.bs.is_multiple_of(block_bytes) || args.bs > most {
        bail!(
            "--bs {}: must be a multiple of the block size ({block_bytes} bytes) and at most {most} \
             for {}",
            args.bs,
            args.rw.name()
        );
    }
    let blocks = (args.bs / block_bytes) as u32;
    let count = usize::from(args.functions) * usize::from(args.queues);
    let commands = u32::from(args.qd) * if args.rw == RandomPattern::Caw { 2 } else { 1 };
    let completion = if args.no_msix {
        CompletionMode::Polling
    } else if machine.is_real_time() {
        // A message that nobody waits for would be measured, too.
        machine.completion()
    } else {
        CompletionMode::Msix
    };
    let most_entries = info
        .maximum_queue_entries
        .min(nvme_driver::QueueOptions::MAXIMUM_ENTRIES);
    if commands + 1 > most_entries {
        bail!(
            "--qd {}: a queue of this device has {most_entries} entries",
            args.qd
        );
    }
    let mut options = queue_options(most_entries - 1, completion);
    let buffers = u64::from(commands) * args.bs.next_power_of_two();
    options.buffer_memory_bytes = (buffers as usize).next_power_of_two().max(1 << 20);
    let places = info.blocks / count as u64 / u64::from(blocks);
    (0..count)
        .map(|index| {
            let setup = LaneSetup {
                pattern: args.rw,
                miscompare: args.miscompare,
                depth: usize::from(args.qd),
                blocks,
                bytes: args.bs as usize,
                first_block: index as u64 * places * u64::from(blocks),
                places,
                seed: args.seed.wrapping_add(index as u64),
                timed: machine.is_real_time(),
            };
            Lane::new(machine.queue_pair(index, options)?, setup)
        })
        .collect()
}

/// The device's own account of the pairs.
struct PairCounters {
    pairs: u64,
    miscompares: u64,
}

impl PairCounters {
    fn read(machine: &Machine) -> anyhow::Result<Self> {
        let rows = machine.own_counters()?;
        Ok(Self {
            pairs: rows.iter().map(|row| row.pairs).sum(),
            miscompares: rows.iter().map(|row| row.miscompares).sum(),
        })
    }

    /// Since then the device has compared each pair that was sent, and failed all or none.
    fn check(
        &self,
        machine: &Machine,
        args: &PerfArgs,
        lanes: &[Lane<DeviceTransport>],
    ) -> anyhow::Result<()> {
        if args.rw != RandomPattern::Caw || !machine.has_counters() {
            return Ok(());
        }
        let sent: u64 = lanes.iter().map(|lane| lane.completed).sum();
        let now = Self::read(machine)?;
        let (pairs, miscompares) = (now.pairs - self.pairs, now.miscompares - self.miscompares);
        let expected = if args.miscompare { sent } else { 0 };
        if (pairs, miscompares) != (sent, expected) {
            bail!(CheckFailed(format!(
                "{}: of {sent} pairs {expected} had to fail their compare; the device counts {pairs} \
                 pairs and {miscompares} miscompares",
                machine.name()
            )));
        }
        Ok(())
    }
}

/// Keeps all lanes full until `commands` more have ended.
fn keep_full(
    lanes: &mut [Lane<DeviceTransport>],
    watch: &mut Option<PortWatch>,
    commands: u64,
) -> anyhow::Result<()> {
    let ended = |lanes: &[Lane<_>]| lanes.iter().map(|lane| lane.completed).sum::<u64>();
    let goal = ended(lanes) + commands;
    loop {
        let mut moved = 0;
        for lane in lanes.iter_mut() {
            moved += lane.collect()?;
            lane.top_up()?;
        }
        if let Some(watch) = watch {
            watch.look();
        }
        if moved == 0 {
            lanes[0].give_way();
        } else if ended(lanes) >= goal {
            return Ok(());
        }
    }
}
