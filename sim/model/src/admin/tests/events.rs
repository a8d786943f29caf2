//! Asynchronous events and Abort (§5.2, §5.1).

use nvme_spec::async_event::AsyncEvent;
use nvme_spec::log_page::{ErrorLogEntry, LogPageId};
use nvme_spec::{Status, SubmissionEntry, feature};

use super::Bench;
use crate::admin::{AdminAction, EventCompletion};

const DOORBELL_REGISTER: AsyncEvent = AsyncEvent::INVALID_DOORBELL_REGISTER;
const DOORBELL_VALUE: AsyncEvent = AsyncEvent::INVALID_DOORBELL_VALUE;
const HOT: AsyncEvent = AsyncEvent::TEMPERATURE_THRESHOLD;

impl Bench {
    #[track_caller]
    fn hold(&mut self, command_id: u16) {
        let sqe = SubmissionEntry::async_event_request().with_command_id(command_id);
        assert_eq!(self.run(&sqe), AdminAction::HoldAsyncEvent);
    }

    fn read_log(&mut self, page: LogPageId) {
        let _: [u8; 512] = self.data(SubmissionEntry::get_log_page(page, 512));
    }

    fn set(&mut self, feature: u8, value: u32) {
        self.value(SubmissionEntry::set_features(feature, value));
    }

    #[track_caller]
    fn completes(&mut self, command_id: u16, event: AsyncEvent) {
        let expected = EventCompletion {
            command_id,
            dword0: event.to_dword0(),
        };
        assert_eq!(self.state.take_event_completion(), Some(expected));
    }

    #[track_caller]
    fn completes_nothing(&mut self) {
        assert_eq!(self.state.take_event_completion(), None);
    }
}

#[test]
fn an_event_completes_the_oldest_request() {
    let mut bench = Bench::new();
    bench.hold(10);
    bench.hold(11);
    bench.completes_nothing();
    bench.state.report_error_event(DOORBELL_VALUE);
    bench.completes(10, DOORBELL_VALUE);
    bench.completes_nothing();
}

#[test]
fn an_event_waits_for_a_request() {
    let mut bench = Bench::new();
    bench.state.report_error_event(DOORBELL_REGISTER);
    bench.completes_nothing();
    bench.hold(7);
    bench.completes(7, DOORBELL_REGISTER);
}

#[test]
fn an_error_without_a_command_is_in_the_log() {
    let mut bench = Bench::new();
    bench.state.report_error_event(DOORBELL_REGISTER);
    let log: [ErrorLogEntry; 8] = bench.data(SubmissionEntry::get_log_page(
        LogPageId::ERROR_INFORMATION,
        512,
    ));
    assert_eq!(log[0].error_count, 1);
    assert_eq!(
        (log[0].submission_queue_id, log[0].command_id),
        (0xffff, 0xffff)
    );
}

#[test]
fn a_type_is_masked_until_its_log_page_is_read() {
    let mut bench = Bench::new();
    (0..4).for_each(|command_id| bench.hold(command_id));
    bench.state.report_error_event(DOORBELL_REGISTER);
    bench.state.report_error_event(DOORBELL_VALUE);
    bench.completes(0, DOORBELL_REGISTER);
    bench.completes_nothing();
    for other in [
        LogPageId::HEALTH,
        LogPageId::FIRMWARE_SLOT,
        LogPageId::COUNTERS,
    ] {
        bench.read_log(other);
        bench.completes_nothing();
    }
    bench.read_log(LogPageId::ERROR_INFORMATION);
    bench.completes(1, DOORBELL_VALUE);
    bench.completes_nothing();
}

#[test]
fn a_failed_read_of_the_log_page_clears_nothing() {
    let mut bench = Bench::new();
    bench.hold(0);
    bench.hold(1);
    bench.state.report_error_event(DOORBELL_REGISTER);
    bench.completes(0, DOORBELL_REGISTER);
    bench.state.report_error_event(DOORBELL_REGISTER);
    let misaligned =
        SubmissionEntry::get_log_page(LogPageId::ERROR_INFORMATION, 512).with_prps(0x1001, 0);
    bench.rejects(misaligned, Status::INVALID_FIELD, 24);
    bench.completes_nothing();
    bench.read_log(LogPageId::ERROR_INFORMATION);
    bench.completes(1, DOORBELL_REGISTER);
}

#[test]
fn errors_go_before_health_and_a_mask_holds_back_its_own_type_only() {
    let mut bench = Bench::new();
    bench.set(feature::ASYNC_EVENT_CONFIGURATION, 0b10);
    bench.set(feature::TEMPERATURE_THRESHOLD, 300);
    bench.state.report_error_event(DOORBELL_REGISTER);
    bench.state.report_error_event(DOORBELL_VALUE);
    (0..3).for_each(|command_id| bench.hold(command_id));
    bench.completes(0, DOORBELL_REGISTER);
    bench.completes(1, HOT);
    bench.completes_nothing();
    bench.read_log(LogPageId::ERROR_INFORMATION);
    bench.completes(2, DOORBELL_VALUE);
}

