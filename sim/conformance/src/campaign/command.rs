//! Valid commands, and what can be wrong with one.

use nvme_spec::log_page::LogPageId;
use nvme_spec::opcode::admin as admin_opcode;
use nvme_spec::prp::{self, Prp2};
use nvme_spec::{Fuse, SubmissionEntry, feature};
use rand::{Rng, RngExt};
use rand_pcg::Pcg64Mcg;
use zerocopy::{FromBytes, IntoBytes};

use super::memory::{Memory, wild_word};
use super::witness;

/// Blocks that the campaign writes and reads; those behind are the witness's.
const CAMPAIGN_BLOCKS: u64 = 64;

fn choose<T: Copy>(random: &mut Pcg64Mcg, among: &[T]) -> T {
    among[random.random_range(0..among.len())]
}

/// A valid I/O command, or the two halves of a pair.
pub(super) fn io(random: &mut Pcg64Mcg, memory: &mut Memory, blocks: u64) -> Vec<SubmissionEntry> {
    let lba = match random.random_range(0..20) {
        // The last blocks of the namespace: Reads only, below.
        0 => blocks - 8,
        _ => random.random_range(0..CAMPAIGN_BLOCKS - 32),
    };
    let count = choose(random, &[1, 1, 1, 2, 3, 4, 8, 31, 32]).min((blocks - lba) as u32);
    match random.random_range(0..10) {
        0 => vec![SubmissionEntry::flush()],
        1..4 => vec![with_data(random, memory, SubmissionEntry::read(lba, count))],
        _ if lba >= CAMPAIGN_BLOCKS => {
            vec![with_data(
                random,
                memory,
                SubmissionEntry::compare(lba, count),
            )]
        }
        4..7 => vec![with_data(
            random,
            memory,
            SubmissionEntry::write(lba, count),
        )],
        7 => vec![with_data(
            random,
            memory,
            SubmissionEntry::compare(lba, count),
        )],
        _ => {
            let count = count.min(4);
            let compare = with_data(random, memory, SubmissionEntry::compare(lba, count));
            let mut write = with_data(random, memory, SubmissionEntry::write(lba, count));
            if random.random_bool(0.3) {
                write = write.with_prps(compare.prp1, compare.prp2);
            }
            let pair = vec![
                compare.with_fuse(Fuse::First),
                write.with_fuse(Fuse::Second),
            ];
            if random.random_bool(0.5) {
                // What the blocks hold, so that some pairs match.
                let read = SubmissionEntry::read(lba, count).with_prps(compare.prp1, compare.prp2);
                [vec![read], pair].concat()
            } else {
                pair
            }
        }
    }
}

fn with_data(
    random: &mut Pcg64Mcg,
    memory: &mut Memory,
    command: SubmissionEntry,
) -> SubmissionEntry {
    let bytes = u64::from(command.block_count()) * 4096;
    let offset = match random.random_range(0..3) {
        0 => 4 * random.random_range(0..1024),
        _ => 0,
    };
    let prp1 = memory.data_page(random) + offset;
    let prp2 = match prp::second_entry(prp1, bytes) {
        Prp2::Unused => 0,
        Prp2::DataPage => memory.data_page(random),
        Prp2::List { data_entries } => {
            let spoil = random.random_bool(0.1);
            memory.list(random, data_entries, spoil)
        }
    };
    command.with_prps(prp1, prp2)
}

/// A valid admin command (or one that is refused for what went before).
pub(super) fn admin(
    random: &mut Pcg64Mcg,
    memory: &Memory,
    last_command_id: u16,
) -> Vec<SubmissionEntry> {
    let queue_id = random.random_range(1..=4);
    let entries = random.random_range(2..64);
    let data = memory.admin_page(random);
    let ring = memory.ring_page(random);
    vec![match random.random_range(0..14) {
        0 => SubmissionEntry::identify(random.random_range(0..3), 1).with_prps(data, 0),
        1 => SubmissionEntry::identify(1, 0).with_prps(data, 0),
        2 => {
            let id = choose(random, &[0x01, 0x02, 0x03, 0xc0]);
            let bytes = 4 * random.random_range(1..=1024);
            SubmissionEntry::get_log_page(LogPageId(id), bytes).with_prps(data, 0)
        }
        3 => SubmissionEntry::get_features(choose(random, &feature::MANDATORY)),
        4 | 5 => {
            let id = choose(random, &feature::MANDATORY);
            SubmissionEntry::set_features(id, random.random_range(0..8))
        }
        6 => {
            let vector = random.random_bool(0.7).then(|| random.random_range(0..7));
            SubmissionEntry::create_completion_queue(queue_id, entries, ring, vector)
        }
        7 => {
            let completion = random.random_range(1..=4);
            SubmissionEntry::create_submission_queue(queue_id, entries, ring, completion)
        }
        8 => SubmissionEntry::delete_submission_queue(queue_id),
        9 => SubmissionEntry::delete_completion_queue(queue_id),
        10 | 11 => {
            // Those of late are likely to be there still.
            let command_id = last_command_id.wrapping_sub(random.random_range(0..12));
            SubmissionEntry::abort(random.random_range(0..3), command_id)
        }
        _ => SubmissionEntry::async_event_request(),
    }]
}

