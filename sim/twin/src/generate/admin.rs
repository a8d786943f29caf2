//! Admin commands, and what is wrong at the doorbells.

use nvme_spec::log_page::LogPageId;
use nvme_spec::{Status, SubmissionEntry, doorbell, feature, identify};
use rand::RngExt;

use super::Generator;
use crate::script::{Command, Data, Expect, Group, Upheaval};

/// Features whose values have no effect on other commands.
const HARMLESS: [u8; 4] = [
    feature::ARBITRATION,
    feature::ERROR_RECOVERY,
    feature::WRITE_ATOMICITY,
    feature::ASYNC_EVENT_CONFIGURATION,
];

impl Generator {
    fn same(&mut self, entry: SubmissionEntry, data: Option<Data>) -> Vec<Command> {
        let mut command = self.command(entry, data);
        command.expect = Expect::Same;
        vec![command]
    }

    fn refused_admin(&mut self, entry: SubmissionEntry, status: Status) -> Vec<Command> {
        let mut commands = self.same(entry, None);
        commands[0].expect = Expect::Refused(status);
        commands
    }

    /// Where admin commands put their data: at most two pages.
    fn answer_data(&mut self, bytes: u32) -> Data {
        let mut data = self.data(bytes, vec![]);
        data.offset %= 4096;
        data
    }

    /// An admin command that has nothing to do with what is under way.
    pub(super) fn admin(&mut self, function: u8) -> Vec<Command> {
        let queues = self.setup.functions[usize::from(function)]
            .submission_queues
            .len() as u16;
        let free_queue = queues + 1;
        match self.random.random_range(0..14) {
            0 => {
                let cns = self.choose(&[
                    identify::CNS_CONTROLLER,
                    identify::CNS_NAMESPACE,
                    identify::CNS_ACTIVE_NAMESPACES,
                ]);
                let namespace = u32::from(cns == identify::CNS_NAMESPACE);
                let data = self.answer_data(4096);
                self.same(SubmissionEntry::identify(cns, namespace), Some(data))
            }
            1 => {
                let entry = SubmissionEntry::identify(
                    self.choose(&[0, 3, 0x10, 0xff]),
                    self.choose(&[2, 0xffff_ffff]),
                );
                let data = self.answer_data(4096);
                self.same(entry, Some(data))
            }
            2 => {
                let bytes = 4 * self.random.random_range(1..=128);
                let data = self.answer_data(bytes);
                self.same(
                    SubmissionEntry::get_log_page(LogPageId::FIRMWARE_SLOT, bytes),
                    Some(data),
                )
            }
            3 => {
                let bytes = 4 * self.random.random_range(1..=128);
                let page = self.choose(&[0x00, 0x04, 0x7f, 0xbf, 0xc1, 0xff]);
                let data = self.answer_data(bytes);
                let mut commands = self.same(
                    SubmissionEntry::get_log_page(LogPageId(page), bytes),
                    Some(data),
                );
                commands[0].expect = Expect::Refused(Status::INVALID_LOG_PAGE);
                commands
            }
            4 => {
                let id = self.choose(&HARMLESS);
                let value = self.random.random_range(0..8);
                self.same(SubmissionEntry::set_features(id, value), None)
            }
            5 | 6 => {
                let id = self.choose(&feature::MANDATORY);
                let mut entry = SubmissionEntry::get_features(id);
                if id == feature::INTERRUPT_VECTOR_CONFIGURATION {
                    entry.cdw11 = self.random.random_range(0..7);
                }
                self.same(entry, None)
            }
            7 => {
                let id = self.choose(&[0x00, 0x03, 0x06, 0x0c, 0x80, 0xff]);
                let entry = if self.chance(50) {
                    SubmissionEntry::get_features(id)
                } else {
                    SubmissionEntry::set_features(id, 1)
                };
                self.same(entry, None)
            }
            8 => {
                let mut entry = SubmissionEntry::set_features(feature::ERROR_RECOVERY, 1);
                entry.cdw10 |= feature::SET_SAVE;
                self.refused_admin(entry, Status::FEATURE_NOT_SAVEABLE)
            }
            9 => {
                // A command that is not there: dword 0 says that nothing was aborted.
                let queue = self.random.random_range(0..=queues);
                self.same(SubmissionEntry::abort(queue, 0xfffe), None)
            }
            10 => {
                let id = self.choose(&[0, 5, 0xffff]).max(free_queue.min(5));
                self.refused_admin(
                    SubmissionEntry::delete_submission_queue(id),
                    Status::INVALID_QUEUE_ID,
                )
            }
            11 => {
                let mut entry =
                    SubmissionEntry::create_completion_queue(free_queue, 8, 0x1000, None);
                let status = match self.random.random_range(0..3) {
                    0 => {
                        entry.cdw10 = entry.cdw10 & !0xffff | self.choose(&[0u32, 1, 5, 0xffff]);
                        Status::INVALID_QUEUE_ID
                    }
                    1 if free_queue <= 4 => {
                        entry.cdw10 = entry.cdw10 & 0xffff | 0xffff << 16;
                        Status::MAXIMUM_QUEUE_SIZE_EXCEEDED
                    }
                    _ if free_queue <= 4 => {
                        entry.cdw11 |= 0b10 | 0x40 << 16;
                        Status::INVALID_INTERRUPT_VECTOR
                    }
                    _ => Status::INVALID_QUEUE_ID,
                };
                self.refused_admin(entry, status)
            }
            12 => {
                let opcode = self.choose(&[0x03, 0x07, 0x0b, 0x10, 0x11, 0x7f, 0x80, 0xff]);
                let mut entry = SubmissionEntry::new(opcode);
                entry.cdw10 = self.random.random();
                self.refused_admin(entry, Status::INVALID_OPCODE)
            }
            _ => {
                let mut entry = SubmissionEntry::identify(1, 0);
                entry.cdw0 |= self.random.random_range(1..4) << 8;
                let data = self.answer_data(4096);
                let mut commands = self.same(entry, Some(data));
                commands[0].expect = Expect::Refused(Status::INVALID_FIELD);
                commands
            }
        }
    }

