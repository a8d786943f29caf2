//! The command constructors against the dwords of the standard, and round trips of what is packed.

use nvme_spec::log_page::{ErrorLocation, ErrorLogEntry, LogPageId};
use nvme_spec::{CompletionEntry, Fuse, Status, SubmissionEntry, feature};
use proptest::prelude::*;
use zerocopy::{FromBytes, IntoBytes};

#[test]
fn a_fused_pair_differs_in_opcode_and_fuse_only() {
    let compare = SubmissionEntry::compare(0x1_2345_6789, 8).with_fuse(Fuse::First);
    let write = SubmissionEntry::write(0x1_2345_6789, 8).with_fuse(Fuse::Second);
    assert_eq!(compare.cdw0, 0x0105);
    assert_eq!(write.cdw0, 0x0201);
    assert_eq!((compare.cdw10, compare.cdw11), (0x2345_6789, 1));
    assert_eq!(compare.cdw12, 7);
    assert_eq!(
        SubmissionEntry { cdw0: 0, ..compare },
        SubmissionEntry { cdw0: 0, ..write }
    );
}

#[test]
fn queue_commands_hold_the_dwords_of_sections_5_3_to_5_6() {
    let completion = SubmissionEntry::create_completion_queue(3, 1024, 0x5000, Some(2));
    assert_eq!(
        (
            completion.cdw0,
            completion.prp1,
            completion.cdw10,
            completion.cdw11
        ),
        (0x05, 0x5000, 0x03ff_0003, 0x0002_0003)
    );
    assert_eq!(
        (completion.queue_id(), completion.queue_entries()),
        (3, 1024)
    );
    let polled = SubmissionEntry::create_completion_queue(3, 2, 0x5000, None);
    assert_eq!((polled.cdw10, polled.cdw11), (0x0001_0003, 1));
    let submission = SubmissionEntry::create_submission_queue(4, 65_536, 0x6000, 3);
    assert_eq!(
        (submission.cdw0, submission.cdw10, submission.cdw11),
        (0x01, 0xffff_0004, 0x0003_0001)
    );
    assert_eq!(submission.queue_entries(), 65_536);
    assert_eq!(SubmissionEntry::delete_submission_queue(4).cdw10, 4);
    assert_eq!(SubmissionEntry::delete_completion_queue(3).cdw0, 4);
}

#[test]
fn other_admin_commands_hold_the_dwords_of_section_5() {
    assert_eq!(SubmissionEntry::abort(1, 0xabcd).cdw10, 0xabcd_0001);
    let log = SubmissionEntry::get_log_page(LogPageId::HEALTH, 512);
    assert_eq!((log.cdw0, log.cdw10), (0x02, 0x007f_0002));
    assert_eq!(
        (log.log_page_id(), log.log_page_bytes()),
        (LogPageId::HEALTH, 512)
    );
    let whole = SubmissionEntry::get_log_page(LogPageId::COUNTERS, 16_384);
    assert_eq!((whole.cdw10, whole.log_page_bytes()), (0x0fff_00c0, 16_384));
    let set = SubmissionEntry::set_features(feature::NUMBER_OF_QUEUES, 0x0003_0003);
    assert_eq!((set.cdw0, set.cdw10, set.cdw11), (0x09, 7, 0x0003_0003));
    assert_eq!(
        SubmissionEntry::get_features(feature::ARBITRATION).cdw0,
        0x0a
    );
    assert_eq!(SubmissionEntry::identify(1, 0).cdw10, 1);
    assert_eq!(SubmissionEntry::async_event_request().cdw0, 0x0c);
    assert_eq!(SubmissionEntry::flush().namespace_id, 1);
}

#[test]
fn statuses_have_distinct_codes_and_names() {
    for (index, status) in Status::ALL.iter().enumerate() {
        assert!(status.name().is_some());
        for other in &Status::ALL[..index] {
            assert_ne!(status, other);
            assert_ne!(status.name(), other.name());
        }
    }
}

#[test]
fn error_locations_stand_at_the_bits_of_section_5_10_1_1() {
    assert_eq!(u16::from(ErrorLocation::new().with_byte(0xff)), 0x00ff);
    assert_eq!(u16::from(ErrorLocation::new().with_bit(7)), 0x0700);
}

fn fuse() -> impl Strategy<Value = Fuse> {
    prop_oneof![
        Just(Fuse::Normal),
        Just(Fuse::First),
        Just(Fuse::Second),
        Just(Fuse::Reserved)
    ]
}

proptest! {
    #[test]
    fn entries_survive_the_way_through_memory(bytes in prop::collection::vec(any::<u8>(), 64)) {
        let command = SubmissionEntry::read_from_bytes(&bytes).unwrap();
        prop_assert_eq!(command.as_bytes(), &bytes[..]);
        let completion = CompletionEntry::read_from_bytes(&bytes[..16]).unwrap();
        prop_assert_eq!(completion.as_bytes(), &bytes[..16]);
    }

    #[test]
    fn cdw0_keeps_its_parts_apart(opcode: u8, fuse in fuse(), command_id: u16, other_id: u16) {
        let command = SubmissionEntry::new(opcode)
            .with_command_id(other_id)
            .with_fuse(fuse)
            .with_command_id(command_id);
        prop_assert_eq!(command.opcode(), opcode);
        prop_assert_eq!(command.fuse(), fuse);
        prop_assert_eq!(command.command_id(), command_id);
        prop_assert_eq!(command.data_pointer_type(), 0);
        prop_assert_eq!(command.with_fuse(Fuse::Normal).fuse(), Fuse::Normal);
    }

    #[test]
    fn block_ranges_survive(lba: u64, count in 1u32..=65_536) {
        let command = SubmissionEntry::read(lba, count);
        prop_assert_eq!((command.starting_lba(), command.block_count()), (lba, count));
    }

    #[test]
    fn completions_keep_their_parts_apart(
        dword0: u32, head: u16, queue: u16, command_id: u16, code: u8, code_type in 0u8..8,
        do_not_retry: bool, phase: bool,
    ) {
        let status = Status { code_type, code };
        let entry =
            CompletionEntry::new(dword0, head, queue, command_id, status, do_not_retry, phase);
        prop_assert_eq!(entry.command_id(), command_id);
        prop_assert_eq!(entry.status(), status);
        prop_assert_eq!(entry.do_not_retry(), do_not_retry);
        prop_assert_eq!(entry.phase(), phase);
        prop_assert!(!entry.more());
        prop_assert_eq!(
            (entry.dword0, entry.submission_head, entry.submission_queue_id),
            (dword0, head, queue)
        );
    }

    #[test]
    fn the_error_log_shows_the_status_that_was_completed(code: u8, code_type in 0u8..8) {
        let status = Status { code_type, code };
        let mut entry = ErrorLogEntry::UNUSED;
        entry.status_field = ErrorLogEntry::status_field_of(status);
        prop_assert_eq!(entry.status(), status);
        prop_assert_eq!(entry.status_field & 1, 0, "the phase tag's place");
    }
}
