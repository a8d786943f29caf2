//! Enable, disable, shutdown, function reset, hot reset: one function begins anew, the others do not
//! notice (NVMe 1.1 §7.3, §7.6).

use nvme_spec::register::ControllerStatus;
use pcie_host::endpoint::{FunctionId, Port};

use crate::function::{AdminWait, Function};
use crate::model::Model;
use crate::queue::CompletionQueue;
use crate::schedule::{Engine, NEVER};
use crate::tags::Purpose;

/// I/O entry sizes of CC, log2 (§3.1.5); 0 is what hosts leave them at before they make I/O queues.
const SUBMISSION_ENTRY_SIZES: [u8; 2] = [0, 6];
const COMPLETION_ENTRY_SIZES: [u8; 2] = [0, 4];

impl Function {
    /// Can the controller be enabled with what the host has put into the registers?
    fn is_configured(&self) -> bool {
        let configuration = self.configuration;
        let queues = self.admin_queue_attributes;
        configuration.command_set() == 0
            && configuration.page_size() == 0
            && configuration.arbitration() == 0
            && SUBMISSION_ENTRY_SIZES.contains(&configuration.submission_entry_size())
            && COMPLETION_ENTRY_SIZES.contains(&configuration.completion_entry_size())
            && queues.submission_entries() > 0
            && queues.completion_entries() > 0
    }
}

impl Model {
    /// Controllers whose enabling is due, and function resets to report.
    pub(crate) fn run_enables(&mut self, port: &mut dyn Port) {
        while let Some(function) = self.resets_done.pop_front() {
            port.function_reset_done(self.now, FunctionId(function));
        }
        let mut next = NEVER;
        for function in 0..self.functions.len() {
            let enable_at = self.functions[function].enable_at;
            if enable_at <= self.now {
                self.functions[function].enable_at = NEVER;
                self.enable(function);
            } else {
                next = next.min(enable_at);
            }
        }
        self.schedule.set(Engine::Enable, next);
    }

    /// CC.EN is set: makes the admin queue, and is ready; or fatal, when CC or AQA cannot be.
    fn enable(&mut self, function: usize) {
        let trace = self.trace.options.commands;
        let row = &mut self.functions[function];
        if row.configuration.shutdown() == 0 {
            // One that was asked for while the controller was disabled is over.
            row.status.set_shutdown(0);
        }
        if !row.is_configured() {
            row.status.set_fatal(true);
            return;
        }
        let attributes = row.admin_queue_attributes;
        let entries = u32::from(attributes.submission_entries()) + 1;
        row.submission[0].create(row.admin_submission_address, entries, 0);
        if trace {
            row.submission[0].doorbell_at = vec![self.now; entries as usize];
        }
        self.room_changes(function, 0, self.now + 1);
        let row = &mut self.functions[function];
        let entries = u32::from(attributes.completion_entries()) + 1;
        // The admin completion queue always has vector 0 (§3.1.8).
        row.completion[0].create(row.admin_completion_address, entries, Some(0));
        row.completion[0].users = 1;
        row.status.set_ready(true);
    }

    /// CC.EN is cleared: controller reset (§7.3.2). CSTS.RDY follows when everything has ended.
    pub(crate) fn disable(&mut self, function: usize) {
        self.functions[function].enable_at = NEVER;
        self.functions[function].clears_status = true;
        self.drain(function);
    }

    /// CC.SHN: complete when what is under way has ended (§7.6.2); nothing more is started.
    pub(crate) fn check_shut_down(&mut self, function: usize) {
        let row = &mut self.functions[function];
        if row.status.shutdown() == 1 && self.contexts.all_free(function) {
            row.status.set_shutdown(2);
        }
    }

    /// Function level reset: answered when the function's queues and DMA are drained.
    pub(crate) fn reset_function(&mut self, function: usize) {
        let row = &mut self.functions[function];
        row.reset_registers();
        row.enable_at = NEVER;
        row.bus_master = false;
        row.msix_enabled = false;
        row.msix_masked = false;
        row.reset_in_process = true;
        row.clears_status = true;
        self.drain(function);
    }

    /// Bus-master enable. Taken away from a running controller it ends everything under way, and the
    /// controller must be reset: nothing could be completed.
    pub(crate) fn set_bus_master(&mut self, function: usize, enabled: bool) {
        let row = &mut self.functions[function];
        if row.bus_master == enabled {
            return;
        }
        row.bus_master = enabled;
        if enabled {
            for queue in 0..row.submission.len() {
                self.want_fetch(function, queue as u16);
            }
        } else if row.status.ready() && !row.draining {
            row.status.set_fatal(true);
            self.drain(function);
        }
    }

    /// VFs 1 to `count` exist; the others are as after a reset.
    pub(crate) fn set_virtual_functions(&mut self, count: u8) {
        for function in 1..self.functions.len() {
            let exists = function <= usize::from(count);
            if self.functions[function].exists && !exists {
                self.reset_function(function);
                self.functions[function].reset_in_process = false;
            }
            self.functions[function].exists = exists;
        }
    }

