//! Random commands: no panic, no status that is not declared, and every declared one is reached.

use std::collections::BTreeMap;

use nvme_spec::async_event::AsyncEvent;
use nvme_spec::log_page::LogPageId;
use nvme_spec::{Status, SubmissionEntry};
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::Bench;
use crate::admin::{ADMIN_STATUSES, AdminAction};

const COMMANDS: u32 = 400_000;
const SEED: u64 = 0x5eed_0002;

/// A command that is right but for what the state of the controller makes of it.
fn plausible(random: &mut Pcg64Mcg) -> SubmissionEntry {
    let queue_id = random.random_range(0..6);
    let entries = [1, 2, 64, 1024, 1025][random.random_range(0..5)];
    let address = 0x1000 * u64::from(random.random::<u8>());
    let feature = random.random_range(0..14);
    let sqe = match random.random_range(0..11) {
        0 => {
            let vector = random.random_bool(0.5).then(|| random.random_range(0..7));
            SubmissionEntry::create_completion_queue(queue_id, entries, address, vector)
        }
        1 => {
            let completion_queue_id = random.random_range(0..6);
            SubmissionEntry::create_submission_queue(
                queue_id,
                entries,
                address,
                completion_queue_id,
            )
        }
        2 => SubmissionEntry::delete_submission_queue(queue_id),
        3 => SubmissionEntry::delete_completion_queue(queue_id),
        4 => SubmissionEntry::abort(queue_id, random.random_range(0..64)),
        5 => SubmissionEntry::identify(random.random_range(0..4), random.random_range(0..3)),
        6 => SubmissionEntry::set_features(feature, random.random_range(0..8)),
        7 => SubmissionEntry::set_features(feature, random.random()),
        8 => SubmissionEntry::get_features(feature),
        9 => {
            let page = LogPageId([1, 2, 3, 4, 0xc0][random.random_range(0..5)]);
            SubmissionEntry::get_log_page(page, 4 * random.random_range(1..4097))
        }
        _ => SubmissionEntry::async_event_request(),
    };
    let sqe = if sqe.prp1 == 0 {
        sqe.with_prps(address, address + 0x1000)
    } else {
        sqe
    };
    sqe.with_command_id(random.random_range(0..64))
}

/// One field replaced by anything, or by something next to what it was.
fn mutate(sqe: &mut SubmissionEntry, random: &mut Pcg64Mcg) {
    let bit = 1 << random.random_range(0..32);
    let any = random.next_u32();
    match random.random_range(0..12) {
        0 => sqe.cdw0 ^= bit,
        1 => sqe.cdw0 = any,
        2 => sqe.namespace_id = [0, 1, 2, 0xffff_fffe, 0xffff_ffff, any][random.random_range(0..6)],
        3 => sqe.prp1 ^= u64::from(bit),
        4 => sqe.prp2 = u64::from(any),
        5 => sqe.cdw10 ^= bit,
        6 => sqe.cdw10 = any,
        7 => sqe.cdw11 ^= bit,
        8 => sqe.cdw11 = any,
        9 => sqe.prp1 = u64::MAX,
        10 => sqe.prp2 = u64::MAX,
        _ => sqe.cdw12 = any,
    }
}

/// What must hold of an action before the core may carry it out.
fn assert_sound(action: AdminAction, bench: &Bench) {
    let config = &bench.config;
    match action {
        AdminAction::Complete {
            status,
            dword0,
            do_not_retry,
        } => {
            assert!(ADMIN_STATUSES.contains(&status), "undeclared: {status}");
            assert!(status == Status::SUCCESS || dword0 == 0);
            assert!(status != Status::SUCCESS || !do_not_retry);
        }
        AdminAction::TransferToHost {
            length_bytes,
            pieces,
        } => {
            assert!((4..=4096).contains(&length_bytes));
            let sum: u32 = pieces.iter().map(|piece| piece.length_bytes).sum();
            assert_eq!(sum, length_bytes);
            for piece in pieces {
                assert!(piece.address % 4 == 0 && piece.length_bytes % 4 == 0);
                assert!(piece.address % 4096 + u64::from(piece.length_bytes) <= 4096);
            }
        }
        AdminAction::CreateCompletionQueue {
            queue_id,
            entries,
            address,
            interrupt_vector,
        } => {
            assert!((1..=config.io_queues).contains(&queue_id));
            assert!((2..=config.maximum_queue_entries).contains(&entries));
            assert!(address % 4096 == 0);
            assert!(interrupt_vector.is_none_or(|vector| vector < config.vectors));
        }
        AdminAction::CreateSubmissionQueue {
            queue_id,
            entries,
            address,
            completion_queue_id,
        } => {
            assert!((1..=config.io_queues).contains(&queue_id));
            assert!((2..=config.maximum_queue_entries).contains(&entries));
            assert!(address % 4096 == 0);
            assert!(bench.view.completion_queues.contains(&completion_queue_id));
        }
        AdminAction::Abort { queue_id, .. } => {
            assert!(queue_id == 0 || bench.view.submission_queues.contains_key(&queue_id));
        }
        AdminAction::DeleteSubmissionQueue { .. }
        | AdminAction::DeleteCompletionQueue { .. }
        | AdminAction::AbortAsyncEvent { .. }
        | AdminAction::HoldAsyncEvent => {}
    }
    let in_use = bench.view.submission_queues.values();
    for completion_queue in in_use {
        assert!(
            bench.view.completion_queues.contains(completion_queue),
            "its CQ was deleted"
        );
    }
}

#[test]
fn random_commands_end_with_declared_statuses_and_all_of_them() {
    println!("seed {SEED:#x}");
    let mut random = Pcg64Mcg::seed_from_u64(SEED);
    let mut bench = Bench::new();
    let mut seen: BTreeMap<Status, u32> = BTreeMap::new();
    for _ in 0..COMMANDS {
        let mut sqe = plausible(&mut random);
        if random.random_bool(0.3) {
            mutate(&mut sqe, &mut random);
        }
        let action = bench.run(&sqe);
        assert_sound(action, &bench);
        let status = match action {
            AdminAction::Complete { status, .. } => status,
            _ => Status::SUCCESS,
        };
        *seen.entry(status).or_default() += 1;
        match random.random_range(0..1000) {
            0 => bench.state.reset(),
            1..50 => bench
                .state
                .report_error_event(AsyncEvent::INVALID_DOORBELL_VALUE),
            _ => {}
        }
        while bench.state.take_event_completion().is_some() {}
    }
    for status in ADMIN_STATUSES {
        let count = seen.get(status).copied().unwrap_or(0);
        println!("{count:>8}  {status}");
        assert!(count > 0, "{status} is declared but was never reached");
    }
}
