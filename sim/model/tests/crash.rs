//! The power goes at a chosen cycle: every atomic unit is the old one or the new one.

use nvme_conformance::{DeviceOptions, Rig};
use nvme_model::medium::Medium;
use nvme_model::{Model, ModelOptions};
use nvme_spec::Status;
use pcie_host::endpoint::FunctionId;
use pcie_host::{Host, HostOptions, Shared};

const UNIT: usize = 16 << 10;
const UNITS: usize = 8;

/// Runs writes of whole units, each filled with its round's number, until the power goes; returns the
/// rounds that were acknowledged, by unit, and the medium after a restart.
fn run_until(crash_at_cycle: u64) -> (Vec<u8>, Medium) {
    let medium = Medium::in_memory(1 << 20, 4096).expect("memory");
    let options = ModelOptions {
        virtual_functions: 0,
        crash_at_cycle: Some(crash_at_cycle),
        ..ModelOptions::new(medium)
    };
    let model = Shared::new(Model::new(options).expect("a device"));
    let host = Host::new(HostOptions::default(), Box::new(model.clone())).expect("a host");
    let device = DeviceOptions {
        virtual_functions: 0,
        medium_bytes: 1 << 20,
        ..DeviceOptions::default()
    };
    let mut acknowledged = vec![0; UNITS];
    let rig = Rig { host, device };
    let mut controller = rig.io_controller(FunctionId::PF);
    let buffers: Vec<_> = (0..UNITS).map(|_| controller.buffer(UNIT)).collect();
    'power: for round in 1..=u8::MAX {
        let mut ids = Vec::new();
        for (unit, buffer) in buffers.iter().enumerate() {
            buffer.write(0, &[round; UNIT]);
            let command = controller.write(unit as u64 * 4, 4, buffer);
            ids.push(controller.submit(1, &[command])[0]);
        }
        for (unit, id) in ids.into_iter().enumerate() {
            let Some(entry) = controller.wait_for(100_000, |controller| controller.take(1, id))
            else {
                break 'power;
            };
            assert_eq!(entry.status(), Status::SUCCESS);
            acknowledged[unit] = round;
        }
    }
    assert!(model.borrow().has_crashed());
    drop(buffers);
    drop(controller);
    drop(rig);
    let model = model.into_inner().expect("the last handle");
    let mut medium = model.into_medium();
    medium.restart();
    (acknowledged, medium)
}

#[test]
fn units_are_whole_wherever_the_power_goes() {
    let mut half_way = 0;
    for step in 0..120 {
        // The first writes are on AXI W at about cycle 5,000; steps that meet every beat in time.
        let crash_at = 4_000 + step * 97;
        let (acknowledged, medium) = run_until(crash_at);
        for (unit, acknowledged) in acknowledged.into_iter().enumerate() {
            let mut bytes = vec![0; UNIT];
            medium.read((unit * UNIT) as u64, &mut bytes);
            assert!(
                bytes.iter().all(|byte| *byte == bytes[0]),
                "unit {unit} is torn after a crash at cycle {crash_at}"
            );
            let (found, least) = (bytes[0], acknowledged);
            assert!(
                found == least || found == least + 1,
                "unit {unit} holds round {found}, acknowledged {least}, cycle {crash_at}"
            );
            half_way += u32::from(found != least);
        }
    }
    println!("{half_way} units were written and not acknowledged");
    assert!(half_way > 0, "no crash has met a write");
}
