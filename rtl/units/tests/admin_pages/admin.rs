//! Admin commands: what they lead to, and the pages they answer with.

use std::collections::BTreeMap;

use nvme_model::admin::{AdminAction, AdminBuffer, ControllerView, HostPiece, IoCounters, execute};
use nvme_spec::{Status, SubmissionEntry};
use rand::RngExt;
use zerocopy::IntoBytes;

use crate::bench::{Bench, code};
use crate::commands;

const ADMIN_CONTEXT: u64 = 16;

/// Every function has completion queues 1 and 2, and submission queue 1, which posts to the first.
struct View<'a>(&'a [IoCounters]);

impl ControllerView for View<'_> {
    fn completion_queue_exists(&self, queue_id: u16) -> bool {
        matches!(queue_id, 1 | 2)
    }
    fn submission_queue_exists(&self, queue_id: u16) -> bool {
        queue_id == 1
    }
    fn completion_queue_in_use(&self, queue_id: u16) -> bool {
        queue_id == 1
    }
    fn any_io_queue_exists(&self) -> bool {
        true
    }
    fn has_admin_slot(&self) -> bool {
        true
    }
    fn counters(&self, function: u8) -> IoCounters {
        self.0[usize::from(function)]
    }
    fn now_cycles(&self) -> u64 {
        0
    }
}

/// What the engine makes and deletes.
const QUEUE_PORTS: [&str; 11] = [
    "create_submission_valid",
    "create_completion_valid",
    "remove_submission_valid",
    "remove_completion_valid",
    "create_row",
    "delete_row",
    "create_address",
    "create_last",
    "create_completion_queue",
    "create_interrupts",
    "create_vector",
];

impl Bench {
    /// An admin command from its decoding to its answer.
    pub(crate) fn admin(&mut self) {
        let function = self.function();
        let sqe = commands::any(&mut self.random, &self.held[function]);
        let mut buffer: AdminBuffer = [0; 4096];
        let context = (function as u64) << 5 | ADMIN_CONTEXT;
        self.module.set("decoded_context", context);
        self.module.set("decoded_kind", 0);
        self.module.set_bytes("decoded_entry", sqe.as_bytes());
        self.module.set("decoded_admin", 1);
        self.pulse(&["decoded_valid"]);
        self.module.set("decoded_admin", 0);
        let action = execute(
            &mut self.states[function],
            &self.config,
            &View(&self.counters),
            &sqe,
            &mut buffer,
        );
        match action {
            AdminAction::HoldAsyncEvent => self.held[function].push(sqe.command_id()),
            AdminAction::AbortAsyncEvent { command_id } => {
                self.aborting = Some((function, command_id));
            }
            _ => {}
        }
        let mut bursts = Vec::new();
        let mut queues = BTreeMap::new();
        for _ in 0..100 {
            self.module.evaluate();
            if self.module.get("burst_valid") == 1 {
                bursts.push(HostPiece {
                    address: self.module.get("burst_address"),
                    length_bytes: self.module.get("burst_length") as u32,
                });
                let last = self.module.get("burst_last") == 1;
                self.clock();
                if !last {
                    continue;
                }
                let AdminAction::TransferToHost {
                    length_bytes,
                    pieces,
                } = action
                else {
                    panic!("{sqe:?}: a page, and {action:?} of the model");
                };
                bursts.resize(2, HostPiece::default());
                assert_eq!(bursts, pieces, "{sqe:?}");
                let page = self.page(context);
                let differs = (0..length_bytes as usize).find(|at| page[*at] != buffer[*at]);
                assert_eq!(differs, None, "{sqe:?}: a byte of the page");
                self.pages += 1;
                return;
            }
            if self.module.get("end_valid") == 1 {
                self.answer(context, &sqe, action, &queues);
                return;
            }
            queues = QUEUE_PORTS
                .iter()
                .map(|name| (*name, self.module.get(name)))
                .collect();
            self.clock();
        }
        panic!("{sqe:?} has no answer");
    }

    /// An answer without a page; what the ports for the queues said in the cycle before, when it was formed.
    fn answer(
        &mut self,
        context: u64,
        sqe: &SubmissionEntry,
        action: AdminAction,
        queues: &BTreeMap<&str, u64>,
    ) {
        let get = |name: &str| self.module.get(name);
        let queue = |name: &str| queues[name];
        let row = (context >> 5) << 3;
        let (status, dword0) = match action {
            AdminAction::Complete { status, dword0, .. } => (status, dword0),
            // Nothing else is under way.
            AdminAction::Abort { .. } => (Status::SUCCESS, 1),
            _ => (Status::SUCCESS, 0),
        };
        assert_eq!(get("end_status"), code(status), "{sqe:?}");
        assert_eq!(get("end_dword0"), dword0.into(), "{sqe:?}");
        assert_eq!(
            get("end_silent") == 1,
            action == AdminAction::HoldAsyncEvent,
            "{sqe:?}"
        );
        assert_eq!(self.aborting, None, "{sqe:?}: its request comes first");
        let does = [
            "create_submission",
            "create_completion",
            "remove_submission",
            "remove_completion",
        ];
        let (done, row_port, queue_id) = match action {
            AdminAction::CreateSubmissionQueue {
                queue_id,
                entries,
                address,
                completion_queue_id,
            } => {
                assert_eq!(queue("create_completion_queue"), completion_queue_id.into());
                assert_eq!(
                    (queue("create_last") + 1, queue("create_address")),
                    (entries.into(), address)
                );
                (0, "create_row", queue_id)
            }
            AdminAction::CreateCompletionQueue {
                queue_id,
                entries,
                address,
                interrupt_vector,
            } => {
                assert_eq!(
                    (queue("create_last") + 1, queue("create_address")),
                    (entries.into(), address)
                );
                assert_eq!(queue("create_interrupts") == 1, interrupt_vector.is_some());
                assert_eq!(
                    queue("create_vector"),
                    interrupt_vector
                        .unwrap_or(queue("create_vector") as u16)
                        .into()
                );
                (1, "create_row", queue_id)
            }
            AdminAction::DeleteSubmissionQueue { queue_id } => (2, "delete_row", queue_id),
            AdminAction::DeleteCompletionQueue { queue_id } => (3, "delete_row", queue_id),
            _ => (4, "create_row", 0),
        };
        for (number, name) in does.iter().enumerate() {
            assert_eq!(
                queue(&format!("{name}_valid")) == 1,
                number == done,
                "{sqe:?}: {name}"
            );
        }
        if done < does.len() {
            assert_eq!(queue(row_port), row | u64::from(queue_id), "{sqe:?}");
        }
        let silent = get("end_silent") == 1;
        self.module.set("note_context", context);
        self.module.set("note_queue", 0);
        self.module.set("note_id", sqe.command_id().into());
        self.module.set("note_second", 0);
        self.module.set("note_status", code(status));
        self.pulse(if silent { &[] } else { &["note_valid"] });
    }

    /// The page as the sender asks for it: pairs of words that begin at an even or at an odd one.
    fn page(&mut self, context: u64) -> Vec<u8> {
        let first = self.random.random_range(0..2u64);
        let mut bytes = vec![0; 4096 + 64];
        self.module.set("page_context", context);
        for word in (first..=128).step_by(2) {
            self.module.set("page_word", word);
            self.pulse(&["page_enable"]);
            let at = 32 * word as usize;
            bytes[at..at + 64].copy_from_slice(&self.module.get_bytes("page_data"));
        }
        // Word 0 stands at 32: the first of a pair may be one before the page.
        bytes[32..32 + 4096].to_vec()
    }
}
