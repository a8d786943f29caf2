//! The device: functions on one memory image, and the handle that tests hold.

use std::cell::RefCell;
use std::rc::Rc;

use nvme_spec::async_event::AsyncEvent;
use nvme_spec::identify::{IdentifyController, IdentifyNamespace};
use nvme_spec::log_page::FunctionCounters;
use nvme_spec::{Status, SubmissionEntry};
use rand::SeedableRng;
use rand_pcg::Pcg64;

use crate::completion::Posting;
use crate::controller::Controller;
use crate::dma::HostMemory;
use crate::fault::{Fault, Injection, Presence};
use crate::identity::{identify_controller, identify_namespace};
use crate::options::InstantOptions;
use crate::transport::InstantTransport;

pub(crate) struct Device {
    pub(crate) options: InstantOptions,
    pub(crate) medium: Vec<u8>,
    pub(crate) staging: Vec<u8>,
    pub(crate) namespace: Box<IdentifyNamespace>,
    pub(crate) controllers: Vec<Controller>,
    pub(crate) injections: Vec<Injection>,
    pub(crate) delayed: Vec<Posting>,
    pub(crate) shuffle: Option<Pcg64>,
    pub(crate) now_ns: u64,
    /// Completions posted so far: what a `wait` compares with.
    pub(crate) activity: u64,
}

/// How often a function was reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ResetCounts {
    /// CC.EN from 1 to 0.
    pub controller: u32,
    /// Function level resets.
    pub function: u32,
}

/// A device without time. Clones are handles on the same device.
#[derive(Clone)]
pub struct InstantDevice {
    device: Rc<RefCell<Device>>,
    memory: Rc<RefCell<HostMemory>>,
}

impl InstantDevice {
    /// A device whose medium is all zero.
    ///
    /// # Panics
    /// When an option is outside the range it states.
    pub fn new(options: InstantOptions) -> Self {
        assert!((1..=9).contains(&options.functions), "1 to 9 functions");
        assert!(
            options.queue_pairs > 0 && options.blocks > 0,
            "at least one queue pair and block"
        );
        assert!(
            (2..=65_536).contains(&options.queue_entries),
            "2 to 65,536 queue entries"
        );
        assert!(
            options.atomic_blocks > 0,
            "an atomic unit has at least one block"
        );
        let bits = options.block_bytes.trailing_zeros();
        assert!(
            options.block_bytes.is_power_of_two() && (9..=12).contains(&bits),
            "block size"
        );
        let medium_bytes = (options.blocks as usize).checked_mul(options.block_bytes as usize);
        let medium_bytes = medium_bytes.expect("the medium fits the address space");
        let controllers = (0..options.functions)
            .map(|number| Controller::new(number, &options, identify_controller(number, &options)))
            .collect();
        let device = Device {
            medium: vec![0; medium_bytes],
            staging: Vec::new(),
            namespace: identify_namespace(&options),
            controllers,
            injections: Vec::new(),
            delayed: Vec::new(),
            shuffle: options.shuffle_seed.map(Pcg64::seed_from_u64),
            now_ns: 0,
            activity: 0,
            options,
        };
        Self {
            device: Rc::new(RefCell::new(device)),
            memory: Rc::default(),
        }
    }

    /// A transport handle on function `number` (0 is the PF).
    ///
    /// # Panics
    /// When the device has no such function.
    pub fn function(&self, number: u8) -> InstantTransport {
        let name = {
            let device = self.device.borrow();
            assert!(
                number < device.options.functions,
                "the device has no function {number}"
            );
            match number {
                0 => format!("{} PF", device.options.name),
                n => format!("{} VF{}", device.options.name, n - 1),
            }
        };
        InstantTransport::new(
            Rc::clone(&self.device),
            Rc::clone(&self.memory),
            number,
            name.into(),
        )
    }

    /// Adds a fault; several are tried in the order they were added, and each hits once.
    pub fn inject(&self, injection: Injection) {
        self.device.borrow_mut().injections.push(injection);
    }

    /// Faults that have not hit yet.
    pub fn pending_injections(&self) -> usize {
        self.device.borrow().injections.len()
    }

    /// Takes a function away, or brings it back as after a power cycle.
    pub fn set_presence(&self, function: u8, presence: Presence) {
        self.with(function, |controller| {
            if presence == Presence::Present && controller.presence != Presence::Present {
                controller.reset();
            }
            controller.presence = presence;
        });
    }

    /// From now on CSTS.RDY does not follow CC.EN; a function level reset ends this unless
    /// `unresettable`, which makes that fail, too.
    pub fn jam(&self, function: u8, unresettable: bool) {
        self.with(function, |controller| {
            controller.stuck = true;
            controller.unresettable = unresettable;
        });
    }

    /// Aborts are taken and never answered.
    pub fn ignore_aborts(&self, function: u8, ignore: bool) {
        self.with(function, |controller| controller.ignores_aborts = ignore);
    }

