//! Configuration space of the PF, as software walks it.

use std::collections::BTreeMap;

use nvme_driver::transport::Transport;
use pcie_host::config::{
    BAR0, CLASS_CODE, COMMAND, DEVICE_CONTROL, DEVICE_STATUS, MSIX_CONTROL, PCI_EXPRESS,
    PF_DEVICE_ID, POWER_STATE, SRIOV, VENDOR, VENDOR_ID, bits,
};
use pcie_host::endpoint::{FunctionId, LinkSettings};
use pcie_host::{Host, HostError, HostOptions};

use crate::echo::{BASE, Bench, Seen, VECTORS, bare};

const PF: FunctionId = FunctionId::PF;

fn read(host: &Host, offset: u16, bytes: u8) -> u32 {
    host.config_read(PF, offset, bytes).expect("a good access")
}

fn write(host: &Host, offset: u16, bytes: u8, value: u32) {
    host.config_write(PF, offset, bytes, value)
        .expect("a good access");
}

#[test]
fn the_header_says_what_it_is() {
    let (host, _) = bare(HostOptions::default());
    assert_eq!(
        read(&host, VENDOR, 4),
        u32::from(PF_DEVICE_ID) << 16 | u32::from(VENDOR_ID)
    );
    assert_eq!(read(&host, 0x08, 4) >> 8, CLASS_CODE);
    assert_eq!(read(&host, 0x0e, 1), 0, "type 0, single function");
    assert_eq!(read(&host, 0x300, 4), 0, "nothing there");
    assert_eq!(read(&host, COMMAND, 2), 0, "all off");
}

#[test]
fn bar0_is_16_kib_of_64_bit_memory() {
    let (host, _) = bare(HostOptions::default());
    for offset in [BAR0, BAR0 + 4] {
        write(&host, offset, 4, 0xffff_ffff);
    }
    assert_eq!(read(&host, BAR0, 4), 0xffff_c004);
    assert_eq!(read(&host, BAR0 + 4, 4), 0xffff_ffff);
    write(&host, 0x18, 4, 0xffff_ffff);
    assert_eq!(read(&host, 0x18, 4), 0, "no second BAR");
}

#[test]
fn the_capability_lists_end_and_hold_what_nvme_asks_for() {
    let (host, _) = bare(HostOptions::default());
    let mut seen = BTreeMap::new();
    let mut at = read(&host, 0x34, 1);
    while at != 0 {
        let header = read(&host, at as u16, 2);
        assert!(
            seen.insert(header & 0xff, at).is_none() && seen.len() < 10,
            "a loop at {at:#x}"
        );
        at = header >> 8;
    }
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [0x01, 0x10, 0x11]);
    assert_eq!(u32::from(PCI_EXPRESS), seen[&0x10]);
    assert_ne!(
        read(&host, PCI_EXPRESS + 4, 4) & 1 << 28,
        0,
        "function level reset"
    );
    assert_eq!(read(&host, MSIX_CONTROL, 2), u32::from(VECTORS) - 1);
    assert_eq!(read(&host, MSIX_CONTROL + 2, 4), 0x2000, "table in BAR0");
    assert_eq!(read(&host, MSIX_CONTROL + 6, 4), 0x3000, "PBA in BAR0");
    let extended: Vec<_> = [0x100, SRIOV]
        .iter()
        .map(|&at| read(&host, at, 4))
        .collect();
    assert_eq!(extended, [u32::from(SRIOV) << 20 | 0x1_000e, 0x1_0010]);
}

#[test]
fn link_settings_come_from_the_options_and_follow_the_registers() {
    let settings = |mps, mrrs, boundary| LinkSettings {
        max_payload_bytes: mps,
        max_read_request_bytes: mrrs,
        read_completion_boundary_bytes: boundary,
        completion_space_bytes: 15_872,
        completion_space_headers: 64,
    };
    let (_, echo) = bare(HostOptions {
        completion_split_bytes: 64,
        ..HostOptions::default()
    });
    assert_eq!(
        echo.borrow().seen,
        [(0, Seen::Link(settings(256, 512, 64)))]
    );

    let (host, echo) = bare(HostOptions::default());
    assert_eq!(
        echo.borrow_mut().take_sideband(),
        [Seen::Link(settings(256, 512, 128))]
    );
    let control = read(&host, DEVICE_CONTROL, 2);
    assert_eq!(
        control & (bits::MAX_PAYLOAD_MASK | bits::MAX_READ_REQUEST_MASK),
        0x2020
    );
    write(&host, DEVICE_CONTROL, 2, 0x5000);
    assert_eq!(
        echo.borrow_mut().take_sideband(),
        [Seen::Link(settings(128, 4096, 128))]
    );
    write(&host, DEVICE_CONTROL, 2, 0x5001);
    assert_eq!(
        echo.borrow_mut().take_sideband(),
        [],
        "nothing the endpoint sees has changed"
    );
}

