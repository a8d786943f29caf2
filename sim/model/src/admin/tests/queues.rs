//! Creation and deletion of I/O queues (§5.3 to §5.6).

use nvme_spec::{Status, SubmissionEntry};

use super::Bench;
use crate::admin::AdminAction;

const BASE: u64 = 0x12_3000;

fn create_cq(queue_id: u16, entries: u32, vector: Option<u16>) -> SubmissionEntry {
    SubmissionEntry::create_completion_queue(queue_id, entries, BASE, vector)
}

fn create_sq(queue_id: u16, entries: u32, completion_queue_id: u16) -> SubmissionEntry {
    SubmissionEntry::create_submission_queue(queue_id, entries, BASE, completion_queue_id)
}

/// All four I/O queue pairs.
fn with_all_queues() -> Bench {
    let mut bench = Bench::new();
    for queue_id in 1..=4 {
        bench.run(&create_cq(queue_id, 64, Some(queue_id)));
        bench.run(&create_sq(queue_id, 64, queue_id));
    }
    assert_eq!(bench.view.completion_queues.len(), 4);
    assert_eq!(bench.view.submission_queues.len(), 4);
    bench
}

#[test]
fn a_completion_queue_is_created_with_what_the_host_asked_for() {
    let mut bench = Bench::new();
    for (queue_id, entries, interrupt_vector) in
        [(1, 2, Some(0)), (4, 1024, Some(4)), (2, 17, None)]
    {
        assert_eq!(
            bench.run(&create_cq(queue_id, entries, interrupt_vector)),
            AdminAction::CreateCompletionQueue {
                queue_id,
                entries,
                address: BASE,
                interrupt_vector
            }
        );
    }
}

#[test]
fn a_submission_queue_is_created_and_may_share_a_completion_queue() {
    let mut bench = Bench::new();
    bench.run(&create_cq(3, 64, None));
    for (queue_id, entries) in [(1, 2), (4, 1024)] {
        assert_eq!(
            bench.run(&create_sq(queue_id, entries, 3)),
            AdminAction::CreateSubmissionQueue {
                queue_id,
                entries,
                address: BASE,
                completion_queue_id: 3
            }
        );
    }
}

#[test]
fn queue_identifiers_are_1_to_4_and_not_in_use() {
    let mut bench = Bench::new();
    for queue_id in [0, 5, 0xffff] {
        bench.rejects(create_cq(queue_id, 64, None), Status::INVALID_QUEUE_ID, 40);
        bench.rejects(create_sq(queue_id, 64, 1), Status::INVALID_QUEUE_ID, 40);
    }
    let mut bench = with_all_queues();
    bench.rejects(create_cq(2, 64, None), Status::INVALID_QUEUE_ID, 40);
    bench.rejects(create_sq(2, 64, 1), Status::INVALID_QUEUE_ID, 40);
}

#[test]
fn a_queue_has_2_to_1024_slots() {
    let mut bench = Bench::new();
    for entries in [1, 1025, 65_536] {
        bench.rejects(
            create_cq(1, entries, None),
            Status::MAXIMUM_QUEUE_SIZE_EXCEEDED,
            42,
        );
    }
    bench.run(&create_cq(1, 2, None));
    for entries in [1, 1025, 65_536] {
        bench.rejects(
            create_sq(1, entries, 1),
            Status::MAXIMUM_QUEUE_SIZE_EXCEEDED,
            42,
        );
    }
}

#[test]
fn a_queue_is_contiguous_and_begins_a_page() {
    let mut bench = with_all_queues();
    bench.run(&SubmissionEntry::delete_submission_queue(1));
    bench.view.completion_queues.remove(&1);
    for mut sqe in [create_cq(1, 64, None), create_sq(1, 64, 2)] {
        sqe.cdw11 &= !1;
        bench.rejects(sqe, Status::INVALID_FIELD, 44);
        sqe.cdw11 |= 1;
        for address in [BASE + 4, BASE + 2048, BASE + 4095] {
            sqe.prp1 = address;
            bench.rejects(sqe, Status::INVALID_FIELD, 24);
        }
    }
}

#[test]
fn an_interrupt_vector_is_one_of_the_functions_own() {
    let mut bench = Bench::new();
    for vector in [5, 0xffff] {
        bench.rejects(
            create_cq(1, 64, Some(vector)),
            Status::INVALID_INTERRUPT_VECTOR,
            46,
        );
    }
    // Without Interrupts Enabled the vector means nothing.
    let mut sqe = create_cq(1, 64, None);
    sqe.cdw11 |= 0xffff << 16;
    assert!(matches!(
        bench.run(&sqe),
        AdminAction::CreateCompletionQueue {
            interrupt_vector: None,
            ..
        }
    ));
}

#[test]
fn a_submission_queue_needs_a_completion_queue_that_exists() {
    let mut bench = Bench::new();
    bench.run(&create_cq(1, 64, None));
    for impossible in [0, 5, 0xffff] {
        bench.rejects(create_sq(1, 64, impossible), Status::INVALID_QUEUE_ID, 46);
    }
    bench.rejects(create_sq(1, 64, 2), Status::COMPLETION_QUEUE_INVALID, 46);
}

#[test]
fn submission_queues_go_before_their_completion_queue() {
    let mut bench = with_all_queues();
    let delete_cq = SubmissionEntry::delete_completion_queue(1);
    bench.rejects(delete_cq, Status::INVALID_QUEUE_DELETION, 40);
    assert_eq!(
        bench.run(&SubmissionEntry::delete_submission_queue(1)),
        AdminAction::DeleteSubmissionQueue { queue_id: 1 }
    );
    assert_eq!(
        bench.run(&delete_cq),
        AdminAction::DeleteCompletionQueue { queue_id: 1 }
    );
    bench.rejects(delete_cq, Status::INVALID_QUEUE_ID, 40);
}

#[test]
fn only_io_queues_that_exist_are_deleted() {
    let mut bench = with_all_queues();
    for queue_id in [0, 5, 0xffff] {
        bench.rejects(
            SubmissionEntry::delete_submission_queue(queue_id),
            Status::INVALID_QUEUE_ID,
            40,
        );
        bench.rejects(
            SubmissionEntry::delete_completion_queue(queue_id),
            Status::INVALID_QUEUE_ID,
            40,
        );
    }
}
