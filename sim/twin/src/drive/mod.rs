//! Drives a script through a host on a twin.
//!
//! Host software looks at its queues at multiples of a period, so that twins a cycle or two apart see
//! the same host.

mod function;
mod look;
mod memory;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use nvme_conformance::rig::{DeviceOptions, Rig};
use nvme_spec::opcode::admin;
use pcie_host::endpoint::Cycle;
use pcie_host::{DmaFault, DmaFaultReason, Host, Violation, ViolationKind};

use crate::outcome::{Outcome, RoundOutcome};
use crate::script::{Group, Round, Script, Setup, UpheavalKind};
use crate::twins::{Device, IO_QUEUES, Probe};
use function::Function;
use memory::{Placed, is_hole};
pub(crate) use memory::{UNTOUCHED, initial};

/// Cycles without an answer after which a twin is taken to be stuck.
const PATIENCE_CYCLES: Cycle = 500_000;
/// The same where it has to give up a lost read first, and whoever waited for its place begins then.
const PATIENCE_WITH_LOST_READ_CYCLES: Cycle = 7_000_000;

/// From the link's end to its return.
const LINK_DOWN_CYCLES: Cycle = 3_000;

/// Cycles after which nothing of a round is left.
const SETTLE_CYCLES: Cycle = 2_000;

thread_local! {
    /// What a panic has said, while somebody listens.
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs a script on a twin. A panic (of the twin, of a check that the host makes) is an outcome.
pub(crate) fn run(script: &Script, make: &dyn Fn(&Setup) -> Device) -> Outcome {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let listens = SAID.with_borrow_mut(|said| {
                said.as_mut().map(|said| *said = info.to_string()).is_some()
            });
            if !listens {
                usual(info);
            }
        }));
    });
    SAID.set(Some(String::new()));
    let outcome = catch_unwind(AssertUnwindSafe(|| Drive::new(script, make).run()));
    let said = SAID.take().unwrap_or_default();
    outcome.unwrap_or_else(|_| Outcome::failed(said))
}

/// A run.
struct Drive<'a> {
    // Before the rig, whose memory they hold.
    placed: BTreeMap<u16, Placed>,
    functions: Vec<Function>,
    rig: Rig,
    probe: Box<dyn Probe>,
    script: &'a Script,
    outcome: Outcome,
    /// DMAs that no script has asked for.
    stray: Vec<DmaFault>,
    /// Cycles without an answer after which the twin is taken to be stuck.
    patience_cycles: Cycle,
    /// Rules of the link that were broken.
    broken: Vec<Violation>,
}

impl<'a> Drive<'a> {
    fn new(script: &'a Script, make: &dyn Fn(&Setup) -> Device) -> Self {
        let setup = &script.setup;
        let device = make(setup);
        let virtual_functions = device.endpoint.virtual_functions();
        let host = Host::new(setup.host.clone(), device.endpoint).expect("options of a host");
        host.enable_virtual_functions(virtual_functions)
            .expect("the device has them");
        let rig = Rig {
            host,
            device: DeviceOptions {
                virtual_functions,
                queues_per_function: IO_QUEUES,
                block_bytes: setup.block_bytes,
                medium_bytes: setup.blocks * u64::from(setup.block_bytes),
            },
        };
        let functions = (0..).zip(&setup.functions);
        let functions = functions
            .map(|(number, setup)| Function::bring_up(&rig, number, setup))
            .collect();
        let mut placed = BTreeMap::new();
        for (group, command) in script.commands() {
            if let Some(data) = &command.data {
                let memory =
                    Placed::new(&rig.host, group.function, command, data, setup.block_bytes);
                placed.insert(command.id, memory);
            }
        }
        Self {
            placed,
            functions,
            rig,
            probe: device.probe,
            script,
            outcome: Outcome::default(),
            stray: Vec::new(),
            patience_cycles: if script.has_lost_read() {
                PATIENCE_WITH_LOST_READ_CYCLES
            } else {
                PATIENCE_CYCLES
            },
            broken: Vec::new(),
        }
    }

