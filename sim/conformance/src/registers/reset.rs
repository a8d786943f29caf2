//! Resets: CC.EN, function level reset, hot reset; of one function under load, others undisturbed.

use nvme_spec::register;
use nvme_spec::{Status, SubmissionEntry};
use pcie_host::endpoint::FunctionId;
use pcie_host::{Fault, HostOptions, LinkEvent, ReadFault};

use crate::rig::{Buffer, Controller, DeviceOptions, Factory, Rig, pattern};
use crate::scale;

const SUCCESS: Status = Status::SUCCESS;

/// Loads queue 1 with 40 commands of all kinds on blocks from `lba` on; what they use.
fn load(controller: &mut Controller, lba: u64) -> Buffer {
    let buffer = controller.buffer(128 << 10);
    buffer.fill(lba);
    let mut commands = Vec::new();
    for number in 0..8 {
        commands.push(controller.write(lba + number, 1, &buffer));
        commands.push(controller.read(lba, 32, &buffer));
        commands.push(controller.write(lba, 32, &buffer));
        commands.extend(controller.pair(lba + number, 1, &buffer, &buffer));
    }
    controller.submit(1, &commands);
    buffer
}

/// The two ways of resetting one function. The host's rings and lists are gone after it.
pub(super) fn reset(rig: &Rig, controller: &mut Controller, by_register: bool) {
    if by_register {
        controller.disable();
    } else {
        rig.host
            .reset_function(controller.function)
            .expect("the reset ends within 100 ms");
        controller.forget_queues();
    }
    controller.forget_prp_lists();
}

/// After a reset the host may take back every buffer, ring and list: no DMA comes any more.
fn assert_silent(rig: &Rig, controller: &mut Controller, buffer: &Buffer) {
    controller.forget_queues();
    controller.forget_prp_lists();
    buffer.unmap();
    rig.run(20_000);
    assert_eq!(rig.take_dma_faults(), [], "DMA after the reset");
}

/// CC.EN 1 → 0 under load, at any moment: RDY goes, no completion and no DMA comes after it, and the
/// controller works again when enabled.
pub fn controller_reset_under_load(device: Factory) {
    let rig = Rig::new(device);
    for round in 0..scale(25, 250) {
        let mut controller = rig.io_controller(FunctionId::PF);
        let buffer = load(&mut controller, 64);
        rig.run(round * 173 % 9_000);
        controller.poll();
        controller.write32(register::CC, 0);
        controller.wait_ready(false);
        assert_silent(&rig, &mut controller, &buffer);
        controller.enable(32, 32);
        controller.create_queue_pair(1, 16);
        assert_eq!(
            controller.io(SubmissionEntry::flush()),
            SUCCESS,
            "round {round}"
        );
    }
}

/// The same with a function level reset.
pub fn function_reset_under_load(device: Factory) {
    let rig = Rig::new(device);
    for round in 0..scale(25, 250) {
        let mut controller = rig.io_controller(FunctionId(1));
        let buffer = load(&mut controller, 64);
        rig.run(round * 173 % 9_000);
        controller.poll();
        rig.host
            .reset_function(FunctionId(1))
            .expect("the reset ends within 100 ms");
        assert_silent(&rig, &mut controller, &buffer);
        for offset in [register::CC, register::CSTS, register::AQA] {
            assert_eq!(
                controller.read32(offset),
                0,
                "register {offset:#x} after FLR"
            );
        }
        controller.enable(32, 32);
        controller.create_queue_pair(1, 16);
        assert_eq!(
            controller.io(SubmissionEntry::flush()),
            SUCCESS,
            "round {round}"
        );
    }
}

