//! One function's rows of the admin engine's tables.

use nvme_spec::async_event::AsyncEvent;
use nvme_spec::log_page::LogPageId;

use super::AdminConfig;
use super::async_event::{AsyncEvents, EventCompletion};
use super::error_log::{CommandError, ErrorLog};
use super::feature::Features;

/// What the admin engine keeps for one function.
#[derive(Clone, Debug)]
pub struct FunctionAdmin {
    /// 0 is the PF.
    pub(super) function: u8,
    pub(super) features: Features,
    pub(super) events: AsyncEvents,
    pub(super) errors: ErrorLog,
    /// Temperature above the threshold, and its event enabled: an event is raised when this rises.
    temperature_alarm: bool,
}

impl FunctionAdmin {
    /// Function `function` (0 is the PF) as after power-on.
    pub fn new(function: u8, config: &AdminConfig) -> Self {
        Self {
            function,
            features: Features::new(config.vectors),
            events: AsyncEvents::default(),
            errors: ErrorLog::default(),
            temperature_alarm: false,
        }
    }

    /// Controller level reset (CC.EN 1 → 0, FLR, hot reset; §7.3.2): features back to their defaults
    /// (none is saveable), held Asynchronous Event Requests gone without a completion, pending events
    /// and error log entries gone. The error count goes on (§5.10.1.1).
    pub fn reset(&mut self) {
        self.features.reset();
        self.events.reset();
        self.errors.clear();
        self.temperature_alarm = false;
    }

    /// Current feature values, for the blocks that obey them.
    pub const fn features(&self) -> &Features {
        &self.features
    }

    /// An I/O command has failed: enters it into the error log. Failed admin commands enter themselves.
    pub fn record_error(&mut self, error: CommandError) {
        self.errors.record(error);
    }

    /// An error that no command is to blame for (a doorbell, §5.2 Figure 45): enters it into the error
    /// log and raises the event. Look at [`take_event_completion`](Self::take_event_completion) next.
    pub fn report_error_event(&mut self, event: AsyncEvent) {
        self.errors.record(CommandError::without_command());
        self.events.raise(event);
    }

    /// The completion of a held Asynchronous Event Request that is due now, if any: status success.
    /// To be asked, until `None`, after every [`execute`](super::execute) and
    /// [`report_error_event`](Self::report_error_event).
    pub fn take_event_completion(&mut self) -> Option<EventCompletion> {
        self.events.take_completion()
    }

    /// True when the temperature is above the threshold of feature 04h.
    pub(super) fn is_too_hot(&self, config: &AdminConfig) -> bool {
        config.temperature_kelvin > self.features.temperature_threshold_kelvin()
    }

    /// After a feature has changed: raises the temperature event when its condition has become true.
    pub(super) fn watch_temperature(&mut self, config: &AdminConfig) {
        let alarm = self.is_too_hot(config) && self.features.temperature_event_enabled();
        if alarm && !self.temperature_alarm {
            self.events.raise(AsyncEvent::TEMPERATURE_THRESHOLD);
        }
        self.temperature_alarm = alarm;
    }

    /// The host has read a log page: events that point at it may be reported again (§5.2).
    pub(super) fn log_page_was_read(&mut self, page: LogPageId) {
        self.events.unmask(page);
    }
}
