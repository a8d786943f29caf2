//! Controller registers (NVMe 1.1 §3.1).

use nvme_spec::register::{self, Configuration, ControllerStatus};
use nvme_spec::{Status, SubmissionEntry};
use pcie_host::endpoint::FunctionId;

use crate::rig::{Factory, Rig, enabled_configuration};

/// Values that a reset leaves, in every function.
pub fn reset_values(device: Factory) {
    let rig = Rig::new(device);
    for function in 0..=rig.device.virtual_functions {
        let mut controller = rig.disabled_controller(FunctionId(function));
        let capabilities = controller.capabilities();
        assert_eq!(controller.read32(register::VS), register::VERSION_1_1);
        assert_eq!(capabilities.doorbell_stride(), 0);
        assert_eq!(capabilities.command_sets() & 1, 1, "the NVM command set");
        assert_eq!(capabilities.page_size_minimum(), 0);
        assert!(capabilities.timeout_500_ms() > 0);
        for offset in [register::CC, register::CSTS, register::AQA, register::INTMS] {
            assert_eq!(controller.read32(offset), 0, "register {offset:#x}");
        }
        assert_eq!(controller.read64(register::ASQ), 0);
        assert_eq!(controller.read64(register::ACQ), 0);
    }
}

/// Read-only registers stay as they are; reserved ones read as zero.
pub fn read_only_registers(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.controller(FunctionId::PF);
    let before = (
        controller.read64(register::CAP),
        controller.read32(register::VS),
    );
    controller.write64(register::CAP, u64::MAX);
    controller.write32(register::VS, u32::MAX);
    controller.write32(register::CSTS, !(1 << 4));
    controller.write32(0x18, u32::MAX);
    controller.write32(0x40, u32::MAX);
    let after = (
        controller.read64(register::CAP),
        controller.read32(register::VS),
    );
    assert_eq!(before, after);
    assert_eq!(
        controller.status(),
        ControllerStatus::new().with_ready(true)
    );
    assert_eq!(controller.read32(0x18), 0);
    assert_eq!(controller.read32(0x40), 0);
    controller.identify();
}

/// 64-bit registers are read and written whole or in halves.
pub fn halves_of_wide_registers(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.disabled_controller(FunctionId(1));
    let capabilities = controller.read64(register::CAP);
    let halves = [
        controller.read32(register::CAP),
        controller.read32(register::CAP + 4),
    ];
    assert_eq!(
        capabilities,
        u64::from(halves[1]) << 32 | u64::from(halves[0])
    );
    for register in [register::ASQ, register::ACQ] {
        controller.write64(register, 0x1234_5678_9abc_d000);
        assert_eq!(controller.read64(register), 0x1234_5678_9abc_d000);
        controller.write32(register + 4, 0x0fed_cba9);
        assert_eq!(controller.read64(register), 0x0fed_cba9_9abc_d000);
        controller.write32(register, 0x8765_4000);
        assert_eq!(controller.read64(register), 0x0fed_cba9_8765_4000);
        // The low 12 bits are reserved: rings begin a page.
        controller.write32(register, 0x8765_4fff);
        assert_eq!(controller.read64(register), 0x0fed_cba9_8765_4000);
    }
}

/// A function's registers are its own.
pub fn functions_have_their_own_registers(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.disabled_controller(FunctionId(1));
    controller.write32(register::AQA, 0x0007_0003);
    controller.write64(register::ASQ, 0x5000);
    assert_eq!(controller.read32(register::AQA), 0x0007_0003);
    for function in [0, 2] {
        let mut other = rig.disabled_controller(FunctionId(function));
        assert_eq!(other.read32(register::AQA), 0);
        assert_eq!(other.read64(register::ASQ), 0);
    }
}

/// INTMS sets, INTMC clears, both read the mask.
pub fn interrupt_mask(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.disabled_controller(FunctionId::PF);
    controller.write32(register::INTMS, 0b1011);
    assert_eq!(controller.read32(register::INTMS), 0b1011);
    controller.write32(register::INTMC, 0b0010);
    assert_eq!(controller.read32(register::INTMC), 0b1001);
    controller.write32(register::INTMS, 0b0100);
    assert_eq!(controller.read32(register::INTMS), 0b1101);
}

/// Writes of every width and alignment, over all of the BAR but doorbells: none of them breaks the
/// function, and a reset makes it as new.
pub fn writes_of_any_shape(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.disabled_controller(FunctionId::PF);
    let bytes: Vec<u8> = (1..=64).collect();
    for offset in (0..0x4000).step_by(52) {
        for width in [1, 2, 3, 4, 7, 8, 12, 16, 64] {
            if offset + width as u64 <= 0x4000 {
                controller.raw_write(offset, &bytes[..width]);
            }
        }
    }
    rig.run(20_000);
    rig.host
        .reset_function(FunctionId::PF)
        .expect("the reset ends");
    let _ = rig.take_dma_faults();
    let mut controller = rig.io_controller(FunctionId::PF);
    assert_eq!(controller.io(SubmissionEntry::flush()), Status::SUCCESS);
}

/// Configurations that cannot be: the controller does not become ready, or says that it is fatal; and
/// a reset brings it back.
pub fn impossible_configurations(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.disabled_controller(FunctionId(1));
    let good = enabled_configuration();
    for (what, configuration) in [
        ("8 KiB pages", good.with_page_size(1)),
        ("command set 1", good.with_command_set(1)),
        ("weighted arbitration", good.with_arbitration(1)),
    ] {
        let (submission, completion) = controller.admin_rings(8, 8);
        controller.write32(register::AQA, 0x0007_0007);
        controller.write64(register::ASQ, submission);
        controller.write64(register::ACQ, completion);
        controller.write32(register::CC, configuration.into());
        rig.run(100_000);
        let status = controller.status();
        assert!(!status.ready() || status.fatal(), "{what}: {status:?}");
        controller.write32(register::CC, Configuration::new().into());
        controller.wait_ready(false);
        assert!(!controller.status().fatal(), "{what}: a reset clears CFS");
    }
    controller.enable(8, 8);
    controller.identify();
}

/// Admin queues of every size, with more commands than slots.
pub fn admin_queue_sizes(device: Factory) {
    let rig = Rig::new(device);
    for (submission, completion) in [(2, 2), (2, 64), (64, 2), (3, 5), (4096, 4096)] {
        let mut controller = rig.disabled_controller(FunctionId::PF);
        controller.enable(submission, completion);
        let most = (submission - 1).min(16) as usize;
        for _ in 0..40 {
            let get = SubmissionEntry::get_features(nvme_spec::feature::ARBITRATION);
            let statuses = controller.statuses(0, &vec![get; most]);
            assert!(statuses.iter().all(|status| *status == Status::SUCCESS));
        }
        controller.disable();
    }
}