    /// The link was down: everything begins anew, and no read will be answered any more. AXI bursts
    /// that have started finish.
    pub(crate) fn hot_reset(&mut self) {
        self.answers.clear();
        self.schedule.set(Engine::RegisterReads, NEVER);
        self.rq.clear_small();
        self.arrivals.clear();
        self.schedule.set(Engine::Arrivals, NEVER);
        for function in 0..self.functions.len() {
            self.reset_function(function);
            self.functions[function].reset_in_process = false;
            self.functions[function].exists = function == 0;
        }
        self.resets_done.clear();
        let mut in_use = self.tags.in_use();
        while in_use != 0 {
            self.tags.release(in_use.trailing_zeros() as u8);
            in_use &= in_use - 1;
        }
        for function in 0..self.functions.len() {
            self.check_drained(function);
        }
    }

    /// Ends everything a function has under way, without completions. AXI bursts that have started
    /// finish; host reads under way are quarantined; nothing more is sent.
    fn drain(&mut self, function: usize) {
        let index = function as u8;
        self.functions[function].draining = true;
        self.doorbells.retain(|doorbell| doorbell.function != index);
        self.quarantine_reads(index);
        let dropped = self.entries_read.take_if(|read| read.function == index);
        if dropped.is_some() {
            // Whoever waited for it to be sent is asked again; nobody else would wake the fetch engine.
            self.kick_fetch(self.now + 1);
        }
        self.arrivals.forget_entries(index, None);
        for id in self.contexts.taken(function) {
            self.withdraw(id);
        }
        let contexts = &self.contexts;
        self.rq.cancel_data(|id| contexts[id].function == index);
        self.admins[function].reset();
        self.clear_queues(function);

        // First all of them, then one after the other: a lock that one gives up is not for the next.
        for id in self.contexts.taken(function) {
            self.contexts[id].doomed = true;
        }
        for id in self.contexts.taken(function) {
            self.drop_locks(id);
            self.try_end(id);
        }
        self.check_drained(function);
    }

    fn quarantine_reads(&mut self, function: u8) {
        let mut in_use = self.tags.in_use();
        while in_use != 0 {
            let tag = in_use.trailing_zeros() as u8;
            in_use &= in_use - 1;
            let Some(row) = self.tags.get(tag) else {
                continue;
            };
            match row.purpose {
                Purpose::SubmissionEntries {
                    function: owner, ..
                } if owner == function => {}
                Purpose::PrpList { context } | Purpose::Data { context, .. }
                    if self.contexts[context].function == function =>
                {
                    self.contexts[context].host_reads -= 1;
                }
                _ => continue,
            }
            self.tags.quarantine(tag);
        }
    }

    fn clear_queues(&mut self, function: usize) {
        let mut waiting = std::mem::take(&mut self.functions[function].completion_wait);
        while waiting != 0 {
            let id = self
                .contexts
                .id(function, waiting.trailing_zeros() as usize);
            waiting &= waiting - 1;
            self.contexts[id].delayed -= 1;
        }
        self.heads.forget_function(function);
        self.room.forget_function(function);
        self.completer.forget_function(function);
        let row = &mut self.functions[function];
        row.ready_queues = 0;
        row.fetch_queues = 0;
        self.fetch_functions &= !(1 << function);
        self.ready_functions &= !(1 << function);
        row.deferred.clear();
        row.admin_wait = AdminWait::Nothing;
        row.aggregation_threshold = 1;
        row.aggregation_cycles = 0;
        row.vectors.iter_mut().for_each(crate::msix::Vector::clear);
        row.completion.fill(CompletionQueue::default());
        for queue in 0..row.submission.len() {
            let submission = &mut row.submission[queue];
            submission.delete();
            submission.in_flight = 0;
            submission.reads = 0;
            row.dispatch_turns.deactivate(queue);
        }
    }

    /// A drain is over when no context, no host read and no TLP of the function is left.
    pub(crate) fn check_drained(&mut self, function: usize) {
        let row = &mut self.functions[function];
        if !row.draining
            || !self.contexts.all_free(function)
            || self.tags.of_function(function) > 0
            || self.rq.small_of(function as u8) > 0
        {
            return;
        }
        debug_assert_eq!(
            self.free_buffers_of(function),
            self.geometry.buffers_per_function
        );
        let row = &mut self.functions[function];
        row.draining = false;
        if std::mem::take(&mut row.clears_status) {
            row.status = ControllerStatus::new();
        }
        if std::mem::take(&mut row.reset_in_process) {
            self.resets_done.push_back(function as u8);
            self.schedule.no_later_than(Engine::Enable, self.now);
        } else if row.configuration.enable() && !row.status.fatal() {
            // The host has set CC.EN again before CSTS.RDY was clear.
            row.enable_at = self.now + self.timing.enable_cycles;
            self.schedule.no_later_than(Engine::Enable, row.enable_at);
        }
    }
}
