//! Fields that all admin commands have (§4.2), and opcodes.

use nvme_spec::opcode::admin;
use nvme_spec::{Fuse, Status, SubmissionEntry};

use super::Bench;

const OPCODES: [u8; 10] = [
    admin::DELETE_SUBMISSION_QUEUE,
    admin::CREATE_SUBMISSION_QUEUE,
    admin::GET_LOG_PAGE,
    admin::DELETE_COMPLETION_QUEUE,
    admin::CREATE_COMPLETION_QUEUE,
    admin::IDENTIFY,
    admin::ABORT,
    admin::SET_FEATURES,
    admin::GET_FEATURES,
    admin::ASYNC_EVENT_REQUEST,
];

#[test]
fn other_opcodes_are_invalid() {
    let mut bench = Bench::new();
    for opcode in (0..=255).filter(|opcode| !OPCODES.contains(opcode)) {
        bench.rejects(SubmissionEntry::new(opcode), Status::INVALID_OPCODE, 0);
    }
}

#[test]
fn admin_commands_are_not_fused_and_have_no_lists_of_segments() {
    let mut bench = Bench::new();
    for opcode in OPCODES {
        for fuse in [Fuse::First, Fuse::Second, Fuse::Reserved] {
            let sqe = SubmissionEntry::new(opcode).with_fuse(fuse);
            bench.rejects(sqe, Status::INVALID_FIELD, 1);
        }
        for pointer_type in 1..=3 {
            let mut sqe = SubmissionEntry::new(opcode);
            sqe.cdw0 |= pointer_type << 14;
            bench.rejects(sqe, Status::INVALID_FIELD, 1);
        }
    }
}