/// FLR of one function under load, again and again: every command of the others succeeds, and their
/// data are what they would have been without it.
pub fn others_results_are_unchanged(device: Factory) {
    const BLOCKS: u64 = 40;
    let rig = Rig::new(device);
    let mut others = [
        rig.io_controller(FunctionId::PF),
        rig.io_controller(FunctionId(2)),
    ];
    let buffers: Vec<Vec<Buffer>> = others
        .iter_mut()
        .map(|other| (0..BLOCKS).map(|_| other.buffer(4096)).collect())
        .collect();
    let bytes = rig.device.block_bytes as usize;
    for round in 0..scale(12, 120) {
        let mut victim = rig.io_controller(FunctionId(1));
        let victims_buffer = load(&mut victim, 2_000);
        let mut sent = Vec::new();
        for (number, other) in others.iter_mut().enumerate() {
            let mut commands = Vec::new();
            for block in 0..BLOCKS {
                let buffer = &buffers[number][block as usize];
                buffer.fill(round * 1_000 + number as u64 * 100 + block);
                commands.push(other.write(number as u64 * 500 + block, 1, buffer));
            }
            sent.push(other.submit(1, &commands));
        }
        rig.run(round * 211 % 6_000);
        rig.host
            .reset_function(FunctionId(1))
            .expect("the reset ends");
        assert_silent(&rig, &mut victim, &victims_buffer);
        for (number, other) in others.iter_mut().enumerate() {
            for id in &sent[number] {
                assert_eq!(other.wait(1, *id).status(), SUCCESS, "round {round}");
            }
            for block in 0..BLOCKS {
                let expected = pattern(round * 1_000 + number as u64 * 100 + block, 4096);
                assert!(rig.medium(number as u64 * 500 + block, 1) == expected[..bytes]);
                // Read back through the device, into the same buffer.
                let buffer = &buffers[number][block as usize];
                buffer.fill(1);
                let read = other.read(number as u64 * 500 + block, 1, buffer);
                assert_eq!(other.io(read), SUCCESS);
                assert!(buffer.read(0, bytes) == expected[..bytes]);
            }
        }
    }
}

/// A reset of one function leaves a lock to nobody: what it was writing can be written at once.
pub fn locks_are_released(device: Factory) {
    let rig = Rig::new(device);
    let mut other = rig.io_controller(FunctionId(2));
    for round in 0..scale(30, 300) {
        let mut victim = rig.io_controller(FunctionId(1));
        let buffer = load(&mut victim, 100);
        rig.run(round * 97 % 4_000);
        reset(&rig, &mut victim, round % 2 == 1);
        assert_silent(&rig, &mut victim, &buffer);
        let mine = other.buffer(128 << 10);
        mine.fill(round);
        let write = other.write(100, 32, &mine);
        assert_eq!(other.io(write), SUCCESS);
        assert!(
            rig.medium(100, 32) == mine.read(0, 128 << 10),
            "round {round}"
        );
    }
}

/// The link goes down under load and comes up: all functions are as after power-on, and work.
pub fn hot_reset(device: Factory) {
    let rig = Rig::new(device);
    for round in 0..6 {
        let mut controllers: Vec<Controller> = (0..3)
            .map(|function| rig.io_controller(FunctionId(function)))
            .collect();
        let buffers: Vec<Buffer> = controllers
            .iter_mut()
            .map(|controller| load(controller, 300))
            .collect();
        rig.run(500 + round * 700);
        rig.lose_link(10..5_000);
        rig.run(10_000);
        for (controller, buffer) in controllers.iter_mut().zip(&buffers) {
            assert_silent(&rig, controller, buffer);
        }
        drop(controllers);
        rig.host
            .enable_virtual_functions(rig.device.virtual_functions)
            .expect("VFs again");
        for function in 0..3 {
            let mut controller = rig.io_controller(FunctionId(function));
            assert_eq!(
                controller.io(SubmissionEntry::flush()),
                SUCCESS,
                "round {round}"
            );
        }
    }
}

