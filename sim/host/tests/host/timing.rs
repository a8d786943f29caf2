//! The formulas of the link: what a read, a write and a register access cost.

use nvme_driver::transport::Transport;
use pcie_host::config::COMMAND;
use pcie_host::endpoint::{Cycle, FunctionId, ReadStatus};
use pcie_host::{Delivery, HostOptions};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::echo::{ANSWER_CYCLES, BASE, Bench, Seen};

/// Cycles from the RQ beat of one read to its last RC beat.
fn read_cycles(options: HostOptions, address: u64, bytes: u32) -> Cycle {
    let bench = Bench::new(options);
    let start = bench.soon();
    bench
        .echo
        .borrow_mut()
        .read_at(start, 0, BASE + address, bytes);
    bench.finish();
    bench.assert_clean();
    let data = bench.echo.borrow().data();
    let &[(cycle, 0, seen, ReadStatus::Success)] = &data[..] else {
        panic!("{data:?}")
    };
    assert_eq!(seen, bytes as usize);
    cycle - start
}

#[test]
fn the_first_beat_of_a_read_comes_a_round_trip_later() {
    for rtt_cycles in [2, 3, 35, 70, 141] {
        let options = || HostOptions {
            rtt_cycles,
            ..HostOptions::default()
        };
        // 12 bytes of descriptor with 4 of data are one beat, with 64 of data three.
        assert_eq!(read_cycles(options(), 0, 4), rtt_cycles);
        assert_eq!(read_cycles(options(), 0, 64), rtt_cycles + 2);
    }
}

#[test]
fn completions_are_split_at_addresses_and_pay_whole_beats() {
    let with = |split, mps| HostOptions {
        completion_split_bytes: split,
        max_payload_bytes: mps,
        ..HostOptions::default()
    };
    for (split, mps, address, bytes, beats) in [
        (256, 256, 0, 512, 2 * 9),
        (128, 256, 0, 512, 4 * 5),
        (64, 256, 0, 512, 8 * 3),
        (512, 512, 0, 512, 17),
        (4096, 256, 0, 512, 2 * 9), // no completion above MPS
        (256, 128, 0, 512, 4 * 5),
        (256, 256, 0x40, 512, 7 + 9 + 3), // 192, 256, 64 bytes
        (256, 256, 0xfc, 8, 1 + 1),
        (64, 256, 0x20, 64, 2 * 2),
    ] {
        let cycles = read_cycles(with(split, mps), address, bytes);
        assert_eq!(
            cycles,
            70 + beats - 1,
            "split {split} MPS {mps} {bytes} B at {address:#x}"
        );
    }
}

#[test]
fn reads_in_a_row_fill_the_port() {
    let bench = Bench::new(HostOptions::default());
    let start = bench.soon();
    for tag in 0..30 {
        bench
            .echo
            .borrow_mut()
            .read_at(start + u64::from(tag), tag, BASE, 512);
    }
    bench.finish();
    bench.assert_clean();
    let last = bench.echo.borrow().data().last().map(|data| data.0);
    assert_eq!(last, Some(start + 70 + 30 * 18 - 1));
}

#[test]
fn a_link_slower_than_the_port_is_what_counts() {
    let bench = Bench::new(HostOptions {
        link_bytes_per_cycle: 16,
        ..HostOptions::default()
    });
    let start = bench.soon();
    for tag in 0..8 {
        bench
            .echo
            .borrow_mut()
            .read_at(start + 2 * u64::from(tag), tag, BASE, 512);
    }
    bench.finish();
    let last = bench.echo.borrow().data().last().map(|data| data.0);
    // The first read's 24 bytes take two cycles of the link; then 16 completions of 276 bytes.
    assert_eq!(last, Some(start + 1 + 70 + 16 * 276 / 16 - 1));
}

