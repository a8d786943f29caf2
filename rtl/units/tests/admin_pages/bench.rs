//! The module with the models beside it, cycle by cycle.

use nvme_model::admin::{AdminConfig, FunctionAdmin, IoCounters};
use nvme_spec::Status;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rtl_units::{Module, packed};

const FUNCTIONS: usize = 7;

pub(crate) fn code(status: Status) -> u64 {
    u64::from(status.to_dword3() >> 17)
}

pub(crate) struct Bench {
    pub(crate) module: Module,
    pub(crate) random: Pcg64Mcg,
    pub(crate) config: AdminConfig,
    pub(crate) states: Vec<FunctionAdmin>,
    pub(crate) counters: Vec<IoCounters>,
    /// Event requests that are held, and one that is being aborted.
    pub(crate) held: Vec<Vec<u16>>,
    pub(crate) aborting: Option<(usize, u16)>,
    pub(crate) events: u32,
    pub(crate) pages: u32,
    pub(crate) aborts: u32,
}

impl Bench {
    pub(crate) fn new(seed: u64) -> Self {
        let config = AdminConfig::default();
        let mut module = Module::new("admin_path");
        module.reset();
        module.set("namespace_blocks", config.namespace_blocks);
        let serial: Vec<u8> = config
            .serial_number
            .bytes()
            .chain([b' '; 20])
            .take(20)
            .collect();
        module.set_bytes("serial_number", &serial);
        for ready in ["burst_ready", "end_ready", "event_ready"] {
            module.set(ready, 1);
        }
        module.set("room", (1 << FUNCTIONS) - 1);
        module.set("search_room", 1);
        module.set("delete_empty", 1);
        let rows = |queues: &[u64]| -> u64 {
            let of_function = queues.iter().fold(1, |set, queue| set | 1 << queue);
            (0..FUNCTIONS).fold(0, |set, function| set | of_function << (8 * function))
        };
        module.set("completion_live", rows(&[1, 2]));
        module.set("submission_live", rows(&[1]));
        let posts_to = (0..64).map(|row| u64::from(row % 8 == 1));
        module.set_bytes("completion_queues", &packed(3, posts_to));
        let mut bench = Self {
            module,
            random: Pcg64Mcg::seed_from_u64(seed),
            states: (0..FUNCTIONS as u8)
                .map(|function| FunctionAdmin::new(function, &config))
                .collect(),
            counters: vec![IoCounters::default(); FUNCTIONS],
            config,
            held: vec![Vec::new(); FUNCTIONS],
            aborting: None,
            events: 0,
            pages: 0,
            aborts: 0,
        };
        // The counters are being set to zero.
        bench.rest(300);
        bench
    }

    /// One cycle, in which an event may be completed: the model has it, too.
    pub(crate) fn clock(&mut self) {
        self.module.evaluate();
        if self.module.get("event_valid") == 1 {
            let row = self.module.get("event_row");
            let (function, id) = ((row >> 3) as usize, self.module.get("event_id") as u16);
            let (status, dword0) = (
                self.module.get("event_status"),
                self.module.get("event_dword0"),
            );
            assert_eq!(row & 7, 0);
            self.held[function].retain(|held| *held != id);
            if let Some(aborted) = self.aborting.take() {
                assert_eq!((function, id), aborted);
                assert_eq!((status, dword0), (code(Status::ABORT_REQUESTED), 0));
                self.aborts += 1;
                self.module.clock();
                return;
            }
            let expected = self.states[function].take_event_completion();
            let expected = expected.expect("an event that the model has not");
            assert_eq!((id, dword0), (expected.command_id, expected.dword0.into()));
            assert_eq!(status, 0);
            self.events += 1;
        }
        self.module.clock();
    }

    /// One cycle in which these inputs are 1.
    pub(crate) fn pulse(&mut self, names: &[&str]) {
        names.iter().for_each(|name| self.module.set(name, 1));
        self.clock();
        names.iter().for_each(|name| self.module.set(name, 0));
        self.module.evaluate();
    }

    /// Some cycles, after which no event is left.
    pub(crate) fn rest(&mut self, cycles: u32) {
        (0..cycles).for_each(|_| self.clock());
        for state in &mut self.states {
            assert_eq!(state.take_event_completion(), None, "an event is missing");
        }
    }

    pub(crate) fn function(&mut self) -> usize {
        self.random.random_range(0..FUNCTIONS)
    }

    /// A reset of the function.
    pub(crate) fn reset(&mut self) {
        let function = self.function();
        self.module.set("gone", 1 << function);
        self.rest(3);
        self.module.set("gone", 0);
        self.states[function].reset();
        self.held[function].clear();
    }
}
