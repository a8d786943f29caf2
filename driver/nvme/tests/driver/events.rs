use nvme_driver::{Controller, ControllerOptions, QueueOptions};
use nvme_instant::{InstantDevice, InstantOptions};
use nvme_spec::async_event::AsyncEvent;
use nvme_spec::log_page::LogPageId;

use crate::rig::{open, rig, write};

#[test]
fn events_are_collected_and_the_requests_renewed() {
    let rig = rig();
    assert_eq!(rig.controller.take_events(), Ok(vec![]));
    for _ in 0..10 {
        rig.device.raise_event(0, AsyncEvent::TEMPERATURE_THRESHOLD);
        rig.device
            .raise_event(0, AsyncEvent::INVALID_DOORBELL_VALUE);
        let events = rig.controller.take_events().expect("events");
        assert_eq!(events.len(), 2);
        assert!(events[0].is(AsyncEvent::TEMPERATURE_THRESHOLD));
        assert_eq!((events[0].event_type(), events[0].information()), (1, 1));
        assert_eq!(events[0].log_page(), LogPageId::HEALTH);
        assert!(events[1].is(AsyncEvent::INVALID_DOORBELL_VALUE));
    }
}

#[test]
fn more_events_than_requests_arrive_in_turns() {
    let rig = rig();
    for _ in 0..7 {
        rig.device
            .raise_event(0, AsyncEvent::TRANSIENT_INTERNAL_ERROR);
    }
    let mut seen = 0;
    for _ in 0..3 {
        seen += rig.controller.take_events().expect("events").len();
    }
    assert_eq!(seen, 7);
}

#[test]
fn events_are_armed_again_after_a_reset() {
    let mut rig = rig();
    rig.controller.reset().expect("reset");
    write(&mut rig.pair, 0, 1).expect_err("posted to the queue that the reset deleted");
    rig.device.raise_event(0, AsyncEvent::TEMPERATURE_THRESHOLD);
    let events = rig.controller.take_events().expect("events");
    assert!(
        events
            .iter()
            .any(|event| event.is(AsyncEvent::TEMPERATURE_THRESHOLD))
    );
}

#[test]
fn without_the_option_no_request_is_outstanding() {
    let device = InstantDevice::new(InstantOptions::default());
    let options = ControllerOptions {
        async_events: false,
        ..ControllerOptions::default()
    };
    let controller = Controller::open(device.function(0), options).expect("bring-up");
    device.raise_event(0, AsyncEvent::TEMPERATURE_THRESHOLD);
    assert_eq!(controller.take_events(), Ok(vec![]));
}

/// The smallest admin queue has one slot: it must serve commands, not wait for events.
#[test]
fn the_smallest_admin_queue_still_takes_commands() {
    let device = InstantDevice::new(InstantOptions::default());
    for admin_entries in [2, 3, 4, 256] {
        let options = ControllerOptions {
            admin_entries,
            ..ControllerOptions::default()
        };
        let controller = Controller::open(device.function(0), options).expect("bring-up");
        let mut pair = controller
            .queue_pair(QueueOptions::default())
            .expect("a queue pair");
        for _ in 0..300 {
            controller.counters().expect("counters");
        }
        write(&mut pair, 0, 1).expect("written");
    }
    open(&device, 0);
}