/// A function level reset of the PF takes the VFs along (SR-IOV 1.1 §2.2.3): nobody sends any more,
/// and all work again once their owners have set them up.
pub fn physical_function_reset_takes_all_along(device: Factory) {
    let rig = Rig::new(device);
    for round in 0..scale(6, 60) {
        let mut controllers: Vec<Controller> = (0..3)
            .map(|function| rig.io_controller(FunctionId(function)))
            .collect();
        let buffers: Vec<Buffer> = controllers
            .iter_mut()
            .map(|controller| load(controller, 300))
            .collect();
        rig.run(round * 511 % 6_000);
        rig.host
            .reset_function(FunctionId::PF)
            .expect("the reset ends");
        for (controller, buffer) in controllers.iter_mut().zip(&buffers) {
            assert_silent(&rig, controller, buffer);
        }
        drop(controllers);
        for function in [2, 0, 1] {
            let mut controller = rig.io_controller(FunctionId(function));
            assert_eq!(
                controller.io(SubmissionEntry::flush()),
                SUCCESS,
                "round {round}"
            );
        }
    }
}

/// VFs that are taken away stop; the PF does not notice; given back they are as new.
pub fn virtual_functions_taken_away(device: Factory) {
    let rig = Rig::new(device);
    let mut pf = rig.io_controller(FunctionId::PF);
    for round in 0..6 {
        let mut vf = rig.io_controller(FunctionId(2));
        let buffer = load(&mut vf, 300);
        let mine = pf.buffer(128 << 10);
        let write = pf.write(0, 32, &mine);
        let id = pf.submit(1, &[write])[0];
        rig.run(200 + round * 400);
        rig.host.enable_virtual_functions(0).expect("no VFs");
        assert_silent(&rig, &mut vf, &buffer);
        assert_eq!(pf.wait(1, id).status(), SUCCESS);
        drop(vf);
        rig.host
            .enable_virtual_functions(rig.device.virtual_functions)
            .expect("VFs again");
        let mut vf = rig.disabled_controller(FunctionId(2));
        assert_eq!(vf.read32(register::CC), 0);
    }
}

/// VFs are taken away while one of them is in a function level reset that a late read draws out. The
/// reset ends all the same: when the VF is back, it works. The Verilog once never said that it was done,
/// and the VF answered nothing any more.
pub fn virtual_function_taken_away_in_its_reset(device: Factory) {
    let options = HostOptions {
        reset_ends_reads: false,
        ..HostOptions::default()
    };
    let rig = Rig::build(device, DeviceOptions::default(), options);
    let vf = FunctionId(2);
    let mut controller = rig.io_controller(vf);
    let buffer = controller.buffer(4096);
    let late = ReadFault::Delayed { by_cycles: 20_000 };
    rig.spoil_read(vf, buffer.address..buffer.address + 4, late);
    let write = controller.write(0, 4096 / rig.device.block_bytes, &buffer);
    controller.submit(1, &[write]);
    rig.run(500);
    rig.inject(Fault::At {
        cycle: 0,
        event: LinkEvent::FunctionReset(vf),
    });
    rig.run(100);
    rig.host.enable_virtual_functions(0).expect("no VFs");
    rig.run(40_000);
    drop(controller);
    rig.host
        .enable_virtual_functions(rig.device.virtual_functions)
        .expect("VFs again");
    let mut controller = rig.io_controller(vf);
    assert_eq!(controller.io(SubmissionEntry::flush()), SUCCESS);
}

/// Resets in quick succession, of both kinds, with no time to settle.
pub fn resets_in_quick_succession(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId(1));
    for round in 0..scale(40, 400) {
        controller.write32(register::CC, 0);
        rig.run(round % 7);
        controller.write32(register::CC, crate::rig::enabled_configuration().into());
        rig.run(round % 11);
        if round % 3 == 0 {
            rig.host
                .reset_function(FunctionId(1))
                .expect("the reset ends");
        }
    }
    controller.write32(register::CC, 0);
    controller.wait_ready(false);
    controller.forget_queues();
    controller.enable(16, 16);
    controller.create_queue_pair(1, 16);
    assert_eq!(controller.io(SubmissionEntry::flush()), SUCCESS);
}
