//! Shutdown notification (NVMe 1.1 §3.1.5 CC.SHN, §7.6.2).

use nvme_spec::register::{
    self, Configuration, SHUTDOWN_NOTIFY_ABRUPT, SHUTDOWN_NOTIFY_NORMAL, SHUTDOWN_STATUS_COMPLETE,
    SHUTDOWN_STATUS_NONE,
};
use nvme_spec::{Status, SubmissionEntry};
use pcie_host::endpoint::FunctionId;

use crate::rig::{Controller, Factory, PATIENCE_CYCLES, Rig, enabled_configuration};

fn shut_down(controller: &mut Controller, notification: u8) {
    let configuration = enabled_configuration().with_shutdown(notification);
    controller.write32(register::CC, configuration.into());
    let deadline = controller.host.now() + PATIENCE_CYCLES;
    while controller.status().shutdown() != SHUTDOWN_STATUS_COMPLETE {
        assert!(
            controller.host.now() < deadline,
            "CSTS.SHST does not become complete"
        );
        controller.host.run_until(controller.host.now() + 100);
    }
}

/// Normal and abrupt shutdown end with SHST = 10b; what was answered before is on the medium; a
/// reset starts the controller again.
pub fn completes_and_can_be_taken_back(device: Factory) {
    let rig = Rig::new(device);
    for notification in [SHUTDOWN_NOTIFY_NORMAL, SHUTDOWN_NOTIFY_ABRUPT] {
        let mut controller = rig.io_controller(FunctionId::PF);
        let buffer = controller.buffer(4096);
        buffer.fill(notification.into());
        let write = controller.write(9, 1, &buffer);
        assert_eq!(controller.io(write), Status::SUCCESS);
        assert_eq!(controller.status().shutdown(), SHUTDOWN_STATUS_NONE);
        shut_down(&mut controller, notification);
        assert!(rig.medium(9, 1) == buffer.read(0, 4096));
        controller.disable();
        assert_eq!(controller.status().shutdown(), SHUTDOWN_STATUS_NONE);
        controller.enable(16, 16);
        controller.create_queue_pair(1, 16);
        assert_eq!(controller.io(SubmissionEntry::flush()), Status::SUCCESS);
    }
}

/// A shutdown asked for while the controller is disabled stuck in CSTS.SHST beyond the next enable,
/// and no command was ever executed: an enabled controller begins without one.
pub fn while_disabled(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId(1));
    for configuration in [
        Configuration::new().with_shutdown(SHUTDOWN_NOTIFY_NORMAL),
        Configuration::new().with_shutdown(SHUTDOWN_NOTIFY_ABRUPT),
    ] {
        // In the same write as CC.EN = 0, and on a controller that is disabled already.
        controller.write32(register::CC, configuration.into());
        controller.wait_ready(false);
        controller.write32(register::CC, configuration.into());
        rig.run(10_000);
        controller.write32(register::CC, Configuration::new().into());
        controller.forget_queues();
        controller.enable(16, 16);
        assert_eq!(controller.status().shutdown(), SHUTDOWN_STATUS_NONE);
        controller.create_queue_pair(1, 16);
        assert_eq!(controller.io(SubmissionEntry::flush()), Status::SUCCESS);
    }
}

/// Shutdown of one function is nothing to the others.
pub fn others_go_on(device: Factory) {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId(1));
    let mut other = rig.io_controller(FunctionId(2));
    let buffer = other.buffer(128 << 10);
    let writes: Vec<SubmissionEntry> = (0..16)
        .map(|number| other.write(number * 32, 32, &buffer))
        .collect();
    let ids = other.submit(1, &writes);
    rig.run(1_000);
    shut_down(&mut controller, SHUTDOWN_NOTIFY_NORMAL);
    for id in ids {
        assert_eq!(other.wait(1, id).status(), Status::SUCCESS);
    }
    assert_eq!(other.status().shutdown(), SHUTDOWN_STATUS_NONE);
}

/// Shutdown under load completes, and the disabled controller is silent after it.
pub fn under_load(device: Factory) {
    let rig = Rig::new(device);
    for round in 0..10 {
        let mut controller = rig.io_controller(FunctionId::PF);
        let buffer = controller.buffer(128 << 10);
        let writes: Vec<SubmissionEntry> = (0..30)
            .map(|number| controller.write(number * 32, 32, &buffer))
            .collect();
        controller.submit(1, &writes);
        rig.run(round * 500);
        shut_down(&mut controller, SHUTDOWN_NOTIFY_ABRUPT);
        controller.disable();
        controller.forget_prp_lists();
        buffer.unmap();
        rig.run(20_000);
        assert_eq!(rig.take_dma_faults(), []);
    }
}
