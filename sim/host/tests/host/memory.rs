//! What a device can reach, and what happens when it tries something else.

use nvme_driver::transport::{DmaMemory, DmaPurpose, Transport};
use pcie_host::endpoint::{FunctionId, MemoryRead, ReadStatus};
use pcie_host::{Access, DmaFault, DmaFaultReason, HostError, HostOptions};

use crate::echo::{Action, BASE, Bench};

const VF1: FunctionId = FunctionId(2);

fn fault(bench: &Bench) -> DmaFault {
    let faults = bench.host.take_dma_faults();
    let &[fault] = &faults[..] else {
        panic!("one fault expected: {faults:?}")
    };
    fault
}

#[test]
fn a_write_outside_the_map_is_recorded_and_touches_nothing() {
    let bench = Bench::new(HostOptions::default());
    let other = bench.host.allocate(4096).expect("room");
    let start = bench.soon();
    // The last 4 bytes of the mapping and 4 beyond: not even the first half is written.
    bench
        .host
        .unmap(FunctionId::PF, BASE + 0x8000, 0x8000)
        .expect("pages");
    bench
        .echo
        .borrow_mut()
        .write_at(start, BASE + 0x7ff8, &[0xff; 16]);
    bench.finish();
    assert_eq!(
        fault(&bench),
        DmaFault {
            // 16 bytes with header and framing are 40 on the link, more than a cycle's 32.
            cycle: start + 1 + 35,
            function: FunctionId::PF,
            address: BASE + 0x7ff8,
            length_bytes: 16,
            write: true,
            reason: DmaFaultReason::NotMapped,
        }
    );
    for (buffer, offset) in [
        (&bench.memory, 0x7ff0),
        (&bench.memory, 0x8000),
        (&other, 0),
    ] {
        let mut bytes = [1; 16];
        buffer.read(offset, &mut bytes);
        assert_eq!(bytes, [0; 16]);
    }
}

#[test]
fn a_read_outside_the_map_is_an_unsupported_request() {
    let bench = Bench::new(HostOptions::default());
    let start = bench.soon();
    bench.echo.borrow_mut().read_at(start, 3, BASE - 4, 4);
    bench.finish();
    assert_eq!(
        bench.echo.borrow().data(),
        [(start + 70, 3, 0, ReadStatus::UnsupportedRequest)]
    );
    assert_eq!(fault(&bench).reason, DmaFaultReason::NotMapped);
}

#[test]
fn each_function_has_a_map_of_its_own() {
    let bench = Bench::new(HostOptions::default());
    bench.host.enable_virtual_functions(2).expect("it has 4");
    let _vf = bench.host.transport(VF1).expect("enabled");
    let theirs = bench.host.allocate(4096).expect("room");
    let (read, data) = (Access::Read, DmaPurpose::Data);
    bench
        .host
        .map(VF1, BASE, &theirs, read, data)
        .expect("its own address space");
    theirs.write(0, &[9; 4]);
    let start = bench.soon();
    let access = |function| MemoryRead {
        function,
        address: BASE,
        length_bytes: 4,
        tag: function.0,
    };
    for function in [FunctionId::PF, VF1] {
        bench
            .echo
            .borrow_mut()
            .at(start, Action::Read(access(function)));
    }
    bench
        .echo
        .borrow_mut()
        .at(start, Action::Write(VF1, BASE, vec![8; 4]));
    bench
        .echo
        .borrow_mut()
        .at(start, Action::Write(VF1, BASE + 0x1000, vec![8; 4]));
    bench.finish();
    let data = bench.echo.borrow().data();
    assert!(
        data.iter().all(|data| data.3 == ReadStatus::Success),
        "{data:?}"
    );
    let reasons: Vec<_> = bench
        .host
        .take_dma_faults()
        .iter()
        .map(|fault| fault.reason)
        .collect();
    assert_eq!(
        reasons,
        [DmaFaultReason::NotPermitted, DmaFaultReason::NotMapped]
    );
    let mut bytes = [0; 4];
    theirs.read(0, &mut bytes);
    assert_eq!(bytes, [9; 4]);
}

#[test]
fn dropping_dma_memory_unmaps_it_and_its_addresses_do_not_come_back() {
    let mut bench = Bench::new(HostOptions::default());
    let first = bench.pf.allocate_dma(5000, DmaPurpose::Data).expect("room");
    assert_eq!(first.len(), 8192);
    let (address, pointer) = (first.bus_address(), first.pointer());
    let start = bench.soon();
    bench
        .echo
        .borrow_mut()
        .write_at(start, address + 8188, &[1; 4]);
    bench
        .echo
        .borrow_mut()
        .write_at(start + 1, address + 8192, &[1; 4]);
    bench.finish();
    assert_eq!(
        fault(&bench).address,
        address + 8192,
        "a guard page follows"
    );
    drop(first);
    let second = bench.pf.allocate_dma(8192, DmaPurpose::Data).expect("room");
    assert_eq!(second.pointer(), pointer, "the memory is used again");
    assert_ne!(second.bus_address(), address, "the address is not");
    let start = bench.soon();
    bench.echo.borrow_mut().write_at(start, address, &[1; 4]);
    bench.finish();
    assert_eq!(fault(&bench).address, address);
    let mut bytes = vec![1; 8192];
    second.buffer().read(0, &mut bytes);
    assert!(
        bytes.iter().all(|&byte| byte == 0),
        "zeroed, and untouched by the late write"
    );
}

#[test]
fn without_bus_master_nothing_is_sent() {
    let bench = Bench::new(HostOptions::default());
    bench
        .host
        .config_write(FunctionId::PF, pcie_host::config::COMMAND, 2, 0x2)
        .expect("there");
    let start = bench.soon();
    bench.echo.borrow_mut().write_at(start, BASE, &[1; 4]);
    bench.finish();
    let seen = fault(&bench);
    assert_eq!(
        (seen.reason, seen.cycle),
        (DmaFaultReason::NotBusMaster, start)
    );
    let start = bench.soon();
    bench.echo.borrow_mut().read_at(start, 0, BASE, 4);
    let absent = Action::Read(MemoryRead {
        function: FunctionId(1),
        address: BASE,
        length_bytes: 4,
        tag: 1,
    });
    bench.echo.borrow_mut().at(start + 1, absent);
    bench.finish();
    let unsupported = ReadStatus::UnsupportedRequest;
    assert_eq!(
        bench.echo.borrow().data(),
        [
            (start + 70, 0, 0, unsupported),
            (start + 71, 1, 0, unsupported)
        ]
    );
    let reasons: Vec<_> = bench
        .host
        .take_dma_faults()
        .iter()
        .map(|fault| fault.reason)
        .collect();
    assert_eq!(
        reasons,
        [DmaFaultReason::NotBusMaster, DmaFaultReason::NoFunction]
    );
}

#[test]
fn says_when_memory_is_used_up() {
    let bench = Bench::new(HostOptions {
        memory_bytes: 1 << 20,
        ..HostOptions::default()
    });
    let error = bench.host.allocate(1 << 20).expect_err("64 KiB are in use");
    assert_eq!(
        error,
        HostError::OutOfMemory {
            bytes: 1 << 20,
            free: (1 << 20) - (1 << 16),
            total: 1 << 20
        }
    );
    assert!(error.to_string().contains("raise memory_bytes"));
    let mut pf = bench.pf.clone_handle();
    let error = pf
        .allocate_dma(usize::MAX, DmaPurpose::Data)
        .expect_err("too much");
    assert!(
        error.to_string().contains("simulation PF: no DMA memory"),
        "{error}"
    );
}
