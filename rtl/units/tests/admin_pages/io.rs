//! What happens beside admin commands: I/O commands, and wrong doorbells.

use nvme_model::admin::CommandError;
use nvme_spec::async_event::AsyncEvent;
use nvme_spec::log_page::ErrorLocation;
use nvme_spec::opcode::nvm;
use nvme_spec::{Status, SubmissionEntry};
use rand::RngExt;
use zerocopy::IntoBytes;

use crate::bench::{Bench, code};

/// Kinds of commands as the data paths number them.
const KINDS: [(u64, u8); 4] = [
    (1, nvm::READ),
    (2, nvm::WRITE),
    (3, nvm::COMPARE),
    (4, nvm::COMPARE),
];

impl Bench {
    /// An I/O command from its decoding to its CQEs.
    pub(crate) fn io(&mut self) {
        let function = self.function();
        let (kind, opcode) = KINDS[self.random.random_range(0..KINDS.len())];
        let context = (function as u64) << 5 | self.random.random_range(0..16);
        let blocks = self
            .random
            .random_range(1..=if kind == 4 { 4 } else { 32u32 });
        let mut sqe = [opcode, nvm::WRITE].map(SubmissionEntry::new);
        for (half, sqe) in sqe.iter_mut().enumerate() {
            *sqe = sqe.with_command_id(self.random.random());
            sqe.namespace_id = 1 + half as u32;
            sqe.cdw10 = self.random.random();
            sqe.cdw11 = self.random.random();
        }
        let other = Status::DATA_TRANSFER_ERROR;
        let first = *[
            Status::SUCCESS,
            Status::SUCCESS,
            Status::COMPARE_FAILURE,
            other,
            Status::LBA_OUT_OF_RANGE,
        ]
        .get(self.random.random_range(0..5))
        .expect("one of five");
        let first = if kind < 3 && first == Status::COMPARE_FAILURE {
            other
        } else {
            first
        };
        let second = match first {
            Status::SUCCESS if self.random.random_ratio(1, 4) => Status::INVALID_FIELD,
            Status::SUCCESS => Status::SUCCESS,
            _ => Status::ABORTED_FAILED_FUSED,
        };
        // The decoder's own rejections name a byte; a command it has rejected is one of no kind.
        let rejected = first == Status::LBA_OUT_OF_RANGE;
        let rejection = if rejected {
            first
        } else if kind == 4 {
            second
        } else {
            Status::SUCCESS
        };
        let byte = self.random.random_range(0..52u8);
        self.module.set("decoded_context", context);
        self.module
            .set("decoded_kind", if rejected { 0 } else { kind });
        self.module.set("decoded_length", u64::from(4096 * blocks));
        self.module.set_bytes("decoded_entry", sqe[0].as_bytes());
        self.module
            .set_bytes("decoded_second_entry", sqe[1].as_bytes());
        self.module.set("decoded_rejection", code(rejection));
        self.module.set("decoded_byte", byte.into());
        self.pulse(&["decoded_valid"]);

        let waits = self.random.random_range(0..3);
        for _ in 0..waits {
            self.module.set("lock_wait_context", context);
            self.pulse(&["lock_wait_valid"]);
        }
        let queue = self.random.random_range(1..5u16);
        let counters = &mut self.counters[function];
        counters.row.lock_waits += u64::from(waits > 0);
        let bytes = u64::from(4096 * blocks);
        let miscompared = first == Status::COMPARE_FAILURE;
        if !rejected && (first.is_success() || miscompared) {
            match kind {
                1 => counters.count_read(bytes),
                2 => counters.count_write(bytes),
                3 => counters.count_compare(bytes, miscompared),
                _ if miscompared || second.is_success() => counters.count_pair(bytes, miscompared),
                _ => {}
            }
        }
        for (half, status) in
            [first, second]
                .into_iter()
                .enumerate()
                .take(if kind == 4 { 2 } else { 1 })
        {
            self.module.set("note_context", context);
            self.module.set("note_queue", queue.into());
            self.module.set("note_id", sqe[half].command_id().into());
            self.module.set("note_second", half as u64);
            self.module.set("note_status", code(status));
            self.module.set("note_second_status", code(second));
            self.pulse(&["note_valid"]);
            if !status.is_success() {
                let named = status == rejection;
                self.states[function].record_error(CommandError {
                    submission_queue_id: queue,
                    command_id: sqe[half].command_id(),
                    status,
                    location: named.then(|| ErrorLocation::new().with_byte(byte)),
                    lba: sqe[half].starting_lba(),
                    namespace_id: sqe[half].namespace_id,
                });
            }
        }
    }

    /// A wrong doorbell, or many in a row.
    pub(crate) fn doorbells(&mut self) {
        let function = self.function();
        self.module.set("wrong_function", function as u64);
        for _ in 0..self.random.random_range(1..80) {
            let (name, event) = if self.random.random() {
                ("wrong_register", AsyncEvent::INVALID_DOORBELL_REGISTER)
            } else {
                ("wrong_value", AsyncEvent::INVALID_DOORBELL_VALUE)
            };
            self.states[function].report_error_event(event);
            self.pulse(&[name]);
            self.rest(1);
        }
        self.rest(80);
    }
}
