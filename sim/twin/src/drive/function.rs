//! A function's controller as the host of a script sees it.

use std::collections::BTreeMap;

use nvme_conformance::rig::{
    Controller, MessageTable, PATIENCE_CYCLES, Rig, enabled_configuration, set_bus_master,
};
use nvme_spec::{SubmissionEntry, register};
use pcie_host::Host;
use pcie_host::endpoint::FunctionId;

use super::memory::Placed;
use crate::outcome::Answer;
use crate::script::{FunctionSetup, Group};
use crate::twins::IO_QUEUES;

/// A function.
pub(super) struct Function {
    number: u8,
    pub(super) controller: Controller,
    messages: Option<MessageTable>,
    /// Completion queue of each submission queue, the admin queue's first.
    completion_queues: Vec<u16>,
    /// Its controller is enabled and has its queues.
    pub(super) is_up: bool,
}

impl Function {
    pub(super) fn bring_up(rig: &Rig, number: u8, setup: &FunctionSetup) -> Self {
        let controller = rig.disabled_controller(FunctionId(number));
        let mut function = Self {
            number,
            controller,
            messages: None,
            completion_queues: Vec::new(),
            is_up: false,
        };
        function.make_queues(setup);
        function
    }

    /// After an upheaval.
    pub(super) fn bring_up_again(&mut self, rig: &Rig, setup: &FunctionSetup) {
        self.messages = None;
        self.controller.forget_queues();
        // A VF is a new one after a reset of the PF; its rings' addresses begin anew.
        self.controller = rig.disabled_controller(FunctionId(self.number));
        self.make_queues(setup);
    }

    fn make_queues(&mut self, setup: &FunctionSetup) {
        let controller = &mut self.controller;
        controller.enable(setup.admin_entries, setup.admin_entries);
        if setup.interrupts {
            self.messages = Some(MessageTable::program(controller, IO_QUEUES + 1));
        }
        for (queue, &entries) in (1..).zip(&setup.completion_queues) {
            let vector = setup.interrupts.then_some(queue);
            controller.create_completion_queue(queue, entries, vector);
        }
        self.completion_queues = vec![0];
        for (queue, &(entries, completion)) in (1..).zip(&setup.submission_queues) {
            controller.create_submission_queue(queue, entries, completion);
            self.completion_queues.push(completion);
        }
        controller.take_arrived();
        self.is_up = true;
    }

    pub(super) fn name(&self) -> FunctionId {
        FunctionId(self.number)
    }

    /// Takes what has been answered.
    pub(super) fn collect(&mut self, answers: &mut Vec<Answer>) -> bool {
        if !self.is_up {
            return false;
        }
        let arrived = self.controller.take_arrived();
        answers.extend(arrived.iter().map(|&entry| Answer {
            function: self.number,
            completion_queue: self.completion_queues[usize::from(entry.submission_queue_id)],
            entry,
        }));
        !arrived.is_empty()
    }

    pub(super) fn outstanding_but(&self, opcode: u8) -> usize {
        self.controller.outstanding_but(opcode)
    }

    pub(super) fn free(&self, queue: u16) -> u32 {
        let queue = self.controller.submission.get(&queue);
        queue.map_or(0, |queue| queue.free())
    }

    pub(super) fn send(&mut self, group: &Group, placed: &BTreeMap<u16, Placed>, host: &Host) {
        for command in &group.commands {
            let mut entry: SubmissionEntry = command.entry;
            if let Some(memory) = placed.get(&command.id) {
                memory.arm(host);
                entry = entry.with_prps(memory.prps.0, memory.prps.1);
            }
            self.controller.post_as(group.queue, entry, command.id);
            if group.doorbell_each {
                self.controller.ring_doorbell(group.queue);
            }
        }
        if !group.doorbell_each {
            self.controller.ring_doorbell(group.queue);
        }
    }

    pub(super) fn write_doorbell(&mut self, offset: u64, value: u32) {
        self.controller.write32(offset, value);
    }

    /// Vectors whose message has come.
    pub(super) fn take_interrupts(&self) -> u32 {
        let Some(messages) = self.messages.as_ref().filter(|_| self.is_up) else {
            return 0;
        };
        (0..=IO_QUEUES)
            .filter(|vector| messages.take(*vector))
            .fold(0, |set, vector| set | 1 << vector)
    }

    /// What it had is gone.
    pub(super) fn lose(&mut self) {
        self.controller.forget_queues();
        self.is_up = false;
    }

    pub(super) fn reset(&mut self, host: &Host) {
        host.reset_function(self.name()).expect("the reset ends");
        self.lose();
    }

    pub(super) fn disable(&mut self) {
        self.controller.write32(register::CC, 0);
        self.controller.wait_ready(false);
        self.lose();
    }

    /// A normal shutdown (NVMe 1.1 §7.6.2): what is under way ends, nothing else begins.
    pub(super) fn shut_down(&mut self) {
        let configuration = enabled_configuration().with_shutdown(1);
        self.controller.write32(register::CC, configuration.into());
        let complete = |controller: &mut Controller| {
            controller.poll();
            (controller.status().shutdown() == 2).then_some(())
        };
        self.controller
            .wait_for(PATIENCE_CYCLES, complete)
            .expect("the shutdown is complete some time");
        self.disable();
    }

    pub(super) fn lose_the_bus(&mut self, rig: &Rig) {
        set_bus_master(&rig.host, self.name(), false);
        rig.run(500);
        self.disable();
        set_bus_master(&rig.host, self.name(), true);
    }

    /// Deletes a queue, whatever is under way on it, and makes it anew: empty.
    pub(super) fn delete_queue(&mut self, queue: u16) {
        let entries = self.controller.submission[&queue].entries;
        self.controller
            .admin_ok(SubmissionEntry::delete_submission_queue(queue));
        self.controller.forget_submission_queue(queue);
        let completion = self.completion_queues[usize::from(queue)];
        self.controller
            .create_submission_queue(queue, entries, completion);
    }
}