#[test]
fn enables_reach_the_endpoint_once() {
    let (host, echo) = bare(HostOptions::default());
    echo.borrow_mut().take_sideband();
    let mut pf = host.transport(PF).expect("there");
    let _again = host.transport(PF).expect("any number");
    assert_eq!(
        echo.borrow_mut().take_sideband(),
        [Seen::BusMaster(PF, true)]
    );
    pf.enable_interrupt(0).expect("has 5");
    pf.enable_interrupt(1).expect("has 5");
    write(
        &host,
        MSIX_CONTROL,
        2,
        bits::MSIX_ENABLE | bits::MSIX_FUNCTION_MASK,
    );
    assert_eq!(
        echo.borrow_mut().take_sideband(),
        [Seen::Msix(PF, true, false), Seen::Msix(PF, true, true)]
    );
    write(&host, COMMAND, 2, 0);
    assert_eq!(
        echo.borrow_mut().take_sideband(),
        [Seen::BusMaster(PF, false)]
    );
}

#[test]
fn registers_answer_only_with_memory_space_on_and_in_d0() {
    let mut bench = Bench::new(HostOptions::default());
    assert_eq!(bench.pf.read_u32(0), Ok(0));
    write(&bench.host, POWER_STATE, 2, 3);
    let error = bench.pf.read_u32(0).expect_err("asleep");
    assert!(
        error
            .to_string()
            .contains("a register read was not answered"),
        "{error}"
    );
    bench.echo.borrow_mut().seen.clear();
    bench
        .pf
        .write_u32(0x1000, 1)
        .expect("posted, so nobody knows");
    bench.finish();
    assert_eq!(bench.echo.borrow().seen, [], "dropped by the hard block");
    write(&bench.host, POWER_STATE, 2, 0);
    assert_eq!(bench.pf.read_u32(0), Ok(0));
    write(&bench.host, COMMAND, 2, 0);
    assert!(bench.pf.read_u32(0).is_err());
}

#[test]
fn transactions_pending_while_a_read_is_out() {
    let bench = Bench::new(HostOptions {
        rtt_cycles: 1_000,
        ..HostOptions::default()
    });
    let pending = |value: u32| value & bits::TRANSACTIONS_PENDING != 0;
    let start = bench.host.now() + 100;
    bench.echo.borrow_mut().read_at(start, 0, BASE, 64);
    assert!(
        pending(read(&bench.host, DEVICE_STATUS, 2)),
        "leaves at +25, is there at +525"
    );
    assert!(
        !pending(read(&bench.host, DEVICE_STATUS, 2)),
        "the data came at +1102"
    );
    assert!(!pending(read(&bench.host, DEVICE_CONTROL, 4) >> 16));
}

#[test]
fn accesses_that_pcie_does_not_have_are_refused() {
    let (host, _) = bare(HostOptions::default());
    for (offset, bytes) in [(2, 4), (1, 2), (0, 3), (0, 8), (0x1000, 4), (0, 0)] {
        let expected = HostError::InvalidConfigAccess { offset, bytes };
        assert_eq!(host.config_read(PF, offset, bytes), Err(expected.clone()));
        assert_eq!(host.config_write(PF, offset, bytes, 0), Err(expected));
    }
    for (offset, bytes) in [(0x3ffc, 8), (0, 0), (u64::MAX, 4), (0, 4097)] {
        let error = host
            .bar_write(PF, offset, &vec![0; bytes])
            .expect_err("refused");
        assert_eq!(error, HostError::InvalidBarAccess { offset, bytes });
    }
    let mut pf = host.transport(PF).expect("there");
    for offset in [2, 0x4000] {
        let error = pf.read_u32(offset).expect_err("refused").to_string();
        assert!(error.contains("BAR0 has no register of 4 bytes"), "{error}");
    }
}

#[test]
fn bar_writes_of_any_length_arrive() {
    let bench = Bench::new(HostOptions::default());
    for bytes in [1, 3, 16, 4096] {
        bench
            .host
            .bar_write(PF, 0x11, &vec![bytes as u8; bytes])
            .expect("fits");
    }
    bench.finish();
    bench.assert_clean();
    let lengths: Vec<_> = bench
        .echo
        .borrow()
        .seen
        .iter()
        .map(|(_, seen)| match seen {
            Seen::Write(PF, 0x11, data) => data.len(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(lengths, [1, 3, 16, 4096]);
}