#[test]
fn pending_events_are_bounded_because_the_same_event_is_entered_once() {
    let mut bench = Bench::new();
    let kinds = [
        AsyncEvent::INVALID_DOORBELL_REGISTER,
        AsyncEvent::INVALID_DOORBELL_VALUE,
        AsyncEvent::DIAGNOSTIC_FAILURE,
        AsyncEvent::PERSISTENT_INTERNAL_ERROR,
        AsyncEvent::TRANSIENT_INTERNAL_ERROR,
    ];
    for _ in 0..1000 {
        kinds
            .into_iter()
            .for_each(|event| bench.state.report_error_event(event));
    }
    for (command_id, event) in (0..).zip(kinds) {
        bench.hold(command_id);
        bench.completes(command_id, event);
        bench.read_log(LogPageId::ERROR_INFORMATION);
    }
    bench.hold(99);
    bench.completes_nothing();
}

#[test]
fn four_requests_are_held_and_a_fifth_is_one_too_many() {
    let mut bench = Bench::new();
    (0..4).for_each(|command_id| bench.hold(command_id));
    let fifth = SubmissionEntry::async_event_request();
    bench.rejects(fifth, Status::ASYNC_EVENT_LIMIT_EXCEEDED, 0);
    bench.state.report_error_event(DOORBELL_VALUE);
    bench.completes(0, DOORBELL_VALUE);
    bench.hold(4);
}

#[test]
fn the_temperature_event_needs_its_bit_and_comes_once_each_time_the_threshold_is_passed() {
    let mut bench = Bench::new();
    (0..4).for_each(|command_id| bench.hold(command_id));
    let threshold = feature::TEMPERATURE_THRESHOLD;

    bench.set(threshold, 300);
    bench.completes_nothing();
    bench.set(feature::ASYNC_EVENT_CONFIGURATION, 0b1_1101);
    bench.completes_nothing();
    bench.set(feature::ASYNC_EVENT_CONFIGURATION, 0b10);
    bench.completes(0, HOT);

    bench.read_log(LogPageId::HEALTH);
    bench.completes_nothing();
    bench.set(threshold, 200);
    bench.completes_nothing();
    bench.set(threshold, 350);
    bench.set(threshold, 312);
    bench.completes(1, HOT);
}

#[test]
fn a_reset_forgets_requests_events_and_masks() {
    let mut bench = Bench::new();
    bench.hold(0);
    bench.state.report_error_event(DOORBELL_REGISTER);
    bench.completes(0, DOORBELL_REGISTER);
    (1..4).for_each(|command_id| bench.hold(command_id));
    bench.state.report_error_event(DOORBELL_VALUE);
    bench.state.reset();
    bench.completes_nothing();
    (10..14).for_each(|command_id| bench.hold(command_id));
    bench.completes_nothing();
    bench.state.report_error_event(DOORBELL_REGISTER);
    bench.completes(10, DOORBELL_REGISTER);
}

#[test]
fn a_held_request_can_be_aborted() {
    let mut bench = Bench::new();
    (0..4).for_each(|command_id| bench.hold(command_id));
    assert_eq!(
        bench.run(&SubmissionEntry::abort(0, 1)),
        AdminAction::AbortAsyncEvent { command_id: 1 }
    );
    // It is gone: a second Abort does not find it, its place is free, the others keep their order.
    assert_eq!(
        bench.run(&SubmissionEntry::abort(0, 1)),
        AdminAction::Abort {
            queue_id: 0,
            command_id: 1
        }
    );
    bench.hold(4);
    for command_id in [0, 2, 3, 4] {
        bench.state.report_error_event(DOORBELL_VALUE);
        bench.completes(command_id, DOORBELL_VALUE);
        bench.read_log(LogPageId::ERROR_INFORMATION);
    }
}

#[test]
fn an_abort_names_a_queue_that_exists() {
    let mut bench = Bench::new();
    bench.view.completion_queues.insert(2);
    bench.view.submission_queues.insert(3, 2);
    assert_eq!(
        bench.run(&SubmissionEntry::abort(3, 0xbeef)),
        AdminAction::Abort {
            queue_id: 3,
            command_id: 0xbeef
        }
    );
    for queue_id in [1, 2, 4, 0xffff] {
        bench.rejects(
            SubmissionEntry::abort(queue_id, 1),
            Status::INVALID_FIELD,
            40,
        );
    }
}