    fn run(mut self) -> Outcome {
        // Setting up is not part of it.
        self.probe.take_commands();
        self.probe.take_locks();
        let script = self.script;
        for round in &script.rounds {
            self.round(round);
            if self.outcome.failure.is_some() {
                break;
            }
        }
        self.outcome.commands = self.probe.take_commands();
        self.outcome.memory = self
            .placed
            .iter()
            .map(|(id, placed)| (*id, placed.load()))
            .collect();
        self.outcome.image = self.image();
        self.collect_faults();
        self.broken.extend(self.rig.host.take_violations());
        if self.outcome.failure.is_none() {
            self.outcome.failure = if let Some(fault) = self.stray.first() {
                Some(format!("a DMA to what nobody named: {fault:x?}"))
            } else {
                let first = self.broken.first();
                first.map(|broken| format!("a rule of the link broken: {broken:x?}"))
            };
        }
        self.outcome
    }

    /// Reads where nothing is mapped are part of many scripts; writes are of none.
    fn collect_faults(&mut self) {
        let faults = self.rig.take_dma_faults().into_iter();
        self.stray
            .extend(faults.filter(|fault| fault.write || !is_hole(fault.address)));
    }

    fn image(&self) -> Vec<u8> {
        self.rig.medium(0, self.script.setup.blocks as u32)
    }

    /// Goes on to the host's next look at its queues after something has happened, or to the next look
    /// at all. False: nothing is left to happen.
    fn pass_time(&self, until_something_happens: bool) -> bool {
        let period = self.script.setup.polling_cycles;
        let host = &self.rig.host;
        let from = if !until_something_happens {
            host.now() + 1
        } else if host.step() {
            // What happens in the cycle of a look is seen by it.
            host.now()
        } else {
            return false;
        };
        host.run_until(from.next_multiple_of(period));
        true
    }

    fn round(&mut self, round: &Round) {
        self.pass_time(false);
        let start = self.rig.host.now();
        let mut record = RoundOutcome {
            start,
            ..RoundOutcome::default()
        };
        for (function, offset, value) in &round.doorbells {
            self.functions[usize::from(*function)].write_doorbell(*offset, *value);
        }
        if round.serial {
            for group in &round.groups {
                let mut alone = Waiting::new(std::slice::from_ref(group), self.rig.host.now());
                self.send(round, &mut alone, &mut record);
            }
        } else {
            let mut waiting = Waiting::new(&round.groups, start);
            self.send(round, &mut waiting, &mut record);
        }
        record.end = self.rig.host.now();
        // A message comes behind its completion, and what a reset has left under way ends.
        self.rig.run(SETTLE_CYCLES);
        record.interrupts = self
            .functions
            .iter()
            .map(Function::take_interrupts)
            .collect();
        for function in 0..self.functions.len() {
            if !self.functions[function].is_up {
                let setup = &self.script.setup.functions[function];
                self.functions[function].bring_up_again(&self.rig, setup);
            }
        }
        record.locks = self.probe.take_locks();
        record.image = self.image();
        if round.look && self.outcome.failure.is_none() {
            let function = self.outcome.rounds.len() % self.functions.len();
            record.look = Some(self.functions[function].look(&self.script.setup));
        }
        self.probe.take_locks();
        self.outcome.rounds.push(record);
    }

    /// Sends what waits, until all of it is answered and the upheaval is over.
    fn send(&mut self, round: &Round, waiting: &mut Waiting<'_>, record: &mut RoundOutcome) {
        let start = self.rig.host.now();
        let mut upheaval = round.upheaval.as_ref();
        let mut last_answer = start;
        loop {
            let now = self.rig.host.now();
            for function in &mut self.functions {
                if function.collect(&mut record.answers) {
                    last_answer = now;
                }
            }
            if let Some(due) = upheaval
                && now >= start + due.after_cycles
            {
                upheaval = None;
                last_answer = now;
                waiting
                    .groups
                    .retain(|(function, queue), _| !due.hits(*function, *queue));
                self.upset(due.function, due.kind);
                continue;
            }
            let sent = self.send_due(waiting, now);
            let is_done = waiting.groups.values().all(|queue| queue.groups.is_empty());
            let is_answered = self
                .functions
                .iter()
                .all(|function| function.outstanding_but(admin::ASYNC_EVENT_REQUEST) == 0);
            if is_done && is_answered && upheaval.is_none() {
                return;
            }
            if now > last_answer + self.patience_cycles {
                return self.stuck("for so long that it is taken for stuck");
            }
            let only_waits = is_done && upheaval.is_none() && !sent;
            if !self.pass_time(only_waits) {
                return self.stuck("and has nothing left to do");
            }
        }
    }

