//! Virtual functions: the SR-IOV capability, and what comes and goes with it.

use nvme_driver::transport::Transport;
use pcie_host::config::{
    COMMAND, MSIX_CONTROL, NUM_VFS, SRIOV, SRIOV_CONTROL, SRIOV_VF_DEVICE_ID, TOTAL_VFS, VENDOR,
    VF_BAR0, VF_OFFSET, VF_STRIDE, bits,
};
use pcie_host::endpoint::FunctionId;
use pcie_host::{HostError, HostOptions};

use crate::echo::{Seen, VFS, bare};

const PF: FunctionId = FunctionId::PF;
const VF0: FunctionId = FunctionId(1);
const VF3: FunctionId = FunctionId(4);

#[test]
fn the_capability_describes_the_functions() {
    let (host, _) = bare(HostOptions::default());
    let read = |offset, bytes| host.config_read(PF, offset, bytes).expect("a good access");
    assert_eq!(read(TOTAL_VFS, 2), VFS.into());
    assert_eq!(read(SRIOV + 0x0c, 2), VFS.into(), "InitialVFs");
    assert_eq!(read(VF_OFFSET, 2), 64);
    assert_eq!(read(VF_STRIDE, 2), 1);
    assert_eq!(read(SRIOV_VF_DEVICE_ID, 2), 0x7128);
    assert_eq!(read(SRIOV + 0x20, 4), 1, "4 KiB system pages");
    for offset in [VF_BAR0, VF_BAR0 + 4] {
        host.config_write(PF, offset, 4, 0xffff_ffff)
            .expect("there");
    }
    assert_eq!(
        (read(VF_BAR0, 4), read(VF_BAR0 + 4, 4)),
        (0xffff_c004, 0xffff_ffff)
    );
}

#[test]
fn functions_appear_and_go_with_vf_enable() {
    let (host, echo) = bare(HostOptions::default());
    echo.borrow_mut().take_sideband();
    assert_eq!(host.config_read(VF0, VENDOR, 4), Ok(0xffff_ffff));
    assert_eq!(host.config_read(VF0, 0x34, 1), Ok(0xff), "nobody answers");
    let error = host.transport(VF0).expect_err("not enabled");
    assert_eq!(
        error.to_string(),
        "simulation has no VF0: 0 of 4 virtual functions are enabled; enable more first"
    );

    host.enable_virtual_functions(VFS).expect("has them");
    host.enable_virtual_functions(VFS).expect("nothing to do");
    assert_eq!(echo.borrow_mut().take_sideband(), [Seen::Functions(VFS)]);
    assert_eq!(
        host.config_read(VF3, VENDOR, 4),
        Ok(0xffff_ffff),
        "as VFs read"
    );
    assert_eq!(host.config_read(VF3, 0x34, 1), Ok(0x40), "but it answers");
    let mut vf = host.transport(VF3).expect("enabled");
    vf.enable_interrupt(2).expect("has 5");
    assert_eq!(
        echo.borrow_mut().take_sideband(),
        [Seen::BusMaster(VF3, true), Seen::Msix(VF3, true, false)]
    );
    vf.write_u32(0x40, 7).expect("there");
    assert_eq!(vf.read_u32(0x40), Ok(7));

    host.enable_virtual_functions(3).expect("fewer");
    let seen = echo.borrow_mut().take_sideband();
    assert_eq!(seen, [Seen::Functions(0), Seen::Functions(3)]);
    assert_eq!(
        vf.read_u32(0).expect_err("gone").to_string(),
        "simulation VF3: the device is gone (the function is disabled)"
    );
    assert!(vf.write_u32(0, 0).is_err() && vf.wait(u64::MAX).is_err());
    host.enable_virtual_functions(4).expect("again");
    assert_eq!(host.config_read(VF3, COMMAND, 2), Ok(0), "as after a reset");
    assert_eq!(
        host.config_read(VF3, MSIX_CONTROL, 2),
        Ok(4),
        "as after a reset"
    );
}

#[test]
fn num_vfs_does_not_change_while_enabled() {
    let (host, echo) = bare(HostOptions::default());
    host.enable_virtual_functions(2).expect("has 4");
    echo.borrow_mut().take_sideband();
    host.config_write(PF, NUM_VFS, 2, 4).expect("there");
    assert_eq!(host.config_read(PF, NUM_VFS, 2), Ok(2));
    assert_eq!(echo.borrow_mut().take_sideband(), []);
}

#[test]
fn registers_of_vfs_answer_only_with_vf_memory_space_on() {
    let (host, _) = bare(HostOptions::default());
    host.enable_virtual_functions(1).expect("has 4");
    let mut vf = host.transport(VF0).expect("enabled");
    assert_eq!(vf.read_u32(0), Ok(0));
    host.config_write(PF, SRIOV_CONTROL, 2, bits::VF_ENABLE)
        .expect("there");
    assert!(vf.read_u32(0).is_err());
}

#[test]
fn no_more_than_there_are() {
    let (host, _) = bare(HostOptions::default());
    let error = host.enable_virtual_functions(5).expect_err("has 4");
    assert!(
        matches!(
            error,
            HostError::NoSuchFunction {
                enabled: 0,
                total: 4,
                ..
            }
        ),
        "{error}"
    );
    host.config_write(PF, NUM_VFS, 2, 200).expect("there");
    host.config_write(PF, SRIOV_CONTROL, 2, bits::VF_ENABLE)
        .expect("there");
    assert!(host.transport(VF3).is_ok());
    assert!(host.transport(FunctionId(5)).is_err());
    assert!(host.transport(FunctionId(200)).is_err());
}