/// An endpoint that takes beats gets everything as many cycles earlier as it has beats but one.
#[test]
fn first_beats_come_with_the_beats_that_follow() {
    let read = |bench: &Bench| {
        let start = bench.soon();
        for (tag, bytes) in [(0, 512), (1, 4), (2, 64)] {
            let at = start + u64::from(tag);
            bench.echo.borrow_mut().read_at(at, tag, BASE, bytes);
        }
        bench.finish();
        bench.assert_clean();
        let data = bench.echo.borrow().data();
        let data = data.into_iter();
        data.map(|(cycle, tag, bytes, _)| (cycle - start, tag, bytes))
            .collect::<Vec<_>>()
    };
    let each = HostOptions {
        delivery: Delivery::EachCompletion,
        ..HostOptions::default()
    };
    let last_beats = [(78, 0, 256), (87, 0, 256), (88, 1, 4), (91, 2, 64)];
    let first_beats = [(70, 0, 256), (79, 0, 256), (88, 1, 4), (89, 2, 64)];
    assert_eq!(read(&Bench::new(each.clone())), last_beats);
    for options in [HostOptions::default(), each] {
        assert_eq!(read(&Bench::with_beats(options)), first_beats);
    }
}

#[test]
fn each_completion_can_come_by_itself() {
    let options = HostOptions {
        delivery: Delivery::EachCompletion,
        ..HostOptions::default()
    };
    let bench = Bench::new(options);
    bench.memory.write(0x100, &[7; 256]);
    let start = bench.soon();
    bench.echo.borrow_mut().read_at(start, 9, BASE, 512);
    bench.finish();
    bench.assert_clean();
    let piece = |cycle, byte, last| {
        (
            start + cycle,
            Seen::Data(9, vec![byte; 256], ReadStatus::Success, last),
        )
    };
    assert_eq!(
        bench.echo.borrow().seen,
        [piece(78, 0, false), piece(87, 7, true)]
    );
}

#[test]
fn a_write_is_there_half_a_round_trip_later() {
    let bench = Bench::new(HostOptions {
        rtt_cycles: 71,
        ..HostOptions::default()
    });
    let start = bench.soon();
    bench.echo.borrow_mut().write_at(start, BASE, &[5; 4096]);
    let mut byte = [0];
    bench.host.run_until(start + 34);
    bench.memory.read(4095, &mut byte);
    assert_eq!(byte, [0]);
    bench.host.run_until(start + 35);
    bench.memory.read(4095, &mut byte);
    assert_eq!(byte, [5]);
    bench.assert_clean();
}

#[test]
fn data_of_a_read_are_those_of_the_moment_it_reaches_memory() {
    let bench = Bench::new(HostOptions::default());
    let start = bench.soon();
    bench.memory.write(0, &[1; 4]);
    bench.echo.borrow_mut().read_at(start, 0, BASE, 4);
    bench.echo.borrow_mut().read_at(start + 1, 1, BASE, 4);
    bench.host.run_until(start + 35);
    bench.memory.write(0, &[2; 4]);
    bench.finish();
    let data = |tag, byte| Seen::Data(tag, vec![byte; 4], ReadStatus::Success, true);
    let seen: Vec<_> = bench
        .echo
        .borrow()
        .seen
        .iter()
        .map(|seen| seen.1.clone())
        .collect();
    assert_eq!(seen, [data(0, 1), data(1, 2)]);
}

#[test]
fn register_writes_leave_when_software_is_free() {
    let mut bench = Bench::new(HostOptions::default());
    bench.host.run_until(5_000);
    bench.pf.write_u32(0x1000, 1).expect("there");
    bench.pf.clone_handle().write_u64(0x1008, 2).expect("there");
    bench.host.run_until(5_010);
    bench.pf.write_u32(0x1000, 3).expect("there");
    bench.host.run_until(9_000);
    bench.pf.spend_cycles(100);
    bench.pf.write_u32(0x1000, 4).expect("there");
    bench.finish();
    let write = |cycle: Cycle, offset, data: &[u8]| {
        (
            cycle + 35,
            Seen::Write(FunctionId::PF, offset, data.to_vec()),
        )
    };
    assert_eq!(
        bench.echo.borrow().seen,
        [
            write(5_025, 0x1000, &[1, 0, 0, 0]),
            write(5_050, 0x1008, &[2, 0, 0, 0, 0, 0, 0, 0]),
            write(5_075, 0x1000, &[3, 0, 0, 0]),
            write(9_125, 0x1000, &[4, 0, 0, 0]),
        ]
    );
}

