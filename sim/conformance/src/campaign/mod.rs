//! Random commands, doorbells, PRPs and register writes, by seed.
//!
//! Time goes in epochs of a few hundred actions, after which every function but the witness is
//! reset. In a *clean* epoch only commands are random, and every one of them must be answered exactly
//! once; in a *wild* one doorbells and registers are written at random, too, and then the
//! controller need only survive it, touch no memory that nobody named, and answer after the reset.
//! The witness, a function of its own, does plain work all the time and must notice nothing.
//!
//! `RDSTORE_FULL=1` runs a million actions, `RDSTORE_SEED` names another seed.

mod command;
mod epoch;
mod memory;
mod witness;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use nvme_spec::Status;
use pcie_host::endpoint::FunctionId;
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

use crate::rig::{DeviceOptions, Factory, Rig};
use crate::scale;
use epoch::{Campaign, Subject};
use witness::Witness;

/// Every status that the controller can give: all of them must be reached, and no other.
pub const STATUSES: &[Status] = &[
    Status::SUCCESS,
    Status::INVALID_OPCODE,
    Status::INVALID_FIELD,
    Status::DATA_TRANSFER_ERROR,
    Status::ABORT_REQUESTED,
    Status::ABORTED_FAILED_FUSED,
    Status::ABORTED_MISSING_FUSED,
    Status::INVALID_NAMESPACE,
    Status::COMMAND_SEQUENCE_ERROR,
    Status::LBA_OUT_OF_RANGE,
    Status::COMPLETION_QUEUE_INVALID,
    Status::INVALID_QUEUE_ID,
    Status::MAXIMUM_QUEUE_SIZE_EXCEEDED,
    Status::ASYNC_EVENT_LIMIT_EXCEEDED,
    Status::INVALID_INTERRUPT_VECTOR,
    Status::INVALID_LOG_PAGE,
    Status::INVALID_QUEUE_DELETION,
    Status::FEATURE_NOT_SAVEABLE,
    Status::FEATURE_NOT_NAMESPACE_SPECIFIC,
    Status::COMPARE_FAILURE,
];

const ACTIONS_PER_EPOCH: u64 = 400;
const IO_QUEUES: [u16; 2] = [1, 2];
const WITNESS: FunctionId = FunctionId(2);

/// How often each status was seen.
type Histogram = BTreeMap<Status, u64>;

/// What a run has done and seen.
#[derive(PartialEq, Eq, Debug, Default)]
struct Tally {
    statuses: Histogram,
    actions: u64,
    /// Valid commands with one mutation, among the actions.
    mutated: u64,
}

/// A million random actions (a share of them by default): no panic, no DMA to memory that nobody
/// named, every command answered, every status reached, the controller answers after each reset.
pub fn random_commands(device: Factory) {
    let seed = std::env::var("RDSTORE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(1);
    let tally = run(device, seed, scale(30_000, 1_000_000));
    println!("{}", describe(seed, &tally));
    assert!(
        2 * tally.mutated >= tally.actions,
        "at least half are valid commands with one mutation"
    );
    for status in STATUSES {
        assert!(
            tally.statuses.contains_key(status),
            "seed {seed}: {status} was never reached"
        );
    }
}

/// One seed, two runs: the same statuses as often.
pub fn a_seed_repeats(device: Factory) {
    let first = run(device, 99, scale(3_000, 30_000));
    assert_eq!(first, run(device, 99, scale(3_000, 30_000)));
}

fn describe(seed: u64, tally: &Tally) -> String {
    let Tally {
        statuses,
        actions,
        mutated,
    } = tally;
    let mut text =
        format!("seed {seed}: {actions} actions, {mutated} of them mutations, statuses:\n");
    for (status, count) in statuses {
        let _ = writeln!(text, "{count:>9}  {status}");
    }
    text
}

/// Says where a failure happened, so that it can be repeated.
struct Whereabouts {
    seed: u64,
    epoch: u64,
}

impl Drop for Whereabouts {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in epoch {} of RDSTORE_SEED={}", self.epoch, self.seed);
        }
    }
}

fn run(device: Factory, seed: u64, actions: u64) -> Tally {
    let options = DeviceOptions {
        medium_bytes: 4 << 20,
        ..DeviceOptions::default()
    };
    let rig = Rig::build(device, options, pcie_host::HostOptions::default());
    let mut campaign = Campaign {
        witness: Witness::new(&rig, WITNESS),
        functions: [FunctionId::PF, FunctionId(1)].map(|id| Subject::new(&rig, id)),
        random: Pcg64Mcg::seed_from_u64(seed),
        tally: Tally::default(),
        rig,
    };
    let mut whereabouts = Whereabouts { seed, epoch: 0 };
    for epoch in 0..actions.div_ceil(ACTIONS_PER_EPOCH) {
        whereabouts.epoch = epoch;
        campaign.epoch(epoch % 3 == 2);
    }
    campaign.tally
}
