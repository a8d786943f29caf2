//! Asynchronous Event Request (NVMe 1.1 §5.2).

use nvme_spec::async_event::AsyncEvent;
use nvme_spec::log_page::LogPageId;
use nvme_spec::{Status, SubmissionEntry, doorbell, feature};
use pcie_host::endpoint::FunctionId;

use crate::rig::{Factory, Rig};

/// Requests wait without a completion; more than AERL + 1 are refused.
pub fn request_limit(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    let limit = usize::from(controller.identify().async_event_request_limit) + 1;
    let held = controller.submit(0, &vec![SubmissionEntry::async_event_request(); limit]);
    rig.run(20_000);
    assert_eq!(controller.outstanding(), limit);
    let refused = controller.admin(SubmissionEntry::async_event_request());
    assert_eq!(refused.status(), Status::ASYNC_EVENT_LIMIT_EXCEEDED);
    // An Abort takes one back, and makes room for another.
    assert_eq!(
        controller.admin_ok(SubmissionEntry::abort(0, held[1])) & 1,
        0
    );
    assert_eq!(
        controller.wait(0, held[1]).status(),
        Status::ABORT_REQUESTED
    );
    controller.submit(0, &[SubmissionEntry::async_event_request()]);
    rig.run(20_000);
    assert_eq!(controller.outstanding(), limit);
}

/// A reset ends held requests without a completion.
pub fn reset_ends_requests(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    controller.submit(0, &[SubmissionEntry::async_event_request()]);
    rig.run(10_000);
    controller.disable();
    controller.enable(32, 32);
    let limit = usize::from(controller.identify().async_event_request_limit) + 1;
    controller.submit(0, &vec![SubmissionEntry::async_event_request(); limit]);
    rig.run(20_000);
    assert_eq!(
        controller.outstanding(),
        limit,
        "the old request must not count"
    );
}

/// One event of a type is reported until its log page has been read.
pub fn masked_until_the_log_is_read(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    let first = controller.submit(0, &[SubmissionEntry::async_event_request(); 2]);
    rig.run(10_000);
    controller.write32(doorbell::submission_tail_offset(3), 1);
    let event = AsyncEvent::INVALID_DOORBELL_REGISTER.to_dword0();
    assert_eq!(controller.wait(0, first[0]).dword0, event);
    // Another kind of the same type: held back.
    controller.write32(doorbell::submission_tail_offset(0), 32);
    rig.run(20_000);
    assert!(controller.take(0, first[1]).is_none(), "the type is masked");
    controller.log_page(LogPageId::ERROR_INFORMATION, 64);
    let event = AsyncEvent::INVALID_DOORBELL_VALUE.to_dword0();
    assert_eq!(controller.wait(0, first[1]).dword0, event);
}

/// An event that came before any request is reported to the first one.
pub fn events_wait_for_a_request(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    controller.write32(doorbell::completion_head_offset(3), 1);
    rig.run(10_000);
    let entry = controller.admin(SubmissionEntry::async_event_request());
    assert_eq!(
        entry.dword0,
        AsyncEvent::INVALID_DOORBELL_REGISTER.to_dword0()
    );
}

/// A temperature above the threshold raises an event, when it is enabled.
pub fn temperature(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    let request = controller.submit(0, &[SubmissionEntry::async_event_request()])[0];
    let threshold = |kelvin| SubmissionEntry::set_features(feature::TEMPERATURE_THRESHOLD, kelvin);
    controller.admin_ok(threshold(1));
    rig.run(10_000);
    assert!(controller.take(0, request).is_none(), "not enabled");
    controller.admin_ok(threshold(1_000));
    controller.admin_ok(SubmissionEntry::set_features(
        feature::ASYNC_EVENT_CONFIGURATION,
        2,
    ));
    controller.admin_ok(threshold(1));
    let entry = controller.wait(0, request);
    assert_eq!(entry.dword0, AsyncEvent::TEMPERATURE_THRESHOLD.to_dword0());
    assert_eq!(
        controller.log_page(LogPageId::HEALTH, 4)[0] & 2,
        2,
        "critical warning"
    );
}

/// Events are the function's own.
pub fn other_functions_hear_nothing(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId(1));
    let mut other = rig.controller(FunctionId(2));
    let heard = controller.submit(0, &[SubmissionEntry::async_event_request()])[0];
    let unheard = other.submit(0, &[SubmissionEntry::async_event_request()])[0];
    rig.run(10_000);
    controller.write32(doorbell::submission_tail_offset(3), 1);
    controller.wait(0, heard);
    rig.run(20_000);
    assert!(other.take(0, unheard).is_none());
}