    pub(super) fn event_request(&mut self, function: u8) -> Group {
        let mut command = self.command(SubmissionEntry::async_event_request(), None);
        command.expect = Expect::Held;
        Group {
            function,
            queue: 0,
            wait_cycles: 0,
            doorbell_each: false,
            commands: vec![command],
        }
    }

    /// A command and an Abort of it, close behind.
    pub(super) fn racing_abort(&mut self, made: &mut usize) -> Vec<Group> {
        let function = self.function();
        let queue = self.queue(function);
        let target = match self.random.random_range(0..3) {
            0 => self.read(true),
            1 => self.write(true),
            _ => self.compare(true),
        };
        let Some(mut target) = target else {
            return vec![];
        };
        target.races = true;
        *made += 2;
        let mut abort = self.command(SubmissionEntry::abort(queue, target.id), None);
        abort.expect = Expect::Same;
        abort.races = true;
        let group = |queue, commands, wait_cycles| Group {
            function,
            queue,
            wait_cycles,
            doorbell_each: false,
            commands,
        };
        let wait_cycles = self.random.random_range(0..800);
        vec![
            group(queue, vec![target], 0),
            group(0, vec![abort], wait_cycles),
        ]
    }

    /// One wrong doorbell of a function that listens, at most: a second event of one kind may or may
    /// not come before the first is told.
    pub(super) fn wrong_doorbells(&mut self, upheaval: Option<&Upheaval>) -> Vec<(u8, u64, u32)> {
        if self.listeners == 0 || upheaval.is_some() || self.chance(75) {
            return vec![];
        }
        let function = self.listeners.trailing_zeros() as u8;
        self.listeners &= !(1 << function);
        let offset = doorbell::submission_tail_offset(5);
        let entries = self.setup.functions[usize::from(function)].submission_queues[0].0;
        vec![if self.chance(50) {
            (function, offset, 1)
        } else {
            (function, doorbell::submission_tail_offset(1), entries + 1)
        }]
    }
}