/// Changes one thing.
pub(super) fn mutate(
    random: &mut Pcg64Mcg,
    memory: &Memory,
    is_admin: bool,
    command: &mut SubmissionEntry,
) {
    match random.random_range(0..15) {
        0 => command.cdw0 = command.cdw0 & !0xff | random.random_range(0..256),
        1 => command.cdw0 ^= random.random_range(1..4) << 8,
        2 => command.cdw0 ^= random.random_range(1..4) << 14,
        3 => command.namespace_id = choose(random, &[0, 1, 2, 0xffff_fffe, 0xffff_ffff]),
        4 => command.prp1 = (command.prp1 & !0xfff) | random.random_range(1..4096),
        5 => command.prp1 = wild_word(random),
        6 => command.prp2 = command.prp2 & !0xfff | random.random_range(1..4096),
        7 => command.prp2 = wild_word(random) & !0xfff,
        8 => command.cdw10 ^= 1 << random.random_range(0..32),
        9 => command.cdw11 ^= 1 << random.random_range(0..32),
        10 => command.cdw12 ^= 1 << random.random_range(0..32),
        11 => command.cdw10 = random.random(),
        12 => command.cdw12 = command.cdw12 & !0xffff | random.random_range(0..0x40),
        13 => command.cdw10 |= feature::SET_SAVE,
        _ => command.cdw11 = choose(random, &[0, 1, 0xffff, 0xffff_ffff, 0x0007_0001]),
    }
    name_known_memory(random, memory, is_admin, command);
}

/// 64 random bytes, but for what the pointers may be.
pub(super) fn garbage(random: &mut Pcg64Mcg, memory: &Memory, is_admin: bool) -> SubmissionEntry {
    let mut bytes = [0; 64];
    random.fill_bytes(&mut bytes);
    let mut command = SubmissionEntry::read_from_bytes(bytes.as_bytes()).expect("64 bytes");
    // Most opcodes are none: make it a known one more often than not.
    if random.random_bool(0.7) {
        command.cdw0 = command.cdw0 & !0xff | random.random_range(0..16);
    }
    command.prp1 = wild_word(random);
    command.prp2 = wild_word(random);
    if random.random_bool(0.5) {
        command.prp1 = memory.data_page(random);
    }
    name_known_memory(random, memory, is_admin, &mut command);
    command
}

/// Keeps pointers to what their kind of command may name: admin data must not get where lists are
/// read, nor rings where data are.
fn name_known_memory(
    random: &mut Pcg64Mcg,
    memory: &Memory,
    is_admin: bool,
    command: &mut SubmissionEntry,
) {
    if !is_admin {
        return;
    }
    let offset = command.prp1 & 0xfff;
    let is_wild = super::memory::is_wild(command.prp1);
    let makes_a_ring = matches!(
        command.opcode(),
        admin_opcode::CREATE_COMPLETION_QUEUE | admin_opcode::CREATE_SUBMISSION_QUEUE
    );
    if !is_wild {
        let page = if makes_a_ring {
            memory.ring_page(random)
        } else {
            memory.admin_page(random)
        };
        command.prp1 = page + offset;
    }
    if !super::memory::is_wild(command.prp2) {
        command.prp2 = memory.admin_page(random) + (command.prp2 & 0xfff);
    }
}

/// In a clean epoch the queues that carry commands are neither deleted nor made anew.
pub(super) fn spare_the_queues(command: &mut SubmissionEntry) {
    let deletes = matches!(
        command.opcode(),
        admin_opcode::DELETE_COMPLETION_QUEUE | admin_opcode::DELETE_SUBMISSION_QUEUE
    );
    if deletes
        && command.opcode() == admin_opcode::DELETE_SUBMISSION_QUEUE
        && super::IO_QUEUES.contains(&command.queue_id())
    {
        command.cdw10 |= 1 << 2;
    }
}

/// Blocks of the witness are nobody else's: what would reach them goes 512 blocks further.
pub(super) fn spare_the_witness(command: &mut SubmissionEntry) {
    let first = command.starting_lba();
    let end = first.saturating_add(command.block_count().into());
    if first < witness::FIRST_BLOCK + witness::BLOCKS && end > witness::FIRST_BLOCK {
        command.cdw10 += 512;
    }
}