    fn stuck(&mut self, how: &str) {
        let left = |function: &Function| {
            let count = function.outstanding_but(admin::ASYNC_EVENT_REQUEST);
            (count > 0).then(|| format!("{count} of {}", function.name()))
        };
        let left: Vec<String> = self.functions.iter().filter_map(left).collect();
        self.outcome.failure = Some(format!(
            "cycle {}: it leaves commands unanswered ({}) {how}",
            self.rig.host.now(),
            left.join(", ")
        ));
    }

    /// Hands over what is due and fits; true when something was.
    fn send_due(&mut self, waiting: &mut Waiting<'_>, now: Cycle) -> bool {
        let mut sent = false;
        for (&(function, queue), of_queue) in &mut waiting.groups {
            let function = &mut self.functions[usize::from(function)];
            while let Some(group) = of_queue.groups.front() {
                let is_due = now >= of_queue.since + group.wait_cycles;
                if !is_due || function.free(queue) < group.commands.len() as u32 {
                    break;
                }
                function.send(group, &self.placed, &self.rig.host);
                of_queue.groups.pop_front();
                of_queue.since = now;
                sent = true;
            }
        }
        sent
    }

    fn upset(&mut self, function: u8, kind: UpheavalKind) {
        self.collect_faults();
        let before = self.stray.len();
        self.broken.extend(self.rig.host.take_violations());
        self.upset_function(function, kind);
        self.collect_faults();
        // The TLP that is on its way through the port in that cycle is finished, as a stream must be; the
        // block drops it.
        if self.stray.len() == before + 1
            && matches!(
                self.stray[before].reason,
                DmaFaultReason::NoFunction | DmaFaultReason::NotBusMaster
            )
        {
            self.stray.truncate(before);
        }
        // So is a read that was offered before a reset of the PF, which takes the link's Maximum Read
        // Request Size back to 512 bytes.
        let mut broken = self.rig.host.take_violations();
        if (function, kind) == (0, UpheavalKind::FunctionReset)
            && let [only] = &broken[..]
            && only.kind == ViolationKind::ReadTooLong
        {
            broken.clear();
        }
        self.broken.append(&mut broken);
    }

    fn lose_the_link(&mut self) {
        self.rig.lose_link(1..1 + LINK_DOWN_CYCLES);
        self.rig.run(LINK_DOWN_CYCLES + 2);
        self.functions.iter_mut().for_each(Function::lose);
        let host = &self.rig.host;
        host.enable_virtual_functions(self.rig.device.virtual_functions)
            .expect("the device has them");
    }

    fn upset_function(&mut self, function: u8, kind: UpheavalKind) {
        let index = usize::from(function);
        match kind {
            UpheavalKind::LinkDown => self.lose_the_link(),
            UpheavalKind::FunctionReset => {
                self.functions[index].reset(&self.rig.host);
                if function == 0 {
                    self.functions[1..].iter_mut().for_each(Function::lose);
                }
            }
            UpheavalKind::Disable => self.functions[index].disable(),
            UpheavalKind::Shutdown => self.functions[index].shut_down(),
            UpheavalKind::BusMasterOff => self.functions[index].lose_the_bus(&self.rig),
            UpheavalKind::DeleteQueue(queue) => self.functions[index].delete_queue(queue),
        }
    }
}

/// What is still to be sent, by function and queue.
struct Waiting<'a> {
    groups: BTreeMap<(u8, u16), OfQueue<'a>>,
}

struct OfQueue<'a> {
    groups: VecDeque<&'a Group>,
    /// When the last group was handed over.
    since: Cycle,
}

impl<'a> Waiting<'a> {
    fn new(groups: &'a [Group], now: Cycle) -> Self {
        let mut waiting = Self {
            groups: BTreeMap::new(),
        };
        for group in groups {
            let of_queue = waiting
                .groups
                .entry((group.function, group.queue))
                .or_insert_with(|| OfQueue {
                    groups: VecDeque::new(),
                    since: now,
                });
            of_queue.groups.push_back(group);
        }
        waiting
    }
}
