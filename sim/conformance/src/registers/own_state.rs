//! What one function is told, no other function hears: registers, features, vectors and queues of all
//! functions at once, all of them with values of their own.

use nvme_spec::{Status, SubmissionEntry, feature, msix, register};
use pcie_host::HostOptions;
use pcie_host::endpoint::FunctionId;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::rig::{Controller, DeviceOptions, Factory, Rig};
use crate::scale;

/// Features that keep every value of these bits.
const FEATURES: [(u8, u32); 5] = [
    (feature::ARBITRATION, 0xffff_ff07),
    (feature::TEMPERATURE_THRESHOLD, 0xffff),
    (feature::ERROR_RECOVERY, 0xffff),
    (feature::INTERRUPT_COALESCING, 0xffff),
    (feature::WRITE_ATOMICITY, 1),
];

/// What a function was told.
struct Told {
    controller: Controller,
    features: Vec<u32>,
    /// By vector: Coalescing Disable.
    uncoalesced: Vec<bool>,
    interrupt_mask: u32,
    /// Dwords of the MSI-X table.
    table: Vec<u32>,
    /// By completion queue: its vector; by submission queue: its completion queue.
    queues: (Vec<u16>, Vec<u16>),
}

impl Told {
    fn new(rig: &Rig, function: u8) -> Self {
        Self {
            controller: rig.controller(FunctionId(function)),
            features: Vec::new(),
            uncoalesced: Vec::new(),
            interrupt_mask: 0,
            table: Vec::new(),
            queues: (Vec::new(), Vec::new()),
        }
    }

    /// Tells it new values of everything.
    fn tell(&mut self, random: &mut Pcg64Mcg, queues: u16) {
        let controller = &mut self.controller;
        let set = |id, value| SubmissionEntry::set_features(id, value);
        self.features = FEATURES
            .map(|(id, bits)| {
                let value = random.random::<u32>() & bits;
                controller.admin_ok(set(id, value));
                value
            })
            .to_vec();
        self.uncoalesced = (0..=queues)
            .map(|vector| {
                let disable = random.random::<bool>();
                let value =
                    u32::from(vector) | (u32::from(disable) * feature::VECTOR_COALESCING_DISABLE);
                controller.admin_ok(set(feature::INTERRUPT_VECTOR_CONFIGURATION, value));
                disable
            })
            .collect();
        self.interrupt_mask = random.random();
        controller.write32(register::INTMC, u32::MAX);
        controller.write32(register::INTMS, self.interrupt_mask);
        self.table = (0..=queues)
            .flat_map(|_| {
                [
                    random.random::<u32>() & !3,
                    random.random(),
                    random.random(),
                    0,
                ]
            })
            .collect();
        for (index, dword) in self.table.iter_mut().enumerate() {
            if index % 4 == 3 {
                *dword = random.random_range(0..2);
            }
            controller.write32(msix::entry_offset(0) + 4 * index as u64, *dword);
        }
        self.create_queues(random, queues);
    }

    /// All queues, in any order, of any size, answering to any completion queue and with any vector.
    fn create_queues(&mut self, random: &mut Pcg64Mcg, queues: u16) {
        let controller = &mut self.controller;
        let most = controller.maximum_queue_entries();
        let size = |random: &mut Pcg64Mcg| {
            let shift: u32 = random.random_range(0..8);
            random.random_range(2..=most >> shift)
        };
        let mut order: Vec<u16> = (1..=queues).collect();
        let mut vectors = vec![0; usize::from(queues)];
        let mut completion_queues = vectors.clone();
        order.shuffle(random);
        for &queue_id in &order {
            let vector = random.random_range(0..=queues);
            vectors[usize::from(queue_id) - 1] = vector;
            controller.create_completion_queue(queue_id, size(random), Some(vector));
        }
        order.shuffle(random);
        for &queue_id in &order {
            let completion_queue_id = random.random_range(1..=queues);
            completion_queues[usize::from(queue_id) - 1] = completion_queue_id;
            controller.create_submission_queue(queue_id, size(random), completion_queue_id);
        }
        self.queues = (vectors, completion_queues);
    }

    /// Everything is as it was told.
    fn check(&mut self) {
        let controller = &mut self.controller;
        let function = controller.function;
        for ((id, _), value) in FEATURES.iter().zip(&self.features) {
            let found = controller.admin_ok(SubmissionEntry::get_features(*id));
            assert_eq!(found, *value, "{function}: feature {id:#x}");
        }
        for (vector, disable) in (0..).zip(&self.uncoalesced) {
            let mut get = SubmissionEntry::get_features(feature::INTERRUPT_VECTOR_CONFIGURATION);
            get.cdw11 = vector;
            let expected = vector | (u32::from(*disable) * feature::VECTOR_COALESCING_DISABLE);
            assert_eq!(
                controller.admin_ok(get),
                expected,
                "{function}: vector {vector}"
            );
        }
        let mask = controller.read32(register::INTMS);
        assert_eq!(mask, self.interrupt_mask, "{function}: INTMS");
        for (index, expected) in (0..).zip(&self.table) {
            let found = controller.read32(msix::entry_offset(0) + 4 * index);
            assert_eq!(found, *expected, "{function}: MSI-X table, dword {index}");
        }
    }

    /// Every queue works, and its completions go to its completion queue (which the rig looks at).
    fn use_queues(&mut self) {
        let flush = SubmissionEntry::flush();
        let queues = self.queues.1.len() as u16;
        let sent: Vec<(u16, u16)> = (1..=queues)
            .map(|queue_id| (queue_id, self.controller.submit(queue_id, &[flush])[0]))
            .collect();
        for (queue_id, id) in sent {
            let status = self.controller.wait(queue_id, id).status();
            assert_eq!(status, Status::SUCCESS, "{}", self.controller.function);
        }
    }

    fn delete_queues(&mut self) {
        let queues = self.queues.0.len() as u16;
        for queue_id in 1..=queues {
            self.controller
                .admin_ok(SubmissionEntry::delete_submission_queue(queue_id));
            self.controller.forget_submission_queue(queue_id);
        }
        for queue_id in 1..=queues {
            self.controller
                .admin_ok(SubmissionEntry::delete_completion_queue(queue_id));
            self.controller.completion.remove(&queue_id);
        }
    }
}

/// Seven functions, told all their values first and asked afterwards, round after round.
pub fn functions_keep_their_own_state(device: Factory) {
    let options = DeviceOptions {
        virtual_functions: 6,
        ..DeviceOptions::default()
    };
    let rig = Rig::build(device, options, HostOptions::default());
    let queues = rig.device.queues_per_function;
    let mut random = Pcg64Mcg::seed_from_u64(3);
    let mut functions: Vec<Told> = (0..=rig.device.virtual_functions)
        .map(|function| Told::new(&rig, function))
        .collect();
    for round in 0..scale(4, 40) {
        for function in &mut functions {
            function.tell(&mut random, queues);
        }
        functions.iter_mut().for_each(Told::use_queues);
        functions.iter_mut().for_each(Told::check);
        functions.iter_mut().for_each(Told::delete_queues);
        // New rings at other addresses, all values forgotten.
        let again = (round % functions.len() as u64) as usize;
        functions[again]
            .controller
            .enable(2 + 5 * round as u32, 2 + 3 * round as u32);
    }
}
