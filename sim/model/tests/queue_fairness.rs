//! Turns between the queues of one function are by bytes, too.

use nvme_conformance::{DeviceOptions, Rig};
use nvme_model::medium::Medium;
use nvme_model::{Model, ModelOptions};
use nvme_spec::{Status, SubmissionEntry};
use pcie_host::endpoint::{Endpoint, FunctionId};

fn model(options: &DeviceOptions) -> Box<dyn Endpoint> {
    let medium = Medium::in_memory(options.medium_bytes, options.block_bytes).expect("memory");
    let options = ModelOptions {
        virtual_functions: options.virtual_functions,
        ..ModelOptions::new(medium)
    };
    Box::new(Model::new(options).expect("a device"))
}

/// Bytes that queue 1 (4 KiB commands) and queue 2 (128 KiB commands) have moved in the same time.
fn bytes_of_both(write: bool) -> [u64; 2] {
    let rig = Rig::new(model);
    let mut controller = rig.controller(FunctionId(1));
    let sizes = [1, 32];
    let depths = [48, 8];
    let buffer = controller.buffer(128 << 10);
    let mut commands: Vec<Vec<SubmissionEntry>> = Vec::new();
    for (queue, blocks) in sizes.into_iter().enumerate() {
        controller.create_queue_pair(queue as u16 + 1, 64);
        let first = queue as u64 * 2048;
        let range = (0..16).map(|number| first + number * u64::from(blocks));
        commands.push(
            range
                .map(|lba| match write {
                    true => controller.write(lba, blocks, &buffer),
                    false => controller.read(lba, blocks, &buffer),
                })
                .collect(),
        );
    }
    let mut bytes = [0; 2];
    let mut next = [0; 2];
    let mut post = |controller: &mut nvme_conformance::rig::Controller, queue: usize| {
        let command = commands[queue][next[queue] % 16];
        next[queue] += 1;
        controller.submit(queue as u16 + 1, &[command]);
    };
    for (queue, depth) in depths.into_iter().enumerate() {
        (0..depth).for_each(|_| post(&mut controller, queue));
    }
    let mut from = 0;
    while rig.host.now() < 2_500_000 {
        assert!(rig.host.step());
        for entry in controller.take_arrived() {
            assert_eq!(entry.status(), Status::SUCCESS);
            let queue = usize::from(entry.submission_queue_id) - 1;
            bytes[queue] += u64::from(sizes[queue]) << 12;
            post(&mut controller, queue);
        }
        if from == 0 && rig.host.now() > 300_000 {
            from = rig.host.now();
            bytes = [0; 2];
        }
    }
    while controller.outstanding() > 0 {
        assert!(rig.host.step());
        controller.poll();
    }
    bytes
}

#[test]
fn large_commands_of_one_queue_gain_nothing_over_small_ones_of_another() {
    for write in [false, true] {
        let [small, large] = bytes_of_both(write);
        let ratio = small as f64 / large as f64;
        println!("write {write}: {small} bytes against {large}: {ratio:.3}");
        assert!(
            (0.95..=1.05).contains(&ratio),
            "write {write}: {small} bytes against {large}"
        );
    }
}