#[test]
fn a_register_read_takes_a_round_trip() {
    let mut bench = Bench::new(HostOptions::default());
    bench
        .pf
        .write_u64(0x40, 0x1122_3344_5566_7788)
        .expect("there");
    bench.finish();
    let start = bench.host.now();
    assert_eq!(bench.pf.read_u32(0x44), Ok(0x1122_3344));
    assert_eq!(bench.host.now() - start, 25 + 70 + ANSWER_CYCLES);
    assert_eq!(bench.pf.read_u64(0x40), Ok(0x1122_3344_5566_7788));
    assert_eq!(bench.host.now() - start, 2 * (25 + 70 + ANSWER_CYCLES));
}

/// The answer to a register read pushes what the device wrote before it, and a register write is not
/// overtaken by a configuration write behind it.
#[test]
fn nothing_overtakes_posted_writes() {
    let mut bench = Bench::new(HostOptions::default());
    let start = bench.host.now();
    let read_at_port = start + 25 + 35;
    let flood = 40;
    for write in 0..flood {
        bench.echo.borrow_mut().write_at(
            read_at_port + ANSWER_CYCLES,
            BASE + 256 * write,
            &[1; 256],
        );
    }
    assert_eq!(bench.pf.read_u32(0), Ok(0));
    let mut byte = [0];
    bench.memory.read(256 * flood as usize - 1, &mut byte);
    assert_eq!(byte, [1], "the answer came before the last write");

    bench.echo.borrow_mut().seen.clear();
    for _ in 0..20 {
        bench.pf.write_u32(0x1000, 1).expect("there");
    }
    bench
        .host
        .config_write(FunctionId::PF, COMMAND, 2, 0)
        .expect("there");
    bench.finish();
    let seen = &bench.echo.borrow().seen;
    assert_eq!(seen.len(), 21);
    assert!(matches!(seen[20].1, Seen::BusMaster(..)), "{:?}", seen[20]);
}

/// Reads of any shape at any time, against the formula: a read's last beat is its beats after the
/// later of the last beat before it and a round trip after its request.
#[test]
fn reads_of_any_shape_keep_to_the_formula() {
    for seed in 0..20 {
        println!("seed {seed}");
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let split = 64 << rng.random_range(0..4);
        let options = HostOptions {
            rtt_cycles: rng.random_range(2..150),
            completion_split_bytes: split,
            max_payload_bytes: 128 << rng.random_range(0..3),
            // So fast that only the port counts.
            link_bytes_per_cycle: 128,
            ..HostOptions::default()
        };
        let most = options.completion_bytes();
        let rtt_cycles = options.rtt_cycles;
        let bench = Bench::new(options);
        let content: Vec<u8> = (0..1 << 16).map(|_| rng.random()).collect();
        bench.memory.write(0, &content);
        let (mut sent, mut last): (Cycle, Cycle) = (bench.soon(), 0);
        let mut expected = vec![];
        for _ in 0..300 {
            sent = (sent + rng.random_range(1..40)).max((last + 1).saturating_sub(rtt_cycles));
            let bytes: u32 = 4 * rng.random_range(1..=128);
            let page = 4096 * rng.random_range(0..16_u32);
            let offset = page + 4 * rng.random_range(0..=(4096 - bytes) / 4);
            let mut beats = 0;
            let (mut from, end) = (offset, offset + bytes);
            while from < end {
                let to = end.min((from / most + 1) * most);
                beats += (12 + to - from).div_ceil(32);
                from = to;
            }
            last = (sent + rtt_cycles).max(last + 1) + Cycle::from(beats) - 1;
            let tag = (expected.len() % 64) as u8;
            bench
                .echo
                .borrow_mut()
                .read_at(sent, tag, BASE + u64::from(offset), bytes);
            let data = content[offset as usize..end as usize].to_vec();
            expected.push((last, Seen::Data(tag, data, ReadStatus::Success, true)));
        }
        bench.finish();
        bench.assert_clean();
        assert!(bench.echo.borrow().seen == expected, "seed {seed}");
    }
}
