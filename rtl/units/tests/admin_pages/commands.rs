//! Random admin commands: most of them nearly right.

use nvme_spec::log_page::LogPageId;
use nvme_spec::opcode::admin;
use nvme_spec::{SubmissionEntry, feature};
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

fn one_of<T: Copy>(random: &mut Pcg64Mcg, choices: &[T]) -> T {
    choices[random.random_range(0..choices.len())]
}

/// Any command; `held` are the event requests that an Abort may name.
pub(crate) fn any(random: &mut Pcg64Mcg, held: &[u16]) -> SubmissionEntry {
    let mut sqe = match random.random_range(0..12) {
        0 => SubmissionEntry::identify(one_of(random, &[0, 1, 1, 2, 3]), 0),
        1..5 => page(random),
        5 | 6 => features(random),
        7 | 8 => SubmissionEntry::async_event_request(),
        9 => {
            let named = held.first().copied().unwrap_or(3);
            SubmissionEntry::abort(
                one_of(random, &[0, 0, 0, 1, 2]),
                one_of(random, &[named, 9]),
            )
        }
        10 => queue(random),
        _ => SubmissionEntry::new(random.random()),
    };
    if random.random_ratio(1, 4) {
        sqe.namespace_id = one_of(random, &[0, 1, 2, 0xffff_fffd, 0xffff_fffe, 0xffff_ffff]);
    }
    if random.random_ratio(1, 16) {
        // Fused, or with a data pointer of another type
        sqe.cdw0 |= one_of(random, &[1 << 8, 2 << 8, 1 << 14, 2 << 14]);
    }
    let base = 0x1_2345_0000 * random.random_range(1..100);
    let prp1 = base + one_of(random, &[0, 0, 0, 4, 0x200, 0xffc, 2]);
    let prp2 = base + one_of(random, &[0x10_0000, 0x10_0000, 0x10_0004]);
    sqe.with_command_id(random.random()).with_prps(prp1, prp2)
}

fn page(random: &mut Pcg64Mcg) -> SubmissionEntry {
    let id = one_of(
        random,
        &[
            LogPageId::ERROR_INFORMATION,
            LogPageId::ERROR_INFORMATION,
            LogPageId::HEALTH,
            LogPageId::HEALTH,
            LogPageId::FIRMWARE_SLOT,
            LogPageId::COUNTERS,
            LogPageId::COUNTERS,
            LogPageId(4),
        ],
    );
    SubmissionEntry::get_log_page(id, 4 * random.random_range(1..=1100))
}

fn features(random: &mut Pcg64Mcg) -> SubmissionEntry {
    let mut sqe = match random.random_range(0..4) {
        0 => SubmissionEntry::set_features(
            feature::TEMPERATURE_THRESHOLD,
            random.random_range(312..315),
        ),
        1 => SubmissionEntry::set_features(
            feature::ASYNC_EVENT_CONFIGURATION,
            random.random_range(0..4),
        ),
        2 => SubmissionEntry::set_features(random.random_range(0..13), random.random()),
        _ => SubmissionEntry::get_features(random.random_range(0..13)),
    };
    if random.random_ratio(1, 3) {
        sqe.cdw11 = one_of(random, &[0, 3, 5, 0x1_0002, 0xffff, 0xffff_0001]);
    }
    if random.random_ratio(1, 4) {
        // Select, or Save
        sqe.cdw10 |= one_of(random, &[1 << 8, 2 << 8, 3 << 8, 4 << 8, 1 << 31]);
    }
    sqe
}

fn queue(random: &mut Pcg64Mcg) -> SubmissionEntry {
    let opcodes = [
        admin::CREATE_COMPLETION_QUEUE,
        admin::CREATE_SUBMISSION_QUEUE,
        admin::DELETE_COMPLETION_QUEUE,
        admin::DELETE_SUBMISSION_QUEUE,
    ];
    let mut sqe = SubmissionEntry::new(one_of(random, &opcodes));
    let slots = one_of(random, &[1, 15, 15, 1023, 0, 1024, 0xffff]);
    sqe.cdw10 = slots << 16 | random.random_range(0..6);
    let other = one_of(random, &[0, 1, 1, 2, 2, 4, 5, 0x100]);
    sqe.cdw11 = other << 16 | one_of(random, &[1, 1, 3, 3, 0]);
    sqe
}