    /// Aborts taken and not answered so far.
    pub fn ignored_aborts(&self, function: u8) -> u32 {
        self.with(function, |controller| controller.ignored_aborts)
    }

    /// Changes what Identify Controller says, FUSES or ACWU for example.
    pub fn edit_identify(&self, function: u8, edit: impl FnOnce(&mut IdentifyController)) {
        self.with(function, |controller| edit(&mut controller.identify));
    }

    /// Changes what Identify Namespace says.
    pub fn edit_namespace(&self, edit: impl FnOnce(&mut IdentifyNamespace)) {
        edit(&mut self.device.borrow_mut().namespace);
    }

    /// Changes the current value of a feature.
    pub fn set_feature(&self, function: u8, feature_id: u8, value: u32) {
        self.with(function, |controller| {
            controller.features[usize::from(feature_id)] = value;
        });
    }

    /// Reports an asynchronous event as soon as the host has a request outstanding.
    pub fn raise_event(&self, function: u8, event: AsyncEvent) {
        let memory = self.memory.borrow();
        self.device.borrow_mut().raise(&memory, function, event);
    }

    /// Posts a completion of no command that is known to the device.
    pub fn post_completion(&self, function: u8, queue: u16, command_id: u16, status: Status) {
        let memory = self.memory.borrow();
        self.device.borrow_mut().complete(
            &memory,
            Posting {
                function,
                queue,
                command_id,
                status,
                dword0: 0,
                fault: None,
            },
        );
    }

    /// Copies medium bytes from `offset`.
    pub fn read_medium(&self, offset: usize, into: &mut [u8]) {
        into.copy_from_slice(&self.device.borrow().medium[offset..offset + into.len()]);
    }

    /// Overwrites medium bytes from `offset`, behind the back of every client.
    pub fn write_medium(&self, offset: usize, data: &[u8]) {
        self.device.borrow_mut().medium[offset..offset + data.len()].copy_from_slice(data);
    }

    /// What the function has done.
    pub fn counters(&self, function: u8) -> FunctionCounters {
        self.with(function, |controller| controller.counters)
    }

    /// How often the function was reset.
    pub fn resets(&self, function: u8) -> ResetCounts {
        self.with(function, |controller| ResetCounts {
            controller: controller.controller_resets,
            function: controller.function_resets,
        })
    }

    /// Doorbell writes the function has seen.
    pub fn doorbell_writes(&self, function: u8) -> u64 {
        self.with(function, |controller| controller.doorbell_writes)
    }

    /// The entry that stands in a slot of a submission queue, sent or not; `None` where there is no
    /// such queue.
    pub fn submission_entry(&self, function: u8, queue: u16, slot: u32) -> Option<SubmissionEntry> {
        let device = self.device.borrow();
        let controller = &device.controllers[usize::from(function)];
        let address = controller
            .submission
            .get(usize::from(queue))?
            .as_ref()?
            .address;
        self.memory
            .borrow()
            .submission_entry(function, address, slot)
            .ok()
    }

    /// I/O submission queues that exist.
    pub fn submission_queues(&self, function: u8) -> usize {
        self.with(function, |controller| {
            controller.submission.iter().skip(1).flatten().count()
        })
    }

    /// Simulated time.
    pub fn now_ns(&self) -> u64 {
        self.device.borrow().now_ns
    }

    fn with<R>(&self, function: u8, run: impl FnOnce(&mut Controller) -> R) -> R {
        run(&mut self.device.borrow_mut().controllers[usize::from(function)])
    }
}

impl Device {
    /// A submission queue's tail has moved: executes everything up to it.
    #[inline]
    pub(crate) fn run_queue(&mut self, memory: &HostMemory, function: u8, queue: u16) {
        loop {
            let controller = &mut self.controllers[usize::from(function)];
            if !controller.runs() {
                return;
            }
            let Some(submission) = controller.submission[usize::from(queue)].as_mut() else {
                return;
            };
            if submission.head == submission.tail {
                return;
            }
            let fetched = memory.submission_entry(function, submission.address, submission.head);
            submission.head += 1;
            if submission.head == submission.entries {
                submission.head = 0;
            }
            let Ok(entry) = fetched else {
                controller.status.set_fatal(true);
                return;
            };
            let fault = if self.injections.is_empty() {
                None
            } else {
                self.pick_fault(function, queue, &entry)
            };
            let controller = &mut self.controllers[usize::from(function)];
            match fault {
                Some(Fault::Vanish) => controller.presence = Presence::Vanished,
                Some(Fault::Fatal) => controller.status.set_fatal(true),
                _ if queue == 0 => self.execute_admin(memory, function, entry, fault),
                _ => self.execute_io(memory, function, queue, entry, fault),
            }
        }
    }

    #[cold]
    fn pick_fault(&mut self, function: u8, queue: u16, entry: &SubmissionEntry) -> Option<Fault> {
        let opcode = entry.opcode();
        let hit = self
            .injections
            .iter_mut()
            .position(|injection| injection.hits(function, queue, opcode));
        hit.map(|index| self.injections.remove(index).fault)
    }
}
