//! Commands of a controller: posting, ringing, collecting completions, waiting for them.

use nvme_spec::{CompletionEntry, Status, SubmissionEntry, doorbell};
use pcie_host::endpoint::Cycle;

use super::{Controller, PATIENCE_CYCLES};

impl Controller {
    /// Stores a command under a fresh identifier in a queue, without ringing; returns the identifier.
    pub fn post(&mut self, queue_id: u16, command: SubmissionEntry) -> u16 {
        let command_id = self.next_command_id;
        self.next_command_id = self.next_command_id.wrapping_add(1) & 0x7fff;
        self.post_as(queue_id, command, command_id);
        command_id
    }

    /// Stores a command under an identifier of the test's choice.
    pub fn post_as(&mut self, queue_id: u16, command: SubmissionEntry, command_id: u16) {
        self.outstanding
            .insert((queue_id, command_id), command.opcode());
        self.submission
            .get_mut(&queue_id)
            .expect("the test created the queue")
            .push(&command.with_command_id(command_id));
    }

    /// Rings a queue's tail doorbell with what was posted.
    pub fn ring_doorbell(&mut self, queue_id: u16) {
        let tail = self.submission[&queue_id].tail;
        self.write32(doorbell::submission_tail_offset(queue_id), tail);
    }

    /// Posts commands and rings once; their identifiers.
    pub fn submit(&mut self, queue_id: u16, commands: &[SubmissionEntry]) -> Vec<u16> {
        let ids = commands
            .iter()
            .map(|&command| self.post(queue_id, command))
            .collect();
        self.ring_doorbell(queue_id);
        ids
    }

    /// Collects what has arrived in all completion queues, and tells the controller.
    ///
    /// Each entry must belong to a command that is outstanding, exactly once, and name a slot of its
    /// submission queue.
    pub fn poll(&mut self) -> usize {
        let before = self.arrived.len();
        let mut doorbells = Vec::new();
        for (&queue_id, queue) in &mut self.completion {
            let mut moved = false;
            while let Some(entry) = queue.take() {
                moved = true;
                let id = (entry.submission_queue_id, entry.command_id());
                assert!(
                    self.outstanding.remove(&id).is_some(),
                    "{}: completion queue {queue_id} answers what nobody asked, or again: {entry:x?}",
                    self.function
                );
                let submission = self.submission.get_mut(&id.0).expect("outstanding on it");
                assert_eq!(
                    submission.completion_queue_id, queue_id,
                    "in the wrong queue"
                );
                assert!(
                    u32::from(entry.submission_head) < submission.entries,
                    "{entry:x?}"
                );
                submission.head = entry.submission_head.into();
                self.arrived.push(entry);
            }
            if moved && !queue.stuck {
                doorbells.push((queue_id, queue.head));
            }
        }
        for (queue_id, head) in doorbells {
            self.write32(doorbell::completion_head_offset(queue_id), head);
        }
        self.arrived.len() - before
    }

    /// What has arrived and nobody has claimed yet, in order of arrival; claims it.
    pub fn take_arrived(&mut self) -> Vec<CompletionEntry> {
        self.poll();
        std::mem::take(&mut self.arrived)
    }

    /// Commands without an answer.
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// The identifier given last.
    pub fn last_command_id(&self) -> u16 {
        self.next_command_id.wrapping_sub(1)
    }

    /// Commands without an answer, those of one opcode of the admin queue not counted.
    pub fn outstanding_but(&self, admin_opcode: u8) -> usize {
        let excepted =
            |(&(queue_id, _), &opcode): (&(u16, u16), &u8)| queue_id == 0 && opcode == admin_opcode;
        self.outstanding.len()
            - self
                .outstanding
                .iter()
                .filter(|&entry| excepted(entry))
                .count()
    }

    /// Claims the completion of a command, when it has arrived.
    pub fn take(&mut self, queue_id: u16, command_id: u16) -> Option<CompletionEntry> {
        self.poll();
        self.take_polled(queue_id, command_id)
    }

    /// Claims the completion of a command, when it was among what [`poll`](Self::poll) has collected.
    pub fn take_polled(&mut self, queue_id: u16, command_id: u16) -> Option<CompletionEntry> {
        let found = self.arrived.iter().position(|entry| {
            (entry.submission_queue_id, entry.command_id()) == (queue_id, command_id)
        })?;
        Some(self.arrived.remove(found))
    }

    /// Waits for the completion of one command.
    pub fn wait(&mut self, queue_id: u16, command_id: u16) -> CompletionEntry {
        self.wait_for(PATIENCE_CYCLES, |controller| {
            controller.take(queue_id, command_id)
        })
        .unwrap_or_else(|| {
            panic!(
                "{}: command {command_id:#x} of queue {queue_id} has no answer at cycle {}",
                self.function,
                self.host.now()
            )
        })
    }

    /// Runs until `ready` has something to give, at most for `patience_cycles`.
    pub fn wait_for<R>(
        &mut self,
        patience_cycles: Cycle,
        mut ready: impl FnMut(&mut Self) -> Option<R>,
    ) -> Option<R> {
        let deadline = self.host.now() + patience_cycles;
        loop {
            if let Some(result) = ready(self) {
                return Some(result);
            }
            if self.host.now() >= deadline || !self.host.step() {
                return ready(self);
            }
        }
    }

    /// Sends commands with one doorbell and waits for all of them; entries in order of sending.
    pub fn complete(
        &mut self,
        queue_id: u16,
        commands: &[SubmissionEntry],
    ) -> Vec<CompletionEntry> {
        let ids = self.submit(queue_id, commands);
        ids.into_iter().map(|id| self.wait(queue_id, id)).collect()
    }

    /// Sends commands with one doorbell; their statuses in order of sending.
    pub fn statuses(&mut self, queue_id: u16, commands: &[SubmissionEntry]) -> Vec<Status> {
        self.complete(queue_id, commands)
            .iter()
            .map(CompletionEntry::status)
            .collect()
    }

    /// Sends one admin command and waits.
    pub fn admin(&mut self, command: SubmissionEntry) -> CompletionEntry {
        self.complete(0, &[command]).remove(0)
    }

    /// Sends one admin command that must succeed; dword 0 of its completion.
    pub fn admin_ok(&mut self, command: SubmissionEntry) -> u32 {
        let entry = self.admin(command);
        assert_eq!(entry.status(), Status::SUCCESS, "{command:x?}");
        entry.dword0
    }

    /// Sends one command to I/O queue 1 and waits for its status.
    pub fn io(&mut self, command: SubmissionEntry) -> Status {
        self.complete(1, &[command])[0].status()
    }
}
