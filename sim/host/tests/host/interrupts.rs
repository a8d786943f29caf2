//! MSI-X: the table in BAR0, the masks, the window.

use nvme_driver::transport::{DmaPurpose, Transport, Wake};
use nvme_spec::msix;
use pcie_host::config::{MSIX_CONTROL, bits};
use pcie_host::endpoint::FunctionId;
use pcie_host::{Access, DmaFaultReason, HostOptions};

use crate::echo::{Action, Bench, VECTORS};

const PF: FunctionId = FunctionId::PF;

#[test]
fn an_interrupt_wakes_and_is_taken_once() {
    let mut bench = Bench::new(HostOptions::default());
    bench.pf.enable_interrupt(3).expect("has 5");
    assert_eq!(bench.pf.interrupt_vectors(), VECTORS);
    let start = bench.soon();
    bench.echo.borrow_mut().raise(start, PF, 3);
    bench.echo.borrow_mut().raise(start + 1, PF, 3);
    assert_eq!(bench.pf.wait(u64::MAX), Ok(Wake::Device));
    assert_eq!(bench.host.now(), start + 35);
    assert_eq!(bench.pf.take_interrupt(2), Ok(false));
    assert_eq!(bench.pf.take_interrupt(3), Ok(true));
    assert_eq!(bench.pf.take_interrupt(3), Ok(false));
    bench.finish();
    assert_eq!(bench.pf.take_interrupt(3), Ok(true), "the second one");
    assert_eq!(bench.host.statistics().interrupts, 2);
    let error = bench
        .pf
        .enable_interrupt(VECTORS)
        .expect_err("has 5")
        .to_string();
    assert_eq!(
        error,
        "simulation PF: no MSI-X vector 5; the function has 5"
    );
    assert!(bench.pf.take_interrupt(VECTORS).is_err());
}

#[test]
fn masked_interrupts_wait_for_the_mask() {
    let mut bench = Bench::new(HostOptions::default());
    bench.pf.enable_interrupt(1).expect("has 5");
    let vector_control = msix::TABLE_OFFSET + msix::ENTRY_BYTES + 12;
    let function_mask = bits::MSIX_ENABLE | bits::MSIX_FUNCTION_MASK;
    for round in 0..2 {
        if round == 0 {
            bench
                .pf
                .write_u32(vector_control, msix::VECTOR_MASKED)
                .expect("there");
        } else {
            bench
                .host
                .config_write(PF, MSIX_CONTROL, 2, function_mask)
                .expect("there");
        }
        bench.finish();
        let cycle = bench.soon();
        bench.host.run_until(cycle);
        bench.echo.borrow_mut().raise(cycle + 1, PF, 1);
        bench.finish();
        assert_eq!(
            bench.pf.take_interrupt(1),
            Ok(false),
            "round {round}: masked"
        );
        if round == 0 {
            bench.pf.write_u32(vector_control, 0).expect("there");
        } else {
            bench
                .host
                .config_write(PF, MSIX_CONTROL, 2, bits::MSIX_ENABLE)
                .expect("there");
        }
        bench.finish();
        assert_eq!(
            bench.pf.take_interrupt(1),
            Ok(true),
            "round {round}: unmasked"
        );
    }
    bench.assert_clean();
}

#[test]
fn no_function_raises_anothers_interrupt() {
    let mut bench = Bench::new(HostOptions::default());
    bench.host.enable_virtual_functions(1).expect("has 4");
    let mut vf = bench.host.transport(FunctionId(1)).expect("enabled");
    vf.enable_interrupt(0).expect("has 5");
    bench.pf.enable_interrupt(0).expect("has 5");
    bench.finish();
    let start = bench.soon();
    let window = 0xfee0_0000;
    bench
        .echo
        .borrow_mut()
        .at(start, Action::Write(PF, window | 1 << 12, vec![0; 4]));
    bench
        .echo
        .borrow_mut()
        .at(start, Action::Write(PF, window, vec![9, 0, 0, 0]));
    bench.finish();
    assert_eq!(vf.take_interrupt(0), Ok(false));
    let reasons: Vec<_> = bench
        .host
        .take_dma_faults()
        .iter()
        .map(|fault| fault.reason)
        .collect();
    assert_eq!(reasons, [DmaFaultReason::InvalidInterrupt; 2]);
    let error = bench
        .host
        .map(
            PF,
            window,
            &bench.memory,
            Access::ReadWrite,
            DmaPurpose::Data,
        )
        .expect_err("the window is not memory");
    assert!(error.to_string().contains("interrupt window"), "{error}");
}
